import Synchronization

/// A tree in which each file stays as it was when it was first read.
///
/// A plan and the comparison before its writing have to speak of the same bytes: what another program writes in between
/// would else be taken for what was planned on, and be lost.
final class SnapshotTree: FileTree {
    private let base: any FileTree
    private let seen = Mutex<[String: Result<[UInt8], FileFault>]>([:])

    init(_ base: any FileTree) { self.base = base }

    func read(_ path: String) -> Result<[UInt8], FileFault> {
        seen.withLock { seen in
            if let content = seen[path] { return content }
            let content = base.read(path)
            seen[path] = content
            return content
        }
    }

    func names(in directory: String) -> Result<[String], FileFault> { base.names(in: directory) }

    func isDirectory(_ path: String) -> Bool? { base.isDirectory(path) }
}
