import RuntimeConfig
import Testing

private let old = "io.containerd.grpc.v1.cri"
private let new = "io.containerd.cri.v1.images"
private let usesPath =
    "version = 2\n[plugins.\"\(old)\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"

@Suite("Choosing the mode and the folder")
struct PlannerChoiceTests {
    static let refusals: [(name: String, version: String, text: String, reason: String)] = [
        (
            "mirrors with endpoints", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry.mirrors.\"docker.io\"]\n  endpoint = [\"https://m\"]\n",
            "other-mode \(configFile):2"
        ),
        (
            "a mirror without endpoints", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry.mirrors.docker.io]\n",
            "other-mode \(configFile):2"
        ),
        (
            "TLS settings on containerd 1", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry.configs.\"r\".tls]\n",
            "tls-and-config-path \(configFile):2"
        ),
        (
            "a list of folders since 2.1", "2.1.9",
            "version = 3\n[plugins.\"\(new)\".registry]\nconfig_path = \"/a:/b\"\n",
            "config-path-list \(configFile):3"
        ),
        (
            "a relative folder", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry]\nconfig_path = \"certs.d\"\n",
            "relative-config-path \(configFile):3"
        ),
    ]

    @Test("what cannot be made right is refused with its place", arguments: refusals.indices)
    func refused(index: Int) {
        let item = Self.refusals[index]
        let result = outcome(item.text, version: item.version, mode: .configPath)
        #expect(result == ["refused": item.reason], "\(item.name)")
    }

    @Test("a folder already in use is respected, also with a slash at its end")
    func otherFolder() {
        let text = "version = 2\n[plugins.\"\(old)\".registry]\nconfig_path = \"/opt/certs/\"\n"
        let result = outcome(text, mode: .configPath)
        #expect(
            Set(result.keys) == ["/opt/certs/artifactory-registry.com/hosts.toml", "mode"]
        )
        #expect(
            outcome(text, mode: .configPath, hostsDirectory: "/x")["refused"] == "other-mode \(configFile):3"
        )
    }

    @Test("auto takes what the node uses, else what suits it")
    func automatic() {
        #expect(outcome("version = 2\n", mode: nil)["mode"] == "mirror")
        #expect(outcome("version = 2\n", mode: nil, registries: ["a", "b", "c"])["mode"] == "config-path")
        #expect(
            outcome("version = 2\n", mode: nil, registries: ["r:5000=http://r:5000"])["mode"] == "config-path"
        )
        #expect(outcome(usesPath, mode: nil)["mode"] == "config-path")
        #expect(outcome("version = 3\n", version: "2.1.0", mode: nil)["mode"] == "config-path")
        let tls = "version = 2\n[plugins.\"\(old)\".registry.configs.\"r\".tls]\n"
        #expect(outcome(tls, mode: nil, registries: ["a", "b", "c"])["mode"] == "mirror")
    }
}
