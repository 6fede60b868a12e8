import Foundation
import TestSupport
import Testing

@Suite("The chart's step on nodes as distributions ship them")
struct NodeTreeTests {
    @Test(
        "right, or refused with the right advice; again: nothing; uninstalled: every byte as before",
        arguments: Distribution.all)
    func wire(distribution: Distribution) async throws {
        var files = distribution.files
        if files.isEmpty {
            files[Distribution.configPath] = try await ChildProcess.check(["containerd", "config", "default"])
                .replacing("SystemdCgroup = false", with: "SystemdCgroup = true")
        }
        let node = try await NodeTree(files, containerd: distribution.containerd)
        let before = try await node.configuration()
        let first = node.containerd
        let arguments = distribution.arguments

        let wired = try await node.wire(arguments)
        switch distribution.expectation {
        case .refused(let words):
            #expect(wired.ending == .exited(65), "\(wired.text)")
            for word in words { #expect(wired.text.contains(word), "\(wired.text)") }
            #expect(try await node.configuration() == before)
        case .wired(let restarts):
            #expect(wired.ending == .exited(0), "\(wired.text)")
            let after = try await node.configuration()
            #expect(after != before)
            #expect((node.containerd != first) == restarts, "\(wired.text)")
            let second = node.containerd
            let again = try await node.wire(arguments)
            #expect(again.ending == .exited(0) && again.text.contains("nothing to do"), "\(again.text)")
            #expect(try await node.configuration() == after)
            #expect(node.containerd == second)
            if distribution.containerd != nil { try await node.expectCRI() }
        }

        let last = node.containerd
        let reverted = try await node.revert()
        if case .wired(restarts: true) = distribution.expectation {
            try await eventually("containerd is restarted: \(reverted.text)") { node.containerd != last }
        } else {
            #expect(node.containerd == last)
        }
        #expect(reverted.ending == .exited(0) && reverted.text.contains("node n1 is as it was"), "\(reverted.text)")
        #expect(try await node.configuration() == before)
        #expect(!FileManager.default.fileExists(atPath: node.folder.path("tree/var/lib/hawker")))
        if distribution.containerd != nil { try await node.expectCRI() }
        try await node.stop()
    }

    @Test("the founding mistake, mirrors beside config_path, is named and left as it is")
    func conflict() async throws {
        let broken = """
            version = 2
            [plugins."io.containerd.grpc.v1.cri".registry]
              config_path = "/etc/containerd/certs.d"
              [plugins."io.containerd.grpc.v1.cri".registry.mirrors."r.example"]
                endpoint = ["http://127.0.0.1:4001"]

            """
        let node = try await NodeTree([Distribution.configPath: broken], containerd: nil)
        let arguments = ["--containerd-version=1.6.20", "--config=" + Distribution.configPath]
        let refused = try await node.wire(arguments)
        #expect(refused.ending == .exited(65), "\(refused.text)")
        #expect(refused.text.contains("`mirrors` cannot be set when `config_path` is provided"), "\(refused.text)")
        #expect(node.text(Distribution.configPath) == broken)
        try await node.stop()
    }

    @Test("k3s by its registries.yaml: its service is restarted when that changed, and only then")
    func k3s() async throws {
        let node = try await NodeTree(Distribution.k3s.files, containerd: nil)
        let before = try await node.configuration()
        let activated = node.folder.path("tree/run/activated")
        let apply = { () async throws -> Bool in
            try? FileManager.default.removeItem(atPath: activated)
            let output = try await node.step(
                ["pod-wire", "k3s", "--registry=r.example"], environment: ["ACTIVATE": "touch /run/activated"])
            #expect(output.ending == .exited(0), "\(output.text)")
            return FileManager.default.fileExists(atPath: activated)
        }
        #expect(try await apply())
        #expect(node.text("/etc/rancher/k3s/registries.yaml")?.contains("http://127.0.0.1:4001") == true)
        #expect(try await !apply())
        let reverted = try await node.revert()
        #expect(reverted.ending == .exited(0), "\(reverted.text)")
        #expect(FileManager.default.fileExists(atPath: activated))
        #expect(try await node.configuration() == before)
        try await node.stop()
    }

    @Test("uninstalling takes away a cache that is Hawker's, and no other folder")
    func cache() async throws {
        for isOurs in [true, false] {
            let node = try await NodeTree(["/var/lib/dragonfly/content/blob": "x"], containerd: nil)
            if isOurs { try node.folder.write("tree/var/lib/dragonfly/content/.hawker-content", "") }
            #expect(try await node.revert().ending == .exited(0))
            #expect((node.text("/var/lib/dragonfly/content/blob") == nil) == isOurs)
            try await node.stop()
        }
    }

    @Test("reverting waits for the daemon's pod to be gone")
    func waits() async throws {
        let node = try await NodeTree([:], containerd: nil)
        let pods = "api/v1/namespaces/kube-system/pods"
        try node.kube.put(pods, #"{"items": [{"metadata": {"name": "hawker-1"}}]}"#)
        let environment = ["NODE_NAME": "n1", "NAMESPACE": "kube-system", "SELECTOR": "a=b", "UNIT": "containerd"]
        async let reverted = node.step(["pod-revert"], environment: environment)
        try await eventually("it asks") { !node.kube.requests.isEmpty }
        try node.kube.put(pods, #"{"items": []}"#)
        let output = try await reverted
        #expect(output.ending == .exited(0), "\(output.text)")
        #expect(output.text.contains("waiting for hawker-1 to end"))
        #expect(
            node.kube.requests.first == "GET /\(pods)?labelSelector=a=b&fieldSelector=spec.nodeName=n1",
            "\(node.kube.requests)")
        try await node.stop()
    }
}
