import Foundation
import TestSupport
import Testing

extension NodeTests {
    /// Three nodes that find each other by Redis, and are told there who reads what from the registry.
    @Suite("nodes with grants on Redis")
    struct RedisGrantNodeTests {
        private static let size = 12_000_000
        /// Of each node from the registry: together they take a few seconds for a layer.
        private static let slowly = "origin = \"2MB/s\""
        private static let isAll = ProcessInfo.processInfo.environment["HAWKER_ALL_TESTS"] != nil

        @Test("read each byte of a layer once, and none by a grant of a member", arguments: isAll ? [1, 2, 3] : [3])
        func once(servers count: Int) async throws {
            let sizes = [Self.size, 5_000_000, 1_000_000]
            let cluster = try await RedisCluster(servers: count, layerSizes: sizes, seed: 41)
            try await cluster.start()
            try await cluster.pull()
            #expect(try await cluster.timesRead() == [1, 1, 1])
            #expect(try await cluster.granted(by: "keeper") == 0)
            #expect(try await cluster.granted(by: "reader") > 0)
            try await cluster.stop()
        }

        @Test("reach it over TLS, as a user with a password")
        func secure() async throws {
            let authority = try await TestAuthority()
            let cluster = try await RedisCluster(servers: 1, layerSizes: [5_000_000], seed: 46, authority: authority)
            try await cluster.start()
            try await cluster.pull()
            #expect(try await cluster.timesRead() == [1])
            #expect(try await cluster.granted(by: "keeper") == 0)
            try await cluster.stop()
        }

        @Test("pull on when every server is killed in the middle, and go back when one is there again")
        func serversLost() async throws {
            let cluster = try await RedisCluster(servers: 2, layerSizes: [Self.size], seed: 42, limits: [Self.slowly])
            try await cluster.start()
            async let pull: Void = cluster.pull()
            try await cluster.untilReading(Self.size / 8)
            try await cluster.killServers()
            try await pull
            #expect(try await cluster.granted(by: "keeper") > 0, "a member has to grant what is left")
            #expect(try await cluster.bytesRead() <= 2 * Self.size)
            try await cluster.says("failing")

            let before = try await cluster.granted(by: "keeper")
            try await cluster.startServers()
            try await cluster.says("working")
            try await cluster.add(layerSizes: [Self.size], seed: 43)
            try await cluster.pull()
            #expect(try await cluster.timesRead() == [1])
            #expect(try await cluster.granted(by: "keeper") == before)
            try await cluster.stop()
        }

        @Test("read on what one that is killed was granted, without waiting for its reports to be missed for long")
        func holderKilled() async throws {
            let cluster = try await RedisCluster(servers: 1, layerSizes: [Self.size], seed: 44, limits: [Self.slowly])
            try await cluster.start()
            async let pull: Void = cluster.pull(by: [0, 1])
            async let cut: Void? = try? cluster.pull(by: [2])
            try await cluster.untilReading(Self.size / 8)
            try await cluster.kill(2)
            try await pull
            _ = await cut
            #expect(try await cluster.bytesRead() <= 2 * Self.size)
            #expect(try await cluster.granted(by: "keeper", nodes: [0, 1]) == 0)
            try await cluster.stop()
        }

        @Test("and one that cannot see Redis read no range more than twice, and none waits for another")
        func outsider() async throws {
            let cluster = try await RedisCluster(
                servers: 1, layerSizes: [Self.size], seed: 47, limits: [Self.slowly], hasOutsider: true)
            try await cluster.start()
            try await cluster.pull()
            #expect(try await cluster.bytesRead() <= 2 * Self.size)
            let (given, received) = try await (cluster.granted(by: "keeper"), cluster.granted(by: "reader"))
            #expect(given > 0 && received > given, "both the register and a member have to grant")
            try await cluster.stop()
        }

        @Test("take a server that hangs for one that is gone")
        func serverHangs() async throws {
            let cluster = try await RedisCluster(servers: 1, layerSizes: [Self.size], seed: 45, limits: [Self.slowly])
            try await cluster.start()
            async let pull: Void = cluster.pull()
            try await cluster.untilReading(Self.size / 8)
            await cluster.freezeServers(true)
            try await pull
            #expect(try await cluster.granted(by: "keeper") > 0, "a member has to grant what is left")
            #expect(try await cluster.bytesRead() <= 2 * Self.size)
            await cluster.freezeServers(false)
            try await cluster.says("working")
            try await cluster.stop()
        }
    }
}

/// A registry, Redis servers and three nodes that know nothing of one another but by these.
private actor RedisCluster {
    private let registry: DockerRegistry
    private let servers: [RedisProcess]
    private let nodes: [NodeProcess]
    private let insiderCount: Int
    private var image: TestImage
    private var repository = "image"
    private var running: [ChildProcess] = []
    private var processes: [Int: ChildProcess] = [:]

    private let folder: TemporaryFolder

    /// With an authority the servers speak TLS, and know one user, who has a password. The last node may be an
    /// outsider, who knows the others by a list and Redis not at all.
    init(
        servers count: Int, layerSizes: [Int], seed: UInt64, limits: [String] = [], authority: TestAuthority? = nil,
        hasOutsider: Bool = false
    ) async throws {
        image = try await TestImage.noise(layerSizes: layerSizes, seed: seed)
        let registry = try await DockerRegistry()
        try registry.add(image, repository: repository)
        folder = try TemporaryFolder("redis-user")
        var (rules, security, lines): (String?, RedisProcess.Security?, [String]) = (nil, nil, [])
        if let authority {
            let files = try await authority.issue("redis", names: ["IP:127.0.0.1"])
            security = .init(
                authority: authority.certificate, certificate: files.certificate, key: files.key,
                asksForCertificate: false)
            rules = "user default off\nuser hawker on >secret-word ~{hawker:* +@all"
            let password = try folder.write("password", "secret-word\n")
            lines = [
                "redis_user = \"hawker\"", "redis_password_file = \"\(password)\"",
                "redis_ca_file = \"\(authority.certificate)\"",
            ]
        }
        let (accessRules, files) = (rules, security)
        servers = try (0..<count).map { _ in try RedisProcess(accessRules: accessRules, security: files) }
        let list = servers.map { "\"\($0.address)\"" }.joined(separator: ", ")
        var settings = try ["a", "b", "c"].map { try NodeProcess.Settings(name: $0) }
        for number in settings.indices {
            settings[number].registries = [(registry.host, registry.url)]
            settings[number].peerLines = ["redis = [\(list)]", "redis_seconds = 1"] + lines
            settings[number].limitLines = limits
        }
        if hasOutsider {
            settings[2].peerLines = []
            settings[2].peers = settings[..<2].map { "127.0.0.1:\($0.peerPort)" }
        }
        insiderCount = hasOutsider ? 2 : 3
        nodes = try settings.map { try NodeProcess($0) }
        self.registry = registry
    }

    func start() async throws {
        try await startServers()
        for (number, node) in nodes.enumerated() { processes[number] = try await node.start() }
        for node in nodes {
            try await eventually("\(node.settings.name) is connected to the others") {
                try await node.peers().filter { $0.state == "connected" }.count == 2
            }
        }
        try await says("working")
    }

    func startServers() async throws {
        for server in servers { running.append(try await server.start()) }
    }

    func killServers() async throws {
        for server in running { try await server.kill() }
        running = []
    }

    func freezeServers(_ isFrozen: Bool) {
        for server in running { server.send(isFrozen ? SIGSTOP : SIGCONT) }
    }

    func kill(_ number: Int) async throws {
        try await processes.removeValue(forKey: number)?.kill()
    }

    func says(_ state: String) async throws {
        for node in nodes.prefix(insiderCount) {
            try await eventually("\(node.settings.name) says that Redis is \(state)") {
                try await node.report().discovery.first?.state == state
            }
        }
    }

    /// Another image, to be pulled from then on.
    func add(layerSizes: [Int], seed: UInt64) async throws {
        image = try await TestImage.noise(layerSizes: layerSizes, seed: seed)
        repository = "image-\(seed)"
        try registry.add(image, repository: repository)
    }

    /// By these nodes at once.
    func pull(by numbers: [Int] = [0, 1, 2]) async throws {
        let (image, repository, registry, nodes) = (image, repository, registry, nodes)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in numbers {
                group.addTask { try await nodes[number].pull(image, repository, from: registry) }
            }
            try await group.waitForAll()
        }
    }

    /// Until the nodes have read so many bytes from the registry.
    func untilReading(_ bytes: Int) async throws {
        try await eventually("\(bytes) bytes are read") {
            var sum = 0
            for node in nodes { sum += try await node.metrics().sum("hawker_image_bytes_total", ["source": "registry"]) }
            return sum >= bytes
        }
    }

    func bytesRead() throws -> Int { image.layers.map { registry.bytesSent($0.blob.digest) }.reduce(0, +) }

    func timesRead() throws -> [Double] {
        image.layers.map { Double(registry.bytesSent($0.blob.digest)) / Double($0.blob.bytes.count) }
    }

    func granted(by role: String, nodes numbers: [Int] = [0, 1, 2]) async throws -> Int {
        var sum = 0
        for number in numbers {
            sum += try await nodes[number].metrics().sum("hawker_grants_total", ["role": role, "answer": "granted"])
        }
        return sum
    }

    func stop() async throws {
        for process in processes.values { #expect(try await process.stop() == .exited(0)) }
        try await killServers()
        try await registry.process.stop()
    }
}
