import TOMLEdit

/// The main file and what it imports, in the order in which containerd loads them.
package struct ConfigFiles: Sendable {
    /// Never empty; the first is the main file.
    package let files: [ConfigFile]
    /// What is odd but lets containerd start.
    package let findings: [Finding]

    package var main: ConfigFile { files[0] }

    /// Follows `imports` breadth first: entries in list order, matches of a pattern in byte order, each path
    /// once.
    ///
    /// A `Refusal` says why this containerd would not start with these files.
    package static func load(
        main path: String,
        version: ContainerdVersion,
        tree: any FileTree
    ) throws(Refusal) -> ConfigFiles {
        var files: [ConfigFile] = []
        var findings: [Finding] = []
        var queue: [Import] = [Import(path: path, importer: nil, line: 1)]
        var seen: Set<String> = []
        while !queue.isEmpty {
            let next = queue.removeFirst()
            guard seen.insert(Path.clean(next.path)).inserted else { continue }
            guard files.count < 256 else {
                throw Refusal(Finding(.broken, .importFailed, file: path, "more than 256 files are imported"))
            }
            let file = try load(next, version, tree)
            files.append(file)
            queue += try imports(of: file, version: version, tree: tree, findings: &findings)
        }
        return ConfigFiles(files: files, findings: findings)
    }

    private struct Import {
        let path: String
        /// The file that names it; `nil` for the main file.
        let importer: String?
        let line: Int
    }

    private static func load(
        _ source: Import,
        _ version: ContainerdVersion,
        _ tree: any FileTree
    ) throws(Refusal) -> ConfigFile {
        let path = source.path
        let bytes: [UInt8]
        var exists = true
        switch tree.read(path) {
        case .success(let content): bytes = content
        case .failure(.missing) where source.importer == nil:
            bytes = []
            exists = false
        case .failure(let fault):
            guard let importer = source.importer else {
                throw Refusal(Finding(.broken, .unreadable, file: path, "\(path) \(fault.sentence)"))
            }
            throw Refusal(
                Finding(
                    .broken,
                    .importFailed,
                    file: importer,
                    line: source.line,
                    "the import \(path) \(fault.sentence), so containerd does not start",
                    remedy: "put the file there or remove it from imports"
                )
            )
        }
        let document = try parse(bytes, path: path)
        try checkDialect(document, path: path, version)
        return ConfigFile(
            path: path,
            document: document,
            exists: exists,
            version: try fileVersion(document, path)
        )
    }

    private static func parse(_ bytes: [UInt8], path: String) throws(Refusal) -> TOMLDocument {
        do throws(TOMLError) {
            return try TOMLDocument(bytes)
        } catch {
            let text = String(decoding: bytes.prefix(1 << 16), as: UTF8.self)
            if text.contains("{{") || text.contains("${") {
                throw Refusal(
                    Finding(
                        .broken,
                        .template,
                        file: path,
                        line: error.line,
                        "this is a template, from which another program makes the configuration",
                        remedy: "set the mirror where that program takes it from (k3s: registries.yaml)"
                    )
                )
            }
            throw Refusal(
                Finding(
                    .broken,
                    .invalidTOML,
                    file: path,
                    line: error.line,
                    "not valid TOML: \(error)",
                    remedy: "repair the line; nothing is changed before"
                )
            )
        }
    }

    private static func checkDialect(
        _ document: TOMLDocument,
        path: String,
        _ version: ContainerdVersion
    ) throws(Refusal) {
        if document.hasByteOrderMark, version.generation != .one {
            throw Refusal(
                Finding(
                    .broken,
                    .byteOrderMark,
                    file: path,
                    line: 1,
                    "the file begins with a byte order mark, with which containerd 2 does not start",
                    remedy: "remove the first three bytes: sed -i '1s/^\\xEF\\xBB\\xBF//' \(path)"
                )
            )
        }
        if let escaped = document.escapedKeys.first {
            throw Refusal(
                Finding(
                    .broken,
                    .escapedKey,
                    file: path,
                    line: escaped.line,
                    "the key \(escaped.key) is spelled with an escape, which containerd 1 and 2 read differently",
                    remedy: "write the key without the backslash"
                )
            )
        }
    }

    private static func fileVersion(_ document: TOMLDocument, _ path: String) throws(Refusal) -> Int {
        switch document.root[["version"]] {
        case nil:
            try checkMisplacedVersion(document, path)
            return 0
        case .integer(let number) where number >= 0 && number < 100: return Int(number)
        case .some(let other):
            let what = if case .integer(let number) = other { "\(number)" } else { other.kindName }
            throw Refusal(
                Finding(
                    .broken,
                    .fileVersion,
                    file: path,
                    line: document.line(of: ["version"]),
                    "version is \(what), and containerd takes 1, 2, 3 or 4",
                    remedy: "write the number that `containerd config default` prints"
                )
            )
        }
    }

    /// A `version` below the first table belongs to that table, and the file has none.
    private static func checkMisplacedVersion(_ document: TOMLDocument, _ path: String) throws(Refusal) {
        for table in document.keys(at: []) where table != "plugins" {
            guard case .integer? = document.root[[table, "version"]] else { continue }
            throw Refusal(
                Finding(
                    .broken,
                    .fileVersion,
                    file: path,
                    line: document.line(of: [table, "version"]),
                    "version stands below [\(table)] and so belongs to that table; the file has no version",
                    remedy: "move the line above the first table"
                )
            )
        }
    }

    private static func imports(
        of file: ConfigFile,
        version: ContainerdVersion,
        tree: any FileTree,
        findings: inout [Finding]
    ) throws(Refusal) -> [Import] {
        guard let list = file.document.root[["imports"]] else { return [] }
        let line = file.document.nearestLine(of: ["imports"])
        guard let entries = list.strings else {
            throw Refusal(
                Finding(
                    .broken,
                    .wrongType,
                    file: file.path,
                    line: line,
                    "imports must be a list of strings; containerd does not start"
                )
            )
        }
        var result: [Import] = []
        for entry in entries {
            let isRelative = !entry.hasPrefix("/")
            let path = isRelative ? Path.join(Path.directory(file.path), entry) : entry
            guard entry.contains("*") else {
                result.append(Import(path: path, importer: file.path, line: line))
                continue
            }
            if isRelative, !version.resolvesRelativeGlobs {
                findings.append(
                    Finding(
                        .advice,
                        .relativeGlob,
                        file: file.path,
                        line: line,
                        "containerd \(version) looks for \(entry) in its working directory, which is not this one",
                        remedy: "write an absolute pattern"
                    )
                )
                continue
            }
            result += Glob.matches(path, in: tree).map { Import(path: $0, importer: file.path, line: line) }
        }
        return result
    }
}

/// Shell patterns as containerd's `imports` have them: `*` and `?` and `[…]` within one part of a path.
enum Glob {
    static func matches(_ pattern: String, in tree: any FileTree) -> [String] {
        var found = [pattern.hasPrefix("/") ? "/" : "."]
        for part in pattern.split(separator: "/") {
            let isPattern = part.contains { "*?[".contains($0) }
            found = found.flatMap { directory -> [String] in
                guard isPattern else {
                    let path = Path.join(directory, String(part))
                    return tree.isDirectory(path) == nil ? [] : [path]
                }
                // A folder that cannot be read matches nothing, as for containerd.
                let names = (try? tree.names(in: directory).get()) ?? []
                return names.filter { matches(Array($0.utf8), Array(part.utf8)) }
                    .map { Path.join(directory, $0) }
            }
        }
        return found
    }

    /// In at most name times pattern steps: when a byte does not fit, only the last star met takes one more.
    static func matches(_ name: [UInt8], _ pattern: [UInt8]) -> Bool {
        var (at, next) = (0, 0)
        var star: (pattern: Int, name: Int)?
        while at < name.count {
            if next < pattern.count, pattern[next] == UInt8(ascii: "*") {
                next += 1
                star = (next, at)
            } else if let length = single(pattern[next...], takes: name[at]) {
                (at, next) = (at + 1, next + length)
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                (at, next) = (last.name + 1, last.pattern)
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    /// Length of the part of a pattern that stands for one byte, if it stands for this one.
    private static func single(_ pattern: ArraySlice<UInt8>, takes byte: UInt8) -> Int? {
        switch pattern.first {
        case nil: return nil
        case UInt8(ascii: "?"): return 1
        case UInt8(ascii: "["):
            guard let close = pattern.dropFirst(2).firstIndex(of: UInt8(ascii: "]")) else { return nil }
            let isNegated = pattern.dropFirst().first == UInt8(ascii: "^")
            let start = pattern.startIndex + (isNegated ? 2 : 1)
            guard start <= close, contains(pattern[start..<close], byte) != isNegated else { return nil }
            return close + 1 - pattern.startIndex
        default: return pattern.first == byte ? 1 : nil
        }
    }

    private static func contains(_ members: ArraySlice<UInt8>, _ byte: UInt8) -> Bool {
        var rest = members
        while let low = rest.popFirst() {
            guard rest.first == UInt8(ascii: "-"), let high = rest.dropFirst().first else {
                if low == byte { return true }
                continue
            }
            if low <= byte, byte <= high { return true }
            rest = rest.dropFirst(2)
        }
        return false
    }
}
