import Glibc

/// Says how the program is used, and ends it with the status that means just that.
func misused() -> Never {
    let text = Array((Settings.usage + "\n").utf8)
    _ = write(STDERR_FILENO, text, text.count)
    exit(64)
}

guard let settings = Settings(Array(CommandLine.arguments.dropFirst())) else { misused() }
var summary = Summary()
for seed in settings.seed..<(settings.seed + UInt64(settings.runs)) {
    guard var simulation = Simulation(settings.with(seed: seed)) else { misused() }
    let began = ContinuousClock.now
    simulation.run()
    let report = Report(simulation, took: began.duration(to: .now))
    if settings.runs == 1 { report.printAll() }
    summary.add(report)
}
if settings.runs > 1 { summary.printAll() }
exit(summary.hasProblems ? 1 : 0)
