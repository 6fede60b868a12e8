import EventLoop
import Hashing
import OCIModel
import PieceExchange
import PieceModel
import Testing
import Wire

/// A peer that speaks the wire by hand, and may speak it wrongly.
@LoopActor
final class RawPeer {
    let name: PeerName
    private(set) var heard: [PeerFrame] = []
    private(set) var isClosed = false
    /// Answers every frame after the greeting.
    var answer: @LoopActor (RawPeer, PeerFrame) -> Void = { _, _ in }
    var answersPings = true
    private var stream: Stream?
    private var decoder = FrameDecoder(limits: PeerLimits.afterHello)

    init(_ name: String) throws {
        self.name = try #require(PeerName(name))
    }

    func connect(to port: UInt16, greet: Bool = true) async throws {
        let result = await withCheckedContinuation { continuation in
            Stream.connect(host: "127.0.0.1", port: port, timeoutMillis: 5_000) { stream in
                if case .success(let stream) = stream { self.adopt(stream) }
                continuation.resume(returning: stream.map { _ in () })
            }
        }
        try result.get()
        if greet { self.greet() }
    }

    func greet() {
        write(PeerCodec.encode(Hello(node: name, cluster: "", takesZstd: false, requestsMax: 16)))
    }

    func write(_ bytes: [UInt8]) { stream?.write(bytes) }

    func write(_ message: PeerMessage) { write(PeerCodec.encode(message)) }

    func close() { stream?.close() }

    /// Reads nothing more, not even the end.
    func stopListening() { stream?.stopReading() }

    /// Says that it has the whole blob, with these digests.
    func offer(_ blob: Blob, digests: [Digest]? = nil, chain: [Digest] = []) {
        let digests = digests ?? blob.pieceDigests
        for first in stride(from: 0, to: digests.count, by: 512) {
            let run = first..<min(first + 512, digests.count)
            let told = PeerMessage.PieceDigests(
                blob: blob.digest, author: name, first: UInt32(first), digests: Array(digests[run]),
                chain: chain.isEmpty ? [] : Array(chain[run]))
            write(.pieceDigests(told))
        }
        write(.holdings(blob: blob.digest, held: .init(blobBytes: blob.count, complete: true, bits: [])))
    }

    func give(_ bytes: [UInt8], for request: UInt32) {
        let header = PeerMessage.PieceHeader(request: request, encoding: .identity, payloadBytes: bytes.count)
        write(PeerCodec.encode(.piece(header)) + bytes)
    }

    private func adopt(_ stream: Stream) {
        self.stream = stream
        listen()
    }

    /// Begins to read, or begins again.
    func listen() {
        guard let stream else { return }
        stream.startReading { [self] event in
            switch event {
            case .bytes(let bytes): read(bytes)
            case .end, .failed:
                isClosed = true
                stream.close()
            }
        }
    }

    private func read(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        do {
            while let frame = try decoder.next(&rest) {
                let said = try PeerCodec.decode(frame)
                heard.append(said)
                if said == .ping, answersPings { write(PeerCodec.encodePong()) }
                answer(self, said)
            }
        } catch {
            Issue.record("the node broke the protocol: \(error)")
        }
    }

    func untilClosed() async {
        while !isClosed { await Pause.millis(5) }
    }

    /// Whether a frame after the greeting is a request, and which.
    static func request(_ frame: PeerFrame) -> (number: UInt32, piece: UInt32)? {
        if case .message(.request(let number, _, let piece)) = frame { (number, piece) } else { nil }
    }

    static func interest(_ frame: PeerFrame) -> Digest? {
        if case .message(.interest(let blob)) = frame { blob } else { nil }
    }
}
