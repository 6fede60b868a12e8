import EventLoop
import OCIModel
import OriginClient
import Telemetry

extension NodeMetrics {
    func registries() -> [MetricFamily] {
        func counter(_ name: String, _ help: String, _ value: KeyPath<OriginCounters, UInt64>) -> MetricFamily {
            var family = MetricFamily(name, .counter, help)
            for (registry, count) in summed(value) { family.add(count, [("registry", registry)]) }
            return family
        }
        var limit = MetricFamily(
            "hawker_registry_rate_limit", .gauge, "Requests that the registry lets through in its window, as it says.")
        var left = MetricFamily(
            "hawker_registry_rate_limit_remaining", .gauge, "Requests that are left in the window, as the registry says.")
        // Of those that share a label, one would overwrite the other.
        for (host, said) in node.origin.rateLimits.sorted(by: { $0.key.description < $1.key.description }) {
            let registry = node.counters.label(host)
            guard registry != BoundedLabels.other else { continue }
            if let most = said.limit { limit.add(most, [("registry", registry)]) }
            left.add(said.remaining, [("registry", registry)])
        }
        return [
            counter(
                "hawker_registry_requests_total",
                "Requests to registries, to what they redirect to and to their token servers.", \.requests),
            counter("hawker_registry_token_requests_total", "Of them, requests for tokens.", \.tokenRequests),
            counter("hawker_registry_retries_total", "Requests made again after an error that may pass.", \.retries),
            counter("hawker_registry_failures_total", "Fetches from registries that failed for good.", \.failures),
            counter(
                "hawker_registry_skipped_bytes_total",
                "Bytes read and thrown away because a registry ignored the range asked for.", \.skippedBytes),
            limit, left,
        ]
    }

    /// A figure of all registries, by label, sorted.
    func summed(_ value: KeyPath<OriginCounters, UInt64>) -> [(registry: String, count: UInt64)] {
        var sums: [String: UInt64] = [:]
        for (host, counted) in node.origin.counters.sorted(by: { $0.key.description < $1.key.description }) {
            sums[node.counters.label(host), default: 0] += counted[keyPath: value]
        }
        return sums.sorted { $0.key < $1.key }.map { (registry: $0.key, count: $0.value) }
    }
}
