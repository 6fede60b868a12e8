/// One component of a key as it is spelled.
struct KeyPart: Equatable, Sendable {
    let text: String
    /// With its quotes.
    let span: Range<Int>
    let hasEscape: Bool
}

/// A value as it is spelled.
///
/// Spans are byte offsets into the document.
struct ValueSyntax: Sendable {
    indirect enum Kind: Sendable {
        case string(String)
        /// A number, boolean, date or time: the other reader says which.
        case scalar
        case array([ValueSyntax])
        case inlineTable([Assignment])
    }

    let kind: Kind
    /// From the first to past the last byte, brackets and quotes included.
    let span: Range<Int>
}

/// `key = value`, on its own line or inside braces.
struct Assignment: Sendable {
    let key: [KeyPart]
    let value: ValueSyntax

    var span: Range<Int> { (key.first?.span.lowerBound ?? value.span.lowerBound)..<value.span.upperBound }
}

/// A header and the assignments below it.
///
/// The first section of a document has no header.
struct Section: Sendable {
    let header: [KeyPart]
    let isArrayElement: Bool
    /// From `[` to past the last `]`; `nil` only for the first section.
    let headerSpan: Range<Int>?
    var assignments: [Assignment] = []
}
