/// What is simulated.
struct Settings {
    var nodes = 16
    var mebibytes = 256.0
    /// Mbit/s.
    var up = 100.0
    var down = 100.0
    var origin = 100.0
    /// One way, milliseconds: between nodes, and to the registry.
    var latency = 0.5
    var originLatency = 2.0
    /// Nodes begin within this many milliseconds, drawn evenly.
    var spread = 100.0
    /// Neighbours of each node; all know all when there are no more nodes than that.
    var degree = 24
    /// Nodes that have the blob when the others begin.
    var seeders = 0
    /// Nodes that vanish without a word, evenly over the run's fluid bound.
    var kills = 0
    /// Nodes whose links become slow, or carry nothing for a while, in the midst of the run.
    var slowLinks = 0
    var slowWays = Ways.both
    var freezes = 0
    /// Each node has a reader that takes what comes in order, as a container runtime does.
    var hasReaders = false
    var faults = Faults()
    /// Everything, faults included, is drawn from the seed.
    var isChaos = false
    /// Zones, which the nodes are of in turn, and the rate at which anything enters one, Mbit/s; 0 for no bound.
    var zones = 0
    var zoneLink = 0.0
    var seed: UInt64 = 1
    /// So many runs, each with the next seed.
    var runs = 1
    var output = Output.table

    /// Which ways of such a link become slow.
    enum Ways {
        case both
        case up
        case down
    }

    enum Output {
        case table
        /// The table, then a line for each node.
        case verbose
        /// One object on one line.
        case json
    }

    static let usage = """
        usage: swarm-simulator [--nodes N] [--mib SIZE] [--up MBIT] [--down MBIT] [--origin MBIT]
            [--latency MS] [--origin-latency MS] [--spread MS] [--degree N] [--seeders N] [--kills N]
            [--zones N] [--zone-link MBIT]
            [--breaks N] [--partitions N] [--churn N] [--liars N] [--keeper-losses N] [--outages N] [--slowdowns N]
            [--slow-links N | --slow-uplinks N | --slow-downlinks N] [--freezes N] [--readers]
            [--rate-spread FACTOR] [--latency-spread FACTOR] [--fault-seconds S] [--chaos]
            [--seed N] [--runs N] [--verbose | --json]
        """

    /// `nil` when the arguments make no sense.
    init?(_ arguments: [String]) {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            switch name {
            case "--verbose": output = .verbose
            case "--json": output = .json
            case "--chaos": isChaos = true
            case "--readers": hasReaders = true
            default:
                guard let value = rest.popFirst().flatMap(Double.init), value >= 0, value < 1e15,
                    set(name, value) || setFault(name, value)
                else { return nil }
            }
        }
        guard nodes >= 1, nodes <= 1_000_000, mebibytes > 0, up > 0, down > 0, origin > 0, seeders < nodes,
            kills < nodes, slowLinks + freezes <= nodes,
            faults.liars < nodes - seeders, faults.rateSpread >= 1, faults.latencySpread >= 1, runs >= 1
        else { return nil }
    }

    private mutating func set(_ name: String, _ value: Double) -> Bool {
        switch name {
        case "--nodes": nodes = Int(value)
        case "--mib": mebibytes = value
        case "--up": up = value
        case "--down": down = value
        case "--origin": origin = value
        case "--latency": latency = value
        case "--origin-latency": originLatency = value
        case "--spread": spread = value
        case "--degree": degree = Int(value)
        case "--seeders": seeders = Int(value)
        case "--kills": kills = Int(value)
        case "--slow-links": (slowLinks, slowWays) = (Int(value), .both)
        case "--slow-uplinks": (slowLinks, slowWays) = (Int(value), .up)
        case "--slow-downlinks": (slowLinks, slowWays) = (Int(value), .down)
        case "--freezes": freezes = Int(value)
        case "--zones": zones = Int(value)
        case "--zone-link": zoneLink = value
        case "--seed": seed = UInt64(value)
        case "--runs": runs = Int(value)
        default: return false
        }
        return true
    }

    private mutating func setFault(_ name: String, _ value: Double) -> Bool {
        switch name {
        case "--breaks": faults.breaks = Int(value)
        case "--partitions": faults.partitions = Int(value)
        case "--churn": faults.churn = Int(value)
        case "--liars": faults.liars = Int(value)
        case "--keeper-losses": faults.keeperLosses = Int(value)
        case "--outages": faults.outages = Int(value)
        case "--slowdowns": faults.slowdowns = Int(value)
        case "--rate-spread": faults.rateSpread = value
        case "--latency-spread": faults.latencySpread = value
        case "--fault-seconds": faults.seconds = value
        default: return false
        }
        return true
    }

    var blobBytes: Double { (mebibytes * 1_048_576).rounded() }

    /// These settings with another seed; everything else is drawn anew when it is a run of chaos.
    func with(seed: UInt64) -> Settings {
        var settings = self
        settings.seed = seed
        guard isChaos else { return settings }
        var dice = Dice(seed: seed)
        settings.nodes = 4 + dice.below(29)
        settings.mebibytes = Double(2 + dice.below(11))
        let rate = Double(4 + dice.below(17))
        settings.up = rate
        settings.down = rate
        settings.origin = dice.chance(0.7) ? rate : 2 * rate
        settings.latency = dice.chance(0.7) ? 0.5 : Double(1 + dice.below(40))
        settings.originLatency = dice.chance(0.7) ? 2 : Double(1 + dice.below(80))
        settings.spread = dice.chance(0.5) ? 100 : Double(dice.below(15_000))
        settings.degree = 3 + dice.below(22)
        settings.seeders = dice.chance(0.2) ? 1 : 0
        settings.kills = 0
        settings.faults = Faults.drawn(nodes: settings.nodes - settings.seeders, &dice)
        return settings
    }
}
