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

    @Test("registries other than Docker Hub are refused: Docker has no mirrors for them")
    func otherRegistries() throws {
        for registries in [["quay.io"], ["docker.io", "quay.io"], ["docker.io=http://10.0.0.1"]] {
            #expect(try planned(.docker, [:], registries: registries) == ["refused": "unsupported \(file)"])
        }
    }

    @Test("a daemon that has the setting as a flag would not start with it in the file as well")
    func flags() throws {
        let endpoint = try #require(Endpoint(mirror))
        let target = try #require(RegistryTarget("docker.io"))
        for flag in [["--registry-mirror", "https://m"], ["--registry-mirror=https://m"]] {
            var planner = DockerDaemonPlanner(config: file, mirror: endpoint)
            planner.daemons = [["/usr/bin/dockerd", "-H", "fd://"] + flag]
            #expect(throws: Refusal.self) { try planner.plan([target], tree: MemoryTree([:])) }
            #expect(try planner.inspect([target], tree: MemoryTree([:])).findings.isEmpty)
        }
    }
}
