import TOMLEdit

/// What `containerd config dump` makes of files, against what we made of them.
///
/// The dump tells how that binary reads and merges, not whether the result is valid: it also exits 0 when
/// `mirrors` and `config_path` are both set. That rule is ours to apply; this is about having read the same.
enum ConfigDump {
    /// The files' bytes for a reader that finds file number n, in load order, at `places[n]`.
    ///
    /// The first one imports all others, in the order in which they would be loaded.
    static func copies(of files: ConfigFiles, at places: [String]) throws(TOMLEditError) -> [[UInt8]] {
        var copies: [[UInt8]] = []
        for (number, file) in files.files.enumerated() {
            var editor = TOMLEditor(file.document)
            if file.document.root[["imports"]] != nil {
                try editor.set(["imports"], to: .strings(number == 0 ? Array(places.dropFirst()) : []))
            }
            copies.append(editor.document.bytes)
        }
        return copies
    }

    /// In words, what a dump says otherwise of the settings that are written here; empty when it agrees.
    static func differences(
        from settings: EffectiveSettings, _ version: ContainerdVersion, in dump: TOMLNode
    ) -> [String] {
        let plugin = version.generation == .one ? PluginName.old : PluginName.images
        guard version.dumpsMigratedSettings else { return [] }
        guard let registry = dump[["plugins", plugin, "registry"]] else {
            return ["plugins.\"\(plugin)\".registry is not in it"]
        }
        var differences: [String] = []
        let path = registry[["config_path"]]?.string ?? ""
        // From 2.2.2 on the default is put in only when the plugin starts.
        let ownPath =
            version.hasStubbornDefaultPath
            ? settings.configPath(version) : settings.writtenConfigPath ?? ""
        if path != ownPath { differences.append("config_path is \"\(path)\" in it and \"\(ownPath)\" here") }
        let mirrors = registry[["mirrors"]]?.table ?? [:]
        for host in Set(mirrors.keys).union(settings.mirrors.keys).sorted() {
            let theirs = mirrors[host].map { $0[["endpoint"]]?.strings ?? [] }
            let ours = settings.endpoints(of: host)
            if theirs != ours {
                differences.append("mirrors.\"\(host)\" is \(text(theirs)) in it and \(text(ours)) here")
            }
        }
        // From 2.0 on containerd does not know configs.HOST.tls any more.
        guard version.generation == .one else { return differences }
        let configs = registry[["configs"]]?.table ?? [:]
        for host in Set(configs.keys).union(settings.tlsHosts).sorted() {
            let own = settings.registry[["configs", host, "tls"]]
            for key in ["ca_file", "cert_file", "key_file"] {
                let theirs = configs[host]?[["tls", key]]?.string ?? ""
                let ours = own?[[key]]?.string ?? ""
                if theirs != ours {
                    differences.append(
                        "configs.\"\(host)\".tls.\(key) is \"\(theirs)\" in it and \"\(ours)\" here")
                }
            }
        }
        return differences
    }

    private static func text(_ endpoints: [String]?) -> String {
        endpoints.map { "[\($0.joined(separator: ", "))]" } ?? "not there"
    }
}
