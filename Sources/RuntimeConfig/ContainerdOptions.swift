/// What the commands below `hawker containerd` are given.
package struct ContainerdOptions: Sendable {
    package var config = "/etc/containerd/config.toml"
    /// `nil` asks `binary`.
    package var version: ContainerdVersion?
    package var binary = "containerd"
    /// `nil` is `auto`.
    package var mode: RuntimeMode?
    package var registries: [RegistryTarget] = []
    package var mirror: Endpoint
    package var hostsDirectory: String?
    package var stateDirectory = "/var/lib/hawker/containerd"
    package var migrates = false
    package var isDryRun = false
    package var isJSON = false

    package init(mirror: Endpoint) {
        self.mirror = mirror
    }
}

/// Exit statuses.
///
/// `check` tells a state by the first three; everything else follows sysexits.h.
package enum ExitStatus {
    package static let done: Int32 = 0
    package static let advice: Int32 = 1
    package static let broken: Int32 = 2
    /// Refused: the configuration does not allow it (EX_DATAERR).
    package static let refused: Int32 = 65
    /// The version of containerd cannot be found out (EX_UNAVAILABLE).
    package static let unavailable: Int32 = 69
    /// Restarted and rolled back, and CRI is still not ok, or containerd could not be restarted at all
    /// (EX_OSERR).
    package static let notRecovered: Int32 = 71
    /// A file could not be written (EX_IOERR).
    package static let failed: Int32 = 74
    /// Another run or another program was at it; try again (EX_TEMPFAIL).
    package static let busy: Int32 = 75
    /// containerd did not come up with the change; the old bytes are back and CRI is ok (EX_PROTOCOL).
    package static let rolledBack: Int32 = 76
}

/// Where a command's words go.
///
/// Each call is one or more whole lines without the last line break.
package struct CommandOutput: Sendable {
    package let out: @Sendable (String) -> Void
    package let err: @Sendable (String) -> Void

    package init(out: @escaping @Sendable (String) -> Void, err: @escaping @Sendable (String) -> Void) {
        self.out = out
        self.err = err
    }
}
