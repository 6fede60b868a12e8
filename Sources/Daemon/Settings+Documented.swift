extension Settings {
    /// A settings file with every key, its meaning, and its default; keys without a default are commented out.
    package static var documented: String {
        var lines = [
            "# Settings of the Hawker node. Every key is optional; unknown keys are errors.",
            "# Without any, the node serves no registry: name those it may fetch from in [[registry]].",
        ]
        var table = ""
        for key in SettingsKeys.all {
            let parts = key.path.split(separator: ".").map(String.init)
            guard parts.count >= 2, let name = parts.last else { continue }
            let section = parts.dropLast().joined(separator: ".")
            if section != table {
                lines += ["", "[\(section)]"]
                table = section
            }
            lines.append("# \(key.meaning)")
            lines.append(key.shown.isEmpty ? "# \(name) = (\(key.expected))" : "\(name) = \(key.shown)")
        }
        lines += ["", "# One table a registry.", "# [[registry]]"]
        for key in SettingsKeys.registry {
            let name = key.path.dropFirst("registry.".count)
            lines.append("# \(name) = (\(key.expected))")
            lines.append("#   \(key.meaning)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
