import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("a register of grants outside of the nodes")
struct RegisterTests {
    private let limits = ExchangeLimits()

    /// A want with a neighbour who holds nothing, and a register, which is asked for all pieces.
    private func desk() throws -> (desk: Desk, peer: PeerName) {
        var (desk, directory) = try Desk.withDirectory(pieces: 8)
        desk.put(.registerChanged(isThere: true))
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: directory))
        return (desk, directory)
    }

    private func isAskedOfMember(_ actions: [ExchangeAction], _ name: PeerName) -> Bool {
        actions.contains { if case .send(.grantRequest, name) = $0 { true } else { false } }
    }

    private func isAskedOfRegister(_ actions: [ExchangeAction]) -> Bool {
        actions.contains { if case .askRegister = $0 { true } else { false } }
    }

    private func progress(_ desk: Desk, _ pieces: Range<Int>, read: Int, isOver: Bool) -> PeerMessage.GrantProgress {
        PeerMessage.GrantProgress(
            blob: desk.digest, blobBytes: desk.blob.layout.blobBytes,
            pieces: .init(first: UInt32(pieces.lowerBound), count: UInt32(pieces.count)), read: UInt32(read),
            isOver: isOver)
    }

    @Test("it is asked and told in the place of the member that keeps the grants")
    func asked() throws {
        var (desk, _) = try desk()
        let request = PeerMessage.GrantRequest(
            blob: desk.digest, blobBytes: desk.blob.layout.blobBytes, wanted: [.init(first: 0, count: 8)],
            isRetry: false)
        #expect(desk.actions == [.askRegister(request)])
        desk.put(.registerAnswered(blob: desk.digest, .granted(2..<4)))
        #expect(desk.fetches == [2..<4])
        #expect(isAskedOfRegister(desk.actions), "the next grant is asked for ahead")
        desk.put(.registerAnswered(blob: desk.digest, .refused(retryAfterMillis: 100_000)))
        try desk.read(2..<4)
        desk.put(.originEnded(blob: desk.digest, failure: nil))
        #expect(desk.actions.contains(.tellRegister(progress(desk, 2..<4, read: 2, isOver: true))))
        #expect(desk.fetches.isEmpty)
    }

    @Test("no answer, or one without sense, has the member asked; silence costs one deadline, as with a member",
        arguments: [nil, GrantAnswer.granted(6..<9), .granted(2..<2)])
    func unheard(answer: GrantAnswer?) throws {
        var (desk, member) = try desk()
        desk.put(.registerAnswered(blob: desk.digest, answer))
        #expect(isAskedOfMember(desk.actions, member))
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 0, count: 2)), from: member))
        #expect(desk.fetches == [0..<2])

        (desk, member) = try self.desk()
        desk.pass(milliseconds: limits.grantAnswerMillis)
        #expect(isAskedOfMember(desk.seen, member))
        desk.put(.registerAnswered(blob: desk.digest, .granted(0..<2)))
        #expect(desk.fetches.isEmpty, "it comes too late")
    }

    @Test("one that refuses for ever is passed over")
    func refusing() throws {
        var (desk, member) = try desk()
        for _ in 0..<200 where !isAskedOfMember(desk.seen, member) {
            desk.put(.registerAnswered(blob: desk.digest, .refused(retryAfterMillis: 100)))
            desk.seen += desk.actions
            desk.pass(milliseconds: 200)
        }
        #expect(isAskedOfMember(desk.seen, member))
        #expect(desk.now <= (limits.grantPatienceMillis + 1_000) * 1_000_000)
    }

    @Test("when it goes, the member is told at once what is being read and what was granted; so is it when it comes again")
    func comesAndGoes() throws {
        var (desk, member) = try desk()
        desk.put(.registerAnswered(blob: desk.digest, .granted(0..<2)))
        desk.put(.registerAnswered(blob: desk.digest, .granted(4..<6)))
        try desk.read(0..<1)
        desk.put(.registerChanged(isThere: false))
        // The last piece of the first grant, beside the second one; there is no third yet.
        let reading = [progress(desk, 0..<2, read: 1, isOver: false), progress(desk, 4..<6, read: 0, isOver: false)]
        #expect(desk.sent.prefix(2) == reading.map { .grantProgress($0) }[...])
        #expect(isAskedOfMember(desk.actions, member))
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 6, count: 2)), from: member))
        desk.put(.registerChanged(isThere: true))
        let granted = progress(desk, 6..<8, read: 0, isOver: false)
        #expect(desk.actions == (reading + [granted]).map { .tellRegister($0) } + [.seekHolders(blob: desk.digest)])
    }

    @Test("a question under way when it goes is put to the member")
    func questionUnderWay() throws {
        var (desk, member) = try desk()
        desk.put(.registerChanged(isThere: false))
        #expect(isAskedOfMember(desk.actions, member))
        desk.put(.registerAnswered(blob: desk.digest, .granted(0..<2)))
        #expect(desk.fetches.isEmpty)
    }

    @Test("it is told when a neighbour's connection is gone")
    func lostNeighbour() throws {
        var (desk, member) = try desk()
        let other = try peer("other")
        desk.put(.peerConnected(other))
        desk.put(.peerDisconnected(other))
        let bytes = desk.blob.layout.blobBytes
        #expect(desk.actions.contains(.tellRegisterLost(blob: desk.digest, blobBytes: bytes, holder: other)))
        desk.put(.registerChanged(isThere: false))
        desk.put(.peerConnected(other))
        desk.put(.peerDisconnected(other))
        #expect(!desk.actions.contains(.tellRegisterLost(blob: desk.digest, blobBytes: bytes, holder: other)))
        #expect(member != other)
    }

    @Test("those that it names as holders are asked beside the neighbours, and waited for before the registry is")
    func holders() throws {
        var few = ExchangeLimits()
        few.neighboursMax = 2
        var desk = try Desk(pieces: 8, limits: few)
        let names = try (0..<9).map { try peer("p\($0)") }
        for name in names { desk.put(.peerConnected(name)) }
        desk.put(.registerChanged(isThere: true))
        try desk.want()
        #expect(desk.actions.contains(.seekHolders(blob: desk.digest)))
        func asked() -> [PeerName] {
            desk.actions.compactMap { if case .send(.interest, let to) = $0 { to } else { nil } }
        }
        let neighbours = asked()
        #expect(neighbours.count == 2)
        let holder = try #require(names.first { !neighbours.contains($0) })
        let stranger = try peer("stranger")
        desk.put(.holdersFound(blob: desk.digest, [stranger, neighbours[0], holder]))
        #expect(asked() == [holder])
        desk.offer(0..<8, from: holder)
        #expect(!desk.requests.isEmpty && desk.requests.allSatisfy { $0.to == holder })
        #expect(desk.fetches.isEmpty && !isAskedOfRegister(desk.actions))
    }

    @Test("a holder that is no peer is connected with, and waited for before the registry is", arguments: [true, false])
    func strangeHolder(isThere: Bool) throws {
        var few = ExchangeLimits()
        few.neighboursMax = 2
        var desk = try Desk(pieces: 8, limits: few)
        let peers = try (0..<3).map { try peer("p\($0)") }
        let holder = try peer("holder")
        for name in peers { desk.put(.peerConnected(name)) }
        desk.put(.registerChanged(isThere: true))
        try desk.want()
        for name in peers + peers { desk.put(.message(.holdings(blob: desk.digest, held: nil), from: name)) }
        desk.put(.holdersFound(blob: desk.digest, [holder]))
        #expect(desk.actions == [.connect(holder)])
        guard isThere else {
            desk.put(.unreachable(holder))
            return #expect(isAskedOfRegister(desk.actions))
        }
        desk.put(.peerConnected(holder))
        #expect(desk.actions.contains(.send(.interest(blob: desk.digest), to: holder)))
        #expect(!isAskedOfRegister(desk.actions))
        desk.offer(0..<8, from: holder)
        #expect(!desk.requests.isEmpty && desk.requests.allSatisfy { $0.to == holder })
        #expect(desk.fetches.isEmpty && !isAskedOfRegister(desk.actions))
    }

    @Test("holders that nobody names in time are waited for no longer than what peers say")
    func holdersUnheard() throws {
        var few = ExchangeLimits()
        few.neighboursMax = 1
        var desk = try Desk(pieces: 8, limits: few)
        let (one, other) = (try peer("p1"), try peer("p2"))
        for name in [one, other] { desk.put(.peerConnected(name)) }
        desk.put(.registerChanged(isThere: true))
        try desk.want()
        for name in [one, other] {
            desk.put(.message(.interest(blob: desk.digest), from: name))
            desk.put(.message(.holdings(blob: desk.digest, held: nil), from: name))
        }
        #expect(!isAskedOfRegister(desk.actions))
        desk.pass(milliseconds: few.probeMillis)
        #expect(isAskedOfRegister(desk.seen))
    }

    @Test("a node without peers asks nobody")
    func alone() throws {
        var desk = try Desk(pieces: 8)
        desk.put(.registerChanged(isThere: true))
        try desk.want()
        #expect(desk.fetches == [0..<8])
        #expect(!isAskedOfRegister(desk.actions))
    }
}
