import TOMLEdit

/// Keys of the table `[limits]`.
extension SettingsKeys {
    static let limits: [SettingsKey] = [
        rate("limits.upload", "Most that goes to other nodes, in pieces as they travel, a second.") {
            $1.limits.upload = $0
        },
        rate("limits.download", "Most that is taken from other nodes a second.") { $1.limits.download = $0 },
        rate("limits.origin", "Most that is read from registries, in blobs, a second; see also registry.rate.") {
            $1.limits.origin = $0
        },
        number(
            "limits.peer_connections", shown: "256",
            "Connections with other nodes, strangers included; with more members than 3/4 of it, 64 and those needed.",
            range: 1...4096
        ) { $1.limits.peerConnections = Int($0) },
        number(
            "limits.mirror_connections", shown: "1024",
            "Connections of container runtimes; further ones are closed at once, and pull from the registry.",
            range: 1...16_384
        ) { $1.limits.mirrorConnections = Int($0) },
        .text(
            "limits.buffers", shown: "\"8MiB\"",
            "Memory for what is on its way from registries to the disk; beyond it, reading pauses.",
            expected: "a size from \"1MiB\" to \"16GiB\""
        ) { text, settings in
            guard let bytes = SettingsText.byteCount(text), (1 << 20...16 << 30).contains(bytes) else { return false }
            settings.limits.buffers = Int(bytes)
            return true
        },
        number(
            "limits.dscp", shown: "0",
            "Mark (DSCP) of packets to other nodes, for routers that treat some as less urgent: 8 is bulk, 1 is least.",
            range: 0...63
        ) { $1.limits.trafficClass = UInt8($0) },
    ]

    static let rateForm = "a rate such as \"50MB/s\", \"20MiB/s\" or \"400Mbit/s\", from 1 KB/s"

    static func rate(
        _ path: String, _ meaning: String, _ apply: @escaping @Sendable (UInt64, inout Settings) -> Void
    ) -> SettingsKey {
        .text(path, meaning + " Default: no bound.", expected: rateForm, isReloadable: true) { text, settings in
            guard let rate = SettingsText.rate(text) else { return false }
            apply(rate, &settings)
            return true
        }
    }

    private static func number(
        _ path: String, shown: String, _ meaning: String, range: ClosedRange<Int64>,
        _ apply: @escaping @Sendable (Int64, inout Settings) -> Void
    ) -> SettingsKey {
        SettingsKey(
            path: path, shown: shown, meaning: meaning,
            expected: "a whole number from \(range.lowerBound) to \(range.upperBound)"
        ) { value, settings in
            guard case .integer(let number) = value, range.contains(number) else { return false }
            apply(number, &settings)
            return true
        }
    }
}

extension SettingsText {
    /// Bytes a second of a size followed by `/s`, or of `Kbit/s`, `Mbit/s` or `Gbit/s` (powers of 1000). `nil` for
    /// anything else, and below 1000.
    static func rate(_ text: String) -> UInt64? {
        guard text.hasSuffix("/s") else { return nil }
        let amount = String(text.dropLast(2))
        var bytes: Int64?
        for unit in ["K", "M", "G"] where amount.hasSuffix("\(unit)bit") {
            bytes = byteCount(amount.dropLast(4) + "\(unit)B").map { $0 / 8 }
        }
        bytes = bytes ?? byteCount(amount)
        guard let bytes, bytes >= 1000 else { return nil }
        return UInt64(bytes)
    }
}
