/// Debian's redis-server on loopback with a port of its own, in memory only.
package final class RedisProcess: Sendable {
    package let port: UInt16
    private let folder: TemporaryFolder
    private let rules: String?

    package var address: String { "127.0.0.1:\(port)" }

    /// `accessRules` are lines of an ACL file; `start` runs it.
    package init(accessRules rules: String? = nil) throws {
        folder = try TemporaryFolder("redis")
        port = try FreePort.next()
        self.rules = rules
        if let rules { try folder.write("users.acl", rules + "\n") }
    }

    /// Runs the server, any number of times one after the other: it forgets everything in between.
    package func start() async throws -> ChildProcess {
        let access = rules == nil ? [] : ["--aclfile", folder.path("users.acl")]
        let process = try ChildProcess(
            [
                "redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", folder.path,
            ] + access,
            logPath: folder.path("redis.log"))
        try await eventually("redis-server listens on \(port)") {
            try process.requireRunning()
            return FreePort.isListening(port)
        }
        return process
    }
}
