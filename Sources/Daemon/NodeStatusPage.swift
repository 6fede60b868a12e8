import EventLoop
import Logging
import StatusServer
import Telemetry

/// What the status port shows.
extension Node {
    /// Starts the status port, if there is to be one. Pulls do not need it: that it cannot be had is a warning.
    func startStatusPort() -> StatusServer? {
        guard let address = settings.statusListen else { return nil }
        let readiness = NodeReadiness(store: store, mirrorHost: settings.mirrorListen.host)
        let server = StatusServer { [weak self] path in
            guard let self else { return StatusAnswer(.unavailable, "stopped") }
            return await page(path, readiness)
        }
        do throws(LoopError) {
            try server.start(host: address.host, port: address.port)
        } catch {
            logger.warning(
                "no status port: set status.listen to an address that is free, or to \"off\"",
                metadata: ["address": "\(address)", "error": "\(error)"])
            return nil
        }
        return server
    }

    private func page(_ path: String, _ readiness: NodeReadiness) async -> StatusAnswer {
        switch path {
        case "/metrics":
            let findings = await readiness.findings(mirrorPort: mirrorPort, isDraining: draining)
            let process = await Loop.offload { ProcessFigures.families() }
            let families = NodeMetrics(node: self).families(findings) + process
            return StatusAnswer(.ok, families.map(\.text).joined(), contentType: StatusAnswer.metrics)
        case "/healthz":
            // That this line runs is what is asked: a loop that is stuck answers nobody.
            return StatusAnswer(.ok, "ok")
        case "/readyz":
            let findings = await readiness.findings(mirrorPort: mirrorPort, isDraining: draining)
            let problems = findings.compactMap(\.problem)
            guard problems.isEmpty else {
                return StatusAnswer(.unavailable, "not ready: " + problems.joined(separator: "\nnot ready: "))
            }
            return StatusAnswer(.ok, "ready")
        case "/":
            return StatusAnswer(.ok, "hawker \(version)\n/metrics  /healthz  /readyz")
        default:
            return StatusAnswer(.notFound, "there are /metrics, /healthz and /readyz")
        }
    }
}
