/// An authority of openssl's making, and certificates of it for services on loopback.
package final class TestAuthority: Sendable {
    private let folder: TemporaryFolder

    /// PEM file of its own certificate.
    package var certificate: String { folder.path("ca.crt") }

    package init() async throws {
        folder = try TemporaryFolder("test-authority")
        try await openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
            "/CN=test authority", "-keyout", "ca.key", "-out", "ca.crt",
        ])
    }

    /// `names` are alternative names as openssl spells them, such as `IP:127.0.0.1`. Paths of the PEM files.
    package func issue(_ file: String, names: [String]) async throws -> (certificate: String, key: String) {
        try folder.write("\(file).ext", "subjectAltName = \(names.joined(separator: ","))\n")
        try await openssl([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(file)", "-keyout",
            "\(file).key", "-out", "\(file).csr",
        ])
        try await openssl([
            "x509", "-req", "-in", "\(file).csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
            "-extfile", "\(file).ext", "-out", "\(file).crt",
        ])
        return (folder.path("\(file).crt"), folder.path("\(file).key"))
    }

    private func openssl(_ arguments: [String]) async throws {
        try await ChildProcess.check(["openssl"] + arguments, folder: folder.path)
    }
}
