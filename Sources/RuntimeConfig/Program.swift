import CLinux
import Glibc

/// Runs other programs: containerd to ask for its version and its reading of files, and what restarts it.
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
    /// its output goes to memory, which a background process may keep open.
    static func run(_ arguments: [String], timeoutSeconds: Int) async -> Run {
        let output = clinux_memory_file()
        defer { if output >= 0 { close(output) } }
        var child: pid_t = 0
        let code = spawn(arguments, output: output, errors: output, passing: [], child: &child)
        guard code == 0 else { return Run(ending: .notStarted(errno: code), output: "") }
        var watch = Watch(child: child, deadline: ContinuousClock.now + .seconds(timeoutSeconds))
        while !watch.hasEnded() {
            // Cancelled only when this process ends.
            try? await Task.sleep(for: .milliseconds(20))
        }
        return Run(ending: ending(watch.status, isLate: watch.isLate), output: read(output))
    }

    /// A child that is looked at until it has ended; killed, once, when that takes too long.
    private struct Watch {
        let child: pid_t
        let deadline: ContinuousClock.Instant
        /// As `waitpid` tells it.
        private(set) var status: Int32 = 0
        private(set) var isLate = false

        init(child: pid_t, deadline: ContinuousClock.Instant) {
            self.child = child
            self.deadline = deadline
        }

        mutating func hasEnded() -> Bool {
            let ended = waitpid(child, &status, WNOHANG)
            if ended == child || (ended < 0 && errno != EINTR) { return true }
            if ContinuousClock.now > deadline, !isLate {
                isLate = true
                kill(child, SIGKILL)
            }
            return false
        }
    }

    struct Capture: Sendable {
        let ending: Ending
        /// Standard output, up to `outputBytesMax`.
        let output: [UInt8]
        /// Standard error, the first 64 KiB.
        let errors: String
    }

    static let outputBytesMax = 32 << 20

    /// Runs a short program to its end on this thread, its streams apart. It finds the open `files` under the numbers
    /// they have here.
    static func capture(_ arguments: [String], passing files: [Int32] = [], timeoutMillis: Int) -> Capture {
        let output = clinux_memory_file()
        let errors = clinux_memory_file()
        defer { for file in [output, errors] where file >= 0 { close(file) } }
        var child: pid_t = 0
        let code = spawn(arguments, output: output, errors: errors, passing: files, child: &child)
        guard code == 0 else { return Capture(ending: .notStarted(errno: code), output: [], errors: "") }
        var watch = Watch(child: child, deadline: ContinuousClock.now + .milliseconds(timeoutMillis))
        while !watch.hasEnded() { usleep(1000) }
        return Capture(
            ending: ending(watch.status, isLate: watch.isLate),
            output: bytes(output, max: outputBytesMax),
            errors: read(errors)
        )
    }

    private static func ending(_ status: Int32, isLate: Bool) -> Ending {
        let signal = status & 0x7F
        return isLate ? .timedOut : .exited(signal == 0 ? (status >> 8) & 0xFF : 128 + signal)
    }

    private static func read(_ file: Int32) -> String {
        String(decoding: bytes(file, max: 1 << 16), as: UTF8.self)
    }

    private static func bytes(_ file: Int32, max: Int) -> [UInt8] {
        var status = stat()
        guard file >= 0, fstat(file, &status) == 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: min(max, Int(status.st_size)))
        let count = pread(file, &buffer, buffer.count, 0)
        return Array(buffer.prefix(Swift.max(0, count)))
    }

    /// Returns 0 or an `errno`.
    private static func spawn(
        _ arguments: [String], output: Int32, errors: Int32, passing files: [Int32], child: inout pid_t
    ) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        for (stream, target) in [(output, STDOUT_FILENO), (errors, STDERR_FILENO)] {
            if stream >= 0 {
                posix_spawn_file_actions_adddup2(&actions, stream, target)
            } else {
                posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_WRONLY, 0)
            }
        }
        // Onto itself it takes close-on-exec off, in the child alone.
        for file in files { posix_spawn_file_actions_adddup2(&actions, file, file) }
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
