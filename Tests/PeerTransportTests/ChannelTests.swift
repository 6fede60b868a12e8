import EventLoop
import Foundation
import TLS
import TestSupport
import Testing

@testable import PeerTransport

/// The two kinds of channel.
enum ChannelKind: String, CaseIterable, CustomTestStringConvertible {
    case plaintext
    case tls

    var testDescription: String { rawValue }
}

/// What a connection between nodes promises, whichever kind it is.
@Suite("every kind of channel", .serialized, .timeLimit(.minutes(1))) @LoopActor
struct ChannelTests {
    @Test("brings bytes both ways, whole and in order, whatever their size", arguments: ChannelKind.allCases)
    func order(kind: ChannelKind) async throws {
        let pair = try await ChannelPair(kind)
        let heard = Ear(pair.accepted)
        let answers = Ear(pair.dialled)
        var expected: [UInt8] = []
        var random = SeededGenerator(seed: 7)
        for count in [1, 0, 16_384, 16_385, 1_000_000, 3] {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            expected += bytes
            pair.dialled.write(bytes, then: nil)
        }
        pair.accepted.write([9, 8, 7], then: nil)
        await heard.until { $0.bytes.count >= expected.count }
        await answers.until { $0.bytes.count >= 3 }
        #expect(heard.bytes == expected && answers.bytes == [9, 8, 7])
        pair.close()
    }

    @Test("sends files and writes in the order asked for, and says how far it is", arguments: ChannelKind.allCases)
    func files(kind: ChannelKind) async throws {
        let file = try ScratchFile(bytes: 3_000_000)
        let pair = try await ChannelPair(kind)
        let heard = Ear(pair.accepted)
        var progress: [Int64] = []
        var ends: [String] = []
        pair.dialled.write([1, 2, 3]) { ends.append("first \($0 == nil)") }
        pair.dialled.sendFile(file.descriptor, offset: 100, count: 2_500_000) { progress.append($0) } then: { result in
            ends.append("file \((try? result.get()) ?? -1)")
        }
        pair.dialled.write([4, 5]) { ends.append("second \($0 == nil)") }
        pair.dialled.sendFile(file.descriptor, offset: 0, count: 0, progress: nil) { result in
            ends.append("nothing \((try? result.get()) ?? -1)")
        }
        #expect(ends.isEmpty)
        await heard.until { $0.bytes.count >= 2_500_005 }
        await Self.until { ends.count == 4 }
        #expect(heard.bytes == [1, 2, 3] + file.bytes[100..<2_500_100] + [4, 5])
        #expect(ends == ["first true", "file 2500000", "second true", "nothing 0"])
        #expect(progress == progress.sorted() && progress.last == 2_500_000)
        await Self.until { pair.dialled.queuedBytes == 0 }
        pair.close()
    }

    @Test("a file that is too short ends with its error, and nothing follows it", arguments: ChannelKind.allCases)
    func shortFile(kind: ChannelKind) async throws {
        let file = try ScratchFile(bytes: 1_000)
        let pair = try await ChannelPair(kind)
        let heard = Ear(pair.accepted)
        var ends: [String] = []
        pair.dialled.sendFile(file.descriptor, offset: 0, count: 2_000, progress: nil) { result in
            if case .failure(let error) = result { ends.append("\(error.code)") }
        }
        pair.dialled.write([1]) { ends.append("after \($0 != nil)") }
        await Self.until { ends.count == 2 }
        #expect(ends.sorted() == ["after true", "endOfFile"])
        pair.dialled.write([2]) { ends.append("later \($0 != nil)") }
        await Self.until { ends.count == 3 }
        #expect(ends.last == "later true")
        pair.close()
        #expect(heard.bytes.count <= 1_000)
    }

    @Test("the end that one side says is heard as the end, and the other may go on", arguments: ChannelKind.allCases)
    func end(kind: ChannelKind) async throws {
        let pair = try await ChannelPair(kind)
        let (heard, answers) = (Ear(pair.accepted), Ear(pair.dialled))
        var isSaid = false
        pair.dialled.write([1], then: nil)
        pair.dialled.shutdown { isSaid = true }
        var refused: LoopError?
        pair.dialled.write([2]) { refused = $0 }
        await heard.until { $0.end != nil }
        #expect(heard.bytes == [1] && heard.end == "end" && isSaid)
        await Self.until { refused != nil }
        #expect(refused?.code == .brokenPipe)
        pair.accepted.write([3, 4], then: nil)
        await answers.until { $0.bytes.count == 2 }
        // Who reads on hears it again.
        let again = Ear(pair.accepted)
        await again.until { $0.end != nil }
        #expect(again.end == "end")
        pair.close()
    }

    @Test("what is not read stays, and comes when it is read again", arguments: ChannelKind.allCases)
    func pause(kind: ChannelKind) async throws {
        let pair = try await ChannelPair(kind)
        let bytes = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
        var left = 3
        let heard = Ear(pair.accepted) { channel in
            guard left > 0 else { return }
            left -= 1
            channel.stopReading()
        }
        pair.dialled.write(bytes, then: nil)
        for pause in 1...3 {
            await Self.until { left == 3 - pause }
            let before = heard.bytes.count
            await Pause.millis(30)
            #expect(heard.bytes.count == before)
            heard.listen()
        }
        await heard.until { $0.bytes.count == bytes.count }
        #expect(heard.bytes == bytes)
        pair.close()
    }

    @Test("every write and file ends with `canceled` when the channel is closed", arguments: ChannelKind.allCases)
    func close(kind: ChannelKind) async throws {
        let file = try ScratchFile(bytes: 4_000_000)
        let pair = try await ChannelPair(kind)
        var ends: [LoopError.Code?] = []
        let big = [UInt8](repeating: 1, count: 8_000_000)
        pair.dialled.write(big) { ends.append($0?.code) }
        pair.dialled.sendFile(file.descriptor, offset: 0, count: 4_000_000, progress: nil) { result in
            if case .failure(let error) = result { ends.append(error.code) }
        }
        pair.dialled.write([1]) { ends.append($0?.code) }
        pair.dialled.shutdown(then: nil)
        #expect(pair.dialled.queuedBytes > 4_000_000)
        var events = 0
        pair.dialled.startReading { _ in events += 1 }
        pair.dialled.close()
        #expect(ends.isEmpty)
        await Self.until { ends.count == 3 }
        #expect(ends == [.canceled, .canceled, .canceled] && events == 0)
        pair.accepted.close()
    }

    @Test("a file that is being read when the channel is closed ends after that", arguments: ChannelKind.allCases)
    func closeWhileReading(kind: ChannelKind) async throws {
        let file = try ScratchFile(bytes: 1_000_000)
        let pair = try await ChannelPair(kind)
        var end: LoopError.Code?
        pair.dialled.sendFile(file.descriptor, offset: 0, count: 1_000_000, progress: nil) { result in
            if case .failure(let error) = result { end = error.code }
        }
        pair.dialled.close()
        await Self.until { end != nil }
        #expect(end == .canceled)
        pair.accepted.close()
    }

    @Test("an other side that breaks off is a failure, not an end, where that can be told")
    func cutOff() async throws {
        let pair = try await ChannelPair(.tls)
        let heard = Ear(pair.accepted)
        pair.dialled.write([1], then: nil)
        await heard.until { $0.bytes == [1] }
        pair.dialled.close()
        await heard.until { $0.end != nil }
        #expect(heard.end == "reset")
        pair.accepted.close()
    }

    static func until(_ condition: () -> Bool) async {
        while !condition() { await Pause.millis(5) }
    }
}

/// Two ends of one connection over loopback.
@LoopActor
final class ChannelPair {
    let dialled: any PeerChannel
    let accepted: any PeerChannel
    private let listener: Listener

    init(_ kind: ChannelKind) async throws {
        let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        self.listener = listener
        var arrived: EventLoop.Stream?
        listener.accept { arrived = $0 }
        let first = try await withCheckedContinuation { continuation in
            EventLoop.Stream.connect(host: "127.0.0.1", port: listener.port, timeoutMillis: 5_000) {
                continuation.resume(returning: $0)
            }
        }.get()
        await ChannelTests.until { arrived != nil }
        let other = try #require(arrived)
        guard kind == .tls else {
            (dialled, accepted) = (first, other)
            return
        }
        let authority = try TestAuthority()
        let (left, right) = (try authority.context("a"), try authority.context("b"))
        async let server = Self.secure(other, right, TLSSession.Side.server)
        dialled = try await Self.secure(first, left, TLSSession.Side.client)
        accepted = try await server
    }

    private static func secure(
        _ stream: EventLoop.Stream, _ context: TLSContext, _ side: TLSSession.Side
    ) async throws -> SecureChannel {
        let handshake = PeerHandshake(stream, context, side)
        return try await withCheckedContinuation { continuation in
            handshake.start(within: 5_000) { continuation.resume(returning: $0) }
        }.get()
    }

    func close() {
        dialled.close()
        accepted.close()
    }
}

/// Collects what a channel brings.
@LoopActor
final class Ear {
    private(set) var bytes: [UInt8] = []
    /// `end`, or the code of the error.
    private(set) var end: String?
    private let channel: any PeerChannel
    private let onBytes: @LoopActor (any PeerChannel) -> Void

    init(_ channel: any PeerChannel, onBytes: @escaping @LoopActor (any PeerChannel) -> Void = { _ in }) {
        self.channel = channel
        self.onBytes = onBytes
        listen()
    }

    func listen() {
        channel.startReading { [self] event in
            switch event {
            case .bytes(let bytes):
                self.bytes += bytes
                onBytes(channel)
            case .end: end = "end"
            case .failed(let error): end = "\(error.code)"
            }
        }
    }

    func until(_ condition: (Ear) -> Bool) async {
        while !condition(self) { await Pause.millis(5) }
    }
}

/// A file of seeded bytes.
final class ScratchFile: Sendable {
    let bytes: [UInt8]
    let descriptor: Int32
    private let folder: TemporaryFolder

    init(bytes count: Int) throws {
        var random = SeededGenerator(seed: 11)
        bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        folder = try TemporaryFolder("channel")
        let path = folder.path("file")
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
    }

    deinit { Foundation.close(descriptor) }
}

/// An authority, and contexts with its certificates.
struct TestAuthority: Sendable {
    let made: IssuedCertificate

    init() throws { made = try CertificateMaker.authority(named: "test", .days(10)) }

    /// It trusts its own authority and `others`.
    func context(
        _ name: String, addresses: [String] = [], _ life: CertificateMaker.Life = .days(5), others: [TestAuthority] = []
    ) throws -> TLSContext {
        let node = try CertificateMaker.node(
            name, addresses: addresses, life, authority: (made.certificate, made.key))
        return try TLSContext(
            certificate: node.certificate, key: node.key,
            authorities: ([self] + others).map(\.made.certificate))
    }
}
