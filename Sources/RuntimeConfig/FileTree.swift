import Glibc

/// Why a file could not be read.
package enum FileFault: Error, Equatable, Sendable {
    case missing
    case isDirectory
    /// A device, a socket or a pipe.
    case notAFile
    case tooLarge
    /// Any other cause, by its `errno`.
    case system(Int32)

    var sentence: String {
        switch self {
        case .missing: "does not exist"
        case .isDirectory: "is a directory"
        case .notAFile: "is not a regular file"
        case .tooLarge: "is larger than any configuration"
        case .system(let code): "cannot be read: \(String(cString: strerror(code)))"
        }
    }
}

/// What the planner sees of a disk: only reading, so that a plan can be made of, and proved on, files that do
/// not exist yet.
package protocol FileTree: Sendable {
    /// Follows symbolic links.
    func read(_ path: String) -> Result<[UInt8], FileFault>
    /// Names in byte order, without `.` and `..`.
    func names(in directory: String) -> Result<[String], FileFault>
    /// `nil` when nothing is there or a link leads nowhere.
    func isDirectory(_ path: String) -> Bool?
}

/// The disk below `root`, which is `/` except in tests.
package struct DiskTree: FileTree {
    static let fileBytesMax = 16 << 20

    package init() {}

    package func read(_ path: String) -> Result<[UInt8], FileFault> {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            return .failure(errno == ENOENT || errno == ENOTDIR ? .missing : .system(errno))
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { return .failure(.system(errno)) }
        if status.st_mode & S_IFMT == S_IFDIR { return .failure(.isDirectory) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .failure(.notAFile) }
        guard status.st_size <= Self.fileBytesMax else { return .failure(.tooLarge) }
        return Self.readAll(file, expecting: Int(status.st_size))
    }

    static func readAll(_ file: Int32, expecting count: Int) -> Result<[UInt8], FileFault> {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 1)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let received = Glibc.read(file, &buffer, buffer.count)
            if received < 0, errno == EINTR { continue }
            guard received >= 0 else { return .failure(.system(errno)) }
            if received == 0 { return .success(bytes) }
            bytes += buffer[..<received]
            guard bytes.count <= fileBytesMax else { return .failure(.tooLarge) }
        }
    }

    package func names(in directory: String) -> Result<[String], FileFault> {
        guard let stream = opendir(directory) else {
            return .failure(errno == ENOENT || errno == ENOTDIR ? .missing : .system(errno))
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return .success(names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) })
    }

    package func isDirectory(_ path: String) -> Bool? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return status.st_mode & S_IFMT == S_IFDIR
    }
}

/// A tree with some files as they are going to be.
struct PlannedTree: FileTree {
    let base: any FileTree
    /// New bytes by path, `nil` for a file that goes.
    let planned: [String: [UInt8]?]
    /// Folders that go when nothing is left in them.
    var passing: Set<String> = []

    func read(_ path: String) -> Result<[UInt8], FileFault> {
        guard let entry = planned[path] else { return base.read(path) }
        return entry.map { .success($0) } ?? .failure(.missing)
    }

    func names(in directory: String) -> Result<[String], FileFault> {
        let prefix = directory.hasSuffix("/") ? directory : directory + "/"
        var added = Set<String>()
        var removed = Set<String>()
        for (path, bytes) in planned where path.hasPrefix(prefix) {
            let rest = path.dropFirst(prefix.count).split(separator: "/")
            guard let first = rest.first else { continue }
            if bytes != nil {
                added.insert(String(first))
            } else if rest.count == 1 {
                removed.insert(String(first))
            }
        }
        switch base.names(in: directory) {
        case .success(let names):
            removed.formUnion(names.filter { isGone(prefix + $0) })
            return .success(Set(names).subtracting(removed).union(added).sorted())
        case .failure(let fault):
            return added.isEmpty ? .failure(fault) : .success(added.sorted())
        }
    }

    func isDirectory(_ path: String) -> Bool? {
        if let entry = planned[path] { return entry == nil ? nil : false }
        if planned.contains(where: { $0.value != nil && $0.key.hasPrefix(path + "/") }) { return true }
        return isGone(path) ? nil : base.isDirectory(path)
    }

    private func isGone(_ path: String) -> Bool {
        guard passing.contains(path), case .success(let names) = names(in: path) else { return false }
        return names.isEmpty
    }
}

/// Paths as text; no disk is asked.
enum Path {
    /// Everything before the last `/`; `.` when there is none.
    static func directory(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func name(_ path: String) -> String {
        String(path.split(separator: "/").last ?? "")
    }

    static func join(_ directory: String, _ name: String) -> String {
        directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }

    /// Without trailing slashes, `//` and `.` parts; `..` stays, for links may make it mean anything.
    static func clean(_ path: String) -> String {
        let parts = path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        return path.hasPrefix("/") ? "/" + parts : parts
    }
}
