/// Debian's redis-server on loopback with a port of its own, in memory only.
package final class RedisProcess: Sendable {
    /// Files of a server that speaks TLS and nothing else.
    package struct Security: Sendable {
        package let authority: String
        package let certificate: String
        package let key: String
        /// Whether who connects has to show a certificate of the authority; Redis's default.
        package let asksForCertificate: Bool

        package init(authority: String, certificate: String, key: String, asksForCertificate: Bool) {
            (self.authority, self.certificate, self.key) = (authority, certificate, key)
            self.asksForCertificate = asksForCertificate
        }
    }

    package let port: UInt16
    private let folder: TemporaryFolder
    private let rules: String?
    private let security: Security?

    /// As the settings name it.
    package var address: String { "\(security == nil ? "" : "rediss://")127.0.0.1:\(port)" }

    /// `accessRules` are lines of an ACL file; `start` runs it.
    package init(accessRules rules: String? = nil, security: Security? = nil) throws {
        folder = try TemporaryFolder("redis")
        port = try FreePort.next()
        self.rules = rules
        self.security = security
        if let rules { try folder.write("users.acl", rules + "\n") }
    }

    /// Runs the server, any number of times one after the other: it forgets everything in between.
    package func start() async throws -> ChildProcess {
        let access = rules == nil ? [] : ["--aclfile", folder.path("users.acl")]
        let process = try ChildProcess(
            [
                "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder.path,
            ] + ports + access,
            logPath: folder.path("redis.log"))
        try await eventually("redis-server listens on \(port)") {
            try process.requireRunning()
            return FreePort.isListening(port)
        }
        return process
    }

    private var ports: [String] {
        guard let security else { return ["--port", "\(port)"] }
        return [
            "--port", "0", "--tls-port", "\(port)", "--tls-cert-file", security.certificate, "--tls-key-file",
            security.key, "--tls-ca-cert-file", security.authority, "--tls-auth-clients",
            security.asksForCertificate ? "yes" : "no",
        ]
    }
}
