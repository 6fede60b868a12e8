import PeerDirectory
import PieceModel
import TOMLEdit

/// Keys of the table `[peers]`: who the other nodes are, and what is said to them.
extension SettingsKeys {
    static let peers: [SettingsKey] =
        [
            .text(
                "peers.listen", "Where other nodes ask for pieces, such as \"0.0.0.0:4000\". Default: no peer port.",
                expected: addressForm
            ) { text, settings in
                settings.peersListen = SocketAddress(text)
                return settings.peersListen != nil
            },
            .text(
                "peers.advertise",
                "Where the others reach this node, if not at peers.listen, or at the address it reaches Redis from.",
                expected: endpointForm
            ) { text, settings in
                settings.peersAdvertise = PeerEndpoint(text)
                return settings.peersAdvertise != nil
            },
            SettingsKey(
                path: "peers.static", shown: "[]",
                meaning: "The other nodes, each as \"host:port\" of its peers.listen.",
                expected: "a list of \"host:port\" with ports from 1, at most \(staticPeersMax)"
            ) { value, settings in
                guard let peers = endpoints(value, most: staticPeersMax) else { return false }
                settings.staticPeers = peers
                return true
            }.reloadable(),
        ] + dns + redis + [
            .text(
                "peers.cluster", shown: "\"default\"", "Nodes that say another cluster's name are refused.",
                expected: nameForm
            ) { text, settings in
                settings.cluster = text
                return PeerName(text) != nil
            },
            .flag(
                "peers.compression", shown: "true",
                "Send pieces with zstd where that saves bytes; `hawker status` says how many."
            ) { $1.compression = $0 },
        ] + trust

    private static let dns: [SettingsKey] = [
        .text(
            "peers.dns",
            "A name that lists the nodes, such as \"hawker.kube-system.svc\": its addresses, with the port of "
                + "peers.listen or \"NAME:PORT\", or SRV records of \"_hawker._tcp.NAME\". Default: none is asked for.",
            expected: "\"NAME\", \"NAME:PORT\" or \"_SERVICE._PROTO.NAME\""
        ) { text, settings in
            settings.peersDNS = text
            return DNSTarget(text, defaultPort: 4000) != nil
        },
        .text(
            "peers.dns_server", "The name server to ask. Default: those of /etc/resolv.conf.",
            expected: "\"address:port\" with a literal address"
        ) { text, settings in
            settings.peersDNSServer = PeerEndpoint(text)
            return settings.peersDNSServer?.hasLiteralHost ?? false
        },
        seconds(
            "peers.dns_seconds",
            "How often it is asked, at most; an address that three answers lack is forgotten.", most: 3600
        ) { $1.peersDNSSeconds = $0 },
    ]

    private static let redis: [SettingsKey] = [
        SettingsKey(
            path: "peers.redis", shown: "[]",
            meaning: "Redis servers that list the nodes and keep what is granted to them to read from registries, each as "
                + "\"host:port\", or \"rediss://host:port\" for TLS; every node names all.",
            expected: "a list of \"host:port\" or \"rediss://host:port\" without a password, at most \(redisServersMax)"
        ) { value, settings in
            guard let texts = value.strings, texts.count <= redisServersMax else { return false }
            settings.peersRedis = texts.compactMap { RedisAddress($0) }
            return settings.peersRedis.count == texts.count
        },
        .text(
            "peers.redis_user", "The user to log in as. Default: Redis's default user.", expected: nameForm
        ) { text, settings in
            settings.peersRedisUser = text
            return PeerName(text) != nil
        },
        .text(
            "peers.redis_password_file",
            "File whose first line is the password; read at each connect. Default: no password is sent.",
            expected: "an absolute path"
        ) { text, settings in
            settings.peersRedisPasswordFile = text
            return SettingsText.isAbsolutePath(text)
        },
        .text(
            "peers.redis_ca_file",
            "PEM file of the authorities that certificates of rediss:// servers are of; read at each connect, as are the "
                + "next two. Default: those that the system trusts.",
            expected: "an absolute path"
        ) { text, settings in
            settings.peersRedisAuthoritiesFile = text
            return SettingsText.isAbsolutePath(text)
        },
        .text(
            "peers.redis_cert_file", "PEM file of the certificate to show to them. Default: none is shown.",
            expected: "an absolute path"
        ) { text, settings in
            settings.peersRedisCertificateFile = text
            return SettingsText.isAbsolutePath(text)
        },
        .text("peers.redis_key_file", "PEM file of its key.", expected: "an absolute path") { text, settings in
            settings.peersRedisKeyFile = text
            return SettingsText.isAbsolutePath(text)
        },
        seconds(
            "peers.redis_seconds",
            "How often a node says there that it lives, at most; silent for three times as long, it is forgotten.",
            most: 3600
        ) { $1.peersRedisSeconds = $0 },
    ]

    private static func seconds(
        _ path: String, _ meaning: String, most: Int64,
        _ apply: @escaping @Sendable (UInt64, inout Settings) -> Void
    ) -> SettingsKey {
        SettingsKey(
            path: path, shown: "10", meaning: meaning, expected: "a whole number of seconds from 1 to \(most)"
        ) { value, settings in
            guard case .integer(let seconds) = value, (1...most).contains(seconds) else { return false }
            apply(UInt64(seconds), &settings)
            return true
        }
    }

    private static func endpoints(_ value: TOMLNode, most: Int) -> [PeerEndpoint]? {
        guard let texts = value.strings, texts.count <= most else { return nil }
        let endpoints = texts.compactMap { PeerEndpoint($0) }
        return endpoints.count == texts.count ? endpoints : nil
    }

    private static let staticPeersMax = 4096
    private static let redisServersMax = 16
    private static let endpointForm = "\"host:port\" with a port from 1"
    private static let nameForm = "1 to 64 of the characters A-Z a-z 0-9 . _ -"
}
