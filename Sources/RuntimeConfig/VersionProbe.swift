import Glibc

/// Asks the containerd binary for its version.
enum VersionProbe {
    /// `nil` when the program is not there, fails, says nothing usable or takes longer than `timeoutMillis`.
    static func run(_ binary: String, timeoutMillis: Int32 = 5000) -> ContainerdVersion? {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        defer { close(ends[0]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(binary), strdup("--version"), nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, binary, &actions, nil, &arguments, environ)
        close(ends[1])
        guard code == 0 else { return nil }
        let output = readAll(ends[0], timeoutMillis: timeoutMillis)
        if output == nil { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        guard let output, status == 0 else { return nil }
        return ContainerdVersion(String(decoding: output, as: UTF8.self))
    }

    private static func readAll(_ file: Int32, timeoutMillis: Int32) -> [UInt8]? {
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
        while output.count < 1 << 16 {
            let ready = poll(&waiting, 1, timeoutMillis)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return nil }
            let count = read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return count == 0 ? output : nil }
            output += buffer[..<count]
        }
        return nil
    }
}
