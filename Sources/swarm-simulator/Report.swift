import Glibc
import PieceExchange
import PieceModel

/// The figures of a run.
struct Report {
    let simulation: Simulation
    let took: Duration
    let settings: Settings
    /// The honest nodes that fetched the blob and live.
    let takers: [Node]
    /// Seconds from the start of the run, ascending.
    let ends: [Double]
    let bound: Double

    init(_ simulation: Simulation, took: Duration) {
        self.simulation = simulation
        self.took = took
        settings = simulation.settings
        takers = simulation.nodes.filter { $0.isTaker && $0.isAlive && $0.lie == nil }
        ends = takers.compactMap { node in
            node.finishedAt.map { Double($0 - Simulation.startsAt) / 1e9 }
        }.sorted()
        bound = simulation.bound
    }

    var makespan: Double { ends.last ?? 0 }
    var originShare: Double { simulation.counts.originBytes / settings.blobBytes }
    var failed: Int { takers.count { $0.failure != nil } }
    var waiting: Int { takers.count - ends.count - failed }

    /// Of the takers, the longest time from the last fault, or from the taker's beginning, to its end.
    var longestDelay: Double { max(0, takers.compactMap { simulation.delay(of: $0) }.max() ?? 0) }

    /// Takers that were not done within `endsWithin`.
    var late: Int {
        takers.count { node in simulation.delay(of: node).map { $0 > simulation.endsWithin } ?? true }
    }

    /// What must never be: what a run of many seeds looks for.
    var problems: [String] {
        let counts = simulation.counts
        var problems: [String] = []
        if counts.wrongBlobs > 0 { problems.append("\(counts.wrongBlobs) blobs with wrong bytes") }
        if late > 0 { problems.append("\(late) wants not done in time") }
        if counts.wrongBans > 0 { problems.append("\(counts.wrongBans) honest nodes banned by honest ones") }
        return problems
    }

    func printAll() {
        switch settings.output {
        case .json: print(json)
        case .table: printTable()
        case .verbose:
            printTable()
            printNodes()
        }
    }

    private func printTable() {
        let first = ends.first ?? 0
        let spread = 100 * (makespan - first) / max(makespan, 1e-9)
        print(
            "nodes \(settings.nodes)  blob \(figure(settings.mebibytes, 1)) MiB"
                + "  pieces \(simulation.layout.pieceCount) of \(simulation.layout.pieceBytes >> 10) KiB"
                + "  up/down/origin \(figure(settings.up, 0))/\(figure(settings.down, 0))"
                + "/\(figure(settings.origin, 0)) Mbit/s"
        )
        print("bound      \(figure(bound, 2)) s")
        print(
            "makespan   \(figure(makespan, 2)) s = \(figure(makespan / bound, 3)) x bound"
                + "  first \(figure(first, 2)) s  spread \(figure(spread, 1)) %"
        )
        print("origin     \(figure(originShare, 3)) x blob  \(simulation.counts.originRequests) requests")
        if settings.zones > 0 {
            let most = (simulation.borders.bytes.max() ?? 0) / settings.blobBytes
            print("zones      \(settings.zones), into each at most \(figure(most, 3)) x blob")
        }
        printCosts()
        printTimes()
        print("ends       \(ends.count) whole, \(failed) failed, \(waiting) waiting")
        if settings.faults.isAny { printFaults() }
        let trace = String(simulation.trace, radix: 16)
        print("trace      \(trace)  events \(simulation.events)  \(took)")
    }

    var control: (mean: Double, most: Double) {
        let bytes = takers.map { Double($0.controlBytes) }
        return (bytes.reduce(0, +) / Double(max(1, bytes.count)), bytes.max() ?? 0)
    }

    /// What a member kept at most of the grants of others: each figure the most of all members.
    var directory: PieceExchange.DirectoryState {
        simulation.nodes.reduce(into: .init()) { most, node in
            most.books = max(most.books, node.directoryMost.books)
            most.grants = max(most.grants, node.directoryMost.grants)
            most.takers = max(most.takers, node.directoryMost.takers)
            most.bytes = max(most.bytes, node.directoryMost.bytes)
        }
    }

    private func printCosts() {
        let messages = takers.reduce(0) { $0 + $1.controlMessages } / max(1, takers.count)
        print(
            "control    \(figure(control.mean / 1024, 1)) KiB a node"
                + " = \(figure(100 * control.mean / settings.blobBytes, 3)) % of payload"
                + "  most \(figure(control.most / 1024, 1)) KiB"
                + " = \(figure(100 * control.most / settings.blobBytes, 3)) %  messages \(messages) a node"
        )
        let keepers = simulation.nodes.count { $0.directoryMost.books > 0 }
        print(
            "directory  at most \(directory.grants) grants, \(directory.takers) takers, \(directory.books) books"
                + " = \(figure(Double(directory.bytes) / 1024, 1)) KiB at a member  kept by \(keepers)"
        )
        let connections = takers.map(\.connectionsMost)
        let mean = Double(connections.reduce(0, +)) / Double(max(1, connections.count))
        print("connected  \(figure(mean, 1)) peers a node  most \(connections.max() ?? 0)")
    }

    /// Those whose links stayed as they were.
    private var unhurt: [Node] { takers.filter { !$0.isStraggler } }

    var unhurtMakespan: Double {
        unhurt.compactMap { $0.finishedAt.map { Double($0 - Simulation.startsAt) / 1e9 } }.max() ?? 0
    }

    /// Of what the takers got, the share that came twice.
    var thrownShare: Double {
        let pieces = takers.count * simulation.layout.pieceCount
        return Double(takers.reduce(0) { $0 + $1.duplicates }) / Double(max(1, pieces))
    }

    /// The longest that a reader waited for one piece: mean and most.
    var reads: (mean: Double, most: Double) {
        let waits = unhurt.map { Double($0.longestRead) / 1e9 }
        return (waits.reduce(0, +) / Double(max(1, waits.count)), waits.max() ?? 0)
    }

    private func printTimes() {
        let twice = takers.reduce(0) { $0 + $1.duplicates }
        print("thrown     \(twice) pieces came twice = \(figure(100 * thrownShare, 3)) %")
        let times = simulation.pieceTimes
        let shares = [0.5, 0.9, 0.99, 0.999, 1].map { figure(times.quantile($0), 3) }
        print("pieces     took s at 50, 90, 99, 99.9, 100 %: \(shares.joined(separator: ", "))")
        if settings.slowLinks + settings.freezes > 0 {
            print("unhurt     makespan of the nodes with good links \(figure(unhurtMakespan, 2)) s")
        }
        if settings.hasReaders {
            print("readers    longest wait for a piece: mean \(figure(reads.mean, 3)) s, most \(figure(reads.most, 3)) s")
        }
    }

    private func printFaults() {
        let counts = simulation.counts
        print(
            "faults     over after \(figure(Double(simulation.faultsEnd) / 1e9 - 1, 1)) s"
                + "  last done \(figure(longestDelay, 2)) s later, to be done within"
                + " \(figure(simulation.endsWithin, 1)) s  late \(late)"
        )
        print(
            "wrong      \(counts.wrongBlobs) blobs with wrong bytes, \(counts.mismatches) caught as a whole,"
                + " \(counts.wrongBans) honest nodes banned by honest ones"
        )
        print("begun anew \(counts.failures) wants that failed, \(counts.groundlessFailures) of them after the faults")
    }

    private func printNodes() {
        for (slot, node) in simulation.nodes.enumerated() {
            let end = node.finishedAt.map { figure(Double($0) / 1e9 - 1, 2) } ?? "-"
            let start = figure(Double(node.startedAt) / 1e9 - 1, 2)
            let state = node.lie.map { "lies about \($0)" } ?? (node.isAlive ? "" : "died")
            print(
                "\(slot) \(node.name)  begun \(start) s  done \(end) s  origin pieces \(node.originPieces)"
                    + "  in \(figure(node.payloadIn / 1_048_576, 1)) MiB"
                    + "  out \(figure(node.payloadOut / 1_048_576, 1)) MiB  pieces \(node.disk.count)  \(state)"
            )
        }
    }
}

func figure(_ value: Double, _ digits: Int) -> String {
    let scale = pow(10, Double(digits))
    let rounded = (value * scale).rounded() / scale
    guard digits > 0 else { return String(Int(rounded)) }
    let text = String(rounded)
    let behind = text.split(separator: ".").last?.count ?? 0
    return text + String(repeating: "0", count: max(0, digits - behind))
}
