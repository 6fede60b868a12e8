import Glibc
import TLS

/// The files that say who this node is to a Redis server, and whom it believes; read at each connect, so that they may
/// change. For the thread pool.
extension RedisOptions {
    private static let passwordBytesMax = 4096
    private static let pemBytesMax = 1 << 20

    /// The first line of its file, `nil` without one.
    func password() -> Result<[UInt8]?, RedisFailure> {
        guard let passwordFile else { return .success(nil) }
        return Self.content(of: passwordFile, most: Self.passwordBytesMax).flatMap { content in
            let line = content.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            return line.isEmpty ? .failure(.file("\(passwordFile) holds no password")) : .success(Array(line))
        }
    }

    func context() -> Result<TLSServiceContext, RedisFailure> {
        var texts: [[UInt8]?] = []
        for path in [authoritiesFile, certificateFile, keyFile] {
            guard let path else {
                texts.append(nil)
                continue
            }
            switch Self.content(of: path, most: Self.pemBytesMax) {
            case .success(let text): texts.append(text)
            case .failure(let failure): return .failure(failure)
            }
        }
        do throws(TLSContextError) {
            return .success(try TLSServiceContext(authorities: texts[0], certificate: texts[1], key: texts[2]))
        } catch {
            let path: String? =
                switch error.text {
                case .authorities: authoritiesFile
                case .certificate: certificateFile
                case .key: keyFile
                case .other: nil
                }
            return .failure(path.map { .file("\($0) \(error.reason)") } ?? .insecure(error.reason))
        }
    }

    /// A file that is longer is cut.
    private static func content(of path: String, most: Int) -> Result<[UInt8], RedisFailure> {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return .failure(.file("\(path) cannot be read: \(String(cString: strerror(errno)))")) }
        defer { close(file) }
        let content = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
            while count < most {
                let got = read(file, buffer.baseAddress.map { $0 + count }, most - count)
                guard got > 0 else { return }
                count += got
            }
        }
        return .success(content)
    }
}
