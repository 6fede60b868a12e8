import Testing

@testable import Telemetry

@Suite("Prometheus's text format")
struct MetricFamilyTests {
    private static func page(_ family: MetricFamily) -> [String] {
        family.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test("a family begins with its help and its type, and has one line a sample")
    func lines() {
        var family = MetricFamily("hawker_bytes_total", .counter, "Bytes, so far.")
        family.add(7, [("source", "cache"), ("zone", "")])
        family.add(UInt64.max, [("source", "peer"), ("zone", "a")])
        #expect(
            Self.page(family) == [
                "# HELP hawker_bytes_total Bytes, so far.",
                "# TYPE hawker_bytes_total counter",
                #"hawker_bytes_total{source="cache",zone=""} 7"#,
                #"hawker_bytes_total{source="peer",zone="a"} 18446744073709551615"#,
                "",
            ])
        #expect(Self.page(MetricFamily("hawker_peers", .gauge, "Peers.", 3))[2] == "hawker_peers 3")
        #expect(Self.page(MetricFamily("hawker_nothing", .gauge, "None.")).count == 3)
    }

    @Test(
        "whatever is in a label or in the help, it stays on its line and in its quotes",
        arguments: [
            ("plain", "plain", "plain"),
            ("a\"b", #"a\"b"#, "a\"b"),
            (#"a\b"#, #"a\\b"#, #"a\\b"#),
            ("a\nb", #"a\nb"#, #"a\nb"#),
            ("\\\"\n", #"\\\"\n"#, #"\\"\n"#),
            ("é 中", "é 中", "é 中"),
            ("} 1\nforged 2", #"} 1\nforged 2"#, #"} 1\nforged 2"#),
        ]
    )
    func escapes(text: String, label: String, help: String) {
        var family = MetricFamily("hawker_x", .gauge, text)
        family.add(1, [("name", text)])
        #expect(
            Self.page(family)
                == ["# HELP hawker_x \(help)", "# TYPE hawker_x gauge", "hawker_x{name=\"\(label)\"} 1", ""])
    }

    @Test(
        "numbers are written as Prometheus reads them",
        arguments: [
            (0.0, "0"), (1.0, "1"), (-2.5, "-2.5"), (0.001, "0.001"), (1e-9, "1e-09"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"), (1_790_000_000.25, "1790000000.25"), (1e20, "1e+20"),
        ]
    )
    func numbers(value: Double, text: String) {
        #expect(Self.page(MetricFamily("hawker_x", .gauge, "X.", value))[2] == "hawker_x \(text)")
    }

    @Test("a histogram counts in each bucket what was at most as long, and adds it all up")
    func histogram() {
        var histogram = Histogram(bounds: [0.125, 1])
        for seconds in [0.0625, 0.125, 0.5, 3] { histogram.observe(seconds: seconds) }
        histogram.observe(nanoseconds: 250_000_000)
        var family = MetricFamily("hawker_wait_seconds", .histogram, "Waits.")
        family.add(histogram, [("kind", "blob")])
        #expect(
            Self.page(family) == [
                "# HELP hawker_wait_seconds Waits.",
                "# TYPE hawker_wait_seconds histogram",
                #"hawker_wait_seconds_bucket{kind="blob",le="0.125"} 2"#,
                #"hawker_wait_seconds_bucket{kind="blob",le="1"} 4"#,
                #"hawker_wait_seconds_bucket{kind="blob",le="+Inf"} 5"#,
                #"hawker_wait_seconds_sum{kind="blob"} 3.9375"#,
                #"hawker_wait_seconds_count{kind="blob"} 5"#,
                "",
            ])
    }

    @Test("so many values of a label have a line of their own, the rest share one")
    func bounded() {
        var labels = BoundedLabels(countMax: 2)
        #expect(["a", "b", "a", "c", "b", "d"].map { labels.label($0) } == ["a", "b", "a", "other", "b", "other"])
    }
}
