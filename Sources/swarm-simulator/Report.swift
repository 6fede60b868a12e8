import Glibc
import PieceExchange
import PieceModel

/// The figures of a run.
struct Report {
    let simulation: Simulation
    let took: Duration

    init(_ simulation: Simulation, took: Duration) {
        self.simulation = simulation
        self.took = took
    }

    func printAll() {
        let settings = simulation.settings
        let takers = simulation.nodes.dropFirst(settings.seeds).filter(\.isAlive)
        let done = takers.compactMap { node in node.finishedAt.map { Double($0 - 1_000_000_000) / 1e9 } }.sorted()
        let bound = settings.fluidBound
        let first = done.first ?? 0
        let last = done.last ?? 0
        let blobBytes = settings.blobBytes
        let control = takers.map { Double($0.controlBytes) }
        print(
            "nodes \(settings.nodes)  blob \(figure(settings.mebibytes, 1)) MiB"
                + "  pieces \(simulation.layout.pieceCount) of \(simulation.layout.pieceBytes >> 10) KiB"
                + "  up/down/origin \(figure(settings.up, 0))/\(figure(settings.down, 0))"
                + "/\(figure(settings.origin, 0)) Mbit/s"
        )
        print("bound      \(figure(bound, 2)) s")
        print(
            "makespan   \(figure(last, 2)) s = \(figure(last / bound, 3)) x bound"
                + "  first \(figure(first, 2)) s  spread \(figure(100 * (last - first) / max(last, 1e-9), 1)) %"
        )
        print(
            "origin     \(figure(simulation.originBytes / blobBytes, 3)) x blob"
                + "  \(simulation.originRequests) requests"
        )
        if settings.zones > 0 {
            let most = (simulation.zoneBytes.max() ?? 0) / blobBytes
            print("zones      \(settings.zones), into each at most \(figure(most, 3)) x blob")
        }
        let mean = control.reduce(0, +) / Double(max(1, control.count))
        let most = control.max() ?? 0
        print(
            "control    \(figure(mean / 1024, 1)) KiB a node = \(figure(100 * mean / blobBytes, 3)) % of payload"
                + "  most \(figure(most / 1024, 1)) KiB"
                + "  messages \(takers.reduce(0) { $0 + $1.controlMessages } / max(1, takers.count)) a node"
        )
        let twice = takers.reduce(0) { $0 + $1.duplicates }
        print("thrown     \(twice) pieces came twice")
        let failed = takers.filter { $0.failure != nil }.count
        print("ends       \(done.count) whole, \(failed) failed, \(takers.count - done.count - failed) waiting")
        let trace = String(simulation.trace, radix: 16)
        print("trace      \(trace)  events \(simulation.events)  \(took)")
        if settings.isVerbose { printNodes() }
    }

    private func printNodes() {
        for node in simulation.nodes {
            let end = node.finishedAt.map { figure(Double($0) / 1e9 - 1, 2) } ?? "-"
            print(
                "\(node.name)  done \(end) s  origin pieces \(node.originPieces)"
                    + "  in \(figure(node.payloadIn / 1_048_576, 1)) MiB"
                    + "  out \(figure(node.payloadOut / 1_048_576, 1)) MiB"
            )
        }
    }

    private func figure(_ value: Double, _ digits: Int) -> String {
        let scale = pow(10, Double(digits))
        let rounded = (value * scale).rounded() / scale
        guard digits > 0 else { return String(Int(rounded)) }
        let text = String(rounded)
        let behind = text.split(separator: ".").last?.count ?? 0
        return text + String(repeating: "0", count: max(0, digits - behind))
    }
}
