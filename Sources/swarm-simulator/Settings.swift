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
    var seeds = 0
    /// Nodes that vanish without a word, evenly over the run's fluid bound.
    var kills = 0
    /// Zones, which the nodes are of in turn, and the rate at which anything enters one, Mbit/s; 0 for no bound.
    var zones = 0
    var zoneLink = 0.0
    var seed: UInt64 = 1
    var isVerbose = false

    static let usage = """
        usage: swarm-simulator [--nodes N] [--mib SIZE] [--up MBIT] [--down MBIT] [--origin MBIT]
            [--latency MS] [--origin-latency MS] [--spread MS] [--degree N] [--seeds N] [--kills N]
            [--zones N] [--zone-link MBIT]
            [--seed N] [--verbose]
        """

    /// `nil` when the arguments make no sense.
    init?(_ arguments: [String]) {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            if name == "--verbose" {
                isVerbose = true
                continue
            }
            guard let value = rest.popFirst().flatMap(Double.init), value >= 0, set(name, value) else {
                return nil
            }
        }
        guard nodes >= 1, nodes <= 1_000_000, mebibytes > 0, up > 0, down > 0, origin > 0, seeds < nodes,
            kills < nodes
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
        case "--seeds": seeds = Int(value)
        case "--kills": kills = Int(value)
        case "--zones": zones = Int(value)
        case "--zone-link": zoneLink = value
        case "--seed": seed = UInt64(value)
        default: return false
        }
        return true
    }

    var blobBytes: Double { (mebibytes * 1_048_576).rounded() }

    /// Seconds below which no schedule can bring the blob to all nodes: the registry (or the nodes that have
    /// it) must send every byte once, each node must take all of it, and all together must send all that is
    /// taken.
    var fluidBound: Double {
        let bits = blobBytes * 8 / 1e6
        let takers = Double(nodes - seeds)
        let source = seeds > 0 ? Double(seeds) * up + origin : origin
        return max(bits / source, bits / down, takers * bits / (Double(nodes) * up + origin))
    }
}
