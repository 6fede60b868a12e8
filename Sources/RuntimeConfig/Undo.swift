/// What undoing has to know of a file's format.
struct UndoFormat: Sendable {
    /// Whether the runtime could read a file with these bytes.
    let isReadable: @Sendable ([UInt8]) -> Bool
    /// Whether the file still names the mirror, whose URL is given.
    let mentions: @Sendable ([UInt8], _ mirror: String) -> Bool
}

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
    init(_ files: [StateFile], mirror: String, format: UndoFormat, tree: any FileTree) throws(Refusal) {
        var result: [String: [UInt8]?] = [:]
        for file in files {
            result[file.path] = .some(try Self.undo(file, mirror: mirror, format: format, tree: tree))
        }
        self.files = result
    }

    private static func undo(
        _ file: StateFile, mirror: String, format: UndoFormat, tree: any FileTree
    ) throws(Refusal) -> [UInt8]? {
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
        // A run that stopped before this file left the one before it, which somebody edited then.
        for base in [applied, file.previous].compactMap(\.self) {
            guard
                let merged = ThreeWay.undo(applied: base, original: file.original ?? [], current: current)
            else { continue }
            if file.original == nil, isEmpty(merged) { return nil }
            if format.isReadable(merged) || !format.isReadable(current) { return merged }
        }
        if !format.mentions(current, mirror) { return current }
        throw Refusal(
            Finding(
                .broken,
                .editedSince,
                file: file.path,
                line: firstDifference(applied, current),
                "the file was edited since in the same places, so our part cannot be told from yours",
                remedy: "take out what names \(address(mirror)) by hand, then run the command again"
            )
        )
    }

    private static func isEmpty(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
    }

    private static func firstDifference(_ left: [UInt8], _ right: [UInt8]) -> Int? {
        LineDiff.hunks(LineDiff.lines(left), LineDiff.lines(right)).first.map { $0.new.lowerBound + 1 }
    }

    fileprivate static func address(_ mirror: String) -> String {
        mirror.split(separator: "/").last.map(String.init) ?? mirror
    }
}

extension UndoFormat {
    /// For formats whose values are not worth telling apart: the mirror's address anywhere counts.
    static func text(isReadable: @escaping @Sendable ([UInt8]) -> Bool) -> UndoFormat {
        UndoFormat(isReadable: isReadable) { bytes, mirror in
            String(decoding: bytes, as: UTF8.self).contains(Undo.address(mirror))
        }
    }
}
