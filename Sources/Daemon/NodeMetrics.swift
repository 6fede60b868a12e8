import ContentStore
import EventLoop
import MirrorServer
import OCIModel
import OriginClient
import PeerTransport
import PieceModel
import Telemetry

/// The node's figures as `/metrics` shows them, taken at the moment of the question.
///
/// Labels are bounded: zones by `SwarmCounters.zonesMax`, registries by those that the settings name and some more,
/// all others by the code. None is ever made from a credential, a path or a digest.
@LoopActor
struct NodeMetrics {
    let node: Node

    func families(_ readiness: [NodeReadiness.Finding]) -> [MetricFamily] {
        let (status, counters) = (node.swarm.status, node.swarm.counters)
        return about(readiness) + content(counters) + mirror() + cache() + registries()
            + peers(status) + exchange(status, counters) + limits() + surroundings()
    }

    private func about(_ readiness: [NodeReadiness.Finding]) -> [MetricFamily] {
        var build = MetricFamily("hawker_build_info", .gauge, "1, with the version of the program.")
        build.add(1, [("version", node.version)])
        var info = MetricFamily("hawker_node_info", .gauge, "1, with the name of the node, its cluster and its zone.")
        info.add(
            1, [("node", node.settings.nodeName.text), ("cluster", node.settings.cluster), ("zone", zone)])
        var ready = MetricFamily("hawker_ready", .gauge, "Whether the node would answer containerd, by what was tried.")
        for finding in readiness { ready.add(finding.problem == nil ? 1 : 0, [("check", finding.check)]) }
        let counts = Log.problemCounts
        var problems = MetricFamily("hawker_log_problems_total", .counter, "Lines of the log that an operator should read.")
        problems.add(counts.warnings, [("level", "warning")])
        problems.add(counts.errors, [("level", "error")])
        return [build, info, ready, problems]
    }

    var zone: String { node.settings.zone?.text ?? "" }

    // MARK: Where content came from

    private func content(_ counters: SwarmCounters) -> [MetricFamily] {
        var bytes = MetricFamily(
            "hawker_image_bytes_total", .counter,
            "Bytes of blobs and manifests by where they came from: the cache of this node, containerd's store, peers, or the registry.")
        // Those of the settings are there from the start: rate() misses the first step of a counter that appears later.
        let named = Dictionary(
            node.settings.registries.map { (node.counters.label($0.host), UInt64(0)) }, uniquingKeysWith: +)
        var avoided = named
        let empty = named.map { (NodeCounters.Held(source: "cache", registry: $0.key), $0.value) }
        let held = Dictionary(empty, uniquingKeysWith: +).merging(node.counters.heldBytes) { $1 }
        for (place, count) in held.sorted(by: { ($0.key.source, $0.key.registry) < ($1.key.source, $1.key.registry) }) {
            bytes.add(count, [("source", place.source), ("registry", place.registry), ("zone", zone)])
            avoided[place.registry, default: 0] += count
        }
        let none = named.map { (SwarmCounters.Supply(registry: $0.key, zone: zone), $0.value) }
        let supplied = Dictionary(none, uniquingKeysWith: +).merging(counters.supplied) { $1 }
        let sorted = supplied.sorted { ($0.key.registry, $0.key.zone) < ($1.key.registry, $1.key.zone) }
        for (supply, count) in sorted {
            bytes.add(count, [("source", "peer"), ("registry", supply.registry), ("zone", supply.zone)])
            avoided[supply.registry, default: 0] += count
        }
        let read = named.merging(summed(\.bytes).map { ($0.registry, $0.count) }) { $1 }
        for (registry, count) in read.sorted(by: { $0.key < $1.key }) {
            bytes.add(count, [("source", "registry"), ("registry", registry), ("zone", "")])
        }
        var spared = MetricFamily(
            "hawker_registry_avoided_bytes_total", .counter,
            "Bytes that the registry did not have to send, because the cache or a peer had them.")
        for (registry, count) in avoided.sorted(by: { $0.key < $1.key }) { spared.add(count, [("registry", registry)]) }
        return [bytes, spared]
    }

    private func mirror() -> [MetricFamily] {
        let counted = node.mirror.counters
        var requests = MetricFamily("hawker_mirror_requests_total", .counter, "Requests of container runtimes.")
        let all = node.counters.requests.map { key, count in
            (labels: [("kind", key.kind.rawValue), ("outcome", key.outcome), ("registry", key.registry)], count: count)
        }
        for (labels, count) in all.sorted(by: { $0.labels.map(\.1).lexicographicallyPrecedes($1.labels.map(\.1)) }) {
            requests.add(count, labels.map { (name: $0.0, value: $0.1) })
        }
        var times = MetricFamily(
            "hawker_mirror_request_duration_seconds", .histogram, "From a request to the last byte of its answer.")
        for (kind, histogram) in node.counters.requestTimes.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            times.add(histogram, [("kind", kind.rawValue)])
        }
        return [
            requests, times,
            MetricFamily(
                "hawker_stale_tags_served_total", .counter,
                "Tags served as last seen, because the registry could not be reached.", node.images.staleTagsServed),
            MetricFamily("hawker_mirror_sent_bytes_total", .counter, "Bytes of bodies for runtimes.", counted.bodyBytes),
            MetricFamily(
                "hawker_mirror_connections", .gauge, "Open connections of runtimes.",
                counted.connections),
            MetricFamily(
                "hawker_mirror_connections_total", .counter, "Connections of runtimes that were taken.",
                counted.connectionsAccepted),
            MetricFamily(
                "hawker_mirror_connections_shed_total", .counter,
                "Connections closed at once because of limits.mirror_connections.", counted.connectionsShed),
        ]
    }

    private func cache() -> [MetricFamily] {
        let usage = node.store.usage
        var lookups = MetricFamily(
            "hawker_cache_lookups_total", .counter, "Answered requests by whether the content was on this node.")
        let all = node.counters.lookups.sorted {
            ($0.key.kind.rawValue, $0.key.registry, $0.key.isHit ? 0 : 1)
                < ($1.key.kind.rawValue, $1.key.registry, $1.key.isHit ? 0 : 1)
        }
        for (lookup, count) in all {
            let result = lookup.isHit ? "hit" : "miss"
            lookups.add(
                count, [("kind", lookup.kind.rawValue), ("registry", lookup.registry), ("result", result)])
        }
        func gauge(_ name: String, _ help: String, _ value: some BinaryInteger) -> MetricFamily {
            MetricFamily(name, .gauge, help, value)
        }
        return [
            lookups,
            gauge("hawker_cache_bytes", "Bytes that the cache holds.", usage.usedBytes),
            gauge("hawker_cache_reserved_bytes", "Bytes set aside for blobs that are being fetched.", usage.reservedBytes),
            gauge("hawker_cache_quota_bytes", "Most that the cache may hold.", usage.quotaBytes),
            gauge("hawker_cache_blobs", "Blobs in the cache.", usage.blobCount),
            MetricFamily(
                "hawker_cache_evictions_total", .counter, "Blobs that were removed to make room.", usage.evictions),
        ]
    }
}
