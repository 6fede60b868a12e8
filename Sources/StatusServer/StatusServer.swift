package import EventLoop
import HTTPHead

/// GET and HEAD for machines that watch this node: small answers, one request a connection.
///
///     made --start()--> listening --close()--> closed
///
/// Invariant: at most `connectionsMax` connections are open, each for at most `connectionMillis`.
@LoopActor package final class StatusServer {
    package nonisolated static let connectionsMax = 32
    package nonisolated static let connectionMillis: UInt64 = 10_000

    private let answer: @LoopActor (_ path: String) async -> StatusAnswer
    private var listener: Listener?
    private var connections: [ObjectIdentifier: Connection] = [:]

    /// `answer` is asked with the path of each request, without the query.
    package init(_ answer: @escaping @LoopActor (_ path: String) async -> StatusAnswer) {
        self.answer = answer
    }

    /// Errors are those of the listening socket; port 0 lets the kernel choose.
    package func start(host: String, port: UInt16) throws(LoopError) {
        precondition(listener == nil, "a status server starts once")
        let listener = try Listener.tcp(host: host, port: port)
        self.listener = listener
        listener.accept { [weak self] stream in self?.accept(stream) }
    }

    /// The port that is listened on; 0 before `start` and after `close`.
    package var port: UInt16 { listener?.port ?? 0 }

    package func close() {
        listener?.close()
        listener = nil
        for connection in connections.values { connection.close() }
    }

    private func accept(_ stream: Stream) {
        guard connections.count < Self.connectionsMax else { return stream.close() }
        let connection = Connection(stream, answer) { [weak self] in self?.connections[ObjectIdentifier($0)] = nil }
        connections[ObjectIdentifier(connection)] = connection
        connection.start()
    }

    /// One request and its answer.
    ///
    ///     reading --head or mistake--> answering --sent--> lingering --client's end--> closed
    ///
    /// Lingering reads on to the client's end: closing with unread bytes would send RST and might destroy the answer.
    @LoopActor private final class Connection {
        private let stream: Stream
        private let answer: @LoopActor (String) async -> StatusAnswer
        private let onClosed: @LoopActor (Connection) -> Void
        private let timer = LoopTimer()
        private var reader = RequestHeadReader()
        private var isReading = true
        private var isClosed = false

        init(
            _ stream: Stream, _ answer: @escaping @LoopActor (String) async -> StatusAnswer,
            onClosed: @escaping @LoopActor (Connection) -> Void
        ) {
            self.stream = stream
            self.answer = answer
            self.onClosed = onClosed
        }

        func start() {
            timer.start(after: StatusServer.connectionMillis) { [weak self] in self?.close() }
            stream.startReading { [weak self] event in self?.received(event) }
        }

        func close() {
            guard !isClosed else { return }
            isClosed = true
            timer.stop()
            stream.close()
            onClosed(self)
        }

        private func received(_ event: Stream.ReadEvent) {
            switch event {
            case .bytes(let bytes):
                guard isReading else { return }
                reader.append(bytes)
                readHead()
            case .end, .failed: close()
            }
        }

        private func readHead() {
            do throws(RequestHeadError) {
                guard let head = try reader.next() else { return }
                isReading = false
                Loop.task {
                    let answer = await self.answer(head.path)
                    self.send(answer, isHead: head.method == .head)
                }
            } catch {
                isReading = false
                switch error {
                case .methodNotAllowed: send(StatusAnswer(.methodNotAllowed, "only GET and HEAD"), isHead: false)
                case .malformed, .tooLarge: send(StatusAnswer(.badRequest, "no request that can be read"), isHead: false)
                }
            }
        }

        private func send(_ answer: StatusAnswer, isHead: Bool) {
            guard !isClosed else { return }
            let body = Array(answer.body.utf8)
            let head = """
                HTTP/1.1 \(answer.status.rawValue) \(answer.status.reason)\r
                Content-Type: \(answer.contentType)\r
                Content-Length: \(body.count)\r
                Cache-Control: no-store\r
                Connection: close\r
                \(answer.status == .methodNotAllowed ? "Allow: GET, HEAD\r\n" : "")\r

                """
            stream.write(Array(head.utf8) + (isHead ? [] : body))
            stream.shutdown()
        }
    }
}
