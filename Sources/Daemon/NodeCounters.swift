import EventLoop
import MirrorServer
import OCIModel
import PeerTransport
import Telemetry

/// What the parts of the node report as it happens, summed up for `/metrics`; what they count themselves is read there
/// when it is asked for (`NodeMetrics.swift`).
///
/// Registries that the settings name have their own label, and so many others; all beyond share one.
@LoopActor
final class NodeCounters {
    struct Requests: Hashable {
        var kind: RequestKind
        var outcome: String
        var registry: String
    }

    enum RequestKind: String, CaseIterable { case manifest, blob, listing, file, other }

    /// Content that was on this node.
    struct Held: Hashable {
        /// `cache` or `containerd`, as the label `source` has it.
        var source: String
        /// Empty where the request did not say.
        var registry: String
    }

    struct Lookup: Hashable {
        var kind: RequestKind
        var isHit: Bool
        var registry: String
    }

    private static let otherRegistriesMax = 32
    private static let requestBounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

    private(set) var requests: [Requests: UInt64] = [:]
    private(set) var requestTimes: [RequestKind: Histogram] = [:]
    /// GET requests that were answered, by whether the content was on this node.
    private(set) var lookups: [Lookup: UInt64] = [:]
    /// Bytes that runtimes got of blobs and manifests that were on this node.
    private(set) var heldBytes: [Held: UInt64] = [:]
    private(set) var bans: [String: UInt64] = [:]
    private(set) var refusals: [String: UInt64] = [:]
    private(set) var connects: UInt64 = 0
    private(set) var disconnects: [String: UInt64] = [:]
    private(set) var dialsFailed: UInt64 = 0
    private(set) var downloads: [String: UInt64] = [:]
    private(set) var mismatches: UInt64 = 0
    private var labels: BoundedLabels
    /// It is asked for several times a request.
    private var lastLabel: (registry: RegistryHost, label: String)?

    init(_ settings: Settings) {
        let named = settings.registries.map(\.host.canonical.description)
        labels = BoundedLabels(countMax: named.count + Self.otherRegistriesMax, known: named)
        for kind in RequestKind.allCases { requestTimes[kind] = Histogram(bounds: Self.requestBounds) }
    }

    /// The value of the label `registry`.
    func label(_ registry: RegistryHost) -> String {
        if let lastLabel, lastLabel.registry == registry { return lastLabel.label }
        let label = labels.label(registry.canonical.description)
        lastLabel = (registry, label)
        return label
    }

    /// A whole manifest of this node goes to a runtime.
    func manifestWasHere(_ registry: RegistryHost, bytes: Int) {
        heldBytes[Held(source: "cache", registry: label(registry)), default: 0] += UInt64(clamping: bytes)
    }

    /// Whether the manifest that is asked for was here.
    func looked(for kind: RequestKind, at registry: RegistryHost, isHit: Bool) {
        lookups[Lookup(kind: kind, isHit: isHit, registry: label(registry)), default: 0] += 1
    }

    func note(_ request: MirrorRequest) {
        let kind: RequestKind
        var registry = ""
        switch request.subject {
        case .manifest(let query): (kind, registry) = (.manifest, label(query.registry))
        case .blob(let query):
            (kind, registry) = (.blob, label(query.registry))
            guard !request.isHead, (200...299).contains(request.status) else { break }
            looked(for: .blob, at: query.registry, isHit: request.wholeFrom != nil)
        case .listing(let query): (kind, registry) = (.listing, label(query.registry))
        case .file: kind = .file
        case .other: kind = .other
        }
        if let holder = request.wholeFrom {
            heldBytes[Held(source: holder.label, registry: registry), default: 0] += UInt64(clamping: request.bodyBytes)
        }
        requests[Requests(kind: kind, outcome: request.outcome.label, registry: registry), default: 0] += 1
        requestTimes[kind]?.observe(nanoseconds: request.nanoseconds)
    }

    func note(_ event: SwarmEvent) {
        switch event {
        case .peerConnected: connects += 1
        case .peerDisconnected(_, _, let cause): disconnects[cause.label, default: 0] += 1
        case .strangerDisconnected, .downloadStarted: break
        case .dialFailed: dialsFailed += 1
        case .strangerRefused(_, let refusal): refusals[refusal.label, default: 0] += 1
        case .peerBanned(_, let cause, _): bans[cause.label, default: 0] += 1
        case .downloadFinished: downloads["finished", default: 0] += 1
        case .downloadFailed(_, let failure): downloads[failure.label, default: 0] += 1
        case .blobMismatched: mismatches += 1
        }
    }
}

extension MirrorRequest.Holder {
    /// Of `source`.
    var label: String {
        switch self {
        case .cache: "cache"
        case .runtime: "containerd"
        }
    }
}

extension MirrorRequest.Outcome {
    fileprivate var label: String {
        switch self {
        case .served: "served"
        case .declined: "declined"
        case .deadlineMissed: "deadline_missed"
        case .refused: "refused"
        case .sourceFailed: "source_failed"
        case .clientLost: "client_lost"
        }
    }
}

extension BanCause {
    /// Of `hawker_peer_bans_total`.
    var label: String {
        switch self {
        case .wrongBytes: "wrong_bytes"
        case .wrongDigests: "wrong_digests"
        case .protocolViolation: "protocol_violation"
        }
    }

    static let all: [BanCause] = [.wrongBytes, .wrongDigests, .protocolViolation]
}

extension DisconnectCause {
    fileprivate var label: String {
        switch self {
        case .closedByPeer: "closed_by_peer"
        case .failed: "failed"
        case .violation, .outOfTurn: "protocol_violation"
        case .noHello: "no_hello"
        case .silent: "silent"
        case .stalled: "stalled"
        case .distrusted: "distrusted"
        case .closedHere: "closed_here"
        }
    }
}

extension PeerRefusal {
    fileprivate var label: String {
        switch self {
        case .handshake: "handshake"
        case .address: "address"
        case .elsewhere: "elsewhere"
        case .name: "name"
        case .crowd: "crowd"
        }
    }
}

extension DownloadFailure {
    fileprivate var label: String {
        switch self {
        case .badSize: "bad_size"
        case .sizeMismatch: "size_mismatch"
        case .noSource: "no_source"
        case .originRefused: "registry_refused"
        case .sourcesExhausted: "sources_exhausted"
        case .wrongContent: "wrong_content"
        case .contentChanged: "content_changed"
        case .storeFailed: "store_failed"
        case .stopping: "stopping"
        }
    }
}
