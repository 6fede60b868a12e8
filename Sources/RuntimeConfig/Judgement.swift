import TOMLEdit

/// Files, what they mean to one release, and what is to be said about that.
package struct Judgement: Sendable {
    package let version: ContainerdVersion
    package let files: ConfigFiles
    package let settings: EffectiveSettings
    package let findings: [Finding]

    package init(_ version: ContainerdVersion, _ files: ConfigFiles) {
        self.version = version
        self.files = files
        settings = EffectiveSettings.compute(version, files)
        var rules = Rules(version: version, files: files, settings: settings)
        rules.run()
        findings = files.findings + rules.findings
    }

    package var isBroken: Bool { findings.contains { $0.severity == .broken } }

    /// Where a registry setting that counts is written, `nil` when no file writes it.
    package func place(of key: [String]) -> (file: ConfigFile, line: Int)? {
        Rules.place(of: key, in: files.files)
    }
}
