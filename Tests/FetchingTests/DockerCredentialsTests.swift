import OCIModel
import TestSupport
import Testing

@testable import Fetching

@Suite("a user's credentials file")
struct DockerCredentialsTests {
    private static let file = """
        {"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnNlY3JldA=="},
            "registry.example:5000": {"username": "me", "password": "pass:word"},
            "quay.example/team": {"auth": "dGVhbTp4"},
            "quay.example": {"auth": "YWxsOng="},
            "https://old.example/v2/": {"auth": "b2xkOng="},
            "empty.example": {}
         }, "credsStore": "desktop"}
        """

    @Test(
        "the longest entry that names the registry, or the front of the repository, counts",
        arguments: [
            ("docker.io", "library/busybox", "aHViOnNlY3JldA=="), ("index.docker.io", "team/app", "aHViOnNlY3JldA=="),
            ("registry.example:5000", "app", "bWU6cGFzczp3b3Jk"), ("registry.example", "app", nil),
            ("quay.example", "team/app", "dGVhbTp4"), ("quay.example", "teams/app", "YWxsOng="),
            ("quay.example", "other", "YWxsOng="), ("old.example", "app", "b2xkOng="), ("empty.example", "app", nil),
            ("nobody.example", "app", nil),
        ] as [(String, String, String?)])
    func entries(host: String, repository: String, expected: String?) throws {
        let credentials = try DockerCredentials(Array(Self.file.utf8), path: "config.json")
        let found = credentials.basic(for: try #require(RegistryHost(host)), RepositoryName(repository))
        #expect(found == expected.map { "Basic " + $0 })
        #expect(credentials.namesHelpers)
    }

    @Test("user and password come apart at the first colon, and not at all out of what is no such pair")
    func login() throws {
        let file = #"{"auths": {"odd.example": {"auth": "bm9jb2xvbg=="}, "bad.example": {"auth": "%%%"}}}"#
        let odd = try DockerCredentials(Array(file.utf8), path: "config.json")
        for name in ["odd.example", "bad.example", "none.example"] {
            let host = try #require(RegistryHost(name))
            #expect(odd.login(for: host) == nil, "\(name)")
        }
        let credentials = try DockerCredentials(Array(Self.file.utf8), path: "config.json")
        let host = try #require(RegistryHost("registry.example:5000"))
        let login = credentials.login(for: host)
        #expect(login?.user == "me" && login?.password == "pass:word")
    }

    @Test("the named file counts, else that of the environment, else the user's own, else nobody's")
    func places() throws {
        let folder = try TemporaryFolder("credentials")
        let host = try #require(RegistryHost("a.example"))
        func entry(_ auth: String) -> String { #"{"auths":{"a.example":{"auth":"\#(auth)"}}}"# }
        let named = try folder.write("named.json", entry("bmFtZWQ6"))
        let other = try folder.write("auth.json", entry("YXV0aDo="))
        try folder.write("docker/config.json", entry("Y29uZmlnOg=="))
        try folder.write("home/.docker/config.json", entry("aG9tZTo="))
        var environment = [
            "REGISTRY_AUTH_FILE": other, "DOCKER_CONFIG": folder.path("docker"), "HOME": folder.path("home"),
        ]
        func found(_ file: String? = nil) throws -> String? {
            try DockerCredentials.load(file) { environment[$0] }.basic(for: host)
        }
        #expect(try found(named) == "Basic bmFtZWQ6")
        #expect(try found() == "Basic YXV0aDo=")
        environment["REGISTRY_AUTH_FILE"] = nil
        #expect(try found() == "Basic Y29uZmlnOg==")
        environment["DOCKER_CONFIG"] = nil
        #expect(try found() == "Basic aG9tZTo=")
        environment["HOME"] = nil
        #expect(try found() == nil)
        #expect(throws: FetchError.self) { try DockerCredentials.load(folder.path("none")) }
        #expect(throws: FetchError.self) { try DockerCredentials.load(try folder.write("bad", "no json")) }
    }
}
