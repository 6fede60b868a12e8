import PieceExchange

guard let settings = Settings(Array(CommandLine.arguments.dropFirst())), var simulation = Simulation(settings)
else { fatalError(Settings.usage) }
let began = ContinuousClock.now
simulation.run(virtualSeconds: 40 * settings.fluidBound + 120)
Report(simulation, took: began.duration(to: .now)).printAll()
