import Foundation

/// What passed a relay: for each connection and direction the bytes in their order, so that nothing is torn apart.
package struct Recording: Sendable {
    struct Way: Hashable, Sendable {
        let connection: Int
        let isFromServer: Bool
    }

    private var streams: [Way: Data] = [:]

    mutating func add(_ bytes: UnsafeRawBufferPointer, _ way: Way) {
        streams[way, default: Data()].append(contentsOf: bytes)
    }

    package func holds(_ pattern: [UInt8]) -> Bool {
        streams.values.contains { $0.range(of: Data(pattern)) != nil }
    }

    package func holds(_ text: String) -> Bool { holds(Array(text.utf8)) }

    /// The spellings of a secret that passed; none if all is well.
    package func spellings(of secret: String) -> [String] { Self.spellings(of: secret).filter(holds) }

    /// A secret as it is, and its middle as it stands in the base64 of whatever it is a part of: that depends on
    /// how many bytes of a group of three come before it.
    package static func spellings(of secret: String) -> [String] {
        [secret]
            + (0..<3).map { before in
                let bytes = [UInt8](repeating: 0, count: before) + Array(secret.utf8)
                let whole = bytes.prefix(bytes.count / 3 * 3)
                let coded = Data(whole).base64EncodedString()
                return String(coded.dropFirst(before == 0 ? 0 : 4))
            }
    }
}
