import EventLoop

/// One `GET /v2/`, whose answer is read up to its first bytes.
///
///     made --answer()--> connecting --> reading --> ended
@LoopActor
final class MirrorTrial {
    private let host: String
    private let port: UInt16
    private let timer = LoopTimer()
    private var stream: Stream?
    private var waiting: CheckedContinuation<Result<String, LoopError>, Never>?

    init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// The first bytes; none when the connection ended before.
    func answer(within millis: UInt64) async -> Result<String, LoopError> {
        await withCheckedContinuation { continuation in
            waiting = continuation
            timer.start(after: millis) { self.end(.failure(LoopError(.timedOut, "read"))) }
            Stream.connect(host: host, port: port, timeoutMillis: millis) { result in
                switch result {
                case .success(let stream): self.ask(stream)
                case .failure(let error): self.end(.failure(error))
                }
            }
        }
    }

    private func ask(_ stream: Stream) {
        guard waiting != nil else { return stream.close() }
        self.stream = stream
        let authority = SocketAddress(host: host, port: port)
        stream.startReading { event in
            switch event {
            case .bytes(let bytes): self.end(.success(String(decoding: bytes.prefix(64), as: UTF8.self)))
            case .end: self.end(.success(""))
            case .failed(let error): self.end(.failure(error))
            }
        }
        stream.write(Array("GET /v2/ HTTP/1.1\r\nHost: \(authority)\r\nConnection: close\r\n\r\n".utf8))
    }

    private func end(_ result: Result<String, LoopError>) {
        timer.stop()
        stream?.close()
        stream = nil
        waiting?.resume(returning: result)
        waiting = nil
    }
}
