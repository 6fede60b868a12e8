import RuntimeConfig
import Testing

private let old = "io.containerd.grpc.v1.cri"
private let new = "io.containerd.cri.v1.images"

private func judge(_ version: String, _ files: [String: String], folders: Set<String> = []) throws
    -> Judgement
{
    let release = try #require(ContainerdVersion(version))
    let tree = MemoryTree(files, folders: folders)
    return Judgement(release, try ConfigFiles.load(main: "/c/main.toml", version: release, tree: tree))
}

@Suite("Imports and the effective settings")
struct ImportTests {
    @Test("files are loaded breadth first, patterns in byte order, each once, cycles and all")
    func order() throws {
        let files = [
            "/c/main.toml": "imports = [\"/c/d/*.toml\", \"b.toml\"]\n",
            "/c/d/2.toml": "imports = [\"/c/e.toml\"]\n",
            "/c/d/1.toml": "imports = [\"/c/main.toml\"]\n", "/c/d/.0.toml": "", "/c/d/x.conf": "",
            "/c/b.toml": "",
            "/c/e.toml": "",
        ]
        let judgement = try judge("1.6.20", files)
        #expect(
            judgement.files.files.map(\.path)
                == ["/c/main.toml", "/c/d/.0.toml", "/c/d/1.toml", "/c/d/2.toml", "/c/b.toml", "/c/e.toml"]
        )
    }

    @Test("an import that is missing or a folder keeps containerd from starting")
    func missing() {
        #expect { try judge("1.6.20", ["/c/main.toml": "\nimports = [\"/c/x.toml\"]\n"]) } throws: {
            ($0 as? Refusal)?.findings.first?.place == "/c/main.toml:2"
        }
        #expect(throws: Refusal.self) {
            try judge("1.6.20", ["/c/main.toml": "imports = [\"/c/d\"]\n"], folders: ["/c/d"])
        }
        #expect(throws: Never.self) { try judge("1.6.20", ["/c/main.toml": "imports = [\"/c/d/*.toml\"]\n"]) }
    }

    @Test("a relative pattern does nothing on older releases")
    func relativePattern() throws {
        let files = ["/c/main.toml": "imports = [\"d/*.toml\"]\n", "/c/d/1.toml": ""]
        #expect(try judge("1.6.20", files).files.files.count == 1)
        #expect(try judge("1.6.20", files).findings.map(\.rule) == [.relativeGlob])
        #expect(try judge("1.6.29", files).files.files.count == 2)
        #expect(try judge("1.7.0", files).files.files.count == 1)
        #expect(try judge("2.0.0", files).files.files.count == 2)
    }

    @Test("containerd 1 takes the whole section from the last file, containerd 2 unites them")
    func merging() throws {
        let files = [
            "/c/main.toml":
                "version = 2\nimports = [\"/c/d.toml\"]\n[plugins.\"\(old)\".registry]\nconfig_path = \"/p\"\n",
            "/c/d.toml":
                "version = 2\n[plugins.\"\(old)\".registry.mirrors.\"docker.io\"]\nendpoint = [\"http://m\"]\n",
        ]
        let one = try judge("1.6.20", files)
        #expect(one.settings.writtenConfigPath == nil)
        #expect(one.settings.endpoints(of: "docker.io") == ["http://m"])
        #expect(!one.isBroken)
        let two = try judge("2.0.0", files)
        #expect(two.settings.writtenConfigPath == "/p")
        #expect(two.isBroken)
        #expect(two.findings.first { $0.severity == .broken }?.place == "/c/d.toml:2")
    }

    @Test("an import that has the last word is edited itself")
    func overridden() {
        let section = "version = 2\n[plugins.\"\(old)\".registry]\nconfig_path = \"\"\n"
        let path = "/etc/containerd/conf.d/99-nvidia.toml"
        for version in ["1.6.20", "2.1.0"] {
            let result = outcome(
                "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n",
                version: version,
                mode: .configPath,
                others: [path: section]
            )
            #expect(result[path]?.contains("config_path = \"/etc/containerd/certs.d\"") == true)
            #expect(result[configFile] == nil)
        }
    }

    static let effective: [(version: String, text: String, path: String?, mirrors: [String])] = [
        (
            "1.6.20",
            "[plugins.cri.registry]\nconfig_path = \"/s\"\n[plugins.\"\(old)\".registry]\nconfig_path = \"/l\"",
            "/s", []
        ),
        ("1.6.20", "version = 2\n[plugins.\"\(new)\".registry]\nconfig_path = \"/n\"", nil, []),
        ("2.1.0", "[plugins.cri.registry]\nconfig_path = \"/s\"", nil, []),
        ("2.1.0", "[plugins.\"\(new)\".registry]\nconfig_path = \"/n\"", "/n", []),
        (
            "2.1.0",
            "version = 2\n[plugins.\"\(new)\".registry]\nconfig_path = \"/n\"\n[plugins.\"\(old)\".registry.mirrors.m]",
            nil,
            ["m"]
        ),
        ("2.1.0", "version = 3\n[plugins.\"\(old)\".registry]\nconfig_path = \"/l\"", nil, []),
        ("2.3.4", "version = 3\n[plugins.\"\(old)\".registry]\nconfig_path = \"/l\"", "/l", []),
        ("2.3.4", "version = 4\n[plugins.\"\(old)\".registry]\nconfig_path = \"/l\"", nil, []),
        ("2.3.4", "[plugins.cri.registry]\nconfig_path = \"/s\"", "/s", []),
    ]

    @Test(
        "which name counts depends on the release and the version of the file",
        arguments: effective.indices
    )
    func names(index: Int) throws {
        let item = Self.effective[index]
        let settings = try judge(item.version, ["/c/main.toml": item.text]).settings
        #expect(settings.writtenConfigPath == item.path)
        #expect(settings.mirrorHosts == item.mirrors)
    }

    @Test("the built-in path of 2.2 conflicts with mirrors only up to 2.2.1")
    func builtInPath() throws {
        let text = "version = 3\n[plugins.\"\(new)\".registry.mirrors.m]\n"
        #expect(try judge("2.2.1", ["/c/main.toml": text]).isBroken)
        #expect(try !judge("2.2.2", ["/c/main.toml": text]).isBroken)
        let release = ContainerdVersion(2, 2, 2)
        let both = "/etc/containerd/certs.d:/etc/docker/certs.d"
        #expect(try judge("2.2.2", ["/c/main.toml": "version = 3"]).settings.configPath(release) == both)
    }
}
