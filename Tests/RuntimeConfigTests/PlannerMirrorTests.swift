import RuntimeConfig
import Testing

private let old = "io.containerd.grpc.v1.cri"
private let new = "io.containerd.cri.v1.images"
private let endpoints = #"endpoint = ["http://127.0.0.1:4001", "https://artifactory-registry.com"]"#

@Suite("Planning mirror mode")
struct PlannerMirrorTests {
    static let cases: [(name: String, version: String, before: String?, after: String)] = [
        (
            "no file on containerd 1", "1.6.20", nil,
            "version = 2\n\n[plugins.\"\(old)\".registry.mirrors.\"artifactory-registry.com\"]\n  \(endpoints)\n"
        ),
        (
            "no file on containerd 2", "2.1.0", nil,
            "version = 3\n\n[plugins.\"\(new)\".registry.mirrors.\"artifactory-registry.com\"]\n  \(endpoints)\n"
        ),
        (
            "only a comment", "1.7.27", "# by hand\n",
            "# by hand\n\nversion = 2\n\n[plugins.\"\(old)\".registry.mirrors.\"artifactory-registry.com\"]\n"
                + "  \(endpoints)\n"
        ),
        (
            "version 2 without registry", "1.6.20",
            "version = 2\n\n[plugins.\"\(old)\"]\n  sandbox_image = \"p\"\n",
            "version = 2\n\n[plugins.\"\(old)\"]\n  sandbox_image = \"p\"\n\n"
                + "[plugins.\"\(old)\".registry.mirrors.\"artifactory-registry.com\"]\n  \(endpoints)\n"
        ),
        (
            "the stock file of 1.7, indented, with an empty mirrors table", "1.7.27",
            """
            version = 2

            [plugins]

              [plugins."io.containerd.grpc.v1.cri"]
                sandbox_image = "p"

                [plugins."io.containerd.grpc.v1.cri".registry]
                  config_path = ""

                  [plugins."io.containerd.grpc.v1.cri".registry.headers]

                  [plugins."io.containerd.grpc.v1.cri".registry.mirrors]

                [plugins."io.containerd.grpc.v1.cri".x509_key_pair_streaming]
                  tls_cert_file = ""

            """,
            """
            version = 2

            [plugins]

              [plugins."io.containerd.grpc.v1.cri"]
                sandbox_image = "p"

                [plugins."io.containerd.grpc.v1.cri".registry]
                  config_path = ""

                  [plugins."io.containerd.grpc.v1.cri".registry.headers]

                  [plugins."io.containerd.grpc.v1.cri".registry.mirrors]

                    [plugins."io.containerd.grpc.v1.cri".registry.mirrors."artifactory-registry.com"]
                      endpoint = ["http://127.0.0.1:4001", "https://artifactory-registry.com"]

                [plugins."io.containerd.grpc.v1.cri".x509_key_pair_streaming]
                  tls_cert_file = ""

            """
        ),
        (
            "a user's mirror of another registry, single quotes", "1.6.20",
            "version = 2\n[plugins.'\(old)'.registry.mirrors.'docker.io']\n  endpoint = ['https://mirror.baidubce.com']\n",
            "version = 2\n[plugins.'\(old)'.registry.mirrors.'docker.io']\n  endpoint = ['https://mirror.baidubce.com']\n"
                + "\n[plugins.'\(old)'.registry.mirrors.'artifactory-registry.com']\n"
                + "  endpoint = ['http://127.0.0.1:4001', 'https://artifactory-registry.com']\n"
        ),
        (
            "a user's endpoints stay between ours and the registry", "1.6.20",
            "version = 2\r\n[plugins.\"\(old)\".registry.mirrors.\"artifactory-registry.com\"]\r\n"
                + "\tendpoint = [\"https://artifactory-registry.com\", \"https://m\"] # mine\r\n",
            "version = 2\r\n[plugins.\"\(old)\".registry.mirrors.\"artifactory-registry.com\"]\r\n"
                + "\tendpoint = [\"http://127.0.0.1:4001\", \"https://m\", \"https://artifactory-registry.com\"]"
                + " # mine\r\n"
        ),
        (
            "the star entry gives its endpoints to the new one", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry.mirrors.\"*\"]\nendpoint = [\"https://m\"]\n",
            "version = 2\n[plugins.\"\(old)\".registry.mirrors.\"*\"]\nendpoint = [\"https://m\"]\n\n"
                + "[plugins.\"\(old)\".registry.mirrors.\"artifactory-registry.com\"]\n"
                + "endpoint = [\"http://127.0.0.1:4001\", \"https://m\", \"https://artifactory-registry.com\"]\n"
        ),
        (
            "inline tables are extended inside their braces", "1.6.20",
            "version = 2\n[plugins.\"\(old)\"]\nregistry = { mirrors = { \"docker.io\" = { endpoint = [\"https://m\"] } } }",
            "version = 2\n[plugins.\"\(old)\"]\nregistry = { mirrors = { \"docker.io\" = { endpoint = [\"https://m\"] },"
                + " \"artifactory-registry.com\" = { \(endpoints) } } }"
        ),
        (
            "dotted keys at the root", "1.6.20",
            "version = 2\nplugins.\"\(old)\".sandbox_image = \"p\"\n",
            "version = 2\nplugins.\"\(old)\".sandbox_image = \"p\"\n"
                + "plugins.\"\(old)\".registry.mirrors.\"artifactory-registry.com\".\(endpoints)\n"
        ),
        (
            "a file without version on containerd 1 keeps the short name", "1.6.20",
            "[plugins.cri]\nsandbox_image = \"p\"\n",
            "[plugins.cri]\nsandbox_image = \"p\"\n\n"
                + "[plugins.cri.registry.mirrors.\"artifactory-registry.com\"]\n\(endpoints)\n"
        ),
        (
            "version 3", "2.1.0", "version = 3\n[plugins.'\(new)'.registry]\n  config_path = ''\n",
            "version = 3\n[plugins.'\(new)'.registry]\n  config_path = ''\n\n"
                + "[plugins.'\(new)'.registry.mirrors.'artifactory-registry.com']\n"
                + "  endpoint = ['http://127.0.0.1:4001', 'https://artifactory-registry.com']\n"
        ),
        (
            "version 2 with the new name only, beside headers", "2.0.5",
            "version = 2\n[plugins.\"\(new)\".registry.headers]\n  X-Meta = [\"a\"]\n",
            "version = 2\n[plugins.\"\(new)\".registry.headers]\n  X-Meta = [\"a\"]\n\n"
                + "[plugins.\"\(new)\".registry.mirrors.\"artifactory-registry.com\"]\n  \(endpoints)\n"
        ),
        (
            "2.2.1 needs an explicit empty config_path", "2.2.1", "version = 3\n",
            "version = 3\n\n[plugins.\"\(new)\".registry]\n  config_path = \"\"\n\n"
                + "[plugins.\"\(new)\".registry.mirrors.\"artifactory-registry.com\"]\n  \(endpoints)\n"
        ),
    ]

    @Test("mirrors are written as the file spells its tables", arguments: cases.indices)
    func accepted(index: Int) {
        let item = Self.cases[index]
        let result = outcome(item.before, version: item.version, mode: .mirror)
        #expect(result == [configFile: item.after, "mode": "mirror"], "\(item.name)")
        let again = outcome(item.after, version: item.version, mode: .mirror)
        #expect(again == ["mode": "mirror"], "\(item.name), second run")
    }

    static let refusals: [(name: String, version: String, text: String, reason: String)] = [
        (
            "config_path is set", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
            "other-mode \(configFile):3"
        ),
        (
            "both are set already", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry]\nconfig_path = \"/c\"\n"
                + "[plugins.\"\(old)\".registry.mirrors.\"docker.io\"]\n",
            "mirrors-and-config-path \(configFile):4"
        ),
        ("version 3 on 1.6", "1.6.20", "version = 3\n[debug]\n", "file-version \(configFile):1"),
        ("version 4 on 2.1", "2.1.0", "\nversion = 4\n", "file-version \(configFile):2"),
        ("a version that is no number", "1.6.20", "version = \"2\"\n", "file-version \(configFile):1"),
        ("a negative version", "2.3.4", "version = -1\n", "file-version \(configFile):1"),
        ("long names without version", "1.6.20", "[plugins.\"\(old)\"]\n", "inert-settings \(configFile):1"),
        ("no version on 2.0", "2.0.5", "[plugins.cri]\n", "inert-settings \(configFile):1"),
        (
            "both names without version on 2.3", "2.3.4",
            "[plugins.cri.registry]\n[plugins.\"\(old)\".registry]\n",
            "both-names \(configFile):1"
        ),
        (
            "the short name under version 2", "1.6.20", "version = 2\n[plugins.cri]\n",
            "both-names \(configFile):2"
        ),
        ("2.2.1 with a version 2 file", "2.2.1", "version = 2\n", "mirrors-and-config-path \(configFile):1"),
        ("CRI turned off", "1.6.20", "disabled_plugins = [\"cri\"]\n", "cri-disabled \(configFile):1"),
        ("a template", "1.6.20", "version = 2\n{{ template \"base\" . }}\n", "template \(configFile):2"),
        ("broken TOML", "1.6.20", "version = 2\n[plugins\n", "invalid-toml \(configFile):2"),
        ("a byte order mark on 2.x", "2.1.0", "\u{FEFF}version = 3\n", "byte-order-mark \(configFile):1"),
        (
            "an escaped key", "1.6.20", "version = 2\n[plugins.\"io.containerd.grpc.v1.\\u0063ri\"]\n",
            "escaped-key \(configFile):2"
        ),
        (
            "a file that k3s writes", "1.6.20", "# File generated by k3s. DO NOT EDIT.\nversion = 2\n",
            "managed-file \(configFile):1"
        ),
        (
            "an endpoint that is no list", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry.mirrors.x]\nendpoint = \"http://x\"\n",
            "wrong-type \(configFile):3"
        ),
    ]

    @Test("what cannot be made right is refused with its place", arguments: refusals.indices)
    func refused(index: Int) {
        let item = Self.refusals[index]
        let result = outcome(item.text, version: item.version, mode: .mirror)
        #expect(result == ["refused": item.reason], "\(item.name)")
    }

    @Test("an unused config_path is emptied when migration is asked for")
    func migrate() {
        let text = "version = 2\n[plugins.\"\(old)\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"
        let after =
            "version = 2\n[plugins.\"\(old)\".registry]\n  config_path = \"\"\n\n"
            + "[plugins.\"\(old)\".registry.mirrors.\"artifactory-registry.com\"]\n  \(endpoints)\n"
        #expect(outcome(text, mode: .mirror, migrates: true) == [configFile: after, "mode": "mirror"])
        let used = [hostsFile("docker.io"): "server = \"https://registry-1.docker.io\"\n"]
        #expect(
            outcome(text, mode: .mirror, migrates: true, others: used)
                == ["refused": "other-mode \(hostsFile("docker.io"))"]
        )
    }

    @Test("docker.io and plain HTTP registries get their own last endpoint")
    func lastEndpoints() throws {
        let result = outcome("version = 2\n", mode: .mirror, registries: ["docker.io", "localhost:5000"])
        let text = try #require(result[configFile])
        #expect(text.contains(#"endpoint = ["http://127.0.0.1:4001", "https://registry-1.docker.io"]"#))
        #expect(text.contains(#"endpoint = ["http://127.0.0.1:4001", "http://localhost:5000"]"#))
        let explicit = outcome("version = 2\n", mode: .mirror, registries: ["r:5000=http://10.0.0.9:5000"])
        #expect(explicit[configFile]?.contains(#""http://127.0.0.1:4001", "http://10.0.0.9:5000"]"#) == true)
    }
}
