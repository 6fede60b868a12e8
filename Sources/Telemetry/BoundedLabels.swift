/// Values that a label has had, of which there may be only so many: from then on new ones become `other`.
package struct BoundedLabels: Sendable {
    package static let other = "other"
    private var known: Set<String>
    private let countMax: Int

    /// `known` are values that have their own in any case.
    package init(countMax: Int, known: [String] = []) {
        self.countMax = countMax
        self.known = Set(known)
    }

    /// The label's value for `text`.
    package mutating func label(_ text: String) -> String {
        if known.contains(text) { return text }
        guard known.count < countMax else { return Self.other }
        known.insert(text)
        return text
    }
}
