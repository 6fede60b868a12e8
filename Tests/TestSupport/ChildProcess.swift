import Foundation
import Glibc
import Synchronization

/// A process that a test started: its output goes to a log file, and it never outlives the test process.
///
/// States: running → ended (reaped once, its status kept). A process that still runs when the last reference
/// goes is killed.
package final class ChildProcess: Sendable {
    /// How a process ended.
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)
    }

    package let pid: Int32
    package let name: String
    /// Standard output and standard error, in the order written.
    package let logPath: String
    private let ended = Mutex<Ending?>(nil)

    /// Starts `command` (a path or a name looked up in PATH). `environment` is added to the test's own.
    ///
    /// `setpriv` asks the kernel to kill the child when the thread that started it ends, hence the one
    /// launching thread that lives as long as this process does.
    package init(
        _ command: [String],
        environment: [String: String] = [:],
        folder: String? = nil,
        logPath: String
    ) throws {
        guard let program = command.first else { throw TestFailure("an empty command") }
        name = URL(fileURLWithPath: program).lastPathComponent
        self.logPath = logPath
        let placed = folder.map { ["env", "--chdir=\($0)"] + command } ?? command
        let guarded = ["setpriv", "--pdeathsig", "KILL", "--"] + placed
        pid = try LaunchThread.shared.run {
            try Self.spawn(guarded, environment: environment, logPath: logPath)
        }
    }

    deinit {
        guard ending == nil else { return }
        Glibc.kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    /// `nil` while the process runs.
    package var ending: Ending? {
        ended.withLock { known in
            if known != nil { return known }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            let signal = status & 0x7F
            known = signal == 0 ? .exited((status >> 8) & 0xFF) : .signalled(signal)
            return known
        }
    }

    /// Sends a signal, unless the process has ended (its number may then be another's).
    package func send(_ signal: Int32) {
        guard ending == nil else { return }
        Glibc.kill(pid, signal)
    }

    package func kill() async throws {
        send(SIGKILL)
        _ = try await waitForEnd()
    }

    /// SIGTERM, then SIGKILL when the process has not ended within `seconds`.
    @discardableResult
    package func stop(within seconds: Double = 10) async throws -> Ending {
        send(SIGTERM)
        if let ending = try? await waitForEnd(within: seconds) { return ending }
        send(SIGKILL)
        return try await waitForEnd()
    }

    @discardableResult
    package func waitForEnd(within seconds: Double = 30) async throws -> Ending {
        try await eventually("\(name) ends", within: seconds) { ending != nil }
        guard let ending else { throw TestFailure("\(name) runs") }
        return ending
    }

    package var log: String {
        (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""  // Not there before the first start.
    }

    /// Throws with the end of the log when the process has ended: for loops that wait for its readiness.
    package func requireRunning() throws {
        guard let ending else { return }
        throw TestFailure("\(name) ended (\(ending)):\n\(log.suffix(2_000))")
    }

    /// Most bytes of memory that were ever resident (`VmHWM`); 0 when the process has ended.
    package var peakResidentBytes: Int {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
        else { return 0 }
        return (Int(line.filter(\.isNumber)) ?? 0) << 10
    }

    /// Bytes of memory now resident; 0 when the process has ended.
    package var residentBytes: Int {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8) else { return 0 }
        return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * Int(getpagesize())
    }
}

extension ChildProcess {
    package struct Output: Sendable {
        package let ending: Ending
        package let text: String
        package var succeeded: Bool { ending == .exited(0) }
    }

    /// Runs a command to its end; its output (both streams) is returned, not judged.
    package static func run(
        _ command: [String],
        environment: [String: String] = [:],
        folder: String? = nil,
        within seconds: Double = 60
    ) async throws -> Output {
        let temporary = try TemporaryFolder("command")
        let child = try ChildProcess(
            command,
            environment: environment,
            folder: folder,
            logPath: temporary.path("log")
        )
        let ending = try await child.waitForEnd(within: seconds)
        return Output(ending: ending, text: child.log)
    }

    /// As `run`, but throws with the output when the command fails.
    @discardableResult
    package static func check(
        _ command: [String],
        environment: [String: String] = [:],
        folder: String? = nil,
        within seconds: Double = 60
    ) async throws -> String {
        let output = try await run(command, environment: environment, folder: folder, within: seconds)
        guard output.succeeded else {
            throw TestFailure(
                "\(command.joined(separator: " ")): \(output.ending)\n\(output.text.suffix(2_000))"
            )
        }
        return output.text
    }
}

extension ChildProcess {
    private static func spawn(
        _ command: [String],
        environment: [String: String],
        logPath: String
    ) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, logPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)

        // The event loop ignores SIGPIPE, and ignored signals are inherited: the child starts with defaults.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        let program = command.first ?? ""
        let merged = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        return try withCStrings(command) { arguments in
            try withCStrings(merged.map { "\($0)=\($1)" }) { variables in
                var pid: Int32 = 0
                let status = posix_spawnp(&pid, program, &actions, &attributes, arguments, variables)
                guard status == 0 else {
                    throw TestFailure(
                        "\(command.joined(separator: " ")): \(String(cString: strerror(status)))"
                    )
                }
                return pid
            }
        }
    }

    private static func withCStrings<T>(
        _ strings: [String],
        _ body: ([UnsafeMutablePointer<CChar>?]) throws -> T
    ) rethrows -> T {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return try body(copies + [nil])
    }
}
