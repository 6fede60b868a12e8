import CLinux
import Glibc
import Synchronization

/// Looks at containerd's wiring again and again, cheaply: as long as nothing that was read last time changed,
/// the answer stands.
package struct WiringLook: Sendable {
    private let config: String
    private let socket: String
    private let registries: [RegistryTarget]
    private let mirror: Endpoint

    /// `socket` leads to the process that tells the release; without one the binary in PATH does.
    package init(config: String, socket: String, registries: [RegistryTarget], mirror: Endpoint) {
        self.config = config
        self.socket = socket
        self.registries = registries
        self.mirror = mirror
    }

    /// One answer and all that it rests on.
    package struct Answer: Sendable {
        package let wiring: Wiring
        fileprivate let owner: RunningContainerd.Owner
        fileprivate let version: ContainerdVersion?
        fileprivate let marks: [String: FileMark?]
    }

    /// Blocks on the disk, and for a new containerd on asking its binary, at most 5 s.
    package func take(after last: Answer?) -> Answer {
        let owner = RunningContainerd.owner(of: socket)
        if let last, last.version != nil, last.owner == owner,
            last.marks.allSatisfy({ FileMark(path: $0.key) == $0.value })
        {
            return last
        }
        let isKnown = last?.owner == owner && last?.version != nil
        let version = isKnown ? last?.version : ask(owner)
        guard let version else {
            let reason = "containerd's release is not known: neither \(socket) nor `containerd --version` tells"
            let wiring = Wiring(unknown: reason, file: config)
            return Answer(wiring: wiring, owner: owner, version: nil, marks: [:])
        }
        let tree = MarkedTree()
        let wiring = Wiring.look(
            config: config,
            version: version,
            registries: registries,
            mirror: mirror,
            tree: tree
        )
        return Answer(wiring: wiring, owner: owner, version: version, marks: tree.marks)
    }

    private func ask(_ owner: RunningContainerd.Owner) -> ContainerdVersion? {
        if case .process(let process) = owner, let version = process.version { return version }
        return VersionProbe.run("containerd")
    }
}

/// What tells that a file or folder was changed.
private struct FileMark: Equatable, Sendable {
    let device: UInt64
    let inode: UInt64
    let bytes: Int
    let seconds: [Int]

    /// `nil` when nothing is there.
    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        bytes = Int(status.st_size)
        seconds = [
            status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
        ]
    }
}

/// The disk, remembering what was looked at and how it was just before.
private final class MarkedTree: FileTree {
    private let disk = DiskTree()
    private let seen = Mutex<[String: FileMark?]>([:])

    var marks: [String: FileMark?] { seen.withLock { $0 } }

    private func mark(_ path: String) {
        let mark = FileMark(path: path)
        seen.withLock { seen in
            if seen[path] == nil { seen.updateValue(mark, forKey: path) }
        }
    }

    func read(_ path: String) -> Result<[UInt8], FileFault> {
        mark(path)
        return disk.read(path)
    }

    func names(in directory: String) -> Result<[String], FileFault> {
        mark(directory)
        return disk.names(in: directory)
    }

    func isDirectory(_ path: String) -> Bool? {
        mark(path)
        return disk.isDirectory(path)
    }
}
