import RuntimeConfig
import Testing

private let old = "io.containerd.grpc.v1.cri"
private let new = "io.containerd.cri.v1.images"
private let reference = """
    server = "https://artifactory-registry.com"

    [host."http://127.0.0.1:4001"]
      capabilities = ["pull", "resolve"]

    [host."http://127.0.0.1:4001".header]
      X-Dragonfly-Registry = "https://artifactory-registry.com"

    [host."https://artifactory-registry.com"]
      capabilities = ["pull", "resolve"]

    """
private let ours = """
    [host."http://127.0.0.1:4001"]
      capabilities = ["pull", "resolve"]

    [host."http://127.0.0.1:4001".header]
      X-Dragonfly-Registry = "https://artifactory-registry.com"

    """
private let fallback = """
    [host."https://artifactory-registry.com"]
      capabilities = ["pull", "resolve"]

    """
private let usesPath =
    "version = 2\n[plugins.\"\(old)\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"

@Suite("Planning config path mode")
struct PlannerConfigPathTests {
    static let cases: [(name: String, version: String, before: String?, after: String)] = [
        (
            "no file on containerd 1", "1.6.20", nil,
            "version = 2\n\n[plugins.\"\(old)\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"
        ),
        (
            "no file on containerd 2", "2.3.4", nil,
            "version = 3\n\n[plugins.\"\(new)\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"
        ),
        (
            "an empty value is filled between its quotes", "2.1.9",
            "version = 3\n[plugins]\n  [plugins.'\(new)'.registry]\n    config_path = '' # none\n",
            "version = 3\n[plugins]\n  [plugins.'\(new)'.registry]\n    config_path = '/etc/containerd/certs.d' # none\n"
        ),
        (
            "the built-in list of 2.2 becomes one folder", "2.2.3",
            "version = 3\n[plugins.'\(new)'.registry]\n  config_path = ''\n",
            "version = 3\n[plugins.'\(new)'.registry]\n  config_path = '/etc/containerd/certs.d'\n"
        ),
        (
            "an inline registry", "1.6.20",
            "version = 2\n[plugins.\"\(old)\"]\n  registry = { config_path = \"\" }\n",
            "version = 2\n[plugins.\"\(old)\"]\n  registry = { config_path = \"/etc/containerd/certs.d\" }\n"
        ),
        (
            "other tables of the registry stay", "1.6.20",
            "version = 2\n[plugins.\"\(old)\".registry.configs.\"r\".auth]\n  username = \"u\"\n",
            "version = 2\n\n[plugins.\"\(old)\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n\n"
                + "[plugins.\"\(old)\".registry.configs.\"r\".auth]\n  username = \"u\"\n"
        ),
    ]

    @Test("config_path is written as the file spells its tables", arguments: cases.indices)
    func accepted(index: Int) {
        let item = Self.cases[index]
        let result = outcome(item.before, version: item.version, mode: .configPath)
        let files = [
            configFile: item.after, hostsFile("artifactory-registry.com"): reference, "mode": "config-path",
        ]
        #expect(result == files, "\(item.name)")
        let again = outcome(
            item.after,
            version: item.version,
            mode: .configPath,
            others: [hostsFile("artifactory-registry.com"): reference]
        )
        #expect(again == ["mode": "config-path"], "\(item.name), second run")
    }

    @Test("the founding case: mirrors and an injected config_path, made right in either mode")
    func foundingCase() {
        let clean =
            "version = 2\n[plugins.'\(old)'.registry]\n[plugins.'\(old)'.registry.mirrors]\n"
            + "[plugins.'\(old)'.registry.mirrors.'docker.io']\n  endpoint = ['https://mirror.baidubce.com']\n"
        let injected = clean.replacing(
            "registry]\n",
            with: "registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
            maxReplacements: 1
        )
        for mode in RuntimeMode.allCases {
            let refusal = outcome(injected, mode: mode)["refused"]
            #expect(refusal == "mirrors-and-config-path \(configFile):5")
        }
        let target = ["docker.io"]
        let hosts = outcome(injected, mode: .configPath, registries: target, migrates: true)
        #expect(
            hosts[configFile]
                == "version = 2\n[plugins.'\(old)'.registry]\nconfig_path = \"/etc/containerd/certs.d\"\n"
                + "[plugins.'\(old)'.registry.mirrors]\n"
        )
        #expect(
            hosts[hostsFile("docker.io")] == """
                server = "https://registry-1.docker.io"

                [host."http://127.0.0.1:4001"]
                  capabilities = ["pull", "resolve"]

                [host."http://127.0.0.1:4001".header]
                  X-Dragonfly-Registry = "https://registry-1.docker.io"

                [host."https://mirror.baidubce.com"]
                  capabilities = ["pull", "resolve"]

                [host."https://registry-1.docker.io"]
                  capabilities = ["pull", "resolve"]

                """
        )
        let mirrors = outcome(injected, mode: .mirror, registries: target, migrates: true)
        #expect(
            mirrors[configFile]
                == "version = 2\n[plugins.'\(old)'.registry]\nconfig_path = \"\"\n"
                + "[plugins.'\(old)'.registry.mirrors]\n[plugins.'\(old)'.registry.mirrors.'docker.io']\n"
                + "  endpoint = ['http://127.0.0.1:4001', 'https://mirror.baidubce.com', 'https://registry-1.docker.io']\n"
        )
    }

    static let hostsCases: [(name: String, before: String, after: String)] = [
        ("an empty file", "", reference),
        (
            "a user's host stays behind ours, before the registry",
            "# ours\nserver = \"https://artifactory-registry.com\"\n\n# near\n[host.'https://near']\n  ca = \"near.crt\"\n",
            "# ours\nserver = \"https://artifactory-registry.com\"\n\n"
                + ours.replacing("\"http://127.0.0.1:4001\"", with: "'http://127.0.0.1:4001'")
                + "\n# near\n[host.'https://near']\n  ca = \"near.crt\"\n\n"
                + fallback.replacing(
                    "\"https://artifactory-registry.com\"",
                    with: "'https://artifactory-registry.com'"
                )
        ),
        (
            "a missing server is added above the first table", "[host.\"https://near\"]\n",
            "server = \"https://artifactory-registry.com\"\n\n" + ours + "\n[host.\"https://near\"]\n\n"
                + fallback
        ),
        (
            "a server with its own certificate gets no second way to it",
            "server = \"https://artifactory-registry.com\"\nca = \"r.crt\"\n",
            "server = \"https://artifactory-registry.com\"\nca = \"r.crt\"\n\n" + ours
        ),
        (
            "ours with other options is updated in place",
            reference.replacing("\"pull\", \"resolve\"", with: "\"pull\"", maxReplacements: 1)
                .replacing(
                    "https://artifactory-registry.com\"\n\n[host.\"https",
                    with: "x\"\n\n[host.\"https"
                ),
            reference
        ),
        (
            "ours behind another comes to the front",
            "server = \"https://artifactory-registry.com\"\n\n[host.\"https://near\"]\n\n" + ours + "\n"
                + fallback,
            "server = \"https://artifactory-registry.com\"\n\n" + ours + "\n[host.\"https://near\"]\n\n"
                + fallback
        ),
    ]

    @Test("a user's hosts.toml is merged, not replaced", arguments: hostsCases.indices)
    func hosts(index: Int) {
        let item = Self.hostsCases[index]
        let path = hostsFile("artifactory-registry.com")
        let result = outcome(usesPath, mode: .configPath, others: [path: item.before])
        #expect(result == [path: item.after, "mode": "config-path"], "\(item.name)")
        let again = outcome(usesPath, mode: .configPath, others: [path: item.after])
        #expect(again == ["mode": "config-path"], "\(item.name), second run")
    }

    @Test("what containerd drops as a whole is refused, not prepended")
    func deadHosts() {
        let path = hostsFile("artifactory-registry.com")
        for (text, line) in [
            ("server = ", 1), ("[host.\"http://a\"]\ncapabilities = [\"fetch\"]\n", 2),
            ("host = { \"http://a\" = {} }\n", 1), ("[host.\"http://a\"]\nca = 1\n", 2),
            ("[host.\"http://a\"]\nskip_verify = \"no\"\n", 2),
        ] {
            let result = outcome(usesPath, mode: .configPath, others: [path: text])
            #expect(result == ["refused": "dead-hosts-file \(path):\(line)"], "\(text)")
        }
    }

    @Test("folders are looked up as containerd does")
    func folders() {
        let mangled = "/etc/containerd/certs.d/localhost_5000_/hosts.toml"
        let result = outcome(
            usesPath,
            mode: .configPath,
            registries: ["localhost:5000=http://localhost:5000"],
            others: [mangled: "[host]\n", hostsFile("localhost:5000"): "server = \"http://hidden\"\n"]
        )
        #expect(Set(result.keys) == [mangled, "mode"])
        let plain = outcome(usesPath, mode: .configPath, registries: ["localhost:5000=http://localhost:5000"])
        #expect(plain[hostsFile("localhost:5000")]?.hasPrefix("server = \"http://localhost:5000\"\n") == true)
    }

    @Test("hosts of _default, which a new folder hides, are carried over")
    func defaultHosts() {
        let near = "[host.\"https://near\"]\n  capabilities = [\"pull\"]\n"
        let result = outcome(usesPath, mode: .configPath, others: [hostsFile("_default"): near])
        #expect(
            result[hostsFile("artifactory-registry.com")]
                == "server = \"https://artifactory-registry.com\"\n\n" + ours + "\n" + near + "\n" + fallback
        )
        let relative = outcome(
            usesPath,
            mode: .configPath,
            others: [hostsFile("_default"): near + "  ca = \"near.crt\"\n"]
        )
        #expect(relative["refused"] == "hidden-default \(hostsFile("_default")):1")
    }

    @Test("certificates laid out as Docker has them are named in the new file")
    func certificates() {
        let folder = "/etc/containerd/certs.d/artifactory-registry.com/"
        let result = outcome(
            usesPath,
            mode: .configPath,
            others: [
                folder + "r.crt": "", folder + "c.cert": "", folder + "c.key": "", folder + "d.cert": "",
            ]
        )
        let keys = "ca = [\"r.crt\"]\nclient = [[\"c.cert\", \"c.key\"]]\n"
        #expect(
            result[folder + "hosts.toml"]
                == "server = \"https://artifactory-registry.com\"\n" + keys + "\n" + ours + "\n" + fallback
                + "  ca = [\"r.crt\"]\n  client = [[\"c.cert\", \"c.key\"]]\n"
        )
    }
}
