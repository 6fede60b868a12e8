/// Why a document cannot be read, with the place where reading stopped.
package struct TOMLError: Error, Equatable, Sendable {
    package enum Reason: Equatable, Sendable {
        /// More bytes than `TOMLDocument.bytesMax`.
        case tooLarge(bytes: Int)
        /// Not valid UTF-8; TOML 1.0 allows nothing else.
        case notUTF8
        /// Nested deeper than any configuration is.
        case tooDeep
        /// The grammar is broken; the text completes "line N: …".
        case syntax(String)
        /// Legal for one of the two readers only.
        ///
        /// Such a document is never edited.
        case readersDisagree(String)
    }

    package let reason: Reason
    /// From 1.
    package let line: Int
    /// In bytes, from 1.
    package let column: Int

    package init(reason: Reason, line: Int, column: Int) {
        self.reason = reason
        self.line = line
        self.column = column
    }
}

extension TOMLError: CustomStringConvertible {
    package var description: String {
        switch reason {
        case .tooLarge(let bytes): "\(bytes) bytes is more than the \(TOMLDocument.bytesMax) that are read"
        case .notUTF8: "not UTF-8"
        case .tooDeep: "nested too deeply"
        case .syntax(let text): text
        case .readersDisagree(let text): "ambiguous TOML: \(text)"
        }
    }
}

/// Why an edit was not made; the document is as it was.
package enum TOMLEditError: Error, Equatable, Sendable {
    /// The path, or a part of it, is something that holds no keys.
    case notATable(path: [String], line: Int)
    /// The path is a table, and a value was to be set there.
    case isATable(path: [String], line: Int)
    /// The spelling at this line has no lossless edit.
    case spelling(path: [String], line: Int)
    /// The edited bytes do not read as intended; nothing is returned then.
    case notAsIntended(path: [String])
}
