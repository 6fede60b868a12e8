import FoundationEssentials

/// What the commands print with `--json`; field names are stable.
struct FindingReport: Encodable {
    let severity: String
    let rule: String
    let file: String
    let line: Int?
    let message: String
    let remedy: String

    init(_ finding: Finding) {
        severity = finding.severity.rawValue
        rule = finding.rule.rawValue
        file = finding.file
        line = finding.line
        message = finding.message
        remedy = finding.remedy
    }
}

struct RegistryReport: Encodable {
    let host: String
    /// What containerd asks, in order.
    let asks: [String]
    /// The hosts.toml in use, where there is one.
    let file: String?
    /// Whether the mirror is asked first.
    let isRouted: Bool
}

struct ModeReport: Encodable {
    let mode: String
    let isPossible: Bool
    /// Why not, or why this one is preferred.
    let reason: String
}

struct CheckReport: Encodable {
    let config: String
    let containerdVersion: String
    let status: String
    let configPath: String
    let mirrors: [String: [String]]
    let registries: [RegistryReport]
    let modes: [ModeReport]
    /// The mode that `--mode auto` would take; `nil` when neither is possible.
    let auto: String?
    let findings: [FindingReport]
}

struct ChangeReport: Encodable {
    let path: String
    let action: String
    let diff: String

    init(_ change: FileChange) {
        path = change.path
        action = change.before == nil ? "create" : change.after == nil ? "remove" : "edit"
        diff = LineDiff.unified(path: change.path, old: change.before, new: change.after)
    }
}

struct ApplyReport: Encodable {
    let config: String
    let containerdVersion: String?
    let mode: String?
    let reason: String?
    let isDryRun: Bool
    /// Whether containerd has yet to be restarted for the change to take effect.
    var needsRestart: Bool
    let changes: [ChangeReport]
    let findings: [FindingReport]
    /// `nil` when no restart was asked for, or none was needed.
    var restart: RestartReport?
}

/// What came of `apply --restart`.
struct RestartReport: Encodable {
    /// `done`, `rolled-back` or `not-recovered`.
    let outcome: String
    let seconds: Double
    /// The release that serves CRI now; `nil` when none does.
    let serving: String?
    /// Why the change was taken back, in containerd's words where it had any.
    let reason: String?
    /// Copies of what others wrote meanwhile and the rollback replaced.
    let rejected: [String]
}

struct RefusalReport: Encodable {
    let refused: Bool
    let findings: [FindingReport]
}

enum ReportWriter {
    static func json(_ report: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Encoding plain values cannot fail.
        guard let data = try? encoder.encode(report) else {
            preconditionFailure("reports hold text and numbers only")
        }
        return String(decoding: data, as: UTF8.self)
    }

    static func text(_ finding: Finding) -> String {
        let head = "\(finding.severity.rawValue): \(finding.place): \(finding.message)"
        return finding.remedy.isEmpty ? head : head + "\n  -> \(finding.remedy)"
    }
}
