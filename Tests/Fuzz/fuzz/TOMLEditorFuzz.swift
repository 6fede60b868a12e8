import TOMLEdit

/// Edits of any document: what the editor accepts means what was asked, a second run changes nothing, what it refuses
/// stays as it was, and no byte but those of the edit changes.
///
/// The first four bytes choose the edits, the rest is the document.
enum TOMLEditorFuzz {
    static func run(_ input: UnsafeRawBufferPointer) {
        guard input.count >= 4 else { return }
        // What cannot be read is refused as a whole.
        guard let document = try? TOMLDocument(Array(input[4...])) else { return }
        var editor = TOMLEditor(document)
        for choice in input[..<4] { edit(&editor, choice) }
    }

    private static let names = ["plugins", "io.containerd.grpc.v1.cri", "registry", "mirrors", "docker.example", "a", "é \"x\""]

    private static func edit(_ editor: inout TOMLEditor, _ choice: UInt8) {
        let before = editor.document
        let path = path(in: before, choice)
        do throws(TOMLEditError) {
            switch choice & 3 {
            case 0:
                try set(&editor, path, .string("v\t\"' \u{7F}é"))
            case 1:
                try set(&editor, path, .strings(["http://127.0.0.1:4001", "https://m"]))
            case 2:
                try editor.remove(path)
                precondition(editor.document.root[path] == nil, "it is still there")
                let removed = editor.document.bytes
                try editor.remove(path)
                precondition(editor.document.bytes == removed, "a second removal changed something")
            default:
                guard before.root[path] == nil else { return }
                try editor.insert([TOMLEntry("endpoint", .strings(["x"])), TOMLEntry("b c", .boolean(true))], into: path)
                precondition(editor.document.root[path + ["endpoint"]] == .array([.string("x")]), "not what was asked")
                keepsAll(before.bytes, editor.document.bytes)
            }
        } catch {
            precondition(editor.document.bytes == before.bytes, "a refused edit changed something")
        }
    }

    private static func set(_ editor: inout TOMLEditor, _ path: [String], _ literal: TOMLLiteral)
        throws(TOMLEditError)
    {
        let before = editor.document
        try editor.set(path, to: literal)
        precondition(editor.document.root[path] == literal.node, "not what was asked")
        let edited = editor.document.bytes
        if before.root[path] == nil { keepsAll(before.bytes, edited) }
        try editor.set(path, to: literal)
        precondition(editor.document.bytes == edited, "a second run changed something")
    }

    /// A path that exists, one that could, or one that ends in a value's way.
    private static func path(in document: TOMLDocument, _ choice: UInt8) -> [String] {
        var path: [String] = []
        var bits = Int(choice >> 2)
        while bits > 0 || path.isEmpty {
            let keys = document.keys(at: path)
            let isNew = bits & 1 == 1 || keys.isEmpty
            path.append(isNew ? names[(bits >> 1) % names.count] : keys[(bits >> 1) % keys.count])
            bits >>= 2
        }
        return path
    }

    /// One insertion; the braces of an empty inline table may be widened.
    private static func keepsAll(_ before: [UInt8], _ after: [UInt8]) {
        let front = zip(before, after).prefix { $0 == $1 }.count
        let back = zip(before.reversed(), after.reversed()).prefix { $0 == $1 }.count
        let lost = before.dropFirst(front).dropLast(min(back, before.count - front))
        precondition(lost.allSatisfy { $0 == 0x20 || $0 == 0x09 }, "an insertion took something away")
    }
}
