/// Bounds on what the exchange does at once, and on its patience.
package struct ExchangeLimits: Sendable {
    /// Piece requests outstanding at one peer.
    package var requestsPerPeerMax = 16
    /// Bytes asked for or being checked, over all peers: bounds the memory that payloads can take.
    ///
    /// In simulation of 16 nodes at 1 Gbit/s, 32 MiB saved nothing of the makespan, and 12 MiB cost 1 %.
    package var requestedBytesMax = 16 << 20
    /// Piece requests at a peer that answers slowly.
    package var requestsPerPeerMin = 2
    /// Pieces being sent to one peer, and to all peers together: as many as there are peers to serve, within these.
    ///
    /// More at once only make each piece arrive later, and a piece can be passed on only when it is whole; fewer leave
    /// the link idle. In simulation of 4, 8 and 16 nodes, 32 at once cost 5, 8 and 17 % of the makespan.
    package var uploadsPerPeerMax = 4
    package var uploadsMin = 4
    package var uploadsMax = 12
    /// The same among so few peers that each has room for all others.
    ///
    /// On real sockets, with queues of 25 ms, 16 nodes took 1 % longer with 12, for a cause that was not found: as many
    /// segments were sent again with 8. In simulation both took as long, but 1,000 nodes 3 % longer with 8.
    package var uploadsAmongFewMax = 8
    /// A request that would be served later than this is answered with BUSY.
    package var uploadWaitMillisMax: UInt64 = 2_000
    /// A piece that has not come after this time, while its peer sent no other either, is asked for elsewhere.
    package var pieceDeadlineMillis: UInt64 = 5_000
    /// How long a fresh want waits for peers to say what they hold before it turns to the registry.
    package var probeMillis: UInt64 = 500
    /// Pieces at and after the reader that are fetched in order; beyond them the rarest goes first.
    package var windowPieces = 16
    /// Age of a request from which on, in the endgame, another peer is asked too.
    package var endgameMillis: UInt64 = 250
    /// A piece that takes longer than this, and so many times as long as nine of ten took, is asked of a second peer
    /// before the endgame: of a want's pieces this share, and always one.
    ///
    /// In simulation of 100 nodes, twice as long sent 0.7 % of all pieces twice, three times 0.2 %.
    package var hedgeMillisMin: UInt64 = 500
    package var hedgeFactor: UInt64 = 3
    package var hedgedPerMille = 50
    /// A node that reads one piece from the registry while the others read this many each gives back what it was
    /// granted, and so does one that for so long, and as long as nine of ten pieces take it, has had a piece that it
    /// could not begin to hand on. It waits before it asks again, at first this long.
    package var slowReaderFactor = 4
    package var handOnMillis: UInt64 = 1_000
    package var yieldMillis: UInt64 = 2_000
    /// Stored pieces are announced together this late, or up to the larger bound when they come slowly, or earlier when
    /// `haveBatchMax` have come together.
    package var haveDelayMillis: UInt64 = 50
    package var haveDelayMillisMax: UInt64 = 250
    package var haveBatchMax = 64
    /// A want that may not turn to the registry ends when no piece came for this long.
    package var patienceMillis: UInt64 = 15_000
    /// A registry fetch that reports nothing for this long is taken for dead.
    ///
    /// The registry client's own deadlines are shorter; this one only keeps a want from waiting for ever.
    package var originStallMillis: UInt64 = 60_000
    /// Failures of the registry in a row, without a piece in between, after which it is not asked again for
    /// the blob.
    package var originAttemptsMax = 5
    /// Nodes that read one blob from the registry at once, as far as a member that keeps its grants goes.
    package var originFetchersMax = 16
    /// A member that keeps grants and does not answer for this long is not asked again for the blob.
    package var grantAnswerMillis: UInt64 = 2_000
    /// How often a holder says how far it is, and after which silence its grant is given to others.
    package var grantReportMillis: UInt64 = 1_000
    package var grantSilenceMillis: UInt64 = 5_000
    /// How long the pieces that a holder has read are left to it to hand on.
    package var grantHoldMillis: UInt64 = 30_000
    /// A want that is given no grant and no piece for this long turns to the registry without.
    package var grantPatienceMillis: UInt64 = 10_000
    /// About as many nodes of a large cluster ask for grants at once; the others first wait this long for what they
    /// read.
    package var grantAskersMax = 64
    package var grantDeferMillis: UInt64 = 3_000
    /// Peers that a want asks what they hold, at the most; beside them half as many that ask first, or as many when
    /// they are of this node's zone. Up to half as many more are asked where there are no others.
    ///
    /// In simulation of 1,000 nodes with 1 GiB, 16 saved nothing of the makespan (1.13 and 1.14 of the bound) and made
    /// nodes say a quarter more; 10 cost 1 %.
    package var neighboursMax = 12
    /// The same for a node of a zone: half of them are of other zones.
    ///
    /// In simulation of 64 nodes in zones of 4 and 16, 12 made zones bring in 1.96 and 1.09 times the blob.
    package var zonedNeighboursMax = 16
    /// Who held nothing and did not ask for the blob is asked again after this, at first.
    package var passedMillis: UInt64 = 1_000
    /// Nodes of a zone among which the pieces that come into it are dealt; in a larger zone those that rank highest.
    package var importersMax = 64
    /// A want that gets nothing for this long brings pieces into its zone that were dealt to others.
    package var importPatienceMillis: UInt64 = 3_000
    /// Piece requests outstanding at peers of other zones, over all of them.
    package var farRequestsMax = 4
    /// Blobs whose grants this node keeps.
    package var grantBooksMax = 1024
    /// A node that fetches a blob gives a piece to so many peers; who else waits for it gets it from those. One that
    /// has the blob whole gives each piece once, as long as there are pieces that nobody was given.
    package var givenAtOnceMax = 2
    /// As soon as so many requests wait at a node that fetches a blob, it takes none for a piece that it has given to
    /// `givenAtOnceMax` peers.
    ///
    /// In simulation of 16 nodes, who all read from the registry, 2 cost 1 %; of 32 and 64, 6 cost 2 and 1 %.
    package var crowdedFrom = 3
    /// For this long a piece that was given is left to the receiver to hand on.
    package var elsewhereMillis: UInt32 = 2_000
    /// For this long a peer that left a piece to others is not asked for it again.
    package var elsewherePauseMillis: UInt64 = 500
    /// Wants at once; more fail at once.
    package var wantsMax = 1024
    /// Blobs one peer may be interested in at once; a peer that exceeds it breaks the protocol.
    package var interestsPerPeerMax = 2048
    /// Piece digests of whole blobs kept in memory (32 bytes each).
    package var loadedDigestsMax = 1 << 18

    package init() {}
}
