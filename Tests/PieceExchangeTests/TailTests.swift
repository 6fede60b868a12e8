import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("The last piece of a registry read")
struct TailTests {
    /// A desk that reads pieces 0 and 1 and may read 4 and 5 next.
    private func readingDesk() throws -> (desk: Desk, directory: PeerName) {
        var (desk, directory) = try Desk.withDirectory(pieces: 8)
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

    @Test("is read beside the next grant; its own is over when it came")
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

    @Test("is asked for again when it broke off, and the next grant is read on")
    func breaksOff() throws {
        var (desk, directory) = try readingDesk()
        try desk.read(0..<1)
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

    @Test("ends with the want")
    func ends() throws {
        var (desk, _) = try readingDesk()
        try desk.read(0..<1)
        desk.put(.originEnded(blob: desk.digest, failure: .permanent))
        #expect(desk.actions.contains(.stopOrigin(blob: desk.digest)))
    }
}
