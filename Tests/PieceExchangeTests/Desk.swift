import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

/// One exchange on the desk: events are put to it one by one, and what it says to do is looked at.
struct Desk {
    var exchange: PieceExchange
    var now: UInt64 = 0
    var actions: [ExchangeAction] = []
    let blob: SimulatedContent.Blob
    /// What is due is due again at once, for ever.
    private(set) var isStuck = false

    init(pieces: Int, limits: ExchangeLimits = ExchangeLimits(), seed: UInt64 = 1) throws {
        blob = try #require(SimulatedContent.blob(1, pieces: pieces))
        exchange = PieceExchange(name: try peer("me"), limits: limits, seed: seed)
    }

    var digest: Digest { blob.digest }

    mutating func put(_ event: ExchangeEvent) {
        actions = exchange.handle(event, now: Instant(nanoseconds: now))
        #expect(exchange.checkInvariants() == nil)
        guard case .tick = event, let next = exchange.nextDeadline?.nanoseconds, next <= now else { return }
        Issue.record("what was due is due again at once")
        isStuck = true
    }

    mutating func want(held: [Int] = [], originAllowed: Bool = true) throws {
        let name = try peer("me")
        let known = held.compactMap { piece in
            blob.layout.piece(piece).map {
                ExchangeEvent.HeldPiece(piece: $0, digest: trueDigest(piece), author: name)
            }
        }
        put(.want(blob: digest, layout: blob.layout, held: known, originAllowed: originAllowed))
    }

    func trueDigest(_ piece: Int) -> Digest {
        SimulatedContent.digest(of: SimulatedContent.truth(blob, piece))
    }

    /// The peer tells digests of the pieces as their author, then that it holds them.
    mutating func offer(
        _ pieces: Range<Int>,
        from name: PeerName,
        lying: Bool = false,
        author: PeerName? = nil
    ) {
        let digests = pieces.map {
            lying ? SimulatedContent.digest(of: SimulatedContent.lie(blob, $0)) : trueDigest($0)
        }
        let told = PeerMessage.PieceDigests(
            blob: digest,
            author: author ?? name,
            first: UInt32(pieces.lowerBound),
            digests: digests
        )
        put(.message(.pieceDigests(told), from: name))
        let first = actions
        var set = PieceSet(layout: blob.layout)
        for piece in pieces { blob.layout.piece(piece).map { _ = set.insert($0) } }
        let held = PeerMessage.Holdings(blobBytes: blob.layout.blobBytes, complete: false, bits: set.bytes)
        put(.message(.holdings(blob: digest, held: held), from: name))
        actions = first + actions
    }

    /// A peer connects, and wants the blob too.
    mutating func listen(_ name: PeerName) {
        put(.peerConnected(name))
        put(.message(.interest(blob: digest), from: name))
    }

    /// Lets the registry deliver these pieces.
    mutating func read(_ pieces: Range<Int>) throws {
        for piece in pieces {
            let index = try #require(blob.layout.piece(piece))
            put(.originPiece(blob: digest, piece: index, digest: trueDigest(piece)))
        }
    }

    mutating func pass(milliseconds: UInt64) {
        let end = now + milliseconds * 1_000_000
        while !isStuck, let due = exchange.nextDeadline?.nanoseconds, due <= end {
            now = max(now, due)
            put(.tick)
            if !actions.isEmpty { seen += actions }
        }
        now = end
    }

    /// Actions of ticks during `pass`.
    var seen: [ExchangeAction] = []

    /// Requests among the last actions: by piece, with the peer asked.
    var requests: [(request: UInt32, piece: Int, to: PeerName)] { Self.requests(in: actions) }

    static func requests(in actions: [ExchangeAction]) -> [(request: UInt32, piece: Int, to: PeerName)] {
        actions.compactMap { action in
            guard case .send(.request(let request, _, let piece), let to) = action else { return nil }
            return (request, Int(piece), to)
        }
    }

    var fetches: [Range<Int>] {
        actions.compactMap { if case .fetchFromOrigin(_, let pieces) = $0 { pieces } else { nil } }
    }

    var sent: [PeerMessage] {
        actions.compactMap { if case .send(let message, _) = $0 { message } else { nil } }
    }

    /// Delivers the piece asked for by `request` and, if it is taken for checking, its outcome.
    mutating func deliver(
        _ request: (request: UInt32, piece: Int, to: PeerName),
        _ outcome: ExchangeEvent.PieceOutcome = .stored
    ) throws {
        let index = try #require(blob.layout.piece(request.piece))
        let header = PeerMessage.PieceHeader(
            request: request.request,
            encoding: .identity,
            payloadBytes: blob.layout.byteCount(of: index)
        )
        put(.pieceArrived(header, from: request.to))
        let isChecked = actions.contains { if case .checkPiece = $0 { true } else { false } }
        guard isChecked else { return }
        let first = actions
        put(.pieceChecked(request: request.request, from: request.to, outcome: outcome))
        actions = first + actions
    }
}

func peer(_ name: String) throws -> PeerName { try #require(PeerName(name)) }

extension Desk {
    /// A desk with one peer, who keeps the grants.
    static func withDirectory(pieces: Int) throws -> (desk: Desk, directory: PeerName) {
        for letter in "abcdefghijklmnop" {
            var desk = try Desk(pieces: pieces)
            let name = try peer(String(letter))
            desk.put(.peerConnected(name))
            try desk.want()
            if desk.exchange.directory(of: 0) == name { return (desk, name) }
        }
        throw NoDirectory()
    }

    private struct NoDirectory: Error {}
}
