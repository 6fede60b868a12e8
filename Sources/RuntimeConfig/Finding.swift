/// Something that is worth saying about a node's configuration, with its place and what to do about it.
package struct Finding: Equatable, Sendable {
    package enum Severity: String, Sendable {
        /// Containerd, or its CRI plugin, does not start, or images are not found.
        case broken
        /// It works, but not as the words in the file suggest.
        case advice
        /// Good to know; nothing to do.
        case note
    }

    /// Stable names, for scripts.
    package enum Rule: String, Sendable {
        case unreadable, invalidTOML = "invalid-toml", template, byteOrderMark = "byte-order-mark"
        case escapedKey = "escaped-key", managedFile = "managed-file"
        case fileVersion = "file-version", inertSettings = "inert-settings", bothNames = "both-names"
        case wrongType = "wrong-type", importFailed = "import-failed", relativeGlob = "relative-glob"
        case conflict = "mirrors-and-config-path", tlsConflict = "tls-and-config-path"
        case criDisabled = "cri-disabled", criRequired = "cri-required"
        case defaultPath = "default-config-path", pathList = "config-path-list"
        case relativePath = "relative-config-path", relativeFile = "relative-file", overridden, deadHostsFile = "dead-hosts-file"
        case hiddenDefault = "hidden-default", otherMode = "other-mode", notRouted = "not-routed"
        case deprecated, unknownVersion = "unknown-version", userServer = "user-server", unsupported
        case editFailed = "edit-failed", proofFailed = "proof-failed", editedSince = "edited-since"
        case registriesV1 = "registries-v1", duplicateEntry = "duplicate-entry", longerPrefix = "longer-prefix"
        case wildcardEntry = "wildcard-entry", blocked, mirrorNotFirst = "mirror-not-first"
        case foreignFile = "foreign-file", invalidJSON = "invalid-json", unknownYAML = "unknown-yaml"
        case containerdStore = "containerd-store"
        case takenOut = "taken-out"
        case rewritten, flagConflict = "flag-and-file", defaultRegistry = "default-registry"
        case dumpFailed = "dump-failed", dumpDiffers = "dump-differs", dumpSkipped = "dump-skipped"
        case changedMeanwhile = "changed-meanwhile", cannotWrite = "cannot-write", state, usage
    }

    package let severity: Severity
    package let rule: Rule
    package let file: String
    /// From 1; `nil` when the finding is about the file as a whole.
    package let line: Int?
    /// What is so, in one sentence.
    package let message: String
    /// What resolves it, a command where there is one; empty when nothing has to be done.
    package let remedy: String

    package init(
        _ severity: Severity,
        _ rule: Rule,
        file: String,
        line: Int? = nil,
        _ message: String,
        remedy: String = ""
    ) {
        self.severity = severity
        self.rule = rule
        self.file = file
        self.line = line
        self.message = message
        self.remedy = remedy
    }

    /// `file:line` or `file`.
    package var place: String { line.map { "\(file):\($0)" } ?? file }
}

/// Why nothing was written.
///
/// Every byte is as it was.
package struct Refusal: Error, Equatable, Sendable {
    /// At least one; the first is the reason, the others go with it.
    package let findings: [Finding]

    init(_ finding: Finding) { findings = [finding] }
    init(_ findings: [Finding]) { self.findings = findings }
}
