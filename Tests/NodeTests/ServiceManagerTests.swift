import Foundation
import Glibc
import TestSupport
import Testing

extension NodeTests {
    @Suite("a node that a service manager runs")
    struct ServiceManagerTests {
        @Test("says when it is ready, reloads, lives and stops")
        func notifications() async throws {
            let node = try NodeProcess(NodeProcess.Settings(name: "a"))
            let folder = try TemporaryFolder("notify")
            let inbox = try await NotificationInbox(folder)
            let process = try await node.start(environment: inbox.environment(watchdogMicroseconds: 300_000))
            let said = { (words: String) in
                try await eventually("the daemon says \(words)") { inbox.messages.contains(words) }
            }
            try await said("READY=1|STATUS=mirror on 127.0.0.1:\(node.settings.mirrorPort)")
            #expect(FreePort.isListening(node.settings.mirrorPort))
            try await said("WATCHDOG=1\nWATCHDOG=1\nWATCHDOG=1")
            process.send(SIGHUP)
            try await said("RELOADING=1|MONOTONIC_USEC=")
            try await eventually("it is ready again") {
                inbox.messages.components(separatedBy: "READY=1").count == 3
            }
            #expect(try await process.stop() == .exited(0))
            try await said("STOPPING=1|")
            try await inbox.process.stop()
        }

        @Test("ends at once when its watchdog's patience does")
        func watchdog() async throws {
            let node = try NodeProcess(NodeProcess.Settings(name: "a"))
            let process = try await node.start()
            process.send(SIGABRT)
            #expect(try await process.waitForEnd(within: 10) == .signalled(SIGABRT))
        }

        @Test("serves on the socket that systemd listens on, and refuses one of another address")
        func socketActivation() async throws {
            var settings = try NodeProcess.Settings(name: "a")
            let node = try NodeProcess(settings)
            let process = try await Self.activated(node, port: settings.mirrorPort)
            // The first connection is what starts it.
            let answer = try await ChildProcess.check(
                ["curl", "--silent", "--max-time", "20", "\(node.mirrorURL)/v2/"])
            #expect(answer.contains("{}"), "\(answer)")
            #expect(try await node.admin(["status"]).contains("127.0.0.1:\(settings.mirrorPort)"))
            #expect(try await process.stop() == .exited(0))

            let port = settings.mirrorPort
            settings.mirrorPort = try FreePort.next()
            let other = try NodeProcess(settings)
            let refused = try await Self.activated(other, port: port)
            _ = FreePort.isListening(port)
            #expect(try await refused.waitForEnd() == .exited(69))
            #expect(refused.log.contains("the service manager hands over 127.0.0.1:\(port), but mirror.listen is"))
        }

        private static func activated(_ node: NodeProcess, port: UInt16) async throws -> ChildProcess {
            let process = try ChildProcess(
                [
                    "systemd-socket-activate", "--listen=127.0.0.1:\(port)",
                    try NodeProcess.binaryPath(), "daemon", "--config", node.settingsPath,
                ], logPath: node.logPath)
            try await eventually("systemd listens") {
                try process.requireRunning()
                return process.log.contains("Listening on")
            }
            return process
        }
    }
}
