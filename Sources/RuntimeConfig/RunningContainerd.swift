import CLinux
import Glibc
import TOMLEdit

/// A containerd that runs on this machine, as the kernel tells.
package struct RunningContainerd: Equatable, Sendable {
    package let pid: Int32
    /// Clock ticks from boot to its start; together with `pid` this names one process for ever.
    let startTicks: UInt64
    package let arguments: [String]
    /// The configuration file it was given, or containerd's default, as an absolute path.
    package let config: String
    package let socket: String
    /// Whether the program on disk was replaced or removed since: the next start will be of another release.
    package let isBinaryReplaced: Bool
    /// Whether its paths mean the same here: false for a host's containerd seen from inside a container.
    package let sharesFiles: Bool

    package static let defaultConfig = "/etc/containerd/config.toml"
    package static let defaultSocket = "/run/containerd/containerd.sock"

    /// Who listens on a Unix socket.
    package enum Owner: Equatable, Sendable {
        case nobody
        /// Somebody whose process cannot be seen from here.
        case hidden
        case process(RunningContainerd)
    }

    /// Asks the kernel who listens on `socket`.
    ///
    /// A busy listener counts as nobody.
    package static func owner(of socket: String) -> Owner {
        let connection = clinux_connect_unix(socket)
        guard connection >= 0 else { return .nobody }
        defer { close(connection) }
        var pid: pid_t = 0
        var user: uid_t = 0
        var group: gid_t = 0
        guard clinux_peer_credentials(connection, &pid, &user, &group) == 0, pid > 0,
            let process = RunningContainerd(pid: pid, socket: socket)
        else { return .hidden }
        return .process(process)
    }

    /// Every containerd that this process can see, by number.
    package static func all() -> [RunningContainerd] {
        // Without /proc nothing is seen.
        let names = (try? DiskTree().names(in: "/proc").get()) ?? []
        return names.compactMap { Int32($0) }.sorted().compactMap { pid in
            guard let binary = link("/proc/\(pid)/exe"),
                Path.name(withoutDeleted(binary)) == "containerd",
                let process = RunningContainerd(pid: pid, socket: nil),
                !process.arguments.dropFirst().contains(where: transient.contains)
            else { return nil }
            return process
        }
    }

    /// Words of command lines that end by themselves.
    private static let transient: Set<String> = [
        "config", "publish", "oci-hook", "--version", "-v", "--help", "-h", "help",
    ]

    /// `nil` when there is no such process, or it is another user's.
    init?(pid: Int32, socket: String?) {
        guard let ticks = Self.startTicks(pid), case .success(let line) = Self.read("/proc/\(pid)/cmdline"),
            !line.isEmpty, let binary = Self.link("/proc/\(pid)/exe")
        else { return nil }
        self.pid = pid
        startTicks = ticks
        arguments = line.split(separator: 0, omittingEmptySubsequences: true).map {
            String(decoding: $0, as: UTF8.self)
        }
        let folder = Self.link("/proc/\(pid)/cwd") ?? "/"
        let absolute = { (path: String) in path.hasPrefix("/") ? path : Path.join(folder, path) }
        config = absolute(Self.value(of: ["-c", "--config"], in: arguments) ?? Self.defaultConfig)
        self.socket =
            socket
            ?? absolute(
                Self.value(of: ["-a", "--address"], in: arguments) ?? Self.address(in: config)
                    ?? Self.defaultSocket
            )
        isBinaryReplaced = binary != Self.withoutDeleted(binary)
        let (theirs, ours) = (Self.link("/proc/\(pid)/ns/mnt"), Self.link("/proc/self/ns/mnt"))
        sharesFiles = theirs != nil && theirs == ours
    }

    /// The last one wins, as with containerd.
    static func value(of names: [String], in arguments: [String]) -> String? {
        var value: String?
        for (index, word) in arguments.enumerated() where index > 0 {
            // Go's flags may have one dash or two.
            let dashed = word.hasPrefix("--") ? word : word.hasPrefix("-") ? "-" + word : word
            for name in names {
                let long = name.hasPrefix("--") ? name : "-" + name
                if dashed == long, index + 1 < arguments.count { value = arguments[index + 1] }
                if dashed.hasPrefix(long + "=") { value = String(dashed.dropFirst(long.count + 1)) }
            }
        }
        return value
    }

    /// `grpc.address` of the main file.
    private static func address(in config: String) -> String? {
        guard case .success(let bytes) = read(config) else { return nil }
        // A file that is not TOML says nothing, and containerd would not run with it.
        let address = (try? TOMLDocument(bytes))?.root[["grpc", "address"]]?.string
        return address?.isEmpty == false ? address : nil
    }

    private static func withoutDeleted(_ path: String) -> String {
        let mark = " (deleted)"
        return path.hasSuffix(mark) ? String(path.dropLast(mark.count)) : path
    }

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func read(_ path: String) -> Result<[UInt8], FileFault> { DiskTree().read(path) }

    /// Field 22 of /proc/PID/stat; the second field holds a name in which anything may stand.
    private static func startTicks(_ pid: Int32) -> UInt64? {
        guard case .success(let bytes) = read("/proc/\(pid)/stat") else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let name = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: name)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}

extension RunningContainerd {
    /// Seconds since it was started.
    package var uptimeSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9 - Double(startTicks) / ticks
    }

    /// Whether a file was written after this process started, and so perhaps not read by it.
    ///
    /// Times closer than two clock ticks count as before.
    package func isOlder(thanFile path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let age =
            Double(now.tv_sec - status.st_mtim.tv_sec) + Double(now.tv_nsec - status.st_mtim.tv_nsec) / 1e9
        return age < uptimeSeconds - 0.02
    }

    /// The release that runs, asked of the very program that runs even if it was replaced on disk.
    package var version: ContainerdVersion? { VersionProbe.run("/proc/\(pid)/exe") }
}

extension RunningContainerd {
    /// Path of the program that runs; `nil` when it is not ours to see.
    package var binary: String? { Self.link("/proc/\(pid)/exe").map(Self.withoutDeleted) }

    /// The release of a program on disk; blocks for at most 5 s.
    package static func version(ofBinary binary: String) -> ContainerdVersion? { VersionProbe.run(binary) }
}
