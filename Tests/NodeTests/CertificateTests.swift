import Foundation
import TestSupport
import Testing

extension NodeTests {
    @Suite("nodes with certificates of `hawker cert`")
    struct CertificateTests {
        @Test("exchange images over TLS and say so, and give nothing to a node with another authority's")
        func exchange() async throws {
            let image = try await TestImage.noise(layerSizes: [5_000_000, 70_000], seed: 31)
            let cluster = try await CertifiedCluster(["a", "b", "c"], image)
            let stranger = try await CertifiedCluster(["d"], image)
            let mallory = try stranger.node("d", dialling: cluster.nodes)
            let processes = try await cluster.start() + [mallory.start()]
            let (a, b, c) = (cluster.nodes[0], cluster.nodes[1], cluster.nodes[2])
            for node in cluster.nodes { try await node.pull(image, "image", from: cluster.registry) }

            let size = image.layers.map(\.blob.bytes.count).reduce(0, +)
            #expect(try await b.report().bytesFromPeers + c.report().bytesFromPeers >= 2 * size)
            for layer in image.layers {
                #expect(cluster.registry.bytesSent(layer.blob.digest) == layer.blob.bytes.count)
            }
            let peers = try await a.peers().filter { $0.state == "connected" }
            #expect(Set(peers.map(\.certificateName)) == ["b", "c"] && peers.allSatisfy(\.encrypted))
            #expect(try await a.admin(["peers"]).contains("b until 20"))
            #expect(try await a.admin(["status"]).contains("certificate  a until 20"))

            try await eventually("the node of another authority says why it knows nobody") {
                try await mallory.peers().allSatisfy { $0.state != "connected" && $0.reason.contains("certificate") }
            }
            #expect(try await mallory.report().bytesFromPeers == 0)
            for process in processes { #expect(try await process.stop() == .exited(0)) }
            #expect(try String(contentsOfFile: a.logPath, encoding: .utf8).contains("refused as a peer"))
            for cluster in [cluster, stranger] { try await cluster.registry.process.stop() }
        }

        @Test("change their authority one after the other without losing a pull")
        func rotation() async throws {
            let images = try await (40..<47).asyncMap { try await TestImage.noise(layerSizes: [8_000_000], seed: $0) }
            let cluster = try await CertifiedCluster(["a", "b", "c"], images)
            let processes = try await cluster.start()
            let next = try await Authority()
            let both = [cluster.authority, next]
            // What each node trusts and shows, step by step; the last is left for the nodes to notice.
            let steps: [(trusted: [Authority], shown: Authority)] = [
                (both, cluster.authority), (both, next), ([next], next),
            ]
            for (number, step) in steps.enumerated() {
                for node in cluster.nodes {
                    try await step.shown.issue(node.settings.name, into: cluster.folder, trusting: step.trusted)
                    if number < 2 { #expect(try await node.admin(["reload"]).contains("the files of peers.tls")) }
                }
                try await cluster.pullEverywhere(images[2 * number])
                try await cluster.untilConnected()
                try await cluster.pullEverywhere(images[2 * number + 1])
            }
            let old = try await NodeProcess(cluster.settings("d", dialling: cluster.nodes, by: cluster.authority))
            let stale = try await old.start()
            try await eventually("nodes notice by themselves that the old authority is trusted no more", within: 20) {
                try await old.peers().allSatisfy { $0.state != "connected" && $0.reason.contains("certificate") }
            }
            try await cluster.untilConnected()
            try await cluster.pullEverywhere(images[6])
            for node in cluster.nodes[1...] { #expect(try await node.report().bytesFromPeers > 0) }
            for process in processes + [stale] { #expect(try await process.stop() == .exited(0)) }
            try await cluster.registry.process.stop()
        }

        @Test("or with those of another maker: an authority between, keys of other kinds, no extended usage")
        func otherMakers() async throws {
            let folder = try TemporaryFolder("pki")
            try folder.write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
            func openssl(_ command: String) async throws {
                try await ChildProcess.check(["openssl"] + command.split(separator: " ").map(String.init), folder: folder.path)
            }
            func sign(_ name: String, by issuer: String, _ extensions: String) async throws {
                try await openssl("req -new -key \(name).key -subj /CN=\(name) -out \(name).csr")
                try await openssl(
                    "x509 -req -in \(name).csr -CA \(issuer).crt -CAkey \(issuer).key -set_serial \(abs(name.hashValue)) "
                        + "-days 3 -extfile \(extensions) -out \(name).crt")
            }
            try await openssl("req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.crt -subj /CN=root -days 3")
            try await openssl("genpkey -algorithm ED25519 -out between.key")
            try await sign("between", by: "root", "ca.ext")
            let kinds = [("a", "RSA -pkeyopt rsa_keygen_bits:2048", "root"), ("b", "ED25519", "between")]
            var nodes: [NodeProcess] = []
            for (name, kind, trusted) in kinds {
                try folder.write("\(name).ext", "subjectAltName=URI:spiffe://test/\(name)\n")
                try await openssl("genpkey -algorithm \(kind) -out \(name).key")
                try await sign(name, by: "between", "\(name).ext")
                try folder.write("\(name)-chain.crt", folder.read("\(name).crt") + folder.read("between.crt"))
                var settings = try NodeProcess.Settings(name: name)
                settings.peers = nodes.map { "127.0.0.1:\($0.settings.peerPort)" }
                settings.peerLines = [
                    "tls.certificate = \"\(folder.path("\(name)-chain.crt"))\"",
                    "tls.key = \"\(folder.path("\(name).key"))\"",
                    "tls.authorities = [\"\(folder.path("\(trusted).crt"))\"]",
                ]
                nodes.append(try NodeProcess(settings))
            }
            var processes: [ChildProcess] = []
            for node in nodes { processes.append(try await node.start()) }
            try await eventually("they are connected") {
                try await nodes[0].peers().contains { $0.state == "connected" && $0.certificateName == "spiffe://test/b" }
            }
            for process in processes { try await process.stop() }
        }

        @Test("do not start with files that are no good, or in plaintext on a network, and say what to do")
        func refusals() async throws {
            let authority = try await Authority()
            let folder = try TemporaryFolder("tls")
            for name in ["a", "b"] { try await authority.issue(name, into: folder, trusting: [authority]) }
            let (a, b) = (folder.path("a"), folder.path("b"))
            let ca = "tls.authorities = [\"\(a)/ca0.crt\"]"
            let cases: [(lines: [String], says: String)] = [
                ([], "`hawker cert` makes"),
                (["tls.certificate = \"\(b)/tls.crt\"", "tls.key = \"\(b)/tls.key\"", ca], "`hawker cert node a`"),
                (["tls.certificate = \"\(a)/tls.crt\"", "tls.key = \"\(b)/tls.key\"", ca], "is not the key of the certificate"),
                (["tls.certificate = \"\(a)/none\"", "tls.key = \"\(a)/tls.key\"", ca], "\(a)/none cannot be read"),
                (["tls.certificate = \"\(a)/tls.key\"", "tls.key = \"\(a)/tls.key\"", ca], "holds no certificate"),
            ]
            for (lines, says) in cases {
                var settings = try NodeProcess.Settings(name: "a")
                settings.peerHost = "0.0.0.0"
                settings.peerLines = lines
                let node = try NodeProcess(settings)
                let command = [try NodeProcess.binaryPath(), "daemon", "--config", node.settingsPath]
                let output = try await ChildProcess.run(command, within: 10)
                #expect(output.ending == .exited(78) && output.text.contains(says), "\(output.text)")
            }
        }

        @Test("in plaintext on a network only if the settings say so, with a warning at each start")
        func insecure() async throws {
            var settings = try NodeProcess.Settings(name: "a")
            settings.peerHost = "0.0.0.0"
            settings.peerLines = ["insecure_plaintext = true"]
            let node = try NodeProcess(settings)
            let process = try await node.start()
            #expect(try await node.admin(["status"]).contains("none: nodes talk in plaintext"))
            try await process.stop()
            #expect(process.log.contains("warning node: peers talk in plaintext"))
        }

        @Test("`hawker cert` keeps keys to their owner, and replaces nothing unless told to")
        func files() async throws {
            let folder = try TemporaryFolder("cert")
            let hawker = try NodeProcess.binaryPath()
            let made = [hawker, "cert", "authority", "--out", folder.path("ca")]
            #expect(try await ChildProcess.check(made).contains("hawker cert node NAME --authority"))
            let before = try folder.read("ca/ca.key")
            let again = try await ChildProcess.run(made)
            #expect(again.ending == .exited(65) && again.text.contains("say --force"))
            #expect(try folder.read("ca/ca.key") == before)
            let node = [
                hawker, "cert", "node", "a", "--authority", folder.path("ca"), "--out", folder.path("a"), "--address",
                "10.0.0.1", "--days", "30", "--json",
            ]
            #expect(try await ChildProcess.check(node).contains("\"10.0.0.1\""))
            for (file, mode) in [("ca/ca.key", 0o600), ("a/tls.key", 0o600), ("a/tls.crt", 0o644), ("a", 0o700)] {
                let attributes = try FileManager.default.attributesOfItem(atPath: folder.path(file))
                #expect(attributes[.posixPermissions] as? Int == mode, "\(file)")
            }
            let verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile"]
            try await ChildProcess.check(verify + [folder.path("a/ca.crt"), folder.path("a/tls.crt")])
            try await ChildProcess.check(made + ["--force"])
            #expect(try folder.read("ca/ca.key") != before)
            let wrong = try await ChildProcess.run([hawker, "cert", "node", "a b", "--authority", "x", "--out", "y"])
            #expect(wrong.ending == .exited(64))
        }
    }
}

/// What `hawker cert authority` makes.
struct Authority: Sendable {
    private let folder: TemporaryFolder

    init() async throws {
        folder = try TemporaryFolder("authority")
        try await ChildProcess.check(
            [try NodeProcess.binaryPath(), "cert", "authority", "--out", folder.path, "--force"])
    }

    /// Puts the files of a node into a folder of its name, with those of all authorities that it is to trust as
    /// `ca0.crt` and `ca1.crt`: the same one twice if there is only one.
    func issue(_ name: String, into target: TemporaryFolder, trusting trusted: [Authority]) async throws {
        for number in 0..<2 {
            let authority = trusted[min(number, trusted.count - 1)]
            try target.write("\(name)/ca\(number).crt", authority.folder.read("ca.crt"))
        }
        try await ChildProcess.check([
            try NodeProcess.binaryPath(), "cert", "node", name, "--authority", folder.path, "--out", target.path(name),
            "--force",
        ])
    }
}

extension Authority {
    /// Replaces a node's certificate by one for the same key and name that was good for a month of the year 2025.
    func expire(_ name: String, in target: TemporaryFolder) async throws {
        let work = try TemporaryFolder("expire")
        try work.write("index", "")
        try work.write("serial", "0BAD\n")
        try work.write(
            "ca.conf",
            """
            [ca]
            default_ca = all
            [all]
            database = index
            serial = serial
            new_certs_dir = .
            default_md = sha256
            policy = any
            [any]
            commonName = optional
            [name]
            subjectAltName = DNS:\(name)

            """)
        func openssl(_ arguments: [String]) async throws {
            try await ChildProcess.check(["openssl"] + arguments, folder: work.path)
        }
        try await openssl(["req", "-new", "-key", target.path("\(name)/tls.key"), "-subj", "/CN=\(name)", "-out", "csr"])
        try await openssl([
            "ca", "-batch", "-notext", "-config", "ca.conf", "-extensions", "name", "-cert", folder.path("ca.crt"),
            "-keyfile", folder.path("ca.key"), "-startdate", "20250101000000Z", "-enddate", "20250201000000Z", "-in",
            "csr", "-out", target.path("\(name)/tls.crt"),
        ])
    }
}

/// A registry, an authority, and nodes with its certificates that know one another.
final class CertifiedCluster: Sendable {
    let registry: DockerRegistry
    let authority: Authority
    let nodes: [NodeProcess]
    let folder: TemporaryFolder

    convenience init(_ names: [String], _ image: TestImage) async throws { try await self.init(names, [image]) }

    /// Nothing of the nodes runs yet. Every image is `image` in the registry, by digest.
    init(_ names: [String], _ images: [TestImage]) async throws {
        let registry = try await DockerRegistry()
        for image in images { try registry.add(image, repository: "image") }
        let (authority, folder) = (try await Authority(), try TemporaryFolder("tls"))
        var all: [NodeProcess.Settings] = []
        for name in names {
            try await authority.issue(name, into: folder, trusting: [authority])
            all.append(try Self.settings(name, folder, registry))
        }
        nodes = try all.map { settings in
            var settings = settings
            settings.peers = all.filter { $0.name != settings.name }.map { "127.0.0.1:\($0.peerPort)" }
            return try NodeProcess(settings)
        }
        (self.registry, self.authority, self.folder) = (registry, authority, folder)
    }

    private static func settings(
        _ name: String, _ folder: TemporaryFolder, _ registry: DockerRegistry
    ) throws -> NodeProcess.Settings {
        var settings = try NodeProcess.Settings(name: name)
        settings.registries = [(registry.host, registry.url)]
        let files = folder.path(name)
        settings.peerLines = [
            "tls.certificate = \"\(files)/tls.crt\"", "tls.key = \"\(files)/tls.key\"",
            "tls.authorities = [\"\(files)/ca0.crt\", \"\(files)/ca1.crt\"]",
        ]
        return settings
    }

    /// One of this cluster's nodes that dials others.
    func node(_ name: String, dialling others: [NodeProcess]) throws -> NodeProcess {
        var settings = try Self.settings(name, folder, registry)
        settings.peers = others.map { "127.0.0.1:\($0.settings.peerPort)" }
        return try NodeProcess(settings)
    }

    /// Settings of a further node, with a certificate of `authority`.
    func settings(
        _ name: String, dialling others: [NodeProcess], by authority: Authority
    ) async throws -> NodeProcess.Settings {
        try await authority.issue(name, into: folder, trusting: [authority])
        return try node(name, dialling: others).settings
    }

    func start() async throws -> [ChildProcess] {
        let processes = try await nodes.asyncMap { try await $0.start() }
        try await untilConnected()
        return processes
    }

    func untilConnected() async throws {
        for node in nodes {
            try await eventually("\(node.settings.name) is connected to all") {
                try await node.peers().count { $0.state == "connected" && $0.encrypted } >= self.nodes.count - 1
            }
        }
    }

    /// The first node, then all others at once.
    func pullEverywhere(_ image: TestImage) async throws {
        try await nodes[0].pull(image, "image", from: registry)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes[1...] { group.addTask { try await node.pull(image, "image", from: self.registry) } }
            try await group.waitForAll()
        }
    }
}

extension Sequence {
    /// One after the other.
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var results: [T] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
