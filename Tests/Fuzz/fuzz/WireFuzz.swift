import HTTPHead
@testable import MirrorServer
import OCIModel
import Wire

/// Bytes of a peer: in one piece or two they give the same frames and the same error, and what is read can be written.
///
/// The first byte says where the input is cut in two.
enum WireFuzz {
    static func run(_ input: UnsafeRawBufferPointer) {
        guard let cut = input.first else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: input.dropFirst())
        for limits in [PeerLimits.beforeHello, PeerLimits.afterHello] {
            let whole = decode([bytes], limits)
            let middle = min(Int(cut), bytes.count)
            let halves = [bytes[..<middle], bytes[middle...]].map { UnsafeRawBufferPointer(rebasing: $0) }
            precondition(decode(halves, limits) == whole, "cut in two it reads otherwise")
        }
    }

    private static func decode(_ chunks: [UnsafeRawBufferPointer], _ limits: FrameLimits) -> [String] {
        var decoder = FrameDecoder(limits: limits)
        var result: [String] = []
        for chunk in chunks {
            var rest = chunk
            do throws(WireError) {
                while let frame = try decoder.next(&rest) {
                    do throws(WireError) {
                        result.append("\(try PeerCodec.decode(frame))")
                    } catch {
                        result.append("\(error)")
                    }
                }
            } catch {
                return result + ["\(error)"]
            }
        }
        return result
    }
}

/// Bytes of containerd: in one piece or two they give the same requests, and each head stands for one request.
enum RequestHeadFuzz {
    static func run(_ input: UnsafeRawBufferPointer) {
        guard let cut = input.first else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: input.dropFirst())
        let middle = min(Int(cut), bytes.count)
        let halves = [bytes[..<middle], bytes[middle...]].map { UnsafeRawBufferPointer(rebasing: $0) }
        let whole = read([bytes])
        precondition(read(halves) == whole, "cut in two it reads otherwise")
        precondition(!whole.contains { $0.contains("\r") || $0.contains("\n") }, "a line break inside a head")
    }

    private static func read(_ chunks: [UnsafeRawBufferPointer]) -> [String] {
        var reader = RequestHeadReader()
        var result: [String] = []
        for chunk in chunks {
            reader.append(chunk)
            do throws(RequestHeadError) {
                while let head = try reader.next() {
                    let fields = head.fields.map { "\($0.name): \($0.value)" }
                    result.append(([head.path, head.query ?? "-"] + fields).joined(separator: "|"))
                }
            } catch {
                return result + ["\(error)"]
            }
        }
        return result
    }
}

/// Names of images, digests and registries: what is accepted prints as something that reads the same.
enum ReferencesFuzz {
    static func run(_ input: UnsafeRawBufferPointer) {
        let text = String(decoding: input, as: UTF8.self)
        if let digest = Digest(text) { precondition(Digest(digest.description) == digest) }
        if let reference = ImageReference(text) {
            precondition(ImageReference(reference.description)?.description == reference.description)
        }
        if let host = RegistryHost(text) { precondition(RegistryHost(host.description) == host) }
        _ = RegistryHost(url: text)
    }
}

/// Manifests of registries.
enum ManifestFuzz {
    static func run(_ input: UnsafeRawBufferPointer) {
        // Only that it ends is asked.
        guard let manifest = try? ManifestSummary.parse(input) else { return }
        precondition(manifest.children.allSatisfy { $0.bytes >= 0 }, "a negative size")
    }
}
