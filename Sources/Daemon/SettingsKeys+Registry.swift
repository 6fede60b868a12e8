import OCIModel
import OriginClient
import TOMLEdit

extension SettingsKeys {
    /// Keys of each `[[registry]]`; `read` applies to the last element of `Settings.registries`.
    static let registry: [SettingsKey] = [
        entry("host", "Registry as images name it, such as \"docker.io\".", expected: hostForm) { text, registry in
            guard let host = RegistryHost(text) else { return false }
            registry.host = host
            return true
        },
        entry(
            "url", "Where it answers, if not https://HOST; /v2 follows a path. Plain http:// only in trusted networks.",
            expected: "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]"
        ) { text, registry in
            registry.url = text
            return OriginEndpoint(registry: registry.host, url: text) != nil
        },
        SettingsKey(
            path: "registry.override_path", shown: "",
            meaning: "Take the path of url as it stands, without /v2 behind it, as in containerd's hosts.toml.",
            expected: "true or false"
        ) { value, settings in
            guard let flag = value.boolean, let last = settings.registries.indices.last else { return false }
            settings.registries[last].overridesPath = flag
            return true
        },
        entry(
            "ca_file", "PEM file of authorities to trust for this registry beside the system's.", expected: pathForm
        ) { text, registry in
            registry.caFile = text
            return SettingsText.isAbsolutePath(text)
        },
        entry(
            "cert_file", "PEM file of the certificate to show to this registry; needs key_file.", expected: pathForm
        ) { text, registry in
            registry.certificateFile = text
            return SettingsText.isAbsolutePath(text)
        },
        entry("key_file", "PEM file of that certificate's key, without a password.", expected: pathForm) {
            text, registry in
            registry.keyFile = text
            return SettingsText.isAbsolutePath(text)
        },
        entry(
            "proxy",
            "Proxy that dials for this registry, for what it redirects to and for its token server; it resolves the names.",
            expected: "http://HOST:PORT or socks5://HOST:PORT"
        ) { text, registry in
            registry.proxy = text
            return OriginEndpoint.isProxy(text)
        },
        patterns("allow", "Only these repositories, and paths of files, are served; \"*\" stands for any characters.", \.allow),
        patterns("deny", "These are not served, even if allowed.", \.deny),
        entry(
            "share", "Whether what comes from this registry is given to other nodes, and asked of them.",
            expected: "\"always\" or \"never\""
        ) { text, registry in
            let isNever = text == "never"
            registry.isShared = !isNever
            return isNever || text == "always"
        },
        SettingsKey(
            path: "registry.unshared", shown: "",
            meaning: "Only of these repositories, and paths of files, it is never; \"*\" stands for any characters.",
            expected: patternsForm
        ) { value, settings in
            guard let texts = value.strings, let last = settings.registries.indices.last else { return false }
            let read = texts.compactMap { RepositoryPattern($0) }
            settings.registries[last].unshared = read
            return read.count == texts.count && !read.isEmpty
        },
        rate("registry.rate", "Most that is read from this registry, in blobs, a second.") { rate, settings in
            if let last = settings.registries.indices.last { settings.registries[last].rate = rate }
        },
    ]

    private static let patternsForm = "a list of repositories, such as [\"team/*\"]"
    private static let pathForm = "an absolute path"

    private static func entry(
        _ name: String, _ meaning: String, expected: String,
        _ apply: @escaping @Sendable (String, inout RegistrySettings) -> Bool
    ) -> SettingsKey {
        .text("registry.\(name)", meaning, expected: expected) { text, settings in
            guard let last = settings.registries.indices.last else { return false }
            return apply(text, &settings.registries[last])
        }
    }

    private static func patterns(
        _ name: String, _ meaning: String,
        _ list: any WritableKeyPath<RepositoryFilter, [RepositoryPattern]> & Sendable
    ) -> SettingsKey {
        SettingsKey(
            path: "registry.\(name)", shown: "", meaning: meaning,
            expected: patternsForm
        ) { value, settings in
            guard let texts = value.strings, let last = settings.registries.indices.last else { return false }
            let read = texts.compactMap { RepositoryPattern($0) }
            settings.registries[last].repositories[keyPath: list] = read
            return read.count == texts.count && !read.isEmpty
        }
    }
}
