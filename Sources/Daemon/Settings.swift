import Glibc
package import OCIModel
package import PeerDirectory
package import PieceModel
package import Telemetry

/// Everything an operator can set, checked. `SettingsKeys` lists the keys of the file, their meaning and defaults.
package struct Settings: Equatable, Sendable {
    package var nodeName: PeerName
    package var mirrorListen = SocketAddress(host: "127.0.0.1", port: 4001)
    /// The registry of requests that name none; `nil` declines them.
    package var defaultRegistry: RegistryHost?
    /// Also serve registries that no `[[registry]]` names.
    package var anyRegistry = false
    /// For how long what a registry let a caller have is taken to be its right still, and for how much longer when
    /// the registry cannot be asked.
    package var verdictSeconds: UInt64 = 300
    package var privateGraceSeconds: UInt64 = 0
    /// For how long a registry's answer to what a tag means counts, to the same caller; 0 asks each time.
    package var tagsTTLSeconds: UInt64 = 0
    /// Whether a tag is served as last seen while its registry cannot be reached, and for how long after.
    package var tagsServeStale = true
    package var tagsStaleSeconds: UInt64 = 604_800
    package var registries: [RegistrySettings] = []
    /// `nil`: no peer port, and no peers.
    /// The part of the cluster this node is in.
    package var zone: Zone?
    package var peersListen: SocketAddress?
    /// Where others dial this node; `nil`: at `peersListen`.
    package var peersAdvertise: PeerEndpoint?
    package var staticPeers: [PeerEndpoint] = []
    /// As `DNSTarget` reads it.
    package var peersDNS: String?
    /// With a literal address; `nil` means the system's.
    package var peersDNSServer: PeerEndpoint?
    package var peersDNSSeconds: UInt64 = 10
    package var peersRedis: [RedisAddress] = []
    package var peersRedisUser: String?
    package var peersRedisPasswordFile: String?
    package var peersRedisAuthoritiesFile: String?
    package var peersRedisCertificateFile: String?
    package var peersRedisKeyFile: String?
    package var peersRedisSeconds: UInt64 = 10
    /// Nodes of another cluster are refused at the greeting.
    package var cluster = "default"
    package var compression = true
    package var trust = TrustSettings()
    package var cachePath = "/var/lib/dragonfly/content"
    package var quotaBytes: Int64 = 20 << 30
    package var freeFloorBytes: Int64 = 1 << 30
    package var adminSocket = "/run/hawker/hawker.sock"
    /// Where metrics and health are asked for; `nil` for nowhere.
    package var statusListen: SocketAddress? = SocketAddress(host: "127.0.0.1", port: 4002)
    package var logLevel = "info"
    package var logFormat = LogFormat.text
    package var limits = LimitSettings()
    /// The configuration file of the containerd that is watched; `nil` watches none.
    package var containerdConfig: String?
    /// Leads to the process that tells containerd's release.
    package var containerdSocket = "/run/containerd/containerd.sock"
    /// Registries that containerd should ask through the mirror; `nil` means those of `registries`.
    package var containerdRegistries: [String]?
    package var containerdCheckSeconds: Int64 = 60
    package var runtimeStore = RuntimeStoreSetting.found

    package init(nodeName: PeerName) {
        self.nodeName = nodeName
    }

    /// The defaults, with the host's name as the node's; a host name that cannot be a node name becomes `node`.
    package static func defaults() -> Settings {
        var buffer = [CChar](repeating: 0, count: 256)
        gethostname(&buffer, buffer.count - 1)
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let fallback = PeerName("node") ?? PeerName(String("n"))
        guard let name = PeerName(String(decoding: bytes, as: UTF8.self)) ?? fallback else {
            preconditionFailure("`node` is a valid node name")
        }
        return Settings(nodeName: name)
    }
}

/// Whether containerd's blobs count as cached, and where they are.
package enum RuntimeStoreSetting: Equatable, Sendable {
    /// Where the running containerd says.
    case found
    case off
    case folder(String)
}

/// One `[[registry]]` of the settings file.
package struct RegistrySettings: Equatable, Sendable {
    /// The registry as images name it, such as `docker.io` or `localhost:5000`.
    package var host: RegistryHost
    /// Where it answers, as `https://host[:port][/path]` or `http://host[:port][/path]`; `nil` means `https://` and
    /// the host.
    package var url: String?
    /// The path of `url` is all there is before a repository's name, without `/v2` behind it.
    package var overridesPath = false
    /// PEM file of authorities to trust for this registry beside the system's.
    package var caFile: String?
    /// PEM files to show to it; both or none.
    package var certificateFile: String?
    package var keyFile: String?
    /// `http://host:port` or `socks5://host:port`.
    package var proxy: String?
    package var repositories = RepositoryFilter()
    /// Whether content goes to other nodes, and is asked of them, but for that of the repositories that `unshared`
    /// names.
    package var isShared = true
    package var unshared: [RepositoryPattern] = []
    /// Bytes a second of its blobs; `nil` for no bound of its own.
    package var rate: UInt64?

    package init(host: RegistryHost) {
        self.host = host
    }
}

/// A `host:port` to listen on or to dial.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port` or `[ipv6]:port`; the port is 0 to 65535, where 0 lets the kernel choose.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            return nil
        }
        let allowed = host.utf8.allSatisfy { byte in
            byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ":")
                || byte == UInt8(ascii: "%") || byte == UInt8(ascii: "_")
                || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
                || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
        }
        guard !host.isEmpty, host.utf8.count <= 253, allowed else { return nil }
        self.init(host: host, port: port)
    }

    /// Whether a literal address is this one; `localhost` is 127.0.0.1, as for listening.
    package func isSame(as host: String, _ port: UInt16) -> Bool {
        self.port == port && (self.host == "localhost" ? "127.0.0.1" : self.host) == host
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
