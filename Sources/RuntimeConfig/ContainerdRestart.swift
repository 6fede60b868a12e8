/// Whether containerd serves CRI, as asked over its socket.
package enum ContainerdHealth: Equatable, Sendable {
    /// The release that answers.
    case ready(version: String)
    /// Containerd runs without CRI; its reason, or that the plugin is not there.
    case withoutCRI(String)
    case unreachable(String)
}

/// How `apply --restart` restarts containerd and learns what came of it.
package struct ContainerdRestart: Sendable {
    package enum Method: Equatable, Sendable {
        /// A unit of systemd.
        case unit(String)
        /// A line for `/bin/sh`, for nodes without systemd and for pods.
        case command(String)
    }

    package var method: Method
    package var socket: String
    /// For the restart command and for what follows it, together.
    package var deadlineSeconds: Int
    /// Asks containerd over `socket` once.
    ///
    /// Must end within seconds.
    package let health: @Sendable () async -> ContainerdHealth

    package init(
        method: Method = .unit("containerd"),
        socket: String = RunningContainerd.defaultSocket,
        deadlineSeconds: Int = 60,
        health: @escaping @Sendable () async -> ContainerdHealth
    ) {
        self.method = method
        self.socket = socket
        self.deadlineSeconds = deadlineSeconds
        self.health = health
    }

    enum Outcome: Equatable, Sendable {
        case ready(version: String)
        case failed(reason: String, kind: Failure)
    }

    enum Failure: Equatable, Sendable {
        /// A new containerd came, without CRI: it will not get better by waiting.
        case withoutCRI
        case noAnswer
        /// The containerd from before still runs, with what it read when it started.
        case notReplaced
    }

    private var arguments: [String] {
        switch method {
        case .unit(let unit): ["systemctl", "restart", unit]
        case .command(let line): ["/bin/sh", "-c", line]
        }
    }

    /// Restarts and waits until a new containerd serves CRI, is there without it, or the deadline passes.
    ///
    /// A containerd that was there before does not count, so a command may return before the old one is gone.
    /// Where the kernel does not tell who listens (another process namespace), any answer counts.
    func run() async -> Outcome {
        let old = RunningContainerd.owner(of: socket)
        let deadline = ContinuousClock.now + .seconds(deadlineSeconds)
        let command = await Program.run(arguments, timeoutSeconds: deadlineSeconds)
        // After a command that failed something may still come up, but not for long.
        let last = command.ending == .exited(0) ? deadline : min(deadline, ContinuousClock.now + .seconds(3))
        var words = ""
        repeat {
            let owner = RunningContainerd.owner(of: socket)
            switch owner == old && owner != .hidden ? .unreachable("") : await health() {
            case .ready(let version): return .ready(version: version)
            case .withoutCRI(let reason): return .failed(reason: reason, kind: .withoutCRI)
            case .unreachable(let reason): words = reason
            }
            // Cancelled only when this process ends.
            try? await Task.sleep(for: .milliseconds(100))
        } while ContinuousClock.now < last
        return failure(command, old: old, words)
    }

    private func failure(_ command: Program.Run, old: RunningContainerd.Owner, _ words: String) -> Outcome {
        let line = arguments.joined(separator: " ")
        let how =
            switch command.ending {
            case .exited(0): "\(line) succeeded"
            case .exited(let status): "\(line) ended with status \(status)"
            case .timedOut: "\(line) did not end within \(deadlineSeconds) s"
            case .notStarted(let code): "\(line) cannot be run: \(ErrorText.of(code))"
            }
        let said = command.output.split(separator: "\n").suffix(5).joined(separator: "\n")
        let tail = said.isEmpty ? "" : ":\n" + said
        if case .process(let process) = old, RunningContainerd.owner(of: socket) == old {
            return .failed(
                reason: "\(how), and the containerd from before (pid \(process.pid)) still runs\(tail)",
                kind: .notReplaced
            )
        }
        let answer = words.isEmpty ? "nothing answers on \(socket)" : words
        return .failed(reason: "\(how), but \(answer)\(tail)", kind: .noAnswer)
    }
}
