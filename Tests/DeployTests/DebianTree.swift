import Foundation
import Glibc
import TestSupport

/// A clean Debian 12 in a folder, with its own systemd and containerd, booted apart from the machine it is on.
final class DebianTree: Sendable {
    let folder: TemporaryFolder
    private let process: ChildProcess
    private let initial: Int32

    var path: String { folder.path("tree") }

    /// Takes a minute and Debian's package servers.
    init(packages: [String]) async throws {
        let folder = try TemporaryFolder("debian")
        let tree = folder.path("tree")
        try await ChildProcess.check(
            ["debootstrap", "--variant=minbase", "bookworm", tree, "http://deb.debian.org/debian"], within: 600)
        // Nothing starts before it is booted, and names are those of this machine's servers.
        try folder.write("tree/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
        try await ChildProcess.check(["chmod", "755", tree + "/usr/sbin/policy-rc.d"])
        try await ChildProcess.check(["cp", "--dereference", "/etc/resolv.conf", tree + "/etc/resolv.conf"])
        let install = ["apt-get", "install", "-q", "-y", "--no-install-recommends"]
        try await ChildProcess.check(
            ["chroot", tree, "env", "DEBIAN_FRONTEND=noninteractive"] + install + packages, within: 600)
        try FileManager.default.removeItem(atPath: tree + "/usr/sbin/policy-rc.d")
        let process = try ChildProcess([try Deploy.program("boot"), tree], logPath: folder.path("boot.log"))
        self.folder = folder
        self.process = process
        var initial: Int32?
        try await eventually("systemd has booted") {
            try process.requireRunning()
            initial = Self.child(of: process.pid)
            guard let initial else { return false }
            let state = try await ChildProcess.run(Self.enter(initial) + ["systemctl", "is-system-running"])
            return state.text.contains("running") || state.text.contains("degraded")
        }
        guard let initial else { throw TestFailure("no systemd") }
        self.initial = initial
    }

    /// Runs a line of shell inside; standard error comes with standard output.
    func run(_ line: String) async throws -> ChildProcess.Output {
        try await ChildProcess.run(Self.enter(initial) + ["sh", "-c", line], within: 120)
    }

    /// As `run`, and throws when it fails.
    @discardableResult
    func check(_ line: String) async throws -> String {
        let output = try await run(line)
        guard output.succeeded else { throw TestFailure("\(line): \(output.ending)\n\(output.text.suffix(3_000))") }
        return output.text
    }

    func stop() async throws {
        try await process.kill()
        // Named by `boot`; empty as soon as the last process is gone.
        let line = """
            for group in /sys/fs/cgroup/hawker-boot-$1 /sys/fs/cgroup/unified/hawker-boot-$1; do
                [ ! -d $group ] || find $group -depth -type d -exec rmdir {} +
            done
            """
        try await eventually("its control groups are gone") { [process] in
            try await ChildProcess.run(["sh", "-c", line, "sh", "\(process.pid)"]).succeeded
        }
    }

    private static func enter(_ pid: Int32) -> [String] {
        ["nsenter", "--target", "\(pid)", "--all", "--root", "--wd", "env", "DEBIAN_FRONTEND=noninteractive"]
    }

    private static func child(of pid: Int32) -> Int32? {
        let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
        return text.flatMap { Int32($0.split(separator: " ").first ?? "") }
    }
}
