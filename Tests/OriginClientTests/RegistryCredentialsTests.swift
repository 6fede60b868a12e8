import OCIModel
import OriginClient
import Testing

@Suite("Credentials files")
struct RegistryCredentialsTests {
    // user:pa:ss, and a second one of u2:p2.
    private static let file = #"""
        {
          "auths": {
            "https://index.docker.io/v1/": {"auth": "dXNlcjpwYTpzcw=="},
            "r.example:5000": {"auth": "dTI6cDI="},
            "https://r.example:5000/v2/": {"auth": "dXNlcjpwYTpzcw=="},
            "quay.io": {"username": "u", "password": "p"},
            "quay.io/team": {"username": "team", "password": "t"},
            "quay.io/team/app": {"username": "app", "password": "a"},
            "azure.example": {"auth": "dXNlcjo=", "identitytoken": "refresh"},
            "token.example": {"registrytoken": "opaque"},
            "broken.example": {"auth": "%%%"},
            "nocolon.example": {"auth": "dXNlcg=="},
            "empty.example": {},
            "not a host": {"auth": "dTI6cDI="}
          },
          "credHelpers": {"ecr.example": "ecr-login"},
          "HttpHeaders": {"User-Agent": "x"}
        }
        """#

    private func ask(_ registry: String, _ repository: String) throws -> RegistryCredential? {
        let credentials = try #require(RegistryCredentials(Array(Self.file.utf8)))
        return credentials.credential(
            try #require(RegistryHost(registry)), try #require(RepositoryName(repository)))
    }

    @Test(
        "each registry has its own, by the longest path that fits",
        arguments: [
            ("docker.io", "library/busybox", RegistryCredential.password(user: "user", password: "pa:ss")),
            ("registry-1.docker.io", "a", .password(user: "user", password: "pa:ss")),
            ("r.example:5000", "a", .password(user: "u2", password: "p2")), ("r.example", "a", nil),
            ("quay.io", "other/app", .password(user: "u", password: "p")),
            ("quay.io", "team/tool", .password(user: "team", password: "t")),
            ("quay.io", "team/app", .password(user: "app", password: "a")),
            ("quay.io", "teams", .password(user: "u", password: "p")),
            ("azure.example", "a", .identityToken("refresh")), ("token.example", "a", .registryToken("opaque")),
            ("broken.example", "a", nil), ("nocolon.example", "a", nil), ("empty.example", "a", nil),
            ("ecr.example", "a", nil),
        ]
    )
    func finds(_ registry: String, _ repository: String, _ expected: RegistryCredential?) throws {
        #expect(try ask(registry, repository) == expected)
    }

    @Test("what a helper would give is said, and no helper is run")
    func helpers() throws {
        let credentials = try #require(RegistryCredentials(Array(Self.file.utf8)))
        let name = try #require(RepositoryName("a"))
        #expect(credentials.helped(try #require(RegistryHost("ecr.example")), name))
        #expect(!credentials.helped(.dockerHub, name))
        let store = try #require(RegistryCredentials(Array(#"{"credsStore":"desktop"}"#.utf8)))
        #expect(store.helped(.dockerHub, name))
    }

    @Test("other content is no credentials file", arguments: ["", "[]", "{", #"{"auths":[]}"#, #"{"auths":{"a":5}}"#])
    func refuses(_ text: String) {
        #expect(RegistryCredentials(Array(text.utf8)) == nil)
    }

    @Test("a credential does not print itself")
    func secret() {
        let credential = RegistryCredential.password(user: "u", password: "canary")
        #expect(!"\(credential)".contains("canary"))
    }
}
