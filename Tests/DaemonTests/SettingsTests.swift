import Daemon
import EventLoop
import OCIModel
import PeerDirectory
import PieceModel
import Telemetry
import Testing

@Suite("Settings")
struct SettingsTests {
    private func parse(_ text: String) throws(SettingsError) -> Settings {
        try Settings.parse(Array(text.utf8), file: "hawker.toml")
    }

    @Test("an empty file means the defaults")
    func empty() throws {
        #expect(try parse("") == Settings.defaults())
    }

    @Test("what `hawker config default` prints is a settings file, and means the defaults")
    func documented() throws {
        #expect(try parse(Settings.documented) == Settings.defaults())
    }

    @Test("every key reaches its setting")
    func everyKey() throws {
        let settings = try parse(
            """
            [node]
            name = "node-a"
            [mirror]
            listen = "127.0.0.1:4101"
            default_registry = "docker.io"
            any_registry = true
            [cache]
            path = "/srv/cache"
            quota = "3MB"
            free_floor = "512MiB"
            [admin]
            socket = "/srv/hawker.sock"
            [status]
            listen = "[::]:9102"
            [log]
            level = "debug"
            format = "json"
            [containerd]
            config = "/etc/containerd/config.toml"
            socket = "/run/k3s/containerd/containerd.sock"
            content = "/mnt/content"
            registries = ["docker.io", "r:5000=http://r:5000"]
            check_seconds = 5
            [[registry]]
            host = "localhost:5000"
            url = "http://localhost:5000"
            [[registry]]
            host = "docker.io"
            ca_file = "/etc/ca.pem"
            rate = "2MiB/s"
            url = "https://cache.example/v2/hub"
            override_path = true
            cert_file = "/etc/cert.pem"
            key_file = "/etc/key.pem"
            proxy = "socks5://proxy:1080"
            allow = ["library/*", "team/tool"]
            deny = ["library/*-old"]
            """)
        let hub = try #require(settings.registries.last)
        #expect(hub.overridesPath && hub.certificateFile == "/etc/cert.pem" && hub.keyFile == "/etc/key.pem")
        #expect(hub.proxy == "socks5://proxy:1080")
        #expect(hub.repositories.allow.map(\.text) == ["library/*", "team/tool"])
        #expect(hub.repositories.deny.map(\.text) == ["library/*-old"])
        #expect(settings.nodeName.text == "node-a")
        #expect(settings.mirrorListen == SocketAddress(host: "127.0.0.1", port: 4101))
        #expect(settings.defaultRegistry == .dockerHub)
        #expect(settings.anyRegistry)
        #expect(settings.containerdConfig == "/etc/containerd/config.toml")
        #expect(settings.containerdSocket == "/run/k3s/containerd/containerd.sock")
        #expect(settings.containerdRegistries == ["docker.io", "r:5000=http://r:5000"])
        #expect(settings.containerdCheckSeconds == 5)
        #expect(settings.runtimeStore == .folder("/mnt/content"))
        #expect(settings.registries.map(\.rate) == [nil, 2 << 20])
        #expect(settings.cachePath == "/srv/cache")
        #expect(settings.quotaBytes == 3_000_000)
        #expect(settings.freeFloorBytes == 512 << 20)
        #expect(settings.adminSocket == "/srv/hawker.sock")
        #expect(settings.statusListen == SocketAddress(host: "::", port: 9102))
        #expect(try parse("[status]\nlisten = \"off\"").statusListen == nil)
        #expect(settings.logLevel == "debug" && settings.logFormat == .json)
        #expect(settings.registries.map(\.url) == ["http://localhost:5000", "https://cache.example/v2/hub"])
        #expect(settings.registries.map(\.caFile) == [nil, "/etc/ca.pem"])
    }

    @Test("every key of peers and limits reaches its setting")
    func peersAndLimits() throws {
        let settings = try parse(
            """
            [peers]
            listen = "[::1]:4000"
            static = ["10.0.0.2:4000", "node-b:4000"]
            cluster = "blue"
            compression = false
            allow = ["10.0.0.0/8", "10.1.2.3:4001", "fd00::/8", "[fd00::/8]:4002"]
            tls.certificate = "/tls/tls.crt"
            tls.key = "/tls/tls.key"
            tls.authorities = ["/tls/ca.crt", "/tls/next.crt"]
            advertise = "node-a:4000"
            dns = "_hawker._tcp.nodes"
            dns_server = "10.0.0.10:53"
            dns_seconds = 30
            redis = ["redis-a:6379", "rediss://[::1]:6380"]
            redis_user = "hawker"
            redis_password_file = "/etc/hawker/redis"
            redis_ca_file = "/etc/hawker/redis.ca"
            redis_cert_file = "/etc/hawker/redis.crt"
            redis_key_file = "/etc/hawker/redis.key"
            redis_seconds = 5
            [limits]
            upload = "50MB/s"
            download = "400Mbit/s"
            origin = "1KB/s"
            peer_connections = 7
            mirror_connections = 8
            buffers = "2MiB"
            dscp = 63
            """)
        #expect(settings.peersListen == SocketAddress(host: "::1", port: 4000))
        #expect(settings.staticPeers.map(\.description) == ["10.0.0.2:4000", "node-b:4000"])
        #expect(settings.cluster == "blue")
        #expect(settings.peersAdvertise?.description == "node-a:4000")
        #expect(settings.peersDNS == "_hawker._tcp.nodes")
        #expect(settings.peersDNSServer?.description == "10.0.0.10:53")
        #expect(settings.peersDNSSeconds == 30)
        #expect(settings.peersRedis.map(\.description) == ["redis-a:6379", "rediss://[::1]:6380"])
        #expect(settings.peersRedisUser == "hawker")
        #expect(settings.peersRedisPasswordFile == "/etc/hawker/redis")
        #expect(settings.peersRedisAuthoritiesFile == "/etc/hawker/redis.ca")
        #expect(settings.peersRedisCertificateFile == "/etc/hawker/redis.crt")
        #expect(settings.peersRedisKeyFile == "/etc/hawker/redis.key")
        #expect(settings.peersRedisSeconds == 5)
        #expect(!settings.compression)
        #expect(settings.trust.allowed.map(\.port) == [nil, 4001, nil, 4002])
        #expect(
            settings.trust.allowed.map(\.addresses.description) == [
                "10.0.0.0/8", "10.1.2.3/32", "fd00::/8", "fd00::/8",
            ])
        #expect(settings.trust.certificate == "/tls/tls.crt" && settings.trust.key == "/tls/tls.key")
        #expect(settings.trust.authorities == ["/tls/ca.crt", "/tls/next.crt"])
        #expect(settings.limits.upload == 50_000_000)
        #expect(settings.limits.download == 50_000_000)
        #expect(settings.limits.origin == 1000)
        #expect(settings.limits.peerConnections == 7)
        #expect(settings.limits.mirrorConnections == 8)
        #expect(settings.limits.buffers == 2 << 20)
        #expect(settings.limits.trafficClass == 63)
    }

    @Test(
        "a wrong file is refused with the line and what would be right",
        arguments: [
            ("[mirror]\nlisten = \"127.0.0.1:4001\"\nport = 4", 3, "unknown key mirror.port"),
            ("[mirror]\nquota = \"1GiB\"", 2, "did you mean cache.quota?"),
            ("colour = \"red\"", 1, "unknown key colour"),
            ("[colour]\n", 1, "unknown key colour"),
            ("[mirror]\nlisten = \"127.0.0.1:65536\"", 2, "mirror.listen: expected \"host:port\""),
            ("[mirror]\nlisten = \"127.0.0.1:\"", 2, "mirror.listen"),
            ("[mirror]\nlisten = \"127.0.0.1\"", 2, "mirror.listen"),
            ("[mirror]\nlisten = 4001", 2, "mirror.listen"),
            ("[mirror]\nany_registry = \"yes\"", 2, "true or false"),
            ("[node]\nname = \"a b\"", 2, "node.name"),
            ("[node]\nname = \"\"", 2, "node.name"),
            ("[peers]\nlisten = \"0.0.0.0:4000\"\nstatic = [\"a:0\"]", 3, "peers.static"),
            ("[peers]\nstatic = [\"a:1\"]", 1, "peers.static needs peers.listen"),
            ("[peers]\ndns = \"nodes.test\"", 1, "peers.dns needs peers.listen"),
            ("[peers]\nredis = [\"a:1\"]", 1, "peers.redis needs peers.listen"),
            ("[peers]\nadvertise = \"a:1\"", 1, "peers.advertise needs peers.listen"),
            ("[peers]\nadvertise = \"a:0\"", 2, "peers.advertise"),
            ("[peers]\ndns = \"a b\"", 2, "peers.dns"),
            ("[peers]\ndns = [\"a\"]", 2, "peers.dns"),
            ("[peers]\ndns_server = \"resolver:53\"", 2, "literal address"),
            ("[peers]\ndns_seconds = 0", 2, "peers.dns_seconds"),
            ("[peers]\nlisten = \"a:1\"\nredis = [\"a\"]", 3, "peers.redis"),
            ("[peers]\nlisten = \"[::1]:1\"\nredis = [\"a:1\"]\nredis_user = \"u\"", 1, "needs peers.redis_password_file"),
            ("[peers]\nredis_password_file = \"/p\"", 1, "needs peers.redis"),
            ("[peers]\nlisten = \"[::1]:1\"\nredis = [\"rediss://u:p@a:1\"]", 3, "without a password"),
            ("[peers]\nlisten = \"[::1]:1\"\nredis = [\"a:1\"]\nredis_ca_file = \"/c\"", 1, "need a rediss:// server"),
            ("[peers]\nlisten = \"[::1]:1\"\nredis = [\"rediss://a\"]\nredis_key_file = \"/k\"", 1, "need each other"),
            ("[peers]\nlisten = \"0.0.0.0:4000\"", 1, "`hawker cert`"),
            ("[peers]\nlisten = \"127.0.0.1:1\"\nadvertise = \"a:1\"", 1, "`hawker cert`"),
            ("[peers]\nlisten = \"a:1\"\n[peers.tls]\nkey = \"/k\"", 1, "peers.tls also needs certificate"),
            ("[peers]\ntls.certificate = \"/c\"\ntls.key = \"/k\"", 1, "peers.tls also needs authorities"),
            ("[peers.tls]\ncertificate = \"/c\"\nkey = \"/k\"\nauthorities = [\"/a\"]", 1, "needs peers.listen"),
            (
                "[peers]\nlisten = \"a:1\"\ninsecure_plaintext = true\n"
                    + "tls = { certificate = \"/c\", key = \"/k\", authorities = [\"/a\"] }", 1, "leave one out"
            ),
            ("[peers.tls]\ncertificate = \"c\"", 2, "peers.tls.certificate: expected an absolute path"),
            ("[peers.tls]\nauthorities = []", 2, "peers.tls.authorities"),
            ("[peers.tls]\ncolour = 1", 2, "unknown key peers.tls.colour"),
            ("[peers]\nallow = [\"10.0.0.1/8\"]", 2, "without bits behind the prefix"),
            ("[peers]\nallow = [\"10.0.0.0/33\"]", 2, "peers.allow"),
            ("[peers]\nallow = [\"10.0.0.0/8:0\"]", 2, "peers.allow"),
            ("[limits]\nupload = \"50MB\"", 2, "limits.upload: expected a rate"),
            ("[limits]\nupload = \"999B/s\"", 2, "limits.upload"),
            ("[limits]\nupload = \"50bit/s\"", 2, "limits.upload"),
            ("[limits]\nupload = \"/s\"", 2, "limits.upload"),
            ("[limits]\norigin = 5", 2, "limits.origin"),
            ("[limits]\nbuffers = \"1KB\"", 2, "limits.buffers"),
            ("[limits]\ndscp = 64", 2, "from 0 to 63"),
            ("[limits]\npeer_connections = 0", 2, "limits.peer_connections"),
            ("[[registry]]\nhost = \"a.io\"\nrate = \"fast\"", 3, "registry.rate"),
            ("[[registry]]\nhost = \"a.io\"\ncert_file = \"/c\"", 1, "needs cert_file and key_file"),
            ("[[registry]]\nhost = \"a.io\"\noverride_path = true", 1, "override_path needs a url"),
            ("[[registry]]\nhost = \"a.io\"\nproxy = \"proxy:1080\"", 3, "registry.proxy"),
            ("[[registry]]\nhost = \"a.io\"\nallow = [\"Team/*\"]", 3, "registry.allow"),
            ("[[registry]]\nhost = \"a.io\"\ndeny = []", 3, "registry.deny"),
            ("[[registry]]\nhost = \"a.io\"\nurl = \"https://a/v2?x=1\"", 3, "registry.url"),
            ("[cache]\nquota = \"20 GiB\"", 2, "cache.quota"),
            ("[cache]\nquota = \"9000000TiB\"", 2, "cache.quota"),
            ("[cache]\nquota = \"0B\"", 2, "cache.quota"),
            ("[cache]\npath = \"content\"", 2, "absolute path"),
            ("[log]\nlevel = \"loud\"", 2, "log.level"),
            ("[log]\nformat = \"xml\"", 2, "log.format"),
            ("[status]\nlisten = \"4002\"", 2, "status.listen"),
            ("[registry]\nhost = \"docker.io\"", 1, "[[registry]]"),
            ("[[registry]]\nurl = \"https://a\"", 1, "needs host"),
            ("[[registry]]\nhost = \"../etc\"", 1, "needs host"),
            ("[[registry]]\nhost = \"a.io\"\n\n[[registry]]\nhost = \"a.io\"", 4, "listed twice"),
            ("[[registry]]\nhost = \"a.io\"\n[[registry]]\nhost = \"b.io\"\nurl = \"ftp://b.io\"", 5, "registry.url"),
            ("[[registry]]\nhost = \"a.io\"\nurl = \"https://a.io/?q\"", 3, "registry.url"),
            ("[[registry]]\nhost = \"a.io\"\nmirror = \"b\"", 3, "unknown key registry.mirror"),
            ("[mirror\nlisten", 1, ""),
            ("[mirror]\nlisten = \"a:1\"\nlisten = \"b:1\"", 3, ""),
        ])
    func refused(text: String, line: Int, reason: String) throws {
        do {
            _ = try parse(text)
            Issue.record("was taken: \(text)")
        } catch {
            #expect(error.line == line, "\(error)")
            #expect(error.reason.contains(reason), "\(error)")
            #expect(error.description.hasPrefix("hawker.toml:\(line): "))
        }
    }

    @Test("a settings file that is named has to exist")
    func missing() {
        #expect(throws: SettingsError.self) { try Settings.load(file: "/nonexistent/hawker.toml") }
    }

    @Test(
        "sizes are numbers with a unit",
        arguments: [
            ("1MiB", Int64(1 << 20)), ("5MB", 5_000_000), ("2GiB", 2 << 30), ("1TiB", 1 << 40), ("1048576B", 1 << 20),
        ])
    func sizes(text: String, bytes: Int64) throws {
        #expect(try parse("[cache]\nquota = \"\(text)\"").quotaBytes == bytes)
    }
}
