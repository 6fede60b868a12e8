/// All samples of one name, as Prometheus reads them: what is counted, in which unit, and the values at this moment.
///
/// Names and labels follow Prometheus's naming conventions: base units in the name, `_total` on counters. A label's
/// values must be few and known in advance, or bounded by whoever makes the family (`BoundedLabels`).
package struct MetricFamily: Sendable {
    package enum Kind: String, Sendable {
        /// Only goes up, and begins at 0 with the process.
        case counter
        case gauge
        case histogram
    }

    /// One line; of a histogram the lines of its buckets, its sum and its count.
    package enum Value: Sendable {
        case number(Double)
        case whole(UInt64)
        case histogram(Histogram)
    }

    package typealias Labels = [(name: String, value: String)]

    package let name: String
    package let kind: Kind
    package let help: String
    private var samples: [(labels: Labels, value: Value)] = []

    /// `help` is one sentence for whoever reads the page.
    package init(_ name: String, _ kind: Kind, _ help: String) {
        assert(Self.isName(name), "a metric's name is of letters and underscores")
        assert(name.hasSuffix("_total") == (kind == .counter), "counters, and only they, end in _total")
        self.name = name
        self.kind = kind
        self.help = help
    }

    /// A family of one sample.
    package init(_ name: String, _ kind: Kind, _ help: String, _ value: some BinaryInteger) {
        self.init(name, kind, help)
        add(value)
    }

    /// A family of one sample.
    package init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        self.init(name, kind, help)
        add(value)
    }

    /// A count or a size, which is never below 0.
    package mutating func add(_ value: some BinaryInteger, _ labels: Labels = []) {
        samples.append((labels, .whole(UInt64(clamping: value))))
    }

    package mutating func add(_ value: Double, _ labels: Labels = []) {
        samples.append((labels, .number(value)))
    }

    package mutating func add(_ value: Histogram, _ labels: Labels = []) {
        samples.append((labels, .histogram(value)))
    }

    /// In Prometheus's text format 0.0.4.
    package var text: String {
        var text = "# HELP \(name) \(Self.escapedHelp(help))\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            switch sample.value {
            case .number(let value): text += Self.line(name, sample.labels, Self.number(value))
            case .whole(let value): text += Self.line(name, sample.labels, "\(value)")
            case .histogram(let histogram):
                for (bound, count) in histogram.cumulative {
                    let label = (name: "le", value: bound.map(Self.number) ?? "+Inf")
                    text += Self.line(name + "_bucket", sample.labels + [label], "\(count)")
                }
                text += Self.line(name + "_sum", sample.labels, Self.number(histogram.sum))
                text += Self.line(name + "_count", sample.labels, "\(histogram.count)")
            }
        }
        return text
    }

    private static func line(_ name: String, _ labels: Labels, _ value: String) -> String {
        guard !labels.isEmpty else { return "\(name) \(value)\n" }
        let inner = labels.map { "\($0.name)=\"\(escapedLabel($0.value))\"" }.joined(separator: ",")
        return "\(name){\(inner)} \(value)\n"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    private static func escapedHelp(_ text: String) -> String { escaped(text, quotes: false) }
    private static func escapedLabel(_ text: String) -> String { escaped(text, quotes: true) }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || $0 == UInt8(ascii: "_") }
    }
}
