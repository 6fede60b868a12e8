import Glibc

/// Many runs, each with its own seed.
struct Summary {
    private(set) var hasProblems = false
    private var runs = 0
    private var nodes = 0
    private var wrongBlobs = 0
    private var late = 0
    private var wrongBans = 0
    private var mismatches = 0
    private var failures = 0
    private var groundless: [UInt64] = []
    private var events = 0
    private var trace: UInt64 = 0xCBF2_9CE4_8422_2325
    private var worstDelay = (seconds: 0.0, within: 0.0, seed: UInt64(0))
    private var worstShare = (share: 0.0, seconds: 0.0, seed: UInt64(0))
    private var worstOrigin = (share: 0.0, seed: UInt64(0))

    /// Says at once what must not be.
    mutating func add(_ report: Report) {
        let counts = report.simulation.counts
        let seed = report.settings.seed
        runs += 1
        nodes += report.takers.count
        wrongBlobs += counts.wrongBlobs
        late += report.late
        wrongBans += counts.wrongBans
        mismatches += counts.mismatches
        failures += counts.failures
        if counts.groundlessFailures > 0 { groundless.append(seed) }
        events += report.simulation.events
        trace = (trace ^ report.simulation.trace) &* 0x100_0000_01B3
        let (delay, within) = (report.longestDelay, report.simulation.endsWithin)
        if delay > worstDelay.seconds { worstDelay = (delay, within, seed) }
        if delay / within > worstShare.share { worstShare = (delay / within, delay, seed) }
        if report.originShare > worstOrigin.share { worstOrigin = (report.originShare, seed) }
        hasProblems = hasProblems || !report.problems.isEmpty
        guard report.settings.runs > 1, !report.problems.isEmpty else { return }
        print("seed \(seed): \(report.problems.joined(separator: ", "))")
        fflush(nil)
    }

    func printAll() {
        print("runs       \(runs)  nodes that live to the end \(nodes)  events \(events)")
        print("wrong      \(wrongBlobs) blobs with wrong bytes delivered, \(mismatches) caught as a whole")
        print("late       \(late) wants not done within the bound after the faults")
        print("bans       \(wrongBans) honest nodes banned by honest ones")
        print(
            "begun anew \(failures) wants that failed; in \(groundless.count) runs one that began after the faults"
                + (groundless.isEmpty ? "" : ", as seed \(groundless[0])")
        )
        print(
            "worst      \(figure(worstDelay.seconds, 2)) s after the faults, to be done within"
                + " \(figure(worstDelay.within, 1)) s: seed \(worstDelay.seed)"
        )
        print(
            "           \(figure(100 * worstShare.share, 1)) % of what it may take"
                + " (\(figure(worstShare.seconds, 2)) s): seed \(worstShare.seed)"
        )
        print("           \(figure(worstOrigin.share, 2)) x blob from the registry: seed \(worstOrigin.seed)")
        print("trace      \(String(trace, radix: 16))")
    }
}
