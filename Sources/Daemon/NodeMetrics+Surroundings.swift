import ContentStore
import EventLoop
import Pacing
import PeerDirectory
import RuntimeConfig
import TLS
import Telemetry

extension NodeMetrics {
    /// Bounds on rates; a registry's is named with its registry.
    func limits() -> [MetricFamily] {
        var rates = MetricFamily(
            "hawker_limit_bytes_per_second", .gauge, "Most bytes a second, by the setting that says so; 0 for no bound.")
        var bytes = MetricFamily("hawker_limit_bytes_total", .counter, "Bytes that a bound was applied to.")
        var waits = MetricFamily("hawker_limit_waits_total", .counter, "How often something waited because of a bound.")
        for (key, pacer) in node.limits.all {
            let parts = key.split(separator: " of ").map(String.init)
            let labels = [(name: "limit", value: parts.first ?? key), (name: "registry", value: parts.dropFirst().last ?? "")]
            rates.add(pacer.bytesPerSecond ?? 0, labels)
            bytes.add(pacer.countedBytes, labels)
            waits.add(pacer.waits, labels)
        }
        return [rates, bytes, waits]
    }

    /// Containerd, discovery and the certificate: what is not there has no line.
    func surroundings() -> [MetricFamily] {
        var wiring = MetricFamily(
            "hawker_containerd_wiring", .gauge,
            "1 for the state that containerd's configuration is in: whether it leads to the mirror.")
        if let watch = node.wiring {
            let now = watch.wiring?.state ?? .unknown
            for state in [Wiring.State.broken, .bypassed, .routed, .unknown] {
                wiring.add(state == now ? 1 : 0, [("state", state.rawValue)])
            }
        }
        var blobs = MetricFamily("hawker_containerd_store_blobs", .gauge, "Blobs of containerd that are served.")
        var bytes = MetricFamily("hawker_containerd_store_bytes", .gauge, "Their bytes.")
        if node.runtimeStore != nil {
            let usage = node.store.runtimeUsage
            blobs.add(usage.blobCount)
            bytes.add(usage.bytes)
        }
        var working = MetricFamily("hawker_discovery_working", .gauge, "Whether a way to find the other nodes works.")
        var endpoints = MetricFamily("hawker_discovery_endpoints", .gauge, "Nodes that it knows.")
        for status in node.discovery.status {
            let labels = [(name: "source", value: status.source.rawValue)]
            if case .failing = status.state { working.add(0, labels) } else { working.add(1, labels) }
            endpoints.add(status.endpoints, labels)
        }
        var expiry = MetricFamily(
            "hawker_certificate_expiration_timestamp_seconds", .gauge,
            "When this node's certificate expires, in seconds since 1970.")
        if let certificate = node.certificate?.context.certificate { expiry.add(certificate.notAfter) }
        return [wiring, blobs, bytes, working, endpoints, expiry]
    }
}
