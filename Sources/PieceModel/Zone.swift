/// A part of the cluster whose nodes reach each other more cheaply than those of other parts, such as a rack or an
/// availability zone: `node.zone`, spelled like a `PeerName`.
package struct Zone: Hashable, Sendable {
    package let text: String

    package init?(_ text: some StringProtocol) {
        guard let name = PeerName(text) else { return nil }
        self.text = name.text
    }
}

extension Zone: CustomStringConvertible {
    package var description: String { text }
}
