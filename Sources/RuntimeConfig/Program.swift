import Glibc

/// Runs other programs: containerd to ask for its version, and what restarts it.
enum Program {
    enum Ending: Equatable, Sendable {
        /// Its exit status, or 128 and the signal that ended it.
        case exited(Int32)
        /// It was killed after the deadline.
        case timedOut
        case notStarted(errno: Int32)
    }

    struct Run: Sendable {
        let ending: Ending
        /// Both streams, the first 64 KiB.
        let output: String
    }

    /// Waits for the program itself, not for what it leaves running in the background.
    ///
    /// It gets a process group of its own, so that what it starts outlives an interrupt of this command, and
    /// its output goes to a file without a name, which a background process may keep open.
    static func run(_ arguments: [String], timeoutSeconds: Int) async -> Run {
        let output = openOutput()
        defer { if output >= 0 { close(output) } }
        var child: pid_t = 0
        let code = spawn(arguments, output: output, child: &child)
        guard code == 0 else { return Run(ending: .notStarted(errno: code), output: "") }
        let deadline = ContinuousClock.now + .seconds(timeoutSeconds)
        var status: Int32 = 0
        var isLate = false
        while true {
            let ended = waitpid(child, &status, WNOHANG)
            if ended == child || (ended < 0 && errno != EINTR) { break }
            if ContinuousClock.now > deadline, !isLate {
                isLate = true
                kill(child, SIGKILL)
            }
            // Cancelled only when this process ends.
            try? await Task.sleep(for: .milliseconds(20))
        }
        let signal = status & 0x7F
        let ending = isLate ? .timedOut : Ending.exited(signal == 0 ? (status >> 8) & 0xFF : 128 + signal)
        return Run(ending: ending, output: read(output))
    }

    private static func openOutput() -> Int32 {
        var name = Array("/tmp/hawker-output.XXXXXX".utf8CString)
        let file = mkstemp(&name)
        guard file >= 0 else { return file }
        unlink(name)
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        return file
    }

    private static func read(_ file: Int32) -> String {
        guard file >= 0 else { return "" }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = pread(file, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    /// Returns 0 or an `errno`.
    private static func spawn(_ arguments: [String], output: Int32, child: inout pid_t) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        if output >= 0 {
            posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        // The event loop ignores SIGPIPE, and an ignored signal is inherited.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        return posix_spawnp(&child, arguments.first ?? "", &actions, &attributes, &words, environ)
    }
}

enum ErrorText {
    static func of(_ code: Int32) -> String { String(cString: strerror(code)) }
}
