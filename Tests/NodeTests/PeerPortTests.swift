import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("strangers on the peer port")
    struct PeerPortTests {
        /// As `printf` spells bytes. Headers: message bytes, payload bytes, stream (u32 each), type, flags,
        /// zero.
        private static let openings: [(name: String, bytes: String)] = [
            ("half a header", #"\x10\x00\x00"#),
            ("a Hello cut off", #"\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x08\x01"#),
            ("a message of 4 GiB", #"\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00"#),
            (
                "a payload of 4 GiB",
                #"\x02\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00\x08\x00\x00\x00\x08\x01"#
            ),
            ("a piece before Hello", #"\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00x"#),
            ("a web browser", #"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"#),
            ("noise", #"\x9c\x00\xff\x1b\x5d\x80\x00\x7f\xee\x01\xc3\x28\xf0\x9f\x00\x00\xde\xad\xbe\xef"#),
        ]

        @Test("are sent away, by those who keep the connection open too, and the node goes on serving")
        func strangers() async throws {
            let image = try await TestImage.noise(layerSizes: [500_000], seed: 10)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let cluster = try Cluster(nodes: ["a", "b"], registry: registry)
            let processes = try await cluster.start(cluster.nodes)
            let port = cluster.nodes[0].settings.peerPort

            try await withThrowingTaskGroup(of: (String, ChildProcess.Output).self) { group in
                for opening in Self.openings {
                    // `cat` ends when the node closes; `timeout` says 124 when it does not.
                    let script =
                        "exec 3<>/dev/tcp/127.0.0.1/\(port); printf '\(opening.bytes)' >&3; timeout 15 cat <&3"
                    group.addTask { (opening.name, try await ChildProcess.run(["bash", "-c", script])) }
                    let hasty = "exec 3<>/dev/tcp/127.0.0.1/\(port); printf '\(opening.bytes)' >&3"
                    group.addTask { (opening.name, try await ChildProcess.run(["bash", "-c", hasty])) }
                }
                for try await (name, output) in group {
                    #expect(output.ending != .exited(124), "\(name): the connection stays open")
                }
            }

            try await cluster.nodes[0].pull(image, "image", from: registry)
            try await cluster.nodes[1].pull(image, "image", from: registry)
            #expect(try await cluster.nodes[1].report().bytes(fromPeer: "a") >= 500_000)
            for process in processes { #expect(try await process.stop() == .exited(0)) }
            try await registry.process.stop()
        }
    }
}
