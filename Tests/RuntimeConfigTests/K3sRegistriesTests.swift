import RuntimeConfig
import Testing

private let file = "/etc/rancher/k3s/registries.yaml"
private let ours = "    endpoint:\n      - \"http://127.0.0.1:4001\"\n"

@Suite("registries.yaml of k3s and RKE2")
struct K3sRegistriesTests {
    private static let edits: [(String?, String)] = [
        (nil, "mirrors:\n  docker.io:\n\(ours)"),
        ("", "mirrors:\n  docker.io:\n\(ours)"),
        ("# none yet", "# none yet\nmirrors:\n  docker.io:\n\(ours)"),
        ("---\nmirrors:\n", "---\nmirrors:\n  docker.io:\n\(ours)"),
        (
            "configs:\n  \"r.example:5000\":\n    auth:\n      username: me # not you\n      password: 'p:w #1'\n    tls:\n      ca_file: /etc/ca.pem\n",
            "configs:\n  \"r.example:5000\":\n    auth:\n      username: me # not you\n      password: 'p:w #1'\n    tls:\n      ca_file: /etc/ca.pem\nmirrors:\n  docker.io:\n\(ours)"
        ),
        (
            "mirrors:\n    quay.io:\n        endpoint:\n        - https://q.example\n        # the last one\nconfigs:\n",
            "mirrors:\n    quay.io:\n        endpoint:\n        - https://q.example\n    docker.io:\n        endpoint:\n            - \"http://127.0.0.1:4001\"\n        # the last one\nconfigs:\n"
        ),
        (
            "mirrors:\n  docker.io: # hub\n    # two of them\n    endpoint:\n      - \"https://m.example\"\n      - 'https://n.example'\n",
            "mirrors:\n  docker.io: # hub\n    # two of them\n    endpoint:\n      - \"http://127.0.0.1:4001\"\n      - \"https://m.example\"\n      - 'https://n.example'\n"
        ),
        ("mirrors:\n  docker.io:\n", "mirrors:\n  docker.io:\n\(ours)"),
        ("mirrors:\n  docker.io:\n    endpoint:\n", "mirrors:\n  docker.io:\n\(ours)"),
        (
            "mirrors:\r\n  docker.io:\r\n    endpoint:\r\n    - https://m.example",
            "mirrors:\r\n  docker.io:\r\n    endpoint:\r\n    - \"http://127.0.0.1:4001\"\r\n    - https://m.example"
        ),
        ("a: b", "a: b\nmirrors:\n  docker.io:\n\(ours)"),
    ]

    @Test(
        "the mirror comes first, every other byte stays, and a second run has nothing to do", arguments: edits
    )
    func editing(before: String?, after: String) throws {
        #expect(try planned(.k3s, before.map { [file: $0] } ?? [:]) == [file: after])
        #expect(try planned(.k3s, [file: after]) == [:])
    }

    @Test("several registries, one of them at another address and with a port")
    func several() throws {
        let path = "/etc/rancher/rke2/registries.yaml"
        let result = try planned(.rke2, [:], registries: ["docker.io", "reg:5000=http://10.0.0.1:5000"])
        let second = "  \"reg:5000\":\n\(ours)      - \"http://10.0.0.1:5000\"\n"
        #expect(result == [path: "mirrors:\n  docker.io:\n\(ours)" + second])
    }

    @Test(
        "YAML beyond plain blocks, and settings that the mirror would break, are refused with the line",
        arguments: [
            ("mirrors: {}\n", "unknown-yaml \(file):1"),
            ("mirrors:\n  docker.io:\n    endpoint: [\"https://m\"]\n", "unknown-yaml \(file):3"),
            ("a: &x\n  b: c\n", "unknown-yaml \(file):1"), ("a: |\n  text\n", "unknown-yaml \(file):1"),
            ("a: b\n c: d\n", "unknown-yaml \(file):2"), ("a: b\n---\nc: d\n", "unknown-yaml \(file):2"),
            ("a: b\na: c\n", "unknown-yaml \(file):2"), ("a:\n\t- b\n", "unknown-yaml \(file):2"),
            ("a: \"b\\n\"\n", "unknown-yaml \(file):1"), ("a: 'it''s'\n", "unknown-yaml \(file):1"),
            ("a: \"b\n  c\"\n", "unknown-yaml \(file):1"), ("a:\n- b: c\n", "unknown-yaml \(file):2"),
            ("a:\n  b: c\n d: e\n", "unknown-yaml \(file):3"), ("- a\n", "unknown-yaml \(file):1"),
            ("a: b: c\n", "unknown-yaml \(file):1"), ("? a\n: b\n", "unknown-yaml \(file):1"),
            ("a\n", "unknown-yaml \(file):1"),
            ("a: b\n  c\n", "unknown-yaml \(file):2"), ("%YAML 1.1\n---\na: b\n", "unknown-yaml \(file):1"),
            ("mirrors:\n- docker.io\n", "wrong-type \(file):1"),
            ("mirrors:\n  docker.io:\n    endpoint: https://m\n", "wrong-type \(file):3"),
            ("mirrors:\n  \"*\":\n    endpoint:\n    - https://m\n", "wildcard-entry \(file):2"),
            ("mirrors:\n  docker.io:\n    rewrite:\n      \"^x\": y\n", "rewritten \(file):2"),
            (
                "mirrors:\n  docker.io:\n    endpoint:\n    - https://m\n    - http://127.0.0.1:4001/\n",
                "mirror-not-first \(file):2"
            ),
        ]
    )
    func refusals(text: String, refusal: String) throws {
        #expect(try planned(.k3s, [file: text]) == ["refused": refusal])
    }
}
