import TOMLKit

/// The door to the TOML library, the only file that imports it.
///
/// The library hands out C strings it never frees, so a document costs its size in memory once per reading:
/// read files that changed, not files in a loop.
enum TOMLReader {
    /// Reads what the scanner has already accepted: depth is bounded and no string holds a NUL.
    static func read(_ text: String) throws(TOMLError) -> TOMLNode {
        do {
            return convert(try TOMLTable(string: text))
        } catch let error as TOMLParseError {
            let begin = error.source.begin
            throw TOMLError(reason: .syntax(error.description), line: begin.line, column: begin.column)
        } catch {
            throw TOMLError(reason: .syntax("\(error)"), line: 1, column: 1)
        }
    }

    private static func convert(_ table: TOMLTable) -> TOMLNode {
        var entries: [String: TOMLNode] = [:]
        for (key, value) in zip(table.keys, table.values) { entries[key] = convert(value) }
        return .table(entries)
    }

    private static func convert(_ value: any TOMLValueConvertible) -> TOMLNode {
        switch value.type {
        case .table: value.table.map(convert) ?? .table([:])
        case .array: .array(value.array.map { $0.map(convert) } ?? [])
        case .string: .string(value.string ?? "")
        case .int: .integer(Int64(value.int ?? 0))
        case .double: .float(bitPattern: (value.double ?? 0).bitPattern)
        case .bool: .boolean(value.bool ?? false)
        case .date, .time, .dateTime: .moment
        }
    }
}
