import Foundation
import TestSupport
import Testing

extension NodeTests {
    @Suite("apply --restart with a real containerd under a supervisor")
    struct RestartTests {
        private static let mirrorMode = ["--mode", "mirror", "--registry", "r.example"]

        @Test("a good change: restarted once, CRI ok, a running container survives; again: nothing")
        func goodChange() async throws {
            let node = try await SupervisedContainerd()
            let container = try await SurvivingContainer(node)
            let first = node.pid
            let applied = try await node.apply(Self.mirrorMode, restart: node.restartCommand)
            #expect(applied.ending == .exited(0), "\(applied.text)")
            #expect(applied.text.contains("serves CRI after"))
            #expect(try await node.containerd.criState() == "ok")
            let second = node.pid
            #expect(second != first)
            try await container.expectAlive()

            let again = try await node.apply(Self.mirrorMode, restart: node.restartCommand)
            #expect(again.ending == .exited(0))
            #expect(again.text.contains("nothing to do"))
            #expect(node.pid == second)
            try await container.remove()
            try await node.stop()
        }

        @Test("a change made bad on purpose: old bytes, CRI ok again, status 76, containerd's words, nothing lost")
        func badChange() async throws {
            let node = try await SupervisedContainerd()
            let container = try await SurvivingContainer(node)
            let before = try node.configuration
            let applied = try await node.apply(
                Self.mirrorMode, restart: node.sabotagedRestartCommand(times: 1))
            #expect(applied.ending == .exited(76), "\(applied.text)")
            #expect(applied.text.contains("`mirrors` cannot be set when `config_path` is provided"))
            #expect(try node.configuration == before)
            #expect(try await node.containerd.criState() == "ok")
            try await container.expectAlive()
            let kept = FileManager.default.enumerator(atPath: node.folder.path("state"))?.allObjects ?? []
            #expect(kept.contains { "\($0)".contains("rejected-") }, "what the saboteur wrote is gone")

            let again = try await node.apply(Self.mirrorMode, restart: node.restartCommand)
            #expect(again.ending == .exited(0), "\(again.text)")
            #expect(try await node.containerd.criState() == "ok")
            try await container.remove()
            try await node.stop()
        }

        @Test("a containerd that stays broken with the old bytes too: status 71, and the old bytes")
        func notRecovered() async throws {
            let node = try await SupervisedContainerd()
            let before = try node.configuration
            // Once damaged, which the rollback undoes; at the second restart the file is taken away altogether.
            let restart = """
                [ -e \(node.folder.path("once")) ] && mv \(node.containerd.configPath) \(node.folder.path("gone")) \
                && mkdir \(node.containerd.configPath)
                touch \(node.folder.path("once"))
                \(node.sabotagedRestartCommand(times: 1))
                """
            let applied = try await node.apply(Self.mirrorMode, restart: restart, deadline: 3)
            #expect(applied.ending == .exited(71), "\(applied.text)")
            #expect(try String(contentsOfFile: node.folder.path("gone"), encoding: .utf8) == before)
            try await node.stop()
        }

        @Test("a file that containerd cannot read at all: status 76, and what its reader says")
        func unreadable() async throws {
            let node = try await SupervisedContainerd()
            let before = try node.configuration
            let once = node.folder.path("once")
            let restart = "mkdir \(once) && echo 'oom_score = [' >> \(node.containerd.configPath)\n\(node.restartCommand)"
            let applied = try await node.apply(Self.mirrorMode, restart: restart, deadline: 3)
            #expect(applied.ending == .exited(76), "\(applied.text)")
            #expect(applied.text.contains("failed to load TOML"), "\(applied.text)")
            #expect(try node.configuration == before)
            #expect(try await node.containerd.criState() == "ok")
            try await node.stop()
        }

        @Test("killed while containerd restarts: the next run takes the restart up, and can still go back")
        func killedMeanwhile() async throws {
            let node = try await SupervisedContainerd()
            let before = try node.configuration
            for isSabotaged in [true, false] {
                let waiting = node.folder.path("waiting-\(isSabotaged)")
                let child = try ChildProcess(
                    node.applyCommand(Self.mirrorMode, restart: "touch \(waiting); sleep 5", deadline: 60),
                    logPath: node.folder.path("killed.log")
                )
                try await eventually("the restart command runs") {
                    try child.requireRunning()
                    return FileManager.default.fileExists(atPath: waiting)
                }
                try await child.kill()
                #expect(try node.configuration != before)
                let restart = isSabotaged ? node.sabotagedRestartCommand(times: 1) : node.restartCommand
                let applied = try await node.apply(Self.mirrorMode, restart: restart)
                #expect(applied.ending == .exited(isSabotaged ? 76 : 0), "\(applied.text)")
                #expect(try await node.containerd.criState() == "ok")
                #expect(try (node.configuration == before) == isSabotaged)
            }
            let again = try await node.apply(Self.mirrorMode, restart: "exit 9")
            #expect(again.ending == .exited(0), "\(again.text)")
            try await node.stop()
        }

        @Test("a command that restarts nothing: old bytes at once, status 76, and containerd was left alone")
        func notRestarted() async throws {
            let node = try await SupervisedContainerd()
            let before = try node.configuration
            let first = node.pid
            let applied = try await node.apply(Self.mirrorMode, restart: "exit 3", deadline: 20)
            #expect(applied.ending == .exited(76), "\(applied.text)")
            #expect(applied.text.contains("ended with status 3"))
            #expect(applied.text.contains("still runs"))
            #expect(try node.configuration == before)
            #expect(node.pid == first)
            try await node.stop()
        }

        @Test("hosts.toml files alone take no restart")
        func hostsOnly() async throws {
            let node = try await SupervisedContainerd()
            let hosts = ["--mode", "config-path", "--hosts-dir", node.folder.path("certs.d")]
            let first = try await node.apply(hosts + ["--registry", "a.example"], restart: node.restartCommand)
            #expect(first.ending == .exited(0), "\(first.text)")
            let pid = node.pid
            let both = hosts + ["--registry", "a.example", "--registry", "b.example"]
            let second = try await node.apply(both, restart: node.restartCommand)
            #expect(second.ending == .exited(0), "\(second.text)")
            #expect(node.pid == pid)
            #expect(try !node.folder.read("certs.d/b.example/hosts.toml").isEmpty)

            // Written without a restart, the change is owed one.
            let mirrors = ["--mode", "mirror", "--migrate", "--registry", "a.example"]
            let state = ["--config", node.containerd.configPath, "--state-dir", node.folder.path("state")]
            try await ChildProcess.check(
                [try NodeProcess.binaryPath(), "containerd", "apply"] + state + mirrors)
            #expect(node.pid == pid)
            let owed = try await node.apply(mirrors, restart: node.restartCommand)
            #expect(owed.ending == .exited(0), "\(owed.text)")
            #expect(node.pid != pid)
            try await node.stop()
        }
    }
}

/// A container of busybox, run by runc beside what happens to containerd.
private struct SurvivingContainer {
    private let containerd: Containerd
    private let task: String

    init(_ node: SupervisedContainerd) async throws {
        containerd = node.containerd
        let binaries = try node.folder.makeFolder("rootfs/bin")
        try await ChildProcess.check(["cp", "/bin/busybox", binaries + "/sleep"])
        task = "survivor"
        _ = try await containerd.ctr(
            ["run", "--detach", "--rootfs", node.folder.path("rootfs"), task, "/bin/sleep", "1000"])
        try await expectAlive()
    }

    func expectAlive() async throws {
        let tasks = try await containerd.ctr(["tasks", "list"])
        #expect(tasks.split(separator: "\n").contains { $0.hasPrefix(task) && $0.hasSuffix("RUNNING") }, "\(tasks)")
    }

    func remove() async throws {
        _ = try await containerd.ctr(["tasks", "kill", "--signal", "KILL", task])
        try await eventually("the task ends") {
            try await containerd.ctr(["tasks", "list"]).contains("STOPPED")
        }
        _ = try await containerd.ctr(["tasks", "delete", task])
        _ = try await containerd.ctr(["containers", "delete", task])
    }
}
