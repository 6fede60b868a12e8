import Foundation
import Glibc
import Testing

@testable import RuntimeConfig

@Suite("hawker runtime check, apply and revert on a real disk")
struct RuntimeCommandTests {
    private enum Action { case check, apply, revert, revertAll }

    private static let names: [OtherRuntime: String] = [
        .podman: "registries.conf", .crio: "registries.conf", .docker: "daemon.json", .k3s: "registries.yaml",
        .rke2: "registries.yaml",
    ]

    private static let texts: [OtherRuntime: [String?]] = [
        .podman: [nil, "# mine\n", "[[registry]]\nlocation = \"docker.io\"\n"],
        .crio: [
            nil, "[[registry]]\r\nlocation = 'docker.io'\r\n[[registry.mirror]]\r\nlocation = 'm.example'",
        ],
        .docker: [
            nil, "{\"debug\": true}\n", "{\n\t\"registry-mirrors\": [\n\t\t\"https://m.example\"\n\t]\n}",
        ],
        .k3s: [nil, "# mine\n", "mirrors:\n  docker.io:\n    endpoint:\n      - https://m.example\n"],
        .rke2: [nil, "configs:\n  r.example:\n    tls:\n      ca_file: /ca.pem"],
    ]

    private func run(
        _ action: Action, _ runtime: OtherRuntime, _ scratch: Scratch, registries: [String] = ["docker.io"],
        change: (inout OtherRuntimeOptions) -> Void = { _ in }
    ) throws -> (status: Int32, text: String) {
        var options = OtherRuntimeOptions(
            runtime: runtime, mirror: try #require(Endpoint("http://127.0.0.1:4001")))
        options.config = scratch.path("etc/" + (Self.names[runtime] ?? ""))
        options.stateDirectory = scratch.path("state")
        options.registries = registries.compactMap(RegistryTarget.init)
        change(&options)
        let words = Words()
        let commands = RuntimeCommands(options: options, output: words.output)
        let status =
            switch action {
            case .check: commands.check()
            case .apply: commands.apply()
            case .revert: commands.revert()
            case .revertAll: commands.revertAll()
            }
        return (status, words.text)
    }

    @Test(
        "apply, again, and revert: the first writes, the second does nothing, the third restores",
        arguments: OtherRuntime.allCases)
    func roundTrip(runtime: OtherRuntime) throws {
        for text in Self.texts[runtime] ?? [] {
            let scratch = try Scratch()
            if let text { try scratch.write("etc/" + (Self.names[runtime] ?? ""), text) }
            let original = scratch.snapshot()
            #expect(try run(.check, runtime, scratch).status == 1)
            #expect(
                try run(.apply, runtime, scratch, change: { $0.isDryRun = true }).text.contains(
                    "127.0.0.1:4001"))
            #expect(scratch.snapshot() == original)
            #expect(try run(.apply, runtime, scratch).status == 0)
            let applied = scratch.snapshot()
            #expect(applied != original)
            #expect(try run(.check, runtime, scratch).status == 0)
            #expect(try run(.apply, runtime, scratch).text.contains("nothing to do"))
            #expect(scratch.snapshot() == applied)
            #expect(try run(.revert, runtime, scratch).status == 0)
            #expect(scratch.snapshot() == original)
            #expect(try run(.revert, runtime, scratch).text == "nothing to do")
        }
    }

    @Test("a registry that is not named any more leaves nothing behind")
    func declarative() throws {
        for runtime in [OtherRuntime.podman, .k3s] {
            let scratch = try Scratch()
            let direct = try Scratch()
            #expect(try run(.apply, runtime, direct, registries: ["quay.io"]).status == 0)
            #expect(try run(.apply, runtime, scratch, registries: ["docker.io", "quay.io"]).status == 0)
            #expect(try run(.apply, runtime, scratch, registries: ["quay.io"]).status == 0)
            #expect(scratch.snapshot() == direct.snapshot())
        }
    }

    @Test("revert takes out our part alone when the file was edited since")
    func threeWay() throws {
        let edits: [(OtherRuntime, String, (String) -> String, String)] = [
            (
                .podman, "[[registry]]\nlocation = \"docker.io\"\n",
                { $0 + "\n[[registry]]\nlocation = \"q.example\"\n" },
                "[[registry]]\nlocation = \"docker.io\"\n\n[[registry]]\nlocation = \"q.example\"\n"
            ),
            (
                .docker, "{\n  \"debug\": true,\n  \"mtu\": 1\n}\n",
                { $0.replacing("\"debug\": true", with: "\"debug\": false") },
                "{\n  \"debug\": false,\n  \"mtu\": 1\n}\n"
            ),
            (.k3s, "a: b\n", { "# new\n" + $0 }, "# new\na: b\n"),
        ]
        for (runtime, before, edit, after) in edits {
            let scratch = try Scratch()
            let name = "etc/" + (Self.names[runtime] ?? "")
            try scratch.write(name, before)
            #expect(try run(.apply, runtime, scratch).status == 0)
            try scratch.write(name, edit(scratch.text(name) ?? ""))
            #expect(try run(.revert, runtime, scratch).status == 0)
            #expect(scratch.text(name) == after)
        }
    }

    @Test("a refusal, or a file that cannot be written, changes no byte and says why")
    func refusals() throws {
        let scratch = try Scratch()
        try scratch.write("etc/registries.conf", "[registries.search]\nregistries = []\n")
        let before = scratch.snapshot()
        let result = try run(.apply, .podman, scratch)
        #expect(result.status == 65)
        #expect(result.text.contains("etc/registries.conf:1: this is the old format"))
        #expect(scratch.snapshot() == before)
        #expect(try run(.check, .podman, scratch).status == 2)
        let json = try run(.apply, .podman, scratch, change: { $0.isJSON = true }).text
        #expect(json.contains("\"refused\" : true"))

        let readOnly = try Scratch()
        try readOnly.write("etc/daemon.json", "{}")
        chmod(readOnly.path("etc/daemon.json"), 0o444)
        let failed = try run(.apply, .docker, readOnly)
        #expect(failed.status == 74)
        #expect(failed.text.contains("is read-only"))
        #expect(readOnly.text("etc/daemon.json") == "{}")
    }

    @Test(
        "a managed file or system is refused with the right place",
        arguments: [
            ("/var/lib/rancher/k3s/agent/etc/containerd/config.toml", "", "/etc/rancher/k3s/registries.yaml"),
            (
                "/var/lib/rancher/rke2/agent/etc/containerd/config.toml", "",
                "/etc/rancher/rke2/registries.yaml"
            ),
            ("/etc/x", "NAME=Bottlerocket\nID=bottlerocket\n", "settings.container-registry.mirrors"),
            ("/etc/x", "ID=\"talos\"\n", "machine.registries.mirrors"),
            ("/etc/x", "ID=cos\n", "--containerd-config-from-file"),
            ("/etc/x", "ID=debian\n", nil), ("/etc/x", "", nil),
        ] as [(String, String, String?)])
    func managed(config: String, release: String, place: String?) throws {
        let tree = MemoryTree(["/etc/os-release": release])
        var finding: Finding?
        do throws(Refusal) {
            try ManagedNode.refuse(config: config, tree: tree)
        } catch {
            finding = error.findings[0]
        }
        #expect(finding?.rule == (place == nil ? nil : .managedFile))
        if let place { #expect(finding?.remedy.contains(place) == true) }
    }
}
