import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("Zones")
struct ZoneTests {
    /// An exchange of zone `here`, that has asked its peers what they hold.
    private struct Place {
        var exchange: PieceExchange
        let blob: SimulatedContent.Blob
        var now: UInt64 = 0

        init(pieces: Int, name: String = "me", zone: String? = "here") throws {
            blob = try #require(SimulatedContent.blob(1, pieces: pieces))
            exchange = PieceExchange(
                name: try peer(name),
                zone: zone.flatMap { Zone($0) },
                limits: ExchangeLimits(),
                seed: 1
            )
        }

        @discardableResult
        mutating func put(_ event: ExchangeEvent) -> [ExchangeAction] {
            let actions = exchange.handle(event, now: Instant(nanoseconds: now))
            #expect(exchange.checkInvariants() == nil)
            return actions
        }

        mutating func want() {
            put(.want(blob: blob.digest, layout: blob.layout, held: [], originAllowed: false))
        }

        /// A peer that holds every piece, told by itself.
        mutating func offerAll(_ name: PeerName) -> [ExchangeAction] {
            let digests = (0..<blob.layout.pieceCount).map {
                SimulatedContent.digest(of: SimulatedContent.truth(blob, $0))
            }
            let told = PeerMessage.PieceDigests(blob: blob.digest, author: name, first: 0, digests: digests)
            let first = put(.message(.pieceDigests(told), from: name))
            let all = PeerMessage.Holdings(blobBytes: blob.layout.blobBytes, complete: true, bits: [])
            return first + put(.message(.holdings(blob: blob.digest, held: all), from: name))
        }
    }

    private func zone(_ text: String) throws -> Zone { try #require(Zone(text)) }

    /// The pieces that each of these nodes of one zone would bring into it.
    private func deal(_ names: [String], pieces: Int) throws -> [Set<Int>] {
        try names.map { own in
            var place = try Place(pieces: pieces, name: own)
            for other in names where other != own {
                place.put(.peerConnected(try peer(other), zone: try zone("here")))
            }
            place.want()
            for other in names where other != own {
                place.put(.message(.interest(blob: place.blob.digest), from: try peer(other)))
            }
            var mine: Set<Int> = []
            (place.exchange.wants[0].importable ?? Bits.full(capacity: pieces)).forEach { mine.insert($0) }
            return mine
        }
    }

    @Test("the nodes of a zone that want a blob deal out its pieces, each to one of them")
    func dealt() throws {
        let shares = try deal(["a", "b", "c", "d"], pieces: 1024)
        #expect(shares.reduce(0) { $0 + $1.count } == 1024)
        #expect(shares.reduce(into: Set()) { $0.formUnion($1) }.count == 1024)
        #expect(shares.allSatisfy { (128...384).contains($0.count) }, "\(shares.map(\.count))")
    }

    @Test("a node alone in its zone, or in none, brings all")
    func alone() throws {
        #expect(try deal(["a"], pieces: 64)[0].count == 64)
        var place = try Place(pieces: 64, zone: nil)
        place.put(.peerConnected(try peer("b"), zone: try zone("here")))
        place.want()
        place.put(.message(.interest(blob: place.blob.digest), from: try peer("b")))
        #expect(place.exchange.wants[0].importable == nil)
    }

    @Test("when one leaves, the others take its share over")
    func left() throws {
        var place = try Place(pieces: 256)
        let (b, c) = (try peer("b"), try peer("c"))
        for name in [b, c] { place.put(.peerConnected(name, zone: try zone("here"))) }
        place.want()
        for name in [b, c] { place.put(.message(.interest(blob: place.blob.digest), from: name)) }
        let third = try #require(place.exchange.wants[0].importable)
        place.put(.peerDisconnected(b))
        let half = try #require(place.exchange.wants[0].importable)
        #expect(half.count > third.count && half.count < 256)
        place.put(.message(.uninterest(blob: place.blob.digest), from: c))
        #expect(place.exchange.wants[0].importable == nil)
    }

    @Test("a peer of another zone is asked only for the node's own share, one of the same zone for anything")
    func asked() throws {
        var place = try Place(pieces: 64)
        let (near, far) = (try peer("near"), try peer("far"))
        place.put(.peerConnected(near, zone: try zone("here")))
        place.put(.peerConnected(far, zone: try zone("there")))
        place.want()
        place.put(.message(.interest(blob: place.blob.digest), from: near))
        let mine = try #require(place.exchange.wants[0].importable)
        let first = Desk.requests(in: place.offerAll(far))
        #expect(!first.isEmpty && first.allSatisfy { mine.contains($0.piece) })
        #expect(!Desk.requests(in: place.offerAll(near)).isEmpty)
        let id = try #require(place.exchange.peerIDs[near])
        #expect((0..<64).allSatisfy { place.exchange.wants[0].isOpenTo(id, $0) })
    }

    @Test("who gets nothing for a while brings in whatever it lacks, so that no zone starves")
    func starving() throws {
        var place = try Place(pieces: 64)
        let (near, far) = (try peer("near"), try peer("far"))
        place.put(.peerConnected(near, zone: try zone("here")))
        place.put(.peerConnected(far, zone: try zone("there")))
        place.want()
        place.put(.message(.interest(blob: place.blob.digest), from: near))
        place.now = ExchangeLimits().importPatienceMillis * 1_000_000
        place.put(.tick)
        #expect(place.exchange.wants[0].importable == nil)
        place.put(.message(.interest(blob: place.blob.digest), from: near))
        #expect(place.exchange.wants[0].importable == nil, "it does not go back to waiting")
    }
}
