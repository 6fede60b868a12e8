package import EventLoop
package import PieceModel

/// One way to learn where the other nodes listen.
///
///     made --start()--> running --stop()--> stopped
///
/// What every engine keeps to, whatever it asks:
/// - `changed` gets all endpoints it knows, sorted, without duplicates and without this node's own, whenever
///   they differ from the last time; never inside `start`, never after `stop`.
/// - What it knows is bounded by `MemberTable.countMax`.
/// - A source that fails, or says nothing, takes nothing away; an endpoint that the source no longer lists is
///   forgotten only after a grace.
/// - Nothing it does blocks the loop, and nothing that comes from outside can stop it.
@LoopActor
package protocol DiscoveryEngine: AnyObject, Sendable {
    var status: DiscoveryStatus { get }
    /// Call it once.
    func start(_ handlers: DiscoveryHandlers)
    /// Ends it, and tells the others where there is a way to, for at most a second.
    func stop() async
}

/// Who hears what an engine finds. Neither may call back into the engine.
package struct DiscoveryHandlers {
    package let changed: @LoopActor ([PeerEndpoint]) -> Void
    /// The engine began to work, or ceased to; not called for a mere count.
    package let stateChanged: @LoopActor (DiscoveryStatus) -> Void

    package init(
        changed: @escaping @LoopActor ([PeerEndpoint]) -> Void,
        stateChanged: @escaping @LoopActor (DiscoveryStatus) -> Void = { _ in }
    ) {
        self.changed = changed
        self.stateChanged = stateChanged
    }
}

/// The ways there are, by the names of their settings.
package enum DiscoverySource: String, Hashable, Sendable, Comparable, CaseIterable {
    case `static`
    case dns
    case redis

    package static func < (left: DiscoverySource, right: DiscoverySource) -> Bool { left.rawValue < right.rawValue }
}

/// How an engine, or one of the servers it asks, does.
package struct DiscoveryStatus: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        /// Has not had an answer yet.
        case starting
        case working
        /// What was known before is kept; with the reason in a few words.
        case failing(String)
    }

    package let source: DiscoverySource
    /// What is asked: a name, a server, or empty.
    package let subject: String
    package var state: State
    /// Endpoints it knows, this node's own left out.
    package var endpoints: Int
}
