/// Why something was not fetched, in one sentence for the person who asked, which says what to do next where something
/// can be done.
package struct FetchError: Error, Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// The mirror is not there, or has no source now: the same may work later, and goes on where it ended.
        case unavailable
        /// There is no such thing, or it is not what it should be.
        case data
        case denied
        /// The place to write to.
        case output
        /// What was asked makes no sense.
        case usage
    }

    package let kind: Kind
    package let sentence: String

    package init(_ kind: Kind, _ sentence: String) {
        self.kind = kind
        self.sentence = sentence
    }
}
