package import OCIModel
package import PieceModel

/// A moment of the monotonic clock, in nanoseconds from an arbitrary start.
package struct Instant: Hashable, Sendable, Comparable {
    package var nanoseconds: UInt64

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    package func adding(milliseconds: UInt64) -> Instant {
        let (added, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return adding(nanoseconds: overflow ? .max : added)
    }

    /// At most the latest moment there is.
    func adding(nanoseconds added: UInt64) -> Instant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(added)
        return Instant(nanoseconds: overflow ? .max : sum)
    }
}

/// Everything that can happen to the exchange.
///
/// The shell reports; it never decides.
package enum ExchangeEvent: Sendable {
    // From this node.
    /// A reader wants the blob. `held` are the pieces already on disk (resumed), with the digests known for
    /// them. `originAllowed` says whether the registry may be asked. Of a blob that is wanted already it says only that
    /// the registry may be asked from now on.
    case want(blob: Digest, layout: PieceLayout, held: [HeldPiece], originAllowed: Bool)
    /// The slowest active reader needs bytes from this piece on; steers the in-order window.
    case readerMoved(blob: Digest, to: PieceIndex)
    /// Nobody wants the blob any more; what was fetched stays with the store.
    case unwant(blob: Digest)
    /// The store holds the blob whole and verified; may be uploaded from now on. Digests are asked for by
    /// `loadDigests`.
    case blobAvailable(blob: Digest, layout: PieceLayout)
    /// The store no longer has it.
    case blobRemoved(blob: Digest)
    /// Answer to `loadDigests`: all piece digests of a whole blob, authored by this node, and the states of its chain
    /// if they are known (`PeerMessage.PieceDigests.chain`); `nil` if they can't be made.
    case digestsLoaded(blob: Digest, digests: [Digest]?, chain: [Digest] = [])

    // From peers.
    /// All members known by name now, connected or not. Only those named here may be asked for by `connect`.
    case members(Membership)
    /// A member that `connect` named cannot be reached now.
    case unreachable(PeerName)
    case peerConnected(PeerName, zone: Zone? = nil)
    case peerDisconnected(PeerName)
    /// Any message but `piece`.
    case message(PeerMessage, from: PeerName)
    /// A piece came; its payload waits with the shell until the action that answers this event: exactly one
    /// `checkPiece` or `discardPayload` for this request and peer is among the actions returned.
    case pieceArrived(PeerMessage.PieceHeader, from: PeerName)
    /// Outcome of `checkPiece`.
    case pieceChecked(request: UInt32, from: PeerName, outcome: PieceOutcome)
    /// Answer to `provePieces`: the true digests of those that are still held.
    case piecesProven(blob: Digest, [(piece: PieceIndex, digest: Digest)])
    /// The upload that `upload` began has left this node, or its connection died.
    case uploadEnded(request: UInt32, to: PeerName)

    // From the register of grants and holders, if this node has one.
    /// It can be asked from now on, or not any more; said again when it may have forgotten what it was told.
    case registerChanged(isThere: Bool)
    /// Answer to `askRegister`; `nil` when none of use came.
    case registerAnswered(blob: Digest, GrantAnswer?)
    /// Answer to `seekHolders`; empty when the register knows nobody, or cannot be asked.
    case holdersFound(blob: Digest, [PeerName])

    // From the registry.
    /// One piece of a running origin fetch is hashed and stored.
    case originPiece(blob: Digest, piece: PieceIndex, digest: Digest)
    /// The running origin fetch ended, or the one before it if `isTail`: `nil` when it delivered all it was asked for.
    case originEnded(blob: Digest, failure: OriginFailure?, isTail: Bool = false)

    /// Outcome of `checkBlob`; of one that matches with the states of its chain, if they are known.
    case blobChecked(blob: Digest, matches: Bool, chain: [Digest] = [])
    /// The local disk failed at what no other event can report: storing a piece of the registry, or the
    /// commit.
    case storeFailed(blob: Digest)
    /// Time passed; sent at `nextDeadline`.
    case tick

    package struct HeldPiece: Equatable, Sendable {
        package var piece: PieceIndex
        package var digest: Digest
        package var author: PeerName

        package init(piece: PieceIndex, digest: Digest, author: PeerName) {
            self.piece = piece
            self.digest = digest
            self.author = author
        }
    }

    package enum PieceOutcome: Equatable, Sendable {
        case stored
        /// Stored as a link of the blob's chain, on the word of a peer that has all of it; whether it has the digest it
        /// was said to have was not looked at. Only where `mayGoByChain` said so.
        case linked
        /// The bytes are not those of the digest, or did not decompress to the piece's size.
        case wrongBytes
        /// The local disk failed; says nothing about the peer.
        case storeFailed
    }

    package enum OriginFailure: Equatable, Sendable {
        /// The registry could not be reached or broke off; worth another try after a pause.
        case transient
        /// The registry says no (not found, not allowed) or sent what cannot be this blob.
        case permanent
    }
}

/// What the shell has to do, in this order.
package enum ExchangeAction: Equatable, Sendable {
    case send(PeerMessage, to: PeerName)
    /// Tell the register that this node takes the blob, and ask who else has taken it; report `holdersFound`.
    case seekHolders(blob: Digest)
    /// Ask the register which of these pieces may be read from the registry; report `registerAnswered`.
    case askRegister(PeerMessage.GrantRequest)
    /// How far this node is with what it reads from the registry.
    case tellRegister(PeerMessage.GrantProgress)
    /// This node lost its connection with one that may be reading pieces of the blob, or may have read some.
    case tellRegisterLost(blob: Digest, blobBytes: Int64, holder: PeerName)
    /// A connection to this member is needed; report `peerConnected` or `unreachable`.
    case connect(PeerName)
    /// Read the piece from the store and send it in answer to `request`; then report `uploadEnded`.
    case upload(blob: Digest, piece: PieceIndex, request: UInt32, to: PeerName)
    /// Unpack and hash the payload that just arrived, store it if it is the piece of that digest (in the name
    /// of `author`), report `pieceChecked`.
    case checkPiece(
        blob: Digest,
        piece: PieceIndex,
        digest: Digest,
        author: PeerName,
        request: UInt32,
        from: PeerName
    )
    /// Make the digests of these pieces; report `piecesProven`.
    case provePieces(blob: Digest, pieces: [PieceIndex])
    /// Throw away the payload that just arrived.
    case discardPayload(request: UInt32, from: PeerName)
    /// Read these pieces, in order, from the registry with one request; report each as `originPiece`, then
    /// `originEnded`. A fetch of the blob that runs already becomes the tail: it reads what is left of it
    /// beside the new one. There is never more than one tail.
    case fetchFromOrigin(blob: Digest, pieces: Range<Int>)
    /// The running fetch is over, and the tail with it: no `originEnded` follows, another may be started by the next
    /// action. Pieces that were read before are still reported as `originPiece`.
    case stopOrigin(blob: Digest)
    /// Compute or load the piece digests of a whole blob; report `digestsLoaded`.
    case loadDigests(blob: Digest)
    /// All pieces are there: hash the whole blob, commit it if it matches, report `blobChecked`.
    case checkBlob(blob: Digest)
    /// The blob is whole and committed. Readers may take the rest.
    case completed(blob: Digest)
    /// Forget these stored pieces: they are not what was said of them, or may not be.
    case dropPieces(blob: Digest, pieces: [PieceIndex])
    /// The blob cannot be had now; readers end cleanly.
    case failed(blob: Digest, WantFailure)
    /// Close the connection and do not dial this peer again before `retry`.
    case ban(PeerName, reason: BanReason, retry: Instant)

    package enum WantFailure: Equatable, Sendable {
        /// No peer has it and the registry may not be asked.
        case noSource
        /// The registry said no.
        case originRefused
        /// Every source failed, over and over.
        case sourcesExhausted
        /// The whole did not match its digest, twice.
        case wrongContent
        case storeFailed
    }

    package enum BanReason: Equatable, Sendable {
        case wrongBytes
        case protocolViolation
        case wrongDigests
    }
}
