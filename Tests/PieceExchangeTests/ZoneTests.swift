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

        init(
            pieces: Int,
            name: String = "me",
            zone: String? = "here",
            limits: ExchangeLimits = ExchangeLimits()
        ) throws {
            blob = try #require(SimulatedContent.blob(1, pieces: pieces))
            exchange = PieceExchange(
                name: try peer(name),
                zone: zone.flatMap { Zone($0) },
                limits: limits,
                seed: 1
            )
        }

        mutating func connect(_ names: [PeerName], zone: String = "here") throws {
            for name in names { put(.peerConnected(name, zone: Zone(zone))) }
        }

        @discardableResult
        mutating func put(_ event: ExchangeEvent) -> [ExchangeAction] {
            let actions = exchange.handle(event, now: Instant(nanoseconds: now))
            #expect(exchange.checkInvariants() == nil)
            return actions
        }

        @discardableResult
        mutating func want(originAllowed: Bool = false) -> [ExchangeAction] {
            put(.want(blob: blob.digest, layout: blob.layout, held: [], originAllowed: originAllowed))
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

    /// The pieces that each of these nodes of one zone would bring into it, when these of them want the blob.
    private func deal(
        _ names: [String],
        wanting: [String]? = nil,
        pieces: Int,
        limits: ExchangeLimits = ExchangeLimits()
    ) throws -> [Set<Int>] {
        let wanting = wanting ?? names
        return try wanting.map { own in
            var place = try Place(pieces: pieces, name: own, limits: limits)
            try place.connect(names.filter { $0 != own }.map(peer))
            place.want()
            for other in wanting where other != own {
                place.put(.message(.intent(blob: place.blob.digest), from: try peer(other)))
            }
            var mine: Set<Int> = []
            (place.exchange.wants[0].importable ?? Bits.full(capacity: pieces)).forEach { mine.insert($0) }
            return mine
        }
    }

    private func told(_ actions: [ExchangeAction]) -> Set<PeerName> {
        Set(
            actions.compactMap { action in
                switch action {
                case .send(.intent, let to), .send(.interest, let to): to
                default: nil
                }
            }
        )
    }

    private func askedWhatTheyHold(_ actions: [ExchangeAction]) -> Set<PeerName> {
        Set(actions.compactMap { if case .send(.interest, let to) = $0 { to } else { nil } })
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

    @Test("a node tells all of its zone that it wants a blob, and tells them again when it does no longer")
    func declared() throws {
        let (near, far) = (try (0..<40).map { try peer("n\($0)") }, try (0..<40).map { try peer("f\($0)") })
        var place = try Place(pieces: 64)
        try place.connect(near)
        try place.connect(far, zone: "there")
        let began = place.want()
        #expect(told(began).isSuperset(of: near))
        #expect(told(began).count < 40 + 40 / 2, "those of another zone are asked, and not told")
        #expect(askedWhatTheyHold(began).count < 40)
        let late = try peer("late")
        #expect(told(place.put(.peerConnected(late, zone: try zone("here")))) == [late])
        let ended = place.put(.unwant(blob: place.blob.digest))
        let takenBack = Set(ended.compactMap { if case .send(.uninterest, let to) = $0 { to } else { nil } })
        #expect(takenBack == told(began).union([late]))
    }

    @Test("who only says that he wants a blob is told nothing of it, and no longer when he says so after he asked")
    func notTold() throws {
        var place = try Place(pieces: 64)
        let other = try peer("b")
        try place.connect([other])
        let blob = place.blob.digest
        #expect(place.put(.message(.intent(blob: blob), from: other)).isEmpty)
        #expect(!place.put(.message(.interest(blob: blob), from: other)).isEmpty)
        place.put(.message(.intent(blob: blob), from: other))
        #expect(place.put(.blobAvailable(blob: blob, layout: place.blob.layout)).isEmpty)
    }

    @Test("in a large zone those who rank highest deal, and if none of them wants the blob those who know of each other")
    func seated() throws {
        var limits = ExchangeLimits()
        limits.importersMax = 4
        let names = (0..<12).map { "n\($0)" }
        let shares = try deal(names, pieces: 256, limits: limits)
        #expect(shares.reduce(0) { $0 + $1.count } == 256)
        #expect(shares.reduce(into: Set()) { $0.formUnion($1) }.count == 256)
        let others = zip(names, shares).filter { $1.isEmpty }.map(\.0)
        #expect(others.count == 8)
        let rest = try deal(names, wanting: others, pieces: 256, limits: limits)
        #expect(rest.reduce(0) { $0 + $1.count } == 256)
        #expect(rest.reduce(into: Set()) { $0.formUnion($1) }.count == 256)
    }

    @Test("what is offered in the zone is not asked of another, until nobody there offers it any more")
    func keptFromFar() throws {
        var place = try Place(pieces: 16)
        let (near, far) = (try peer("near"), try peer("far"))
        try place.connect([near])
        try place.connect([far], zone: "there")
        place.want()
        _ = place.offerAll(near)
        let busy = PeerMessage.Refusal.busy
        #expect(Desk.requests(in: place.offerAll(far)).isEmpty)
        let asked = place.exchange.requests.keys.sorted()
        for request in asked {
            let refusal = PeerMessage.refuse(request: request, reason: busy, retryAfterMillis: 1_000)
            let actions = place.put(.message(refusal, from: near))
            #expect(Desk.requests(in: actions).isEmpty)
        }
        let left = place.put(.peerDisconnected(near))
        #expect(!Desk.requests(in: left).isEmpty)
    }

    @Test("neighbours in other zones come from each of them")
    func fromEachZone() throws {
        for seed in 0..<8 {
            var place = try Place(pieces: 64, name: "me\(seed)")
            try place.connect((0..<30).map { try peer("here\($0)") })
            for number in 0..<3 {
                try place.connect((0..<30).map { try peer("there\(number)-\($0)") }, zone: "there\(number)")
            }
            let asked = askedWhatTheyHold(place.want())
            for number in 0..<3 {
                #expect(asked.contains { $0.text.hasPrefix("there\(number)-") })
            }
            #expect(asked.contains { $0.text.hasPrefix("here") })
        }
    }

    @Test("in a large cluster too, who brings a piece into its zone asks for it")
    func importersAsk() throws {
        var limits = ExchangeLimits()
        limits.grantAskersMax = 1
        for own in ["a", "b", "c"] {
            var place = try Place(pieces: 256, name: own, limits: limits)
            let mates = try ["a", "b", "c"].filter { $0 != own }.map(peer)
            try place.connect(mates)
            place.want(originAllowed: true)
            for mate in mates {
                place.put(.message(.interest(blob: place.blob.digest), from: mate))
                place.put(.message(.holdings(blob: place.blob.digest, held: nil), from: mate))
            }
            let want = place.exchange.wants[0]
            #expect(want.permit.question != nil || want.permit.reading != nil, "\(own) waits for others to ask")
        }
    }

    @Test("what the reader waits for too long it brings in, whoever it was dealt to and whatever else comes")
    func readerStarving() throws {
        var place = try Place(pieces: 64)
        let (near, far) = (try peer("near"), try peer("far"))
        try place.connect([near])
        try place.connect([far], zone: "there")
        place.want()
        place.put(.message(.intent(blob: place.blob.digest), from: near))
        let mine = try #require(place.exchange.wants[0].importable)
        let reader = try #require((0..<64).first { !mine.contains($0) })
        place.put(.readerMoved(blob: place.blob.digest, to: try #require(place.blob.layout.piece(reader))))
        let patience = ExchangeLimits().importPatienceMillis * 1_000_000
        for step in 1...4 as ClosedRange<UInt64> {
            place.now = step * patience / 4
            place.exchange.wants[0].progressAt = Instant(nanoseconds: place.now)
            place.put(.tick)
            let now = try #require(place.exchange.wants[0].importable)
            #expect(now.contains(reader) == (step == 4))
            #expect(now.count == mine.count + (step == 4 ? 1 : 0))
        }
        #expect(Desk.requests(in: place.offerAll(far)).contains { $0.piece == reader })
    }

    @Test("a peer of another zone that stalls does not keep the node from asking others")
    func stalling() throws {
        var place = try Place(pieces: 64)
        let (near, slow, far) = (try peer("near"), try peer("slow"), try peer("far"))
        try place.connect([near])
        try place.connect([slow, far], zone: "there")
        place.want()
        place.put(.message(.intent(blob: place.blob.digest), from: near))
        #expect(Desk.requests(in: place.offerAll(slow)).count == ExchangeLimits().farRequestsMax)
        #expect(Desk.requests(in: place.offerAll(far)).isEmpty)
        place.now = ExchangeLimits().pieceDeadlineMillis * 1_000_000
        place.exchange.wants[0].progressAt = Instant(nanoseconds: place.now)
        #expect(Desk.requests(in: place.put(.tick)).contains { $0.to == far })
    }
}
