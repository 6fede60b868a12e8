/// A file of one user's password, as Apache's htpasswd makes it with bcrypt; docker-registry takes no other.
package final class PasswordFile: Sendable {
    private let folder: TemporaryFolder
    private let path: String

    /// `user` is `name:password`.
    package init(_ user: String) async throws {
        folder = try TemporaryFolder("passwords")
        let program = """
            import crypt, sys
            name, password = sys.argv[1].split(':')
            print(name + ':' + crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))
            """
        let line = try await ChildProcess.check(["python3", "-W", "ignore", "-c", program, user])
        path = try folder.write("htpasswd", line)
    }

    /// Lines for docker-registry's configuration file.
    package var auth: String { "auth:\n  htpasswd:\n    realm: tests\n    path: \(path)\n" }
}
