import OCIModel
import PieceModel

/// Leave to read from the registry, so that a cluster reads each byte once: asked of the member that keeps the
/// grants of the blob, which may be this node itself, or of the register, if there is one.
///
/// A node without peers asks nobody. Who cannot be asked, or refuses while nothing comes, is passed over: to get the
/// blob matters more than to read it once.
extension PieceExchange {
    private static let retryMillis: ClosedRange<UInt64> = 20...5_000
    /// Members that may fail a want before it keeps its own grants.
    private static let unheardMax = 2
    /// How long a node goes by it that others ask for grants; to find out costs a look at all peers.
    private static let othersAskMillis: UInt64 = 200

    /// The pieces to read next, if any may be.
    mutating func runToRead(_ id: WantID) -> Range<Int>? {
        guard usesGrants(id) else { return wants[id].nextOriginRun() }
        while true {
            if wants[id].permit.reading == nil {
                guard let next = wants[id].permit.next else { return nil }
                wants[id].permit.reading = next
                wants[id].permit.next = nil
            }
            guard let reading = wants[id].permit.reading else { return nil }
            if let run = wants[id].originRun(in: reading) { return run }
            report(id, isOver: true)
            wants[id].permit.reading = nil
        }
    }

    /// The next grant, to be read beside the last pieces of the one before.
    mutating func runAfterTail(_ id: WantID) -> Range<Int>? {
        guard usesGrants(id), let reading = wants[id].permit.reading, let running = wants[id].origin.running,
            let next = wants[id].permit.next, let run = wants[id].originRun(in: next),
            running.upperBound == reading.upperBound
        else { return nil }
        wants[id].permit.trailing = reading
        wants[id].permit.reading = next
        wants[id].permit.next = nil
        return run
    }

    func usesGrants(_ id: WantID) -> Bool {
        !peerIDs.isEmpty && !wants[id].takesOnlyFromOrigin
    }

    /// Asks for the next grant as soon as there is none in hand, and looks after the question asked before.
    mutating func askForGrant(_ id: WantID) {
        guard wants[id].phase == .fetching, wants[id].origin.access == .allowed, usesGrants(id) else { return }
        reportIfDue(id)
        if let question = wants[id].permit.question {
            let due = dueAt(question)
            guard due <= now else { return arm(want: id, at: due) }
            passOver(question.keeper, id)
        }
        guard wants[id].permit.next == nil else { return }
        if let pause = wants[id].origin.retryAt, pause > now { return arm(want: id, at: pause) }
        if let retryAt = wants[id].permit.retryAt, retryAt > now, patienceEnd(id) > now {
            return arm(want: id, at: min(retryAt, patienceEnd(id)))
        }
        if let pause = wants[id].permit.othersAskUntil, pause > now { return arm(want: id, at: pause) }
        if waitsToGive(id) { return }
        let isRetry = wants[id].hasFailedPieces
        let wanted = wants[id].runsNeedingOrigin(onlyFailed: isRetry, atMost: PeerMessage.GrantRequest.runsMax)
        guard !wanted.isEmpty else { return }
        if isOutOfPatience(id) { passOver(keeper(of: id), id) }
        // Patience is over, but a read runs: that has a deadline of its own.
        if let retryAt = wants[id].permit.retryAt, retryAt > now { return arm(want: id, at: retryAt) }
        guard isToAsk(id) else { return }
        put(wanted, isRetry: isRetry, id)
    }

    /// The question goes out behind the pieces that this node is sending to the member, and the answer comes behind
    /// those that it is sending here: as long as there are any, it is waited for, but not beyond patience.
    private func dueAt(_ question: Permit.Question) -> Instant {
        guard case .member(let directory) = question.keeper, let id = peerIDs[directory] else {
            return question.deadline
        }
        let peer = peers[id]
        let isBusy = !peer.uploading.isEmpty || !peer.requests.isEmpty && peer.lateCount == 0
        let silent = (isBusy ? now : peer.deliveredAt).adding(milliseconds: limits.grantAnswerMillis)
        let last = question.deadline.adding(milliseconds: limits.grantPatienceMillis)
        return max(question.deadline, min(silent, last))
    }

    private func patienceEnd(_ id: WantID) -> Instant {
        let since = max(wants[id].progressAt, wants[id].permit.grantedAt)
        return since.adding(milliseconds: limits.grantPatienceMillis)
    }

    private func isOutOfPatience(_ id: WantID) -> Bool {
        !wants[id].origin.isReading && patienceEnd(id) <= now
    }

    private mutating func put(_ wanted: [Range<Int>], isRetry: Bool, _ id: WantID) {
        let (keeper, layout) = (keeper(of: id), wants[id].layout)
        guard keeper != .member(name) else {
            let isKeptByAnother = !wants[id].permit.unheard.isEmpty && audiences[wants[id].blob] != nil
            let order = isKeptByAnother ? fromAnywhere(wanted) : wanted
            let answer = answer(order, isRetry: isRetry, of: wants[id].blob, layout, to: name)
            return answered(answer, id)
        }
        let deadline = now.adding(milliseconds: limits.grantAnswerMillis)
        arm(want: id, at: deadline)
        let request = PeerMessage.GrantRequest(
            blob: wants[id].blob,
            blobBytes: layout.blobBytes,
            wanted: wanted.map { .init(first: UInt32($0.lowerBound), count: UInt32($0.count)) },
            isRetry: isRetry
        )
        wants[id].permit.question = Permit.Question(keeper: keeper, deadline: deadline)
        guard case .member(let directory) = keeper else { return act(.askRegister(request)) }
        if let peer = peerIDs[directory] { return send(.grantRequest(request), to: peer) }
        wants[id].permit.question?.unsent = request
        if errands.insert(directory).inserted { act(.connect(directory)) }
    }

    /// The same pieces, beginning with any of them: when nobody hears the keeper of grants, many read without, and
    /// would all read the same ones at the same time.
    private mutating func fromAnywhere(_ wanted: [Range<Int>]) -> [Range<Int>] {
        let index = random.below(wanted.count)
        let run = wanted[index]
        let start = run.lowerBound + random.below(run.count)
        let before = start > run.lowerBound ? [run.lowerBound..<start] : []
        return [start..<run.upperBound] + wanted[(index + 1)...] + wanted[..<index] + before
    }

    /// The member is connected now: it is asked what was waiting for it.
    mutating func putUnsent(to peer: PeerID) {
        for id in wants.indices where wants[id].isLive {
            guard let question = wants[id].permit.question, question.keeper == .member(peers[peer].name),
                let request = question.unsent
            else { continue }
            wants[id].permit.question?.unsent = nil
            send(.grantRequest(request), to: peer)
        }
    }

    mutating func know(_ known: Membership) {
        members = known
        for id in wants.indices where wants[id].isLive { wants[id].permit.directory = nil }
    }

    mutating func unreachable(_ member: PeerName) {
        errands.remove(member)
        giveUpSeeking(member)
        for id in wants.indices where wants[id].isLive && wants[id].permit.question?.keeper == .member(member) {
            passOver(.member(member), id)
            touch(want: id)
        }
    }

    /// Whether it is for this node to ask for grants: in a large cluster only some do, those that rank highest among
    /// the nodes they see fetching the blob. The others get from them what they read; when nothing comes, they ask too.
    private mutating func isToAsk(_ id: WantID) -> Bool {
        let memberCount = max(members.count, peerIDs.count + 1)
        // Nobody else of its zone asks for what was dealt to it.
        guard memberCount > limits.grantAskersMax, wants[id].importable == nil else { return true }
        let waited = wants[id].progressAt.adding(milliseconds: limits.grantDeferMillis)
        // Who reads goes on, even if others who rank higher came since: those were told to wait for it.
        if waited <= now || wants[id].permit.reading != nil { return true }
        let blob = wants[id].blob
        let own = weight(nameKey, blob)
        let rivals = peers.indices.filter { peers[$0].isConnected && peers[$0].interests.contains(blob) }
        let higher = rivals.filter { weight(peers[$0].key, blob) > own }.count
        let places = max(1, limits.grantAskersMax * (rivals.count + 1) / memberCount)
        guard higher >= places else { return true }
        let pause = min(waited, now.adding(milliseconds: Self.othersAskMillis))
        wants[id].permit.othersAskUntil = pause
        arm(want: id, at: pause)
        return false
    }

    mutating func passOver(_ keeper: GrantKeeper, _ id: WantID) {
        wants[id].permit.question = nil
        wants[id].permit.retryAt = nil
        wants[id].permit.grantedAt = now
        wants[id].permit.directory = nil
        guard keeper != .member(name) else { return }
        grantCounters.unanswered += 1
        switch keeper {
        case .member(let directory): wants[id].permit.unheard.insert(directory)
        case .register: wants[id].permit.isDoneWithRegister = true
        }
    }

    mutating func keeper(of id: WantID) -> GrantKeeper {
        hasRegister && !wants[id].permit.isDoneWithRegister ? .register : .member(directory(of: id))
    }

    /// The member that keeps the grants of the want's blob: of this node and its peers, the one whose name and the
    /// blob's digest make the highest number, so that all who know the same members choose the same.
    mutating func directory(of id: WantID) -> PeerName {
        if let known = wants[id].permit.directory { return known }
        let found = findDirectory(of: id)
        wants[id].permit.directory = found
        return found
    }

    private func findDirectory(of id: WantID) -> PeerName {
        let permit = wants[id].permit
        guard permit.unheard.count <= Self.unheardMax else { return name }
        let blob = wants[id].blob
        var best = (weight: weight(nameKey, blob), name: name)
        for peer in peers where peer.isConnected && !permit.unheard.contains(peer.name) {
            let weight = weight(peer.key, blob)
            if (weight, peer.name) > best { best = (weight, peer.name) }
        }
        for index in 0..<members.count {
            let weight = weight(members.keys[index], blob)
            guard weight >= best.weight, !permit.unheard.contains(members.names[index]) else { continue }
            if (weight, members.names[index]) > best { best = (weight, members.names[index]) }
        }
        return best.name
    }

    private func weight(_ key: UInt64, _ blob: Digest) -> UInt64 {
        var mixer = SplitMix64(seed: key ^ blob.words.0 ^ blob.words.3)
        return mixer.next()
    }

    // MARK: Answers

    mutating func granted(_ blob: Digest, _ pieces: PeerMessage.PieceRun, by peer: PeerID) {
        guard let id = wantIDs[blob] else { return }
        let (first, count) = (Int(pieces.first), Int(pieces.count))
        guard count > 0, first + count <= wants[id].pieceCount else { return violate(peer) }
        guard wants[id].permit.question?.keeper == .member(peers[peer].name) else { return }
        answered(.granted(first..<(first + count)), id)
    }

    mutating func grantRefused(_ blob: Digest, _ retryAfterMillis: UInt32, by peer: PeerID) {
        guard let id = wantIDs[blob], wants[id].permit.question?.keeper == .member(peers[peer].name) else { return }
        answered(.refused(retryAfterMillis: UInt64(retryAfterMillis)), id)
    }

    mutating func answered(_ answer: GrantAnswer, _ id: WantID) {
        wants[id].permit.question = nil
        switch answer {
        case .granted(let pieces):
            grantCounters.received += 1
            wants[id].permit.next = pieces
            wants[id].permit.retryAt = nil
            wants[id].permit.grantedAt = now
        case .refused(let millis):
            grantCounters.refused += 1
            let pause = min(max(millis, Self.retryMillis.lowerBound), Self.retryMillis.upperBound)
            let spread = pause / 2 + UInt64(random.below(Int(pause)))
            wants[id].permit.retryAt = now.adding(milliseconds: spread)
        }
        touch(want: id)
    }
}
