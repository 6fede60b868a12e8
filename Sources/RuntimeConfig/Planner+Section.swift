import TOMLEdit

/// Which file and which table a setting goes into.
extension Planner {
    /// Chooses the section whose `registry` counts for this release, and makes a version where there is
    /// nothing yet.
    mutating func chooseSection() throws(Refusal) -> String {
        let isBlank = before.files.files.allSatisfy { $0.document.root == .table([:]) }
        if isBlank {
            let number: Int64 = version.generation == .one ? 2 : 3
            try edit(main.path) { editor throws(TOMLEditError) in
                try editor.set(["version"], to: .integer(number))
            }
            return version.generation == .one ? PluginName.old : PluginName.images
        }
        switch version.generation {
        case .one: return try chooseSectionOne()
        case .two: return try chooseSectionTwo()
        case .twoThree: return try chooseSectionTwoThree()
        }
    }

    private func has(_ name: String, registry: Bool = true, in files: [ConfigFile]) -> Bool {
        let path = ["plugins", name] + (registry ? ["registry"] : [])
        return files.contains { $0.document.root[path] != nil }
    }

    private func chooseSectionOne() throws(Refusal) -> String {
        let name = before.settings.pluginName
        let files = before.files.files
        if name == PluginName.short,
            let inert = files.first(where: { $0.document.root[["plugins", PluginName.old]] != nil })
        {
            throw Refusal(
                Finding(
                    .broken,
                    .inertSettings,
                    file: inert.path,
                    line: inert.document.line(of: ["plugins", PluginName.old]),
                    "the file has no version, so containerd \(version) ignores plugins.\"\(PluginName.old)\"; adding"
                        + " the version would bring all of it into force",
                    remedy: "read the section, then write version = 2 as the first line"
                )
            )
        }
        return name
    }

    private func chooseSectionTwo() throws(Refusal) -> String {
        let files = before.files.files
        if main.version < 2, !has(PluginName.images, registry: false, in: [main]) { throw unversioned() }
        if before.settings.fileVersion >= 3 { return PluginName.images }
        if has(PluginName.old, in: files) { return PluginName.old }
        return has(PluginName.images, registry: false, in: files) ? PluginName.images : PluginName.old
    }

    private func chooseSectionTwoThree() throws(Refusal) -> String {
        if main.version < 2 {
            let names = [PluginName.short, PluginName.old, PluginName.images]
            return names.first { has($0, registry: false, in: [main]) } ?? PluginName.short
        }
        if main.version < 4, has(PluginName.old, in: [main]) { return PluginName.old }
        if has(PluginName.images, registry: false, in: [main]) { return PluginName.images }
        return main.version == 2 ? PluginName.old : PluginName.images
    }

    private func unversioned() -> Refusal {
        Refusal(
            Finding(
                .broken,
                .inertSettings,
                file: main.path,
                line: 1,
                "the file has no version, and containerd \(version) ignores registry settings in such a file",
                remedy: "bring it to version 3 (containerd config migrate) and apply again"
            )
        )
    }

    /// The section whose word on `registry` + `key` counts: where it is set already, in the last file that
    /// does, else where it is to be added.
    ///
    /// On containerd 1 the last file with the section gives all of it.
    func place(of key: [String]) -> (path: String, plugin: String) {
        for file in before.files.files.reversed() {
            for name in countingNames(in: file) {
                let section = ["plugins", name] + (version.generation == .one ? [] : ["registry"] + key)
                if file.document.root[section] != nil { return (file.path, name) }
            }
        }
        return (main.path, pluginName)
    }

    /// Names of the sections of `file` that this release looks at.
    func countingNames(in file: ConfigFile) -> [String] {
        PluginName.all.filter { !before.settings.isInert($0, in: file, before.files, version) }
    }

    struct InertKey {
        let path: String
        let key: [String]
        let line: Int
        let host: String
    }

    /// Where files say `registry` + `key` in a section that does not count beside one that does: a path that is
    /// not empty, or each entry of a table.
    func inertKeys(_ key: [String]) -> [InertKey] {
        var result: [InertKey] = []
        for file in before.files.files {
            let counting = countingNames(in: file)
            for name in PluginName.all where !counting.contains(name) {
                let path = ["plugins", name, "registry"] + key
                let line = file.document.nearestLine(of: path)
                switch file.document.root[path] {
                case .string(let text) where !text.isEmpty:
                    result.append(InertKey(path: file.path, key: path, line: line, host: ""))
                case .table(let entries):
                    result += entries.keys.sorted().map {
                        InertKey(path: file.path, key: path + [$0], line: line, host: $0)
                    }
                default: break
                }
            }
        }
        return result
    }

    /// Sets `registry` + `key` where it counts.
    ///
    /// On containerd 1 an imported file may hold a copy of the section, made from the main file by a program
    /// that makes it again: the main file is told too, unless that would put both modes into it.
    mutating func set(_ key: [String], to value: TOMLLiteral) throws(Refusal) {
        let (path, plugin) = place(of: key)
        let registry = ["plugins", plugin, "registry"]
        try edit(path) { editor throws(TOMLEditError) in try editor.set(registry + key, to: value) }
        guard version.generation == .one, path != main.path,
            let own = main.document.root[["plugins", plugin]], value != .string("")
        else { return }
        let isFree =
            switch mode {
            case .mirror: (own[["registry", "config_path"]] ?? .string("")) == .string("")
            case .configPath:
                (own[["registry", "mirrors"]]?.table ?? [:]).isEmpty && own[["registry", "configs"]] == nil
            }
        guard isFree else { return }
        try edit(main.path) { editor throws(TOMLEditError) in try editor.set(registry + key, to: value) }
    }

    /// Removes `registry` + each key from every section that counts.
    mutating func remove(_ keys: [[String]]) throws(Refusal) {
        for file in before.files.files {
            let paths = countingNames(in: file).flatMap { name in
                keys.map { ["plugins", name, "registry"] + $0 }
            }
            try edit(file.path) { editor throws(TOMLEditError) in try editor.remove(paths) }
        }
    }
}
