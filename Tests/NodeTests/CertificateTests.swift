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
