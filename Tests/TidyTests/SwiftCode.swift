/// Tells code from comments and literals, well enough for rules about words: interpolations count as literal text.
enum SwiftCode {
    private enum State: Equatable {
        case code
        case lineComment
        case blockComment(depth: Int)
        case string(pounds: Int, isMultiline: Bool)
    }

    /// The text's lines with everything that is not code replaced by spaces; quotes stay.
    static func blanked(_ text: String) -> [String] {
        let source = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(source.count)
        var state = State.code
        var index = 0
        while index < source.count {
            if !isMark(source[index], in: state) {  // Nearly every byte; the rest of the loop is slow.
                result.append(state == .code ? source[index] : space)
                index += 1
                continue
            }
            let (next, length, isKept) = step(source, index, state)
            for byte in source[index..<index + length] {
                result.append(byte == newline ? newline : isKept ? byte : space)
            }
            index += length
            state = next
        }
        return String(decoding: result, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// Whether a byte may begin a token that matters in a state.
    private static func isMark(_ byte: UInt8, in state: State) -> Bool {
        switch (state, byte) {
        case (_, newline): true
        case (.code, UInt8(ascii: "/")), (.code, UInt8(ascii: "#")), (.code, UInt8(ascii: "\"")): true
        case (.blockComment, UInt8(ascii: "/")), (.blockComment, UInt8(ascii: "*")): true
        case (.string, UInt8(ascii: "\"")), (.string, UInt8(ascii: "\\")): true
        default: false
        }
    }

    /// The state after the next token, its length, and whether it is code.
    private static func step(_ source: [UInt8], _ index: Int, _ state: State) -> (State, Int, Bool) {
        switch state {
        case .code: return stepInCode(source, index)
        case .lineComment: return (source[index] == newline ? .code : state, 1, false)
        case .blockComment(let depth):
            if starts(source, index, "/*") { return (.blockComment(depth: depth + 1), 2, false) }
            if starts(source, index, "*/") {
                return (depth == 1 ? .code : .blockComment(depth: depth - 1), 2, false)
            }
            return (state, 1, false)
        case .string(let pounds, let isMultiline):
            let marks = String(repeating: "#", count: pounds)
            let end = (isMultiline ? "\"\"\"" : "\"") + marks
            if starts(source, index, end) { return (.code, end.utf8.count, true) }
            if starts(source, index, "\\" + marks) {
                let length = 1 + pounds + 1
                return (state, min(length, source.count - index), false)
            }
            return (state, 1, false)
        }
    }

    private static func stepInCode(_ source: [UInt8], _ index: Int) -> (State, Int, Bool) {
        if starts(source, index, "//") { return (.lineComment, 2, false) }
        if starts(source, index, "/*") { return (.blockComment(depth: 1), 2, false) }
        var pounds = 0
        while index + pounds < source.count, source[index + pounds] == UInt8(ascii: "#") { pounds += 1 }
        guard starts(source, index + pounds, "\"") else { return (.code, 1, true) }
        let isMultiline = starts(source, index + pounds, "\"\"\"")
        return (.string(pounds: pounds, isMultiline: isMultiline), pounds + (isMultiline ? 3 : 1), true)
    }

    private static func starts(_ source: [UInt8], _ index: Int, _ text: String) -> Bool {
        source[min(index, source.count)...].starts(with: text.utf8)
    }

    private static let newline = UInt8(ascii: "\n")
    private static let space = UInt8(ascii: " ")
}

/// A function, initialiser or deinitialiser with a body.
struct FunctionSpan: Equatable {
    /// Of its first line, from 1.
    let line: Int
    /// From the declaration to the closing brace.
    let lineCount: Int
}

extension SwiftCode {
    /// The functions of a file, given its blanked lines; requirements of protocols have no body and are left out.
    static func functions(_ code: [String]) -> [FunctionSpan] {
        let declaration = /^\s*(@\w+(\([^)]*\))?\s+|[a-z]+(\([a-z]+\))?\s+)*(func\s|init[?]?\s*[(<]|deinit\b)/
        var spans: [FunctionSpan] = []
        var protocolEnd = -1
        for (index, line) in code.enumerated() where index > protocolEnd {
            guard line.contains("func ") || line.contains("init") || line.contains("protocol ") else {
                continue
            }
            if line.contains(/\bprotocol\s+\w+/) {
                protocolEnd = bodyEnd(code, from: index) ?? index
            } else if line.prefixMatch(of: declaration) != nil, let end = bodyEnd(code, from: index) {
                spans.append(FunctionSpan(line: index + 1, lineCount: end - index + 1))
            }
        }
        return spans
    }

    /// The index of the line with the brace that closes the first body opened at or after a line.
    private static func bodyEnd(_ code: [String], from start: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for (index, line) in code.enumerated().dropFirst(start) {
            for character in line.utf8 {
                switch character {
                case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
                case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
                case UInt8(ascii: "{") where braces > 0 || parentheses == 0: braces += 1
                case UInt8(ascii: "}") where braces > 0:
                    braces -= 1
                    if braces == 0 { return index }
                default: break
                }
            }
        }
        return nil
    }
}
