import OCIModel
import PieceModel
import TOMLEdit
import Telemetry

/// One key of the settings file: what it is called, what it means, and how its value gets into `Settings`.
struct SettingsKey: Sendable {
    /// `table.key`; the table `registry` repeats.
    let path: String
    /// The default as the file spells it; empty when there is none to show.
    let shown: String
    /// One line for `hawker config default` and the README.
    let meaning: String
    /// What a right value looks like, for the error.
    let expected: String
    /// Takes the value over; false when it is not as expected.
    let read: @Sendable (TOMLNode, inout Settings) -> Bool
    /// Whether a running node takes a new value over; the others wait for its next start.
    var isReloadable = false

    static func text(
        _ path: String, shown: String = "", _ meaning: String, expected: String, isReloadable: Bool = false,
        _ apply: @escaping @Sendable (String, inout Settings) -> Bool
    ) -> SettingsKey {
        SettingsKey(path: path, shown: shown, meaning: meaning, expected: expected) { value, settings in
            guard let text = value.string else { return false }
            return apply(text, &settings)
        }.reloadable(isReloadable)
    }

    func reloadable(_ isReloadable: Bool = true) -> SettingsKey {
        var key = self
        key.isReloadable = isReloadable
        return key
    }

    static func flag(
        _ path: String, shown: String, _ meaning: String,
        _ apply: @escaping @Sendable (Bool, inout Settings) -> Void
    ) -> SettingsKey {
        SettingsKey(path: path, shown: shown, meaning: meaning, expected: "true or false") { value, settings in
            guard let flag = value.boolean else { return false }
            apply(flag, &settings)
            return true
        }
    }
}

extension SettingsKey {
    static func seconds(
        _ path: String, shown: String, _ meaning: String, _ range: ClosedRange<UInt64>,
        _ apply: @escaping @Sendable (UInt64, inout Settings) -> Void
    ) -> SettingsKey {
        SettingsKey(
            path: path, shown: shown, meaning: meaning,
            expected: "a whole number of seconds from \(range.lowerBound) to \(range.upperBound)"
        ) { value, settings in
            guard case .integer(let number) = value, let seconds = UInt64(exactly: number), range.contains(seconds)
            else { return false }
            apply(seconds, &settings)
            return true
        }
    }
}

/// The one list of settings: the reader, `hawker config default` and the README's table come from it.
enum SettingsKeys {
    static let all: [SettingsKey] = nodeAndMirror + tags + peers + cacheAndMore + limits + containerd

    private static let nodeAndMirror: [SettingsKey] = [
        .text(
            "node.name", "Name of this node, unique in the cluster. Default: the host's name.",
            expected: "1 to 64 of the characters A-Z a-z 0-9 . _ -"
        ) { text, settings in
            guard let name = PeerName(text) else { return false }
            settings.nodeName = name
            return true
        },
        .text(
            "node.zone",
            "Part of the cluster this node is in, such as a rack or an availability zone; each byte enters it once. Default: none.",
            expected: "1 to 64 of the characters A-Z a-z 0-9 . _ -"
        ) { text, settings in
            settings.zone = Zone(text)
            return settings.zone != nil
        },
        .text(
            "mirror.listen", shown: "\"127.0.0.1:4001\"", "Where containerd asks for images.",
            expected: addressForm
        ) { text, settings in
            guard let address = SocketAddress(text) else { return false }
            settings.mirrorListen = address
            return true
        },
        .text(
            "mirror.default_registry",
            "Registry of requests that name none, neither by header nor by ?ns= nor in front of the path. Default: decline them.",
            expected: hostForm
        ) { text, settings in
            settings.defaultRegistry = RegistryHost(text)
            return settings.defaultRegistry != nil
        },
        .flag(
            "mirror.any_registry", shown: "false",
            "Also serve registries that no [[registry]] names. Any process on the node can then make it dial any other host."
        ) { $1.anyRegistry = $0 },
        .seconds(
            "mirror.verdict_seconds", shown: "300",
            "How long a caller that a registry let pull from a repository is taken to be let in still.", 1...300
        ) { $1.verdictSeconds = $0 },
        .seconds(
            "mirror.private_grace_seconds", shown: "0",
            "For how much longer, while the registry cannot be reached.", 0...604_800
        ) { $1.privateGraceSeconds = $0 },
    ]

    private static let tags: [SettingsKey] = [
        .seconds(
            "tags.ttl", shown: "0",
            "Seconds for which a registry's answer to what a tag means counts, to the same caller; 0 asks each time.",
            0...86_400
        ) { $1.tagsTTLSeconds = $0 },
        .flag(
            "tags.serve_stale", shown: "true",
            "While a registry cannot be reached, serve its tags as last seen, to those who may have the image then."
        ) { $1.tagsServeStale = $0 },
        .seconds(
            "tags.stale_seconds", shown: "604800", "For how long after the registry last said what the tag means.",
            1...31_536_000
        ) { $1.tagsStaleSeconds = $0 },
    ]

    private static let cacheAndMore: [SettingsKey] = [
        .text(
            "cache.path", shown: "\"/var/lib/dragonfly/content\"",
            "Folder of the cache; made if missing, refused if it holds anything else or others may write to it.",
            expected: "an absolute path"
        ) { text, settings in
            settings.cachePath = text
            return SettingsText.isAbsolutePath(text)
        },
        .text(
            "cache.quota", shown: "\"20GiB\"", "The cache never holds more; the least recently used blobs go first.",
            expected: sizeForm
        ) { text, settings in
            guard let bytes = SettingsText.byteCount(text), bytes >= 1 << 20 else { return false }
            settings.quotaBytes = bytes
            return true
        },
        .text(
            "cache.free_floor", shown: "\"1GiB\"", "The cache leaves at least this much of its file system free.",
            expected: sizeForm
        ) { text, settings in
            guard let bytes = SettingsText.byteCount(text) else { return false }
            settings.freeFloorBytes = bytes
            return true
        },
        .text(
            "admin.socket", shown: "\"/run/hawker/hawker.sock\"", "Unix socket of hawker status, peers and cache.",
            expected: "an absolute path of at most 107 bytes"
        ) { text, settings in
            settings.adminSocket = text
            return SettingsText.isAbsolutePath(text) && text.utf8.count <= 107
        },
        .text(
            "status.listen", shown: "\"127.0.0.1:4002\"",
            "Where /metrics, /healthz and /readyz are asked for; \"off\" for nowhere.",
            expected: "\"host:port\" or \"off\""
        ) { text, settings in
            settings.statusListen = SocketAddress(text)
            return settings.statusListen != nil || text == "off"
        },
        .text(
            "log.level", shown: "\"info\"", "debug, info, warning or error.", expected: "debug, info, warning or error",
            isReloadable: true
        ) { text, settings in
            settings.logLevel = text
            return ["debug", "info", "warning", "error"].contains(text)
        },
        .text(
            "log.format", shown: "\"text\"", "text for people, or json: one object a line.", expected: "text or json",
            isReloadable: true
        ) { text, settings in
            guard let format = LogFormat(rawValue: text) else { return false }
            settings.logFormat = format
            return true
        },
    ]

    static let addressForm = "\"host:port\""
    static let hostForm = "a registry host, or host:port, such as \"docker.io\""
    private static let sizeForm = "a size such as \"20GiB\", \"500MB\" or \"1TiB\""
}

/// Checks of the texts that settings hold.
enum SettingsText {
    static func isAbsolutePath(_ text: String) -> Bool {
        text.hasPrefix("/") && text.utf8.count <= 4096 && !text.utf8.contains(0)
    }

    /// Bytes of a size: digits and one of B, KB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024).
    /// `nil` for anything else and for sizes above 8 EiB.
    static func byteCount(_ text: String) -> Int64? {
        let units: [(String, Int64)] = [
            ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
            ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
        ]
        for (suffix, unit) in units where text.hasSuffix(suffix) {
            let digits = text.dropLast(suffix.count)
            guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int64(digits) else {
                return nil
            }
            let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
            return overflow ? nil : bytes
        }
        return nil
    }
}
