import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("The last pieces of a registry read")
struct TailTests {
    /// A desk that reads pieces 0 and 1 and may read 4 and 5 next, while another node fetches the blob too.
    private func readingDesk() throws -> (desk: Desk, directory: PeerName) {
        var (desk, directory) = try Desk.withDirectory(pieces: 8)
        desk.put(.message(.interest(blob: desk.digest), from: directory))
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: directory))
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 0, count: 2)), from: directory))
        #expect(desk.fetches == [0..<2])
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 4, count: 2)), from: directory))
        #expect(desk.fetches.isEmpty, "two pieces are left of the first")
        return (desk, directory)
    }

    private func progress(_ desk: Desk, read: UInt32) -> PeerMessage {
        .grantProgress(
            PeerMessage.GrantProgress(
                blob: desk.digest, blobBytes: desk.blob.layout.blobBytes, pieces: .init(first: 0, count: 2), read: read,
                isOver: true))
    }

    @Test("are read beside the next grant; their own is over when they came")
    func handsOver() throws {
        var (desk, _) = try readingDesk()
        try desk.read(0..<1)
        #expect(desk.fetches == [4..<6])
        #expect(!desk.sent.contains(progress(desk, read: 2)))
        try desk.read(1..<2)
        desk.put(.originEnded(blob: desk.digest, failure: nil, isTail: true))
        #expect(desk.sent.contains(progress(desk, read: 2)))
        #expect(!desk.actions.contains(.stopOrigin(blob: desk.digest)))
    }

    @Test("are several, once the registry answers, where they are few and nobody else fetches the blob")
    func handsOverEarly() throws {
        var (desk, directory) = try Desk.withDirectory(pieces: 16)
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: directory))
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 0, count: 5)), from: directory))
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 5, count: 2)), from: directory))
        #expect(desk.fetches.isEmpty, "the registry has not answered yet")
        try desk.read(0..<1)
        #expect(desk.fetches == [5..<7])
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 7, count: 2)), from: directory))
        try desk.read(5..<6)
        #expect(desk.fetches.isEmpty, "two fetches run")
        try desk.read(1..<5)
        desk.put(.originEnded(blob: desk.digest, failure: nil, isTail: true))
        #expect(desk.fetches == [7..<9])
        #expect(!desk.actions.contains(.stopOrigin(blob: desk.digest)))
    }

    @Test("are asked for again when the read broke off, and the next grant is read on")
    func breaksOff() throws {
        var (desk, directory) = try readingDesk()
        try desk.read(0..<1)
        try desk.read(4..<5)
        desk.put(.message(.grantRefused(blob: desk.digest, retryAfterMillis: 20), from: directory))
        desk.put(.originEnded(blob: desk.digest, failure: .transient, isTail: true))
        #expect(desk.sent.contains(progress(desk, read: 1)))
        desk.pass(milliseconds: 100)
        let asked = desk.seen.contains { action in
            guard case .send(.grantRequest(let request), _) = action else { return false }
            return request.wanted.contains { $0.first == 1 && $0.count == 3 }
        }
        #expect(asked, "piece 1 is wanted again, with 2 and 3")
        #expect(!desk.seen.contains(.stopOrigin(blob: desk.digest)))
    }

    @Test("that fail before the next read has shown that the registry is well are a failure of the registry")
    func failsBefore() throws {
        for failure in [ExchangeEvent.OriginFailure.transient, .permanent] {
            var (desk, _) = try readingDesk()
            try desk.read(0..<1)
            #expect(desk.fetches == [4..<6])
            desk.put(.originEnded(blob: desk.digest, failure: failure, isTail: true))
            #expect(desk.actions.contains(.stopOrigin(blob: desk.digest)))
            desk.seen = []
            desk.pass(milliseconds: 50)
            let isAskedAgain = desk.seen.contains { if case .fetchFromOrigin = $0 { true } else { false } }
            #expect(!isAskedAgain, "it is left alone for a while, or for good")
        }
    }

    @Test("that fail after the next read did are not counted again")
    func failsAfter() throws {
        var (desk, _) = try readingDesk()
        try desk.read(0..<1)
        desk.put(.originEnded(blob: desk.digest, failure: .transient))
        desk.put(.originEnded(blob: desk.digest, failure: .permanent, isTail: true))
        desk.seen = []
        desk.pass(milliseconds: 1_000)
        let isAsked = desk.seen.contains { if case .send(.grantRequest, _) = $0 { true } else { false } }
        #expect(isAsked, "the registry has not refused")
    }

    @Test("end with the want")
    func ends() throws {
        var (desk, _) = try readingDesk()
        try desk.read(0..<1)
        desk.put(.originEnded(blob: desk.digest, failure: .permanent))
        #expect(desk.actions.contains(.stopOrigin(blob: desk.digest)))
    }
}
