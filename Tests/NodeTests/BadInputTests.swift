import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("bad input gets a clear error and loses nothing")
    struct BadInputTests {
        @Test(
            "a settings file that is wrong names the line and the key, and nothing starts",
            arguments: [
                (
                    "[mirror]\nlisten = \"127.0.0.1:4001\"\nlissen = 1\n",
                    [".toml:3: unknown key mirror.lissen; "]
                ),
                (
                    "[mirror]\nlisten = \"127.0.0.1:70000\"\n",
                    [".toml:2: mirror.listen: expected \"host:port\""]
                ),
                ("[cache]\nquota = \"lots\"\n", [".toml:2: cache.quota: expected a size"]),
                ("[mirror\n", ["1"]),
            ]
        )
        func settings(text: String, words: [String]) async throws {
            let folder = try TemporaryFolder("settings")
            let path = try folder.write("hawker.toml", text)
            let output = try await ChildProcess.run([
                try NodeProcess.binaryPath(), "daemon", "--config", path,
            ])
            #expect(output.ending == .exited(78))
            for word in words { #expect(output.text.contains(word), "\(output.text)") }
        }

        @Test(
            "a cache folder that others own or may write to, or that holds other things, is refused with the reason"
        )
        func cacheFolders() async throws {
            for (spoil, reason) in [
                ("chown 12345 .", "belongs to user 12345, not to 0; chown it or name another folder"),
                ("chmod 0777 .", "may be written by others (mode 0777); run: chmod go-w"),
                ("touch important", "holds files and was not made by Hawker; name an empty or a new folder"),
            ] {
                let node = try NodeProcess(NodeProcess.Settings(name: "spoilt"))
                try FileManager.default.createDirectory(
                    atPath: node.cachePath,
                    withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700]
                )
                try await ChildProcess.check(["sh", "-c", spoil], folder: node.cachePath)
                let output = try await ChildProcess.run(
                    [try NodeProcess.binaryPath(), "daemon", "--config", node.settingsPath])
                #expect(output.ending == .exited(65), "\(spoil): \(output.text)")
                #expect(
                    output.text.contains("the cache folder \(node.cachePath) \(reason)"),
                    "\(output.text)"
                )
            }
        }

        @Test("a path that is no digest is declined, and nothing outside the cache is read")
        func digestsThatArePaths() async throws {
            let registry = try await DockerRegistry()
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let process = try await cluster.start(cluster.nodes)[0]
            for path in [
                "image/blobs/sha256:../../../../etc/passwd", "image/blobs/sha256:..%2f..%2fetc%2fpasswd",
            ] {
                let answer = try await cluster.nodes[0].get(path, from: registry, options: ["--path-as-is"])
                #expect(answer.status == 404 || answer.status == 400)
            }
            try await process.stop()
            try await registry.process.stop()
        }

        @Test("wrong bytes from the registry are never sent on")
        func wrongBytes() async throws {
            let image = try await TestImage.noise(layerSizes: [3_000_000], seed: 7)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let layer = try #require(image.layers.first).blob
            var wrong = layer.bytes
            wrong[wrong.count / 2] ^= 1
            try registry.corrupt(layer.digest, with: wrong)
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let process = try await cluster.start(cluster.nodes)[0]

            let answer = try await cluster.nodes[0].get("image/blobs/\(layer.digest)", from: registry)
            #expect(answer.status != 200 || !answer.isWhole)
            try await process.stop()
            try await registry.process.stop()
        }
    }
}
