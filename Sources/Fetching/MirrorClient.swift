package import EventLoop
import Glibc
import HTTPTransfer
import OCIModel

/// Asks a mirror on this machine as a container runtime does.
@LoopActor
package final class MirrorClient {
    /// An answer that is read into memory.
    struct Document {
        let status: Int
        let mediaType: MediaType?
        let bytes: [UInt8]
        let challenge: BearerChallenge?

        /// What the mirror says of itself about a refusal.
        var reason: String { MirrorReason.read(bytes)?.message ?? "status \(status)" }

        /// Whether what the mirror got, as often as it tries, is not what was asked for.
        var isWrongContent: Bool { MirrorReason.read(bytes)?.code == MirrorReason.wrongContent }
    }

    /// How one request for a file's bytes ended.
    enum Outcome {
        case whole
        /// The connection ended before the bytes did.
        case brokeOff(String)
        case refused(Document)
        case failed(FetchError)
    }

    static let documentBytesMax = 4 << 20
    /// Without a byte for so long the mirror is given up: it gives up its own sources earlier.
    private static let stallMillis: UInt64 = 60_000

    private let engine = TransferEngine()
    private let address: String

    /// `address` is `host:port`.
    package init(address: String) { self.address = address }

    func document(
        _ target: String, accept: [String] = [], authorization: String? = nil
    ) async throws(FetchError) -> Document {
        var request = try request(target, authorization)
        if !accept.isEmpty { request.headers.append(("Accept", accept.joined(separator: ", "))) }
        let collected = Collected(bytesMax: Self.documentBytesMax)
        let result = await withCheckedContinuation { done in
            collected.transfer = engine.start(
                request,
                onHead: { collected.head = $0 },
                onBody: { collected.take($0) },
                onEnd: { done.resume(returning: $0) })
        }
        if collected.isTooLong { throw FetchError(.data, "the answer to \(target) is larger than 4 MiB") }
        if case .failure(let error) = result { throw unreachable(error) }
        guard let head = collected.head else { throw FetchError(.unavailable, "the mirror at \(address) hung up") }
        return Self.document(head, collected.bytes)
    }

    /// Appends to the file what it lacks of the bytes at `target`.
    func append(_ target: String, authorization: String?, to file: PartialFile, _ meter: FetchMeter) async -> Outcome {
        do throws(FetchError) {
            var request = try request(target, authorization)
            let have = file.count
            if have > 0 { request.headers.append(("Range", "bytes=\(have)-")) }
            let writer = FileWriter(file, meter)
            return await withCheckedContinuation { done in
                writer.done = { done.resume(returning: $0) }
                writer.transfer = engine.start(
                    request,
                    onHead: { writer.begin($0, at: have) },
                    onBody: { writer.take($0) },
                    onEnd: { writer.ended($0) })
            }
        } catch {
            return .failed(error)
        }
    }

    private func request(_ target: String, _ authorization: String?) throws(FetchError) -> TransferRequest {
        guard let url = TransferURL("http://\(address)")?.replacingTarget(target) else {
            throw FetchError(.usage, "\(address) is not the host:port of a mirror")
        }
        var request = TransferRequest(.get, url)
        request.timeouts.head = Self.stallMillis
        request.timeouts.stall = Self.stallMillis
        if let authorization { request.headers.append(("Authorization", authorization)) }
        return request
    }

    private func unreachable(_ error: TransferError) -> FetchError {
        FetchError(
            .unavailable,
            "the mirror at \(address) does not answer (\(error.kind)); is the daemon running, and is that its mirror.listen?")
    }

    fileprivate static func document(_ head: ResponseHead, _ bytes: [UInt8]) -> Document {
        let challenges = head.headers.values("www-authenticate").compactMap { BearerChallenge(headerValue: $0) }
        return Document(
            status: head.status, mediaType: head.headers.single("content-type").flatMap { MediaType($0) }, bytes: bytes,
            challenge: challenges.first)
    }
}

/// A body that is read into memory, up to a bound.
@LoopActor
private final class Collected {
    weak var transfer: Transfer?
    var head: ResponseHead?
    private(set) var bytes: [UInt8] = []
    private(set) var isTooLong = false
    private let bytesMax: Int

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    func take(_ chunk: UnsafeRawBufferPointer) -> BodyFlow {
        if bytes.count + chunk.count > bytesMax { isTooLong = true } else { bytes.append(contentsOf: chunk) }
        return .more
    }
}

/// Writes a body to a file, off the loop, a block at a time; while one is written the transfer waits.
///
///     begun --body--> taking <--> writing --end--> the rest written --> done
@LoopActor
private final class FileWriter {
    var transfer: Transfer?
    var done: (@LoopActor (MirrorClient.Outcome) -> Void)?
    private let file: PartialFile
    private let meter: FetchMeter
    private var head: ResponseHead?
    /// The head is that of the bytes asked for.
    private var isContent = false
    private var mustRestart = false
    private var block: [UInt8] = []
    private var isWriting = false
    private var end: Result<TransferSummary, TransferError>?

    private static let blockBytes = 1 << 20
    private static let refusalBytesMax = 64 << 10

    init(_ file: PartialFile, _ meter: FetchMeter) {
        self.file = file
        self.meter = meter
    }

    func begin(_ head: ResponseHead, at have: Int64) {
        self.head = head
        let range = head.headers.single("content-range") ?? ""
        isContent = head.status == 200 || head.status == 206 && range.hasPrefix("bytes \(have)-")
        mustRestart = head.status == 200 && have > 0
    }

    func take(_ bytes: UnsafeRawBufferPointer) -> BodyFlow {
        guard isContent || block.count + bytes.count <= Self.refusalBytesMax else { return .more }
        block.append(contentsOf: bytes)
        guard isContent, block.count >= Self.blockBytes else { return .more }
        write()
        return .pause
    }

    func ended(_ result: Result<TransferSummary, TransferError>) {
        end = result
        finish()
    }

    private func write() {
        guard !isWriting else { return }
        isWriting = true
        let (file, bytes, mustRestart) = (file, block, mustRestart)
        block = []
        self.mustRestart = false
        transfer?.pause()
        Loop.offload { () -> Result<Void, FetchError> in
            Result { () throws(FetchError) in
                if mustRestart { try file.restart() }
                try file.append(bytes)
            }
        } then: { result in
            self.isWriting = false
            if case .failure(let error) = result { return self.report(.failed(error)) }
            if mustRestart { self.meter.bytesDone = 0 }
            self.meter.bytesDone += Int64(bytes.count)
            self.transfer?.resume()
            self.finish()
        }
    }

    private func finish() {
        guard let end, !isWriting else { return }
        if isContent, !block.isEmpty { return write() }
        switch end {
        case .failure(let error): report(.brokeOff("\(error.kind)"))
        case .success:
            guard let head else { return report(.brokeOff("no answer")) }
            report(isContent ? .whole : .refused(MirrorClient.document(head, block)))
        }
    }

    private func report(_ outcome: MirrorClient.Outcome) {
        transfer?.cancel()
        transfer = nil
        done?(outcome)
        done = nil
    }
}
