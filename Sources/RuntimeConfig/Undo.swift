import TOMLEdit

/// The files as they would be had we never been here.
struct Undo {
    /// New bytes by path, `nil` for a file that goes.
    ///
    /// Paths that are to stay as they are on disk are listed too.
    let files: [String: [UInt8]?]

    /// Takes our part out of what is on disk now: the original bytes where nobody edited, else the user's
    /// edit without ours.
    ///
    /// A `Refusal` when the two cannot be told apart.
    init(_ files: [StateFile], mirror: String, tree: any FileTree) throws(Refusal) {
        var result: [String: [UInt8]?] = [:]
        for file in files { result[file.path] = .some(try Self.undo(file, mirror: mirror, tree: tree)) }
        self.files = result
    }

    private static func undo(_ file: StateFile, mirror: String, tree: any FileTree) throws(Refusal)
        -> [UInt8]?
    {
        let current: [UInt8]
        switch tree.read(file.path) {
        case .success(let bytes): current = bytes
        case .failure(.missing): return nil
        case .failure(let fault):
            throw Refusal(Finding(.broken, .unreadable, file: file.path, "\(file.path) \(fault.sentence)"))
        }
        if current == file.applied || current == file.original || current == file.previous {
            return file.original
        }
        guard let applied = file.applied else { return current }
        if let merged = ThreeWay.undo(applied: applied, original: file.original ?? [], current: current) {
            if file.original == nil, isEmpty(merged) { return nil }
            if isReadable(merged) || !isReadable(current) { return merged }
        }
        // What is not TOML is not ours to judge.
        if let document = try? TOMLDocument(current), !mentions(document.root, mirror) {
            return current
        }
        throw Refusal(
            Finding(
                .broken,
                .editedSince,
                file: file.path,
                line: firstDifference(applied, current),
                "the file was edited since in the same places, so our part cannot be told from yours",
                remedy: "take out what names \(mirror) by hand, then run the command again"
            )
        )
    }

    private static func isReadable(_ bytes: [UInt8]) -> Bool {
        // Only whether it can be read is asked.
        (try? TOMLDocument(bytes)) != nil
    }

    private static func isEmpty(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
    }

    private static func mentions(_ node: TOMLNode, _ mirror: String) -> Bool {
        switch node {
        case .string(let text): Endpoint.same(text, mirror)
        case .array(let elements): elements.contains { mentions($0, mirror) }
        case .table(let entries):
            entries.contains { Endpoint.same($0.key, mirror) || mentions($0.value, mirror) }
        default: false
        }
    }

    private static func firstDifference(_ left: [UInt8], _ right: [UInt8]) -> Int? {
        LineDiff.hunks(LineDiff.lines(left), LineDiff.lines(right)).first.map { $0.new.lowerBound + 1 }
    }
}
