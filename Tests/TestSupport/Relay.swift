package import EventLoop

/// A TCP relay on loopback between a program and a server: it slows down what the server sends, or holds it
/// back at a given byte, so that "in the middle" is a place and not a moment.
///
/// Each connection is two streams that end together. A stream from the server is read only while there is
/// credit.
@LoopActor
package final class Relay {
    package nonisolated let port: UInt16
    /// Bytes passed on from the server, over all connections.
    package private(set) var passedBytes = 0
    /// Ends of HTTP heads passed on to the server: its requests, when none has a body.
    package private(set) var requestCount = 0
    /// What passed, once `record` was called.
    package private(set) var recording = Recording()
    private var isRecording = false
    /// Nothing from the server passes once so many bytes did; what is read at once (at most 256 KiB) may
    /// exceed it.
    private var holdAt: Int?
    private var bytesPerSecond: Int?
    private var credit = 0

    private let target: UInt16
    private let listener: Listener
    private let timer = LoopTimer()
    private var pairs: [Int: Pair] = [:]
    private var nextPair = 0

    private struct Pair {
        let client: Stream
        let server: Stream
        var isReading = false
    }

    private static let tickMillis: UInt64 = 5
    private static let queuedBytesMax = 1 << 20

    /// Listens at once, on a port the kernel chooses; `target` is a port of 127.0.0.1.
    package init(to target: UInt16) throws {
        self.target = target
        listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        port = listener.port
        listener.accept { [weak self] in self?.accepted($0) }
        timer.start(after: Self.tickMillis, every: Self.tickMillis) { [weak self] in self?.tick() }
    }

    /// Counts from here: `rate` in bytes per second (`nil`: as fast as it goes), `holdAfter` in bytes.
    package func limit(rate: Int? = nil, holdAfter: Int? = nil) {
        bytesPerSecond = rate
        credit = 0
        holdAt = holdAfter.map { passedBytes + $0 }
        tick()
    }

    /// Keeps a copy of all that passes from here on, in both directions.
    package func record() { isRecording = true }

    package func close() {
        timer.stop()
        listener.close()
        for number in Array(pairs.keys) { end(number) }
    }

    private func accepted(_ client: Stream) {
        Stream.connect(host: "127.0.0.1", port: target, timeoutMillis: 5_000) { [weak self] result in
            guard let self, case .success(let server) = result else { return client.close() }
            pair(client, server)
        }
    }

    private func pair(_ client: Stream, _ server: Stream) {
        let number = nextPair
        nextPair += 1
        pairs[number] = Pair(client: client, server: server)
        client.startReading { [weak self] event in
            switch event {
            case .bytes(let bytes):
                self?.requestCount += Self.headEnds(bytes)
                self?.note(bytes, .init(connection: number, isFromServer: false))
                server.write(Array(bytes))
            case .end, .failed: self?.end(number)
            }
        }
        read(number)
    }

    /// A client that sends a head in two parts is not counted right; curl and libcurl do not.
    private static func headEnds(_ bytes: UnsafeRawBufferPointer) -> Int {
        let mark = Array("\r\n\r\n".utf8)
        guard bytes.count >= mark.count else { return 0 }
        return (0...(bytes.count - mark.count)).count {
            bytes[$0] == mark[0] && bytes[$0..<$0 + 4].elementsEqual(mark)
        }
    }

    /// Whether the byte of `limit` was reached.
    package var isHeld: Bool { holdAt.map { passedBytes >= $0 } ?? false }

    private func mayRead(_ pair: Pair) -> Bool {
        !isHeld && (bytesPerSecond == nil || credit > 0) && pair.client.queuedBytes < Self.queuedBytesMax
    }

    private func read(_ number: Int) {
        guard let pair = pairs[number], !pair.isReading, mayRead(pair) else { return }
        pairs[number]?.isReading = true
        pair.server.startReading { [weak self] event in
            guard let self else { return }
            switch event {
            case .bytes(let bytes): pass(bytes, number)
            case .end:
                pairs[number] = nil
                pair.client.shutdown { pair.client.close() }
                pair.server.close()
            case .failed: end(number)
            }
        }
    }

    private func pass(_ bytes: UnsafeRawBufferPointer, _ number: Int) {
        guard let pair = pairs[number] else { return }
        pair.client.write(Array(bytes))
        note(bytes, .init(connection: number, isFromServer: true))
        passedBytes += bytes.count
        credit -= bytes.count
        if !mayRead(pair) {
            pair.server.stopReading()
            pairs[number]?.isReading = false
        }
    }

    private func note(_ bytes: UnsafeRawBufferPointer, _ way: Recording.Way) {
        if isRecording { recording.add(bytes, way) }
    }

    private func tick() {
        if let bytesPerSecond {
            let step = bytesPerSecond / 1_000 * Int(Self.tickMillis)
            credit = min(credit + step, step)
        }
        for number in Array(pairs.keys) { read(number) }
    }

    private func end(_ number: Int) {
        guard let pair = pairs.removeValue(forKey: number) else { return }
        pair.client.close()
        pair.server.close()
    }
}
