import Testing

@testable import RuntimeConfig

private let file = "/etc/docker/daemon.json"
private let mirror = "http://127.0.0.1:4001"

@Suite("Docker's daemon.json")
struct DockerDaemonTests {
    private static let edits: [(String?, String)] = [
        (nil, "{\n  \"registry-mirrors\": [\"\(mirror)\"]\n}\n"),
        (" \n", "{\n  \"registry-mirrors\": [\"\(mirror)\"]\n}\n"),
        ("{}", "{\n  \"registry-mirrors\": [\"\(mirror)\"]\n}"),
        ("{ \n}\n", "{\n  \"registry-mirrors\": [\"\(mirror)\"]\n}\n"),
        (
            "{\n    \"log-driver\": \"journald\",\n    \"features\": { \"containerd-snapshotter\": true }\n}\n",
            "{\n    \"log-driver\": \"journald\",\n    \"features\": { \"containerd-snapshotter\": true },\n    \"registry-mirrors\": [\"\(mirror)\"]\n}\n"
        ),
        ("{\"debug\":true}", "{\"debug\":true, \"registry-mirrors\": [\"\(mirror)\"]}"),
        (
            "{\r\n\t\"mtu\": 1.4e3\r\n}",
            "{\r\n\t\"mtu\": 1.4e3,\r\n\t\"registry-mirrors\": [\"\(mirror)\"]\r\n}"
        ),
        ("{\"registry-mirrors\":[]}", "{\"registry-mirrors\":[\"\(mirror)\"]}"),
        (
            "{\"registry-mirrors\":[\"https://m.example\"],\"debug\":true}",
            "{\"registry-mirrors\":[\"\(mirror)\", \"https://m.example\"],\"debug\":true}"
        ),
        (
            "{\n  \"registry-mirrors\": [\n    \"https://m.example\",\n    \"https://n.example\"\n  ]\n}\n",
            "{\n  \"registry-mirrors\": [\n    \"\(mirror)\",\n    \"https://m.example\",\n    \"https://n.example\"\n  ]\n}\n"
        ),
        (
            "{\"a\\u0062\": \"\\ud83d\\ude00 ü\"}",
            "{\"a\\u0062\": \"\\ud83d\\ude00 ü\", \"registry-mirrors\": [\"\(mirror)\"]}"
        ),
    ]

    @Test(
        "the mirror comes first, every other key and byte stays, and a second run has nothing to do",
        arguments: edits)
    func editing(before: String?, after: String) throws {
        #expect(try planned(.docker, before.map { [file: $0] } ?? [:]) == [file: after])
        #expect(try planned(.docker, [file: after]) == [:])
    }

    @Test(
        "what Docker would not start with, and what is not Docker Hub, is refused",
        arguments: [
            ("{\"a\": 1, \"a\": 2}", "invalid-json \(file):1"), ("{\n\"a\": 1,\n}", "invalid-json \(file):3"),
            ("// x\n{}", "invalid-json \(file):1"), ("[]", "invalid-json \(file):1"),
            ("{} {}", "invalid-json \(file):1"),
            ("{\"a\": 01}", "invalid-json \(file):1"), ("{\"a\": \"\\ud800\"}", "invalid-json \(file):1"),
            ("\u{FEFF}{}", "invalid-json \(file):1"), ("{\"a\": \"", "invalid-json \(file):1"),
            ("{\"registry-mirrors\": \"https://m\"}", "wrong-type \(file):1"),
            ("{\n\"registry-mirrors\": [\n1]}", "wrong-type \(file):3"),
            ("{\"registry-mirrors\": [\"https://m\", \"\(mirror)/\"]}", "mirror-not-first \(file)"),
            (String(repeating: "[", count: 100_000), "invalid-json \(file):1"),
        ]
    )
    func refusals(text: String, refusal: String) throws {
        #expect(try planned(.docker, [file: text]) == ["refused": refusal])
    }

    private static let store = "{\"features\": {\"containerd-snapshotter\": true}}"

    private static func hosts(_ host: String) -> String { "/etc/docker/certs.d/\(host)/hosts.toml" }

    @Test("registries other than Docker Hub get a hosts.toml beside daemon.json, and a second run has nothing to do")
    func otherRegistries() throws {
        for text in [Self.store, nil] {
            let before = text.map { [file: $0] } ?? [:]
            let made = try planned(.docker, before, registries: ["quay.example", "r.example:5000=http://10.0.0.1:5000"])
            #expect(Set(made.keys) == [Self.hosts("quay.example"), Self.hosts("r.example:5000")])
            #expect(
                made[Self.hosts("quay.example")] == """
                    server = "https://quay.example"

                    [host."\(mirror)"]
                      capabilities = ["pull", "resolve"]

                    [host."\(mirror)".header]
                      X-Dragonfly-Registry = "https://quay.example"

                    [host."https://quay.example"]
                      capabilities = ["pull", "resolve"]

                    """)
            let after = before.merging(made) { $1 }
            #expect(
                try planned(.docker, after, registries: ["quay.example", "r.example:5000=http://10.0.0.1:5000"]) == [:])
        }
        let both = try planned(.docker, [file: Self.store], registries: ["docker.io", "quay.example"])
        #expect(Set(both.keys) == [file, Self.hosts("quay.example")])
    }

    @Test("certificates in the registry's folder, which a hosts.toml would switch off, are named in it")
    func certificates() throws {
        let folder = "/etc/docker/certs.d/quay.example/"
        let made = try planned(
            .docker, [file: Self.store, folder + "ca.crt": "x", folder + "client.cert": "x", folder + "client.key": "x"],
            registries: ["quay.example"])
        #expect(made[Self.hosts("quay.example")]?.contains("ca = [\"ca.crt\"]") == true)
        #expect(made[Self.hosts("quay.example")]?.contains("client = [[\"client.cert\", \"client.key\"]]") == true)
    }

    @Test("Docker's own image store, another address for Docker Hub, and a hosts.toml that is dead are refused")
    func refusedRegistries() throws {
        let own = [file: "{\"features\": {\"containerd-snapshotter\": false}}"]
        #expect(try planned(.docker, own, registries: ["quay.example"]) == ["refused": "unsupported \(file)"])
        #expect(
            try planned(.docker, [:], registries: ["docker.io=http://10.0.0.1"]) == ["refused": "unsupported \(file)"])
        let dead = [file: Self.store, Self.hosts("quay.example"): "[host]\n[host.\"https://m\"]\ncapabilities = [\"fly\"]\n"]
        #expect(try planned(.docker, dead, registries: ["quay.example"])["refused"]?.hasPrefix("dead-hosts-file") == true)
    }

    @Test("a daemon that has the setting as a flag would not start with it in the file as well")
    func flags() throws {
        let endpoint = try #require(Endpoint(mirror))
        let target = try #require(RegistryTarget("docker.io"))
        for flag in [["--registry-mirror", "https://m"], ["--registry-mirror=https://m"]] {
            var planner = DockerDaemonPlanner(config: file, mirror: endpoint)
            planner.daemons = { [["/usr/bin/dockerd", "-H", "fd://"] + flag] }
            #expect(throws: Refusal.self) { try planner.plan([target], tree: MemoryTree([:])) }
            #expect(try planner.inspect([target], tree: MemoryTree([:])).findings.isEmpty)
        }
    }
}
