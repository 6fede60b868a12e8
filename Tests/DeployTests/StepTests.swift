import Foundation
import TestSupport
import Testing

@Suite("The other steps of the chart's pods")
struct StepTests {
    private static let template = """
        [node]
        name = "@NODE@"
        zone = "@ZONE@"
        [peers]
        listen = "@ADDRESS@:4000"
        insecure_plaintext = true

        """

    private func run(
        _ command: [String], _ kube: KubeServer, _ environment: [String: String] = [:]
    ) async throws -> ChildProcess.Output {
        var variables = environment
        variables["PATH"] = try Steps.path()
        variables["KUBE_SERVER"] = kube.url
        variables["KUBE_ACCOUNT"] = kube.account
        return try await ChildProcess.run(["sh"] + command, environment: variables)
    }

    @Test(
        "a node's settings: its name, its address, and its zone from a value, a label, or none",
        arguments: [
            (["ZONE": "", "ZONE_LABEL": "topology.kubernetes.io/zone"], "10.0.0.1", "eu-1a", "10.0.0.1:4000"),
            (["ZONE": "", "ZONE_LABEL": "example/none"], "10.0.0.1", nil, "10.0.0.1:4000"),
            (["ZONE": "rack-7", "ZONE_LABEL": "topology.kubernetes.io/zone"], "fd00::1", "rack-7", "[fd00::1]:4000"),
            (["ZONE": "", "ZONE_LABEL": ""], "fd00::1", nil, "[fd00::1]:4000"),
        ] as [([String: String], String, String?, String)])
    func settings(zone: [String: String], address: String, expected: String?, listen: String) async throws {
        let kube = try await KubeServer()
        try kube.put("api/v1/nodes/n1", #"{"metadata": {"labels": {"topology.kubernetes.io/zone": "eu-1a"}}}"#)
        let folder = try TemporaryFolder("settings")
        let template = try folder.write("template", Self.template)
        let output = try await run(
            [Deploy.path("image/steps/pod-settings"), template, folder.path], kube,
            zone.merging(["NODE_NAME": "n1", "NODE_ADDRESS": address]) { $1 })
        #expect(output.ending == .exited(0), "\(output.text)")
        let made = String(decoding: try folder.read("hawker.toml"), as: UTF8.self)
        #expect(made.contains("name = \"n1\"\n") && made.contains("listen = \"\(listen)\"\n"), "\(made)")
        #expect(made.contains("zone") == (expected != nil), "\(made)")
        if let expected { #expect(made.contains("zone = \"\(expected)\"\n"), "\(made)") }
        #expect(kube.requests.isEmpty == (zone["ZONE"] != "" || zone["ZONE_LABEL"] == ""))
        try await kube.stop()
    }

    @Test("an API that refuses stops the step, with the API's words")
    func refused() async throws {
        let kube = try await KubeServer()
        let folder = try TemporaryFolder("settings")
        let output = try await run(
            [Deploy.path("image/steps/pod-settings"), try folder.write("template", Self.template), folder.path], kube,
            ["NODE_NAME": "n1", "NODE_ADDRESS": "10.0.0.1", "ZONE_LABEL": "a"])
        #expect(!output.succeeded)
        #expect(output.text.contains("404") && output.text.contains("labels cannot be read"), "\(output.text)")
        try await kube.stop()
    }

    @Test("a new cache folder becomes the daemon's; one with content stays as it is")
    func cache() async throws {
        let kube = try await KubeServer()
        let folder = try TemporaryFolder("cache")
        for (name, content, expected) in [("new", nil, "64123 700"), ("used", "x", "0 755")] as [(String, String?, String)] {
            let cache = try folder.makeFolder(name)
            if let content { try folder.write("\(name)/file", content) }
            try await ChildProcess.check(["chmod", "755", cache])
            for _ in 0..<2 {
                #expect(try await run([Deploy.path("image/steps/pod-cache"), cache, "64123"], kube).succeeded)
                #expect(try await ChildProcess.check(["stat", "-c", "%u %a", cache]) == expected + "\n")
            }
        }
        try await kube.stop()
    }

    @Test("the job that waits for all nodes ends well when all are reverted, and takes the authority away")
    func awaitRevert() async throws {
        let kube = try await KubeServer()
        let secret = "api/v1/namespaces/ns/secrets/hawker-authority"
        try kube.put(secret, "{}")
        // An answer without content is no leave.
        try kube.put("apis/apps/v1/namespaces/ns/daemonsets/hawker-revert", "")
        let environment = ["NAMESPACE": "ns", "DAEMONSET": "hawker-revert", "SECRET": "hawker-authority"]
        async let waited = run(
            [Deploy.path("image/steps/pod-await-revert")], kube, environment.merging(["SECONDS_MAX": "60"]) { $1 })
        // Only the second question shows that the first was answered.
        try await eventually("it has asked again") { kube.requests.count > 1 }
        #expect(kube.get(secret) != nil)
        try kube.put("apis/apps/v1/namespaces/ns/daemonsets/hawker-revert", Self.daemonSet(ready: 2))
        let asked = kube.requests.count
        try await eventually("it has asked twice more") { kube.requests.count > asked + 1 }
        #expect(kube.get(secret) != nil)
        try kube.put("apis/apps/v1/namespaces/ns/daemonsets/hawker-revert", Self.daemonSet(ready: 3))
        let output = try await waited
        #expect(output.ending == .exited(0), "\(output.text)")
        #expect(output.text.contains("reverted 2 of 3 nodes\nreverted 3 of 3 nodes\n"))
        #expect(kube.get(secret) == nil)
        try await kube.stop()
    }

    @Test("a node that does not come back is named, and the authority stays")
    func awaitRevertInVain() async throws {
        let kube = try await KubeServer()
        let secret = "api/v1/namespaces/ns/secrets/hawker-authority"
        try kube.put(secret, "{}")
        try kube.put("apis/apps/v1/namespaces/ns/daemonsets/hawker-revert", Self.daemonSet(ready: 2))
        try kube.put(
            "api/v1/namespaces/ns/pods",
            """
            {"items": [{"metadata": {"name": "p1"}, "spec": {"nodeName": "n1"},
                        "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
                       {"metadata": {"name": "p2"}, "spec": {"nodeName": "n2"}, "status": {}}]}
            """)
        let output = try await run(
            [Deploy.path("image/steps/pod-await-revert")], kube,
            ["NAMESPACE": "ns", "DAEMONSET": "hawker-revert", "SECRET": "hawker-authority", "SECONDS_MAX": "0"])
        #expect(output.ending == .exited(1))
        #expect(output.text.contains("not reverted yet: node n2, pod p2\n"), "\(output.text)")
        #expect(!output.text.contains("p1"))
        #expect(kube.get(secret) != nil)
        try await kube.stop()
    }

    private static func daemonSet(ready: Int) -> String {
        """
        {"metadata": {"generation": 1},
         "status": {"observedGeneration": 1, "desiredNumberScheduled": 3, "numberReady": \(ready)}}
        """
    }
}
