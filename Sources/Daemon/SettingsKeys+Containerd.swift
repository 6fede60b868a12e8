import RuntimeConfig
import TOMLEdit

/// Keys of the table `[containerd]`: whose configuration is watched, and whose blobs count as cached.
extension SettingsKeys {
    static let containerd: [SettingsKey] = [
        .text(
            "containerd.config",
            "Configuration file of the containerd whose way to this mirror is watched. Default: none is.",
            expected: "an absolute path"
        ) { text, settings in
            settings.containerdConfig = text
            return SettingsText.isAbsolutePath(text)
        },
        .text(
            "containerd.socket", shown: "\"/run/containerd/containerd.sock\"",
            "Socket of that containerd, which tells its release, and where its blobs are.", expected: "an absolute path"
        ) { text, settings in
            settings.containerdSocket = text
            return SettingsText.isAbsolutePath(text)
        },
        SettingsKey(
            path: "containerd.registries", shown: "",
            meaning: "Registries it should ask through this mirror. Default: those of [[registry]].",
            expected: "a list of registry hosts, such as [\"docker.io\"]"
        ) { value, settings in
            guard let hosts = value.strings, hosts.allSatisfy({ RegistryTarget($0) != nil }) else { return false }
            settings.containerdRegistries = hosts
            return true
        },
        .seconds(
            "containerd.check_seconds", shown: "60",
            "How often its files are looked at; what did not change is not read again.", 1...86_400
        ) { $1.containerdCheckSeconds = Int64($0) },
        .text(
            "containerd.content", shown: "\"found\"",
            "Folder of containerd's content store, whose blobs count as cached, but are only read: \"found\" asks containerd, \"off\" leaves them alone.",
            expected: "\"found\", \"off\" or an absolute path"
        ) { text, settings in
            switch text {
            case "found": settings.runtimeStore = .found
            case "off": settings.runtimeStore = .off
            default: settings.runtimeStore = .folder(text)
            }
            return ["found", "off"].contains(text) || SettingsText.isAbsolutePath(text)
        },
    ]
}
