import Logging

/// How lines of the log are spelled.
package enum LogFormat: String, CaseIterable, Sendable {
    /// `TIME LEVEL LABEL: message key=value …`, for people.
    case text
    /// One JSON object a line with the keys `time`, `level`, `label`, `message` and `fields`, for programs. A number
    /// or a flag is one in JSON if the code logged it as such; whatever else there is, is a string.
    case json
}

/// One event of the log.
///
/// Bytes below 0x20, DEL and anything not ASCII are escaped in either form, so that nobody outside can forge a line
/// (the message itself is always a constant). Secrets are no concern of it: their types have no other description
/// than that they are redacted (`Credential`).
struct LogLine {
    /// RFC 3339, UTC.
    let time: String
    let level: Logger.Level
    let label: String
    let message: String
    let fields: Logger.Metadata

    func written(as format: LogFormat) -> String {
        switch format {
        case .text: text
        case .json: json
        }
    }

    var text: String {
        var line = "\(time) \(level) \(label): \(LogText.escaped(message))"
        for (key, value) in sortedFields { line += " \(key)=\(LogText.quotedIfNeeded("\(value)"))" }
        return line
    }

    var json: String {
        let fields = sortedFields.map { "\(JSONText.string($0.key)):\(JSONText.value($0.value))" }
        return """
            {"time":\(JSONText.string(time)),"level":\(JSONText.string(level.rawValue)),\
            "label":\(JSONText.string(label)),"message":\(JSONText.string(message)),\
            "fields":{\(fields.joined(separator: ","))}}
            """
    }

    private var sortedFields: [(key: String, value: Logger.MetadataValue)] {
        fields.sorted { $0.key < $1.key }
    }
}

/// JSON of log fields, in ASCII (RFC 8259 §7).
private enum JSONText {
    static func value(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): string(text)
        case .stringConvertible(let number as any BinaryInteger): "\(number)"
        case .stringConvertible(let flag as Bool): flag ? "true" : "false"
        case .stringConvertible(let other): string("\(other)")
        case .array(let values): "[" + values.map(Self.value).joined(separator: ",") + "]"
        case .dictionary(let entries):
            "{" + entries.sorted { $0.key < $1.key }.map { "\(string($0.key)):\(Self.value($0.value))" }
                .joined(separator: ",") + "}"
        }
    }

    static func string(_ text: String) -> String {
        var result = "\""
        for unit in text.utf16 {
            switch unit {
            case 0x22: result += "\\\""
            case 0x5c: result += "\\\\"
            case 0x0a: result += "\\n"
            case 0x09: result += "\\t"
            case 0x20..<0x7f: result.unicodeScalars.append(UnicodeScalar(UInt8(unit)))
            default:
                let digits = String(unit, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return result + "\""
    }
}
