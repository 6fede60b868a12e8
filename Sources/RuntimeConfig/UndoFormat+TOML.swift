import TOMLEdit

extension UndoFormat {
    /// containerd's files.
    static let toml = UndoFormat(
        // Only whether it can be read is asked.
        isReadable: { (try? TOMLDocument($0)) != nil },
        mentions: { bytes, mirror in
            // What is not TOML is not ours to judge, and may still hold ours.
            guard let document = try? TOMLDocument(bytes) else { return true }
            return mentions(document.root, mirror)
        }
    )

    private static func mentions(_ node: TOMLNode, _ mirror: String) -> Bool {
        switch node {
        case .string(let text): Endpoint.same(text, mirror)
        case .array(let elements): elements.contains { mentions($0, mirror) }
        case .table(let entries):
            entries.contains { Endpoint.same($0.key, mirror) || mentions($0.value, mirror) }
        default: false
        }
    }
}
