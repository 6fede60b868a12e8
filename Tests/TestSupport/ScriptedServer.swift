package import EventLoop

/// An HTTP/1.1 server on loopback that answers each request with exactly the bytes a test says, right or
/// wrong.
@LoopActor
package final class ScriptedServer {
    package struct Request: Sendable {
        package let method: String
        package let target: String
        package let headers: [(name: String, value: String)]
        /// Number of the connection it came on, from 0.
        package let connection: Int

        /// The first value of a header, whose name is given in lower case.
        package func header(_ name: String) -> String? {
            headers.first { $0.name == name }?.value
        }
    }

    package enum Step: Sendable {
        case send([UInt8])
        case close
        /// Waits before the next step; a request that comes meanwhile on the connection is answered at once.
        case pause(milliseconds: UInt64)
        /// Says nothing more, and keeps the connection open.
        case hang
    }

    package typealias Script = @LoopActor (Request) -> [Step]

    package let port: UInt16
    package private(set) var requests: [Request] = []
    private let listener: Listener
    private let script: Script
    private var streams: [Stream] = []

    /// Listens at once on a port the kernel chooses.
    package init(_ script: @escaping Script) throws {
        self.script = script
        listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        port = listener.port
        listener.accept { [weak self] in self?.serve($0) }
    }

    package nonisolated var url: String { "http://127.0.0.1:\(port)" }

    package func close() {
        listener.close()
        for stream in streams { stream.close() }
    }

    private func serve(_ stream: Stream) {
        let number = streams.count
        streams.append(stream)
        var received: [UInt8] = []
        stream.startReading { [weak self, weak stream] event in
            guard let self, let stream else { return }
            switch event {
            case .end, .failed: stream.close()
            case .bytes(let bytes):
                received += bytes
                while let end = Self.headEnd(received) {
                    let head = String(decoding: received[..<end], as: UTF8.self)
                    received.removeFirst(end + 4)
                    self.answer(Self.parse(head, connection: number), on: stream)
                }
            }
        }
    }

    private func answer(_ request: Request, on stream: Stream) {
        requests.append(request)
        take(script(request)[...], on: stream)
    }

    private func take(_ steps: ArraySlice<Step>, on stream: Stream) {
        var rest = steps
        while let step = rest.popFirst() {
            switch step {
            case .send(let bytes): stream.write(bytes)
            case .close: stream.shutdown()
            case .hang: return
            case .pause(let milliseconds):
                let timer = LoopTimer()
                let later = rest
                // The timer keeps itself until it has run.
                timer.start(after: milliseconds) { [weak self] in
                    timer.stop()
                    self?.take(later, on: stream)
                }
                return
            }
        }
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        let mark = Array("\r\n\r\n".utf8)
        guard bytes.count >= mark.count else { return nil }
        return (0...(bytes.count - mark.count)).first { bytes[$0..<($0 + mark.count)].elementsEqual(mark) }
    }

    private static func parse(_ head: String, connection: Int) -> Request {
        let lines = head.split(separator: "\r\n")
        let parts = (lines.first ?? "").split(separator: " ")
        let headers = lines.dropFirst().map { line in
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            let value = line[colon...].dropFirst().drop { $0 == " " }
            return (name: line[..<colon].lowercased(), value: String(value))
        }
        return Request(
            method: String(parts.first ?? ""),
            target: String(parts.dropFirst().first ?? ""),
            headers: headers,
            connection: connection
        )
    }
}

extension [ScriptedServer.Step] {
    /// A whole response; its `Content-Length` is the body's unless the headers state another or a coding.
    package static func response(
        _ status: Int,
        headers: [(String, String)] = [],
        body: [UInt8] = [],
        isHead: Bool = false
    ) -> Self {
        var text = "HTTP/1.1 \(status) Scripted\r\n"
        let names = headers.map { $0.0.lowercased() }
        if !names.contains("content-length"), !names.contains("transfer-encoding") {
            text += "Content-Length: \(body.count)\r\n"
        }
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        return [.send([UInt8]((text + "\r\n").utf8) + (isHead ? [] : body))]
    }
}
