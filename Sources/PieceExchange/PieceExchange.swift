package import PieceModel

/// Decides which piece comes from where and who is sent what. A pure state machine: events and time in, actions out.
package struct PieceExchange: Sendable {
    package init(name: PeerName, limits: ExchangeLimits, seed: UInt64) {}

    /// Takes one event at time `now` and returns what is to be done, in order.
    package mutating func handle(_ event: ExchangeEvent, now: Instant) -> [ExchangeAction] { [] }

    /// When `tick` is due at the latest; `nil` when nothing waits for time. May change with every `handle`.
    package var nextDeadline: Instant? { nil }
}

/// Bounds on what the exchange does at once.
package struct ExchangeLimits: Sendable {
    /// Piece requests outstanding at one peer.
    package var requestsPerPeerMax = 16
    /// Pieces being sent to one peer, and to all peers together.
    package var uploadsPerPeerMax = 8
    package var uploadsMax = 32
    /// A piece that has not come after this time is asked for elsewhere.
    package var pieceDeadlineMillis: UInt64 = 5_000
    /// How long a fresh want waits for peers to say what they hold before it turns to the registry.
    package var probeMillis: UInt64 = 100

    package init() {}
}
