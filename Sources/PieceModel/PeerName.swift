/// The name of a node: unique in its cluster, chosen by the operator (`node.name`) or the host's name.
///
/// 1 to 64 bytes of ASCII letters, digits, `.`, `_` and `-`, so that it can stand in logs, tables, file names and
/// certificates without escaping.
package struct PeerName: Hashable, Sendable, Comparable {
    package static let byteCountMax = 64

    package let text: String

    package init?(_ text: some StringProtocol) {
        self.init(String(text))
    }

    package init?(_ text: String) {
        let bytes = text.utf8
        guard !bytes.isEmpty, bytes.count <= Self.byteCountMax else { return nil }
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                continue
            default: return nil
            }
        }
        self.text = text
    }

    package static func < (left: PeerName, right: PeerName) -> Bool { left.text < right.text }
}

extension PeerName: CustomStringConvertible {
    package var description: String { text }
}
