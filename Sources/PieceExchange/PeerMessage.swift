package import OCIModel
package import PieceModel

/// What nodes say to each other about blobs and pieces.
///
/// `Wire` turns each case into a frame and back; `Protos/peer.proto` is the contract.
package enum PeerMessage: Equatable, Sendable {
    package static let haveCountMax = 1024

    /// "I want this blob: tell me now and from here on what you have of it."
    case interest(blob: Digest)
    /// "I want this blob, and need not be told what you have of it." Said among nodes of one zone; it takes the place of
    /// an `interest`.
    case intent(blob: Digest)
    /// "I no longer want it."
    case uninterest(blob: Digest)
    /// Answer to `interest`, sent again when a node starts or ceases to hold the blob, has all of it, or lost
    /// pieces. It replaces what the sender said before. `held` is `nil` for "nothing".
    ///
    /// The digests of the pieces come first, then the `holdings`, so that the receiver can ask for all of
    /// them at once. A blob whose digests are too many for one go is announced by `holdings` without bits,
    /// followed by `pieceDigests` and `have` in turns.
    case holdings(blob: Digest, held: Holdings?)
    /// SHA-256 of a run of pieces, said by a node that holds them. A piece may be asked for when its holder
    /// has said both this and, by `holdings` or `have`, that it holds it.
    case pieceDigests(PieceDigests)
    /// Pieces that the sender now holds, beyond those of its `holdings`.
    case have(Have)
    /// "Send me this piece." `request` is chosen by the asker, unique on this connection while outstanding.
    case request(request: UInt32, blob: Digest, piece: UInt32)
    /// Header of a piece; `payloadBytes` raw bytes follow it in the same frame.
    case piece(PieceHeader)
    /// Answer to `request` when the piece does not come.
    case refuse(request: UInt32, reason: Refusal, retryAfterMillis: UInt32)
    /// "I no longer need the answer to this request." A piece already on its way may still arrive.
    case cancel(request: UInt32)
    /// "Which of these pieces may I read from the registry?", said to the member that keeps the grants of the
    /// blob. Answered by `grant` or `grantRefused`.
    case grantRequest(GrantRequest)
    /// "These pieces are yours to read; nobody else is told to." At least one piece.
    case grant(blob: Digest, pieces: PieceRun)
    /// "None of them now." Others are reading them, or have read them.
    case grantRefused(blob: Digest, retryAfterMillis: UInt32)
    /// How far the sender is with pieces it was granted, or reads without a grant.
    case grantProgress(GrantProgress)

    /// Consecutive pieces.
    package struct PieceRun: Equatable, Sendable {
        package var first: UInt32
        package var count: UInt32

        package init(first: UInt32, count: UInt32) {
            self.first = first
            self.count = count
        }
    }

    package struct GrantRequest: Equatable, Sendable {
        /// At most this many runs in one request.
        package static let runsMax = 64

        package var blob: Digest
        package var blobBytes: Int64
        /// Ascending and apart; the first ones when there are more. At least one.
        package var wanted: [PieceRun]
        /// Those who read these pieces did not hand them on: they have to be read again.
        package var isRetry: Bool

        package init(blob: Digest, blobBytes: Int64, wanted: [PieceRun], isRetry: Bool) {
            self.blob = blob
            self.blobBytes = blobBytes
            self.wanted = wanted
            self.isRetry = isRetry
        }
    }

    package struct GrantProgress: Equatable, Sendable {
        package var blob: Digest
        package var blobBytes: Int64
        /// The pieces it is about.
        package var pieces: PieceRun
        /// How many of them, from the first on, the sender holds.
        package var read: UInt32
        /// The sender reads no more of them.
        package var isOver: Bool

        package init(blob: Digest, blobBytes: Int64, pieces: PieceRun, read: UInt32, isOver: Bool) {
            self.blob = blob
            self.blobBytes = blobBytes
            self.pieces = pieces
            self.read = read
            self.isOver = isOver
        }
    }

    package struct Holdings: Equatable, Sendable {
        /// Size of the whole blob in bytes; the layout of its pieces follows from it.
        package var blobBytes: Int64
        /// The sender has all of it; `bits` is then empty.
        package var complete: Bool
        /// Bit field of `PieceSet`; empty when complete, or when pieces will be named by `have` only.
        package var bits: [UInt8]
        /// Anybody may have the blob, as far as the sender knows. The exchange neither sets nor reads it: pieces go to
        /// every peer, and who asks a node for a blob is judged before the exchange hears of it.
        package var isPublic: Bool

        package init(blobBytes: Int64, complete: Bool, bits: [UInt8], isPublic: Bool = false) {
            self.blobBytes = blobBytes
            self.complete = complete
            self.bits = bits
            self.isPublic = isPublic
        }
    }

    package struct Have: Equatable, Sendable {
        /// At most this many pieces in one message with their digests: so many and as many authors' names fit.
        package static let newsMax = 512

        package var blob: Digest
        /// At most `haveCountMax`.
        package var pieces: [UInt32]
        /// How many the sender holds in all, those included that it did not name because the receiver has them: who
        /// is furthest behind is served first.
        package var held: UInt32
        /// One for each of the pieces; or empty, when they were told by `pieceDigests` before.
        package var digests: [Digest] = []
        /// The nodes that computed them, and for each piece the index of its own among these.
        package var authors: [PeerName] = []
        package var authorOf: [UInt32] = []

        package init(blob: Digest, pieces: [UInt32], held: UInt32) {
            self.blob = blob
            self.pieces = pieces
            self.held = held
        }

        /// Whether each list is as long as its meaning demands.
        package var isWellFormed: Bool {
            guard !pieces.isEmpty, pieces.count <= PeerMessage.haveCountMax else { return false }
            if digests.isEmpty { return authors.isEmpty && authorOf.isEmpty }
            return pieces.count <= Self.newsMax && digests.count == pieces.count && authorOf.count == pieces.count
                && authors.count <= pieces.count && authorOf.allSatisfy { $0 < authors.count }
        }
    }

    package struct PieceDigests: Equatable, Sendable {
        /// At most this many digests in one message; a longer run is paged.
        package static let countMax = 1024
        /// And this many when the chain is told, too.
        package static let chainMax = 512

        package var blob: Digest
        /// The node that computed the digests from bytes it read from the registry, or from a blob that it
        /// verified as a whole.
        package var author: PeerName
        package var first: UInt32
        package var digests: [Digest]
        /// For each of the pieces the state of the blob's SHA-256 behind it, and for the last piece the blob's digest;
        /// or empty.
        package var chain: [Digest]

        package init(blob: Digest, author: PeerName, first: UInt32, digests: [Digest], chain: [Digest] = []) {
            self.blob = blob
            self.author = author
            self.first = first
            self.digests = digests
            self.chain = chain
        }
    }

    package struct PieceHeader: Equatable, Sendable {
        package var request: UInt32
        package var encoding: PieceEncoding
        /// Bytes that follow in this frame: the piece itself, or its zstd frame.
        package var payloadBytes: Int

        package init(request: UInt32, encoding: PieceEncoding, payloadBytes: Int) {
            self.request = request
            self.encoding = encoding
            self.payloadBytes = payloadBytes
        }
    }

    package enum PieceEncoding: UInt8, Equatable, Sendable, CaseIterable {
        case identity = 0
        case zstd = 1
    }

    package enum Refusal: UInt8, Equatable, Sendable, CaseIterable {
        /// All upload slots are taken; ask again after the hint.
        case busy = 1
        /// The sender does not hold that piece (any more).
        case notHeld = 2
        /// The node is shutting down.
        case draining = 3
        /// It was just given to another node, who will hand it on, and there are pieces that nobody else has.
        case elsewhere = 4
    }
}
