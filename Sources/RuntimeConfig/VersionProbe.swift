/// Asks the containerd binary for its version.
enum VersionProbe {
    /// `nil` when the program is not there, fails, says nothing usable or takes longer than `timeoutMillis`.
    static func run(_ binary: String, timeoutMillis: Int = 5000) -> ContainerdVersion? {
        let capture = Program.capture([binary, "--version"], timeoutMillis: timeoutMillis)
        guard capture.ending == .exited(0) else { return nil }
        return ContainerdVersion(String(decoding: capture.output, as: UTF8.self))
    }
}
