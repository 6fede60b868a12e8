import Logging
import Testing

@testable import Telemetry

@Suite("lines of the log")
struct LogLineTests {
    private static func line(_ fields: Logger.Metadata, message: String = "peer banned") -> LogLine {
        LogLine(time: "2026-01-31T23:59:59.123Z", level: .warning, label: "peers", message: message, fields: fields)
    }

    @Test("text has key=value, JSON one object, both sorted by key")
    func forms() {
        let line = Self.line(["peer": "b", "bytes": .stringConvertible(7), "again": .stringConvertible(true)])
        #expect(
            line.written(as: .text)
                == "2026-01-31T23:59:59.123Z warning peers: peer banned again=true bytes=7 peer=b")
        #expect(
            line.written(as: .json)
                == #"{"time":"2026-01-31T23:59:59.123Z","level":"warning","label":"peers","message":"peer banned","#
                + #""fields":{"again":true,"bytes":7,"peer":"b"}}"#)
        #expect(Self.line([:]).json.hasSuffix(#""message":"peer banned","fields":{}}"#))
    }

    @Test(
        "nothing in a value ends its line or its quotes",
        arguments: [
            ("plain", #""plain""#, "plain"), ("", #""""#, #""""#), ("7", #""7""#, "7"),
            ("a b", #""a b""#, #""a b""#), (#"a"b"#, #""a\"b""#, #""a\"b""#), (#"a\b"#, #""a\\b""#, #"a\b"#),
            ("a\nb", #""a\nb""#, #"a\u{a}b"#), ("\r\t\0", #""\u000d\t\u0000""#, #"\u{d}\u{9}\u{0}"#),
            ("\u{7f}\u{1b}[2J", #""\u007f\u001b[2J""#, #"\u{7f}\u{1b}[2J"#),
            ("é", #""\u00e9""#, #"\u{e9}"#), ("😀", #""\ud83d\ude00""#, #"\u{1f600}"#),
        ]
    )
    func escapes(value: String, json: String, text: String) {
        let line = Self.line(["v": "\(value)"])
        #expect(line.json.hasSuffix("\"fields\":{\"v\":\(json)}}"), "\(line.json)")
        #expect(line.text.hasSuffix(" v=\(text)"), "\(line.text)")
        #expect(line.json.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
    }

    @Test("lists and tables keep their form in JSON")
    func nested() {
        let line = Self.line(["v": ["a", .dictionary(["k": .stringConvertible(UInt8(1))]), .array([])]])
        #expect(line.json.hasSuffix(#""fields":{"v":["a",{"k":1},[]]}}"#), "\(line.json)")
    }
}
