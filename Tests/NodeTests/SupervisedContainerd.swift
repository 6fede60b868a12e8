import Foundation
import Glibc
import TestSupport

/// A containerd that is started again whenever it ends, as a service manager would; its configuration can be
/// damaged between two starts.
final class SupervisedContainerd: Sendable {
    let containerd: Containerd
    let folder: TemporaryFolder
    private let supervisor: ChildProcess

    /// Starts it and waits for its socket.
    init(configuration: String = "") async throws {
        let containerd = try Containerd(configuration: configuration)
        let folder = try TemporaryFolder("supervised")
        let script = try folder.write(
            "supervise",
            """
            cd "$1"
            while [ ! -e stopped ]; do
                setpriv --pdeathsig KILL containerd --config "$2" >> containerd.log 2>&1 &
                echo $! > pid
                wait $!
                sleep 0.1
            done

            """
        )
        self.containerd = containerd
        self.folder = folder
        supervisor = try ChildProcess(
            ["sh", script, folder.path, containerd.configPath], logPath: folder.path("supervisor.log"))
        try await eventually("containerd answers on \(containerd.socketPath)") { [supervisor] in
            try supervisor.requireRunning()
            return try await ChildProcess.run(["ctr", "--address", containerd.socketPath, "version"]).succeeded
        }
    }

    func stop() async throws {
        try folder.write("stopped", "")
        if let pid { Glibc.kill(pid, SIGTERM) }
        try await supervisor.waitForEnd()
    }

    /// The process that runs now, or ran last.
    var pid: Int32? {
        (try? String(contentsOfFile: folder.path("pid"), encoding: .utf8)).flatMap {
            Int32($0.filter(\.isNumber))
        }
    }

    /// A line that ends the running containerd; the supervisor starts the next.
    var restartCommand: String { "kill \"$(cat \(folder.path("pid")))\"" }

    /// The same, but puts a `config_path` beside the mirrors first: as many times as said.
    func sabotagedRestartCommand(times: Int) -> String {
        let section = #"[plugins."io.containerd.grpc.v1.cri".registry]"#
        return """
            count=$(cat \(folder.path("count")) 2>/dev/null || echo 0)
            if [ "$count" -lt \(times) ]; then
                echo $((count + 1)) > \(folder.path("count"))
                printf '\\n%s\\nconfig_path = "/certs"\\n' '\(section)' >> \(containerd.configPath)
            fi
            \(restartCommand)
            """
    }

    var configuration: String {
        get throws { try String(contentsOfFile: containerd.configPath, encoding: .utf8) }
    }

    /// Runs `hawker containerd apply --restart` in mirror mode.
    func apply(_ arguments: [String], restart: String, deadline: Int = 20) async throws -> ChildProcess.Output {
        try await ChildProcess.run(try applyCommand(arguments, restart: restart, deadline: deadline))
    }

    func applyCommand(_ arguments: [String], restart: String, deadline: Int) throws -> [String] {
        [
            try NodeProcess.binaryPath(), "containerd", "apply", "--config", containerd.configPath,
            "--socket", containerd.socketPath, "--state-dir", folder.path("state"), "--restart",
            "--restart-command", restart, "--deadline", "\(deadline)",
        ] + arguments
    }
}
