import OCIModel
import Testing

@testable import MirrorServer

private func part(_ start: Int64, _ end: Int64) -> RangeSelection {
    ByteRange(start: start, end: end).map(RangeSelection.part) ?? .unsatisfiable
}

@Suite struct RangeSelectionTests {
    @Test(
        "the six ranges of the distribution conformance suite",
        arguments: [
            ("bytes=500-1499", part(500, 1500)), ("bytes=500-", part(500, 4096)),
            ("bytes=-500", part(3596, 4096)),
            ("bytes=2000-5000", part(2000, 4096)), ("bytes=500-0", .unsatisfiable),
            ("bytes=5000-10000", .unsatisfiable),
        ]
    )
    func conformance(value: String, expected: RangeSelection) {
        #expect(RangeSelection([value], bytes: 4096) == expected)
    }

    @Test(
        "edges of a single range",
        arguments: [
            ("bytes=0-", part(0, 4096)), ("bytes=0-0", part(0, 1)), ("bytes=4095-", part(4095, 4096)),
            ("bytes=4095-4095", part(4095, 4096)), ("bytes=4096-", .unsatisfiable),
            ("bytes=-0", .unsatisfiable),
            ("bytes=-1", part(4095, 4096)), ("bytes=-4096", part(0, 4096)), ("bytes=-4097", part(0, 4096)),
            ("BYTES=1-2", part(1, 3)), ("bytes=00-01", part(0, 2)),
            ("bytes=0-18446744073709551616", part(0, 4096)), ("bytes=0-9223372036854775807", part(0, 4096)),
            ("bytes=-18446744073709551616", part(0, 4096)), ("bytes=18446744073709551616-", .unsatisfiable),
            ("bytes=9223372036854775807-", .unsatisfiable),
            ("bytes=9223372036854775807-9223372036854775807", .unsatisfiable),
            ("bytes=\(String(repeating: "9", count: 400))-", .unsatisfiable),
        ]
    )
    func edges(value: String, expected: RangeSelection) {
        #expect(RangeSelection([value], bytes: 4096) == expected)
    }

    @Test(
        "several ranges, other units and anything malformed are the whole blob",
        arguments: [
            "", "bytes", "bytes=", "bytes=-", "bytes=--1", "bytes=1", "bytes=a-b", "bytes=bbef", "bytes=1-b",
            "bytes=-a",
            "bytes=0x1-2", "bytes=+1-2", "bytes=1-+2", "bytes=1--2", "bytes=1-2-3", "bytes= 1-2",
            "bytes=1-2 ", "bytes =1-2",
            " bytes=1-2", "bytes=1 -2", "bytes=0-1,3-4", "bytes=0-1,", "bytes=,0-1", "bytes=0-1,0-1",
            "bytes=0-9,5-14",
            "bytes=1.5-2", "byte=1-2", "bbytes=1-2", "items=1-2", "bytes:1-2", "bytes==1-2", "1-2",
            "bytes=１-2", "bytes=1-2;3",
        ]
    )
    func ignored(value: String) {
        #expect(RangeSelection([value], bytes: 4096) == .whole)
    }

    @Test("no field, two fields, and any field on an empty blob are the whole blob")
    func wholes() {
        #expect(RangeSelection([], bytes: 4096) == .whole)
        #expect(RangeSelection(["bytes=0-1", "bytes=0-1"], bytes: 4096) == .whole)
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-"] {
            #expect(RangeSelection([value], bytes: 0) == .whole)
        }
    }

    @Test("a blob as large as a file can be has a last byte")
    func largest() {
        #expect(RangeSelection(["bytes=-1"], bytes: .max) == part(.max - 1, .max))
        #expect(RangeSelection(["bytes=9223372036854775806-"], bytes: .max) == part(.max - 1, .max))
        #expect(RangeSelection(["bytes=9223372036854775807-"], bytes: .max) == .unsatisfiable)
    }
}
