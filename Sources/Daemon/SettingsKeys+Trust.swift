import TOMLEdit

/// Keys of the tables `[peers]` and `[peers.tls]` that say who is a node of the cluster.
extension SettingsKeys {
    static let trust: [SettingsKey] = [
        .flag(
            "peers.insecure_plaintext", shown: "false",
            "Talk to other hosts without TLS. Whoever reaches the port can then read all, and be any node."
        ) { $1.trust.insecurePlaintext = $0 },
        SettingsKey(
            path: "peers.allow", shown: "[]",
            meaning: "Where the other nodes may be, such as \"10.0.0.0/8\", or \"10.0.0.0/8:4000\" with the port to dial if "
                + "it is not that of peers.listen; [] means anywhere.",
            expected: "a list of address ranges such as \"10.0.0.0/8\", \"10.0.0.0/8:4000\" or \"[fd00::/8]:4000\", "
                + "without bits behind the prefix"
        ) { value, settings in
            guard let texts = value.strings, texts.count <= rangesMax else { return false }
            settings.trust.allowed = texts.compactMap { TrustSettings.AllowedRange($0) }
            return settings.trust.allowed.count == texts.count
        },
        .text(
            "peers.tls.certificate",
            "PEM file with this node's certificate, whose alternative names have node.name as a host, or "
                + "spiffe://CLUSTER/NAME. With any others up to the authority's. These files may change at any time.",
            expected: "an absolute path", isReloadable: true
        ) { text, settings in
            settings.trust.certificate = text
            return SettingsText.isAbsolutePath(text)
        },
        .text(
            "peers.tls.key", "PEM file with its key.", expected: "an absolute path", isReloadable: true
        ) { text, settings in
            settings.trust.key = text
            return SettingsText.isAbsolutePath(text)
        },
        SettingsKey(
            path: "peers.tls.authorities", shown: "",
            meaning: "PEM files of the authorities whose certificates make a node of the cluster: two while one takes "
                + "the other's place.",
            expected: "a list of absolute paths, at most \(authoritiesMax)"
        ) { value, settings in
            guard let paths = value.strings, (1...authoritiesMax).contains(paths.count) else { return false }
            settings.trust.authorities = paths
            return paths.allSatisfy(SettingsText.isAbsolutePath)
        }.reloadable(),
    ]

    private static let rangesMax = 256
    private static let authoritiesMax = 16
}
