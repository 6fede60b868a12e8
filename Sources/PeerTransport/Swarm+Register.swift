package import EventLoop
package import OCIModel
package import PieceExchange
package import PieceModel

/// Keeps grants outside of the nodes, the same for all of them, and who took a blob. It never fails: it is there or it
/// is not.
@LoopActor
package protocol GrantRegister: AnyObject, Sendable {
    /// `nil` when it cannot be asked.
    func ask(_ request: PeerMessage.GrantRequest) async -> GrantAnswer?
    func tell(_ progress: PeerMessage.GrantProgress) async
    /// Notes that this node takes the blob; others that did. Some of them may be gone, or hold nothing of it.
    func holders(of blob: Digest) async -> [PeerName]
    /// This node lost its connection with one that may read the blob.
    func tellLost(_ holder: PeerName, of blob: Digest, bytes: Int64) async
}

/// Grants of a register: the exchange says what to ask it, and goes on with the members of the swarm without it.
extension Swarm {
    /// The register keeps the grants from now on; `nil`: the members do. To be said again when the register may have
    /// forgotten what it was told.
    package func use(_ register: (any GrantRegister)?) {
        self.register = register
        registerChanges += 1
        deliver(.registerChanged(isThere: register != nil))
    }

    func ask(_ register: (any GrantRegister)?, _ request: PeerMessage.GrantRequest) {
        let asked = registerChanges
        Loop.task {
            let answer = await register?.ask(request)
            if asked == self.registerChanges { return self.deliver(.registerAnswered(blob: request.blob, answer)) }
            // The exchange asked anew when the register changed, and takes the next answer for the one to that.
            if case .granted(let pieces) = answer { self.giveBack(pieces, of: request, to: register) }
        }
    }

    private func giveBack(
        _ pieces: Range<Int>, of request: PeerMessage.GrantRequest, to register: (any GrantRegister)?
    ) {
        guard let first = UInt32(exactly: pieces.lowerBound), let count = UInt32(exactly: pieces.count) else { return }
        tell(
            register,
            PeerMessage.GrantProgress(
                blob: request.blob, blobBytes: request.blobBytes, pieces: .init(first: first, count: count), read: 0,
                isOver: true))
    }

    func seekHolders(of blob: Digest, _ register: (any GrantRegister)?) {
        Loop.task {
            let names = await register?.holders(of: blob) ?? []
            self.deliver(.holdersFound(blob: blob, names))
        }
    }

    func tell(_ register: (any GrantRegister)?, _ progress: PeerMessage.GrantProgress) {
        Loop.task { await register?.tell(progress) }
    }

    func tell(_ register: (any GrantRegister)?, lost holder: PeerName, of blob: Digest, bytes: Int64) {
        Loop.task { await register?.tellLost(holder, of: blob, bytes: bytes) }
    }
}
