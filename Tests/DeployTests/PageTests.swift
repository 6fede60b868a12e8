import Foundation
import TestSupport
import Testing

@Suite("The operator's pages")
struct PageTests {
    @Test("every block says where it is run, every link leads somewhere, every settings example is right")
    func form() async throws {
        let stages: Set = ["build", "node", "node k3s", "node conflict", "node metrics", "cluster", "uninstalled", "bare"]
        for name in Page.names {
            for block in try Page.blocks(name) {
                switch block.words.first {
                case "sh": #expect(stages.contains(block.stage), "\(block.place): nobody runs \(block.words)")
                case "toml":
                    let file = try TemporaryFolder("page")
                    let output = try await ChildProcess.run(
                        [try NodeProcess.binaryPath(), "config", "check", try file.write("hawker.toml", block.text)])
                    #expect(output.succeeded, "\(block.place): \(output.text)")
                default: Issue.record("\(block.place): a fence without a language")
                }
            }
            let text = try String(contentsOfFile: Deploy.path("\(name).md"), encoding: .utf8)
            for link in text.matches(of: /\]\(([a-z]+\.md)?(#[a-z0-9-]+)?\)/) {
                let target = link.output.1.map(String.init) ?? "\(name).md"
                let page = try String(contentsOfFile: Deploy.path(target), encoding: .utf8)
                guard let anchor = link.output.2?.dropFirst() else { continue }
                let anchors = page.split(separator: "\n").filter { $0.hasPrefix("#") }.map { heading in
                    heading.drop { $0 == "#" || $0 == " " }.lowercased().replacing(" ", with: "-")
                }
                #expect(anchors.contains(String(anchor)), "\(name).md: \(target)#\(anchor)")
            }
        }
        let pages = try FileManager.default.contentsOfDirectory(atPath: Deploy.path("")).filter { $0.hasSuffix(".md") }
        #expect(Set(pages) == Set(Page.names.map { $0 + ".md" }))
    }

    @Test("what is done in a cluster is right for the chart", .enabled(if: Deploy.isAll))
    func cluster() async throws {
        let machine = try await BuildMachine()
        for name in Page.names {
            for block in try Page.blocks(name) where ["cluster", "uninstalled"].contains(block.stage) {
                try await Self.run(block) { try await machine.run($0) }
            }
        }
    }

    @Test("what is done on a build machine and on a node works, page by page", .enabled(if: Deploy.isAll))
    func node() async throws {
        let machine = try await BuildMachine()
        let registry = try await DockerRegistry()
        for block in try Page.names.flatMap(Page.blocks) where block.stage == "build" {
            try await Self.run(block) { try await machine.run($0, registry: registry.host) }
        }
        try await registry.process.stop()

        let node = try await DebianTree(packages: [
            "systemd", "systemd-sysv", "dbus", "ca-certificates", "adduser", "passwd", "containerd", "runc", "curl",
            "iproute2", "procps", "libcurl4", "libuv1", "libprotobuf-c1", "libzstd1", "libsqlite3-0", "libc-ares2",
            "libhttp-parser2.9", "libhiredis0.14",
        ])
        let packages = try FileManager.default.contentsOfDirectory(atPath: machine.folder.path).filter {
            $0.hasSuffix(".deb")
        }
        let package = try #require(packages.first)
        try await ChildProcess.check(["cp", machine.folder.path(package), node.path + "/srv/"])
        try await node.check("echo 'APT::Get::Assume-Yes \"true\";' >/etc/apt/apt.conf.d/90yes")
        for name in Page.names {
            if name == "upgrade" { try await machine.placeNewerPackage(in: node.path + "/srv") }
            var stage = ""
            for block in try Page.blocks(name) where block.stage.hasPrefix("node") {
                if block.stage != stage { try await Self.prepare(node, block.stage) }
                stage = block.stage
                try await Self.run(block) { try await node.run("cd /srv && " + $0) }
            }
        }
        try await Self.prepare(node, "bare")
        try await ChildProcess.check(["cp", try await Deploy.release(), node.path + "/srv/hawker"])
        try await ChildProcess.check(["cp", "--recursive", Deploy.root + "/Scripts", node.path + "/srv/"])
        for block in try Page.names.flatMap(Page.blocks) where block.stage == "bare" {
            try await Self.run(block) { try await node.run("cd /srv && " + $0) }
        }
        try await node.stop()
    }

    /// What a page supposes of the node it speaks of.
    private static func prepare(_ node: DebianTree, _ stage: String) async throws {
        switch stage {
        case "node k3s":
            // k3s itself is not in Debian; only its unit is needed here.
            try await node.check(
                "printf '[Service]\\nExecStart=/bin/sleep 1000\\n' >/etc/systemd/system/k3s.service; systemctl daemon-reload")
        case "node conflict":
            try await node.check(
                """
                hawker containerd revert --all
                cat >/etc/containerd/config.toml <<'END'
                version = 2
                [plugins."io.containerd.grpc.v1.cri".registry]
                  config_path = "/etc/containerd/certs.d"
                  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
                    endpoint = ["https://registry-1.docker.io"]
                END
                systemctl restart containerd
                """)
            try await eventually("containerd says so") {
                try await node.check("journalctl --unit containerd --no-pager").contains(
                    "`mirrors` cannot be set when `config_path` is provided")
            }
        case "bare": try await node.run("apt-get purge hawker; rm -rf /etc/hawker /var/lib/dragonfly").requireSuccess()
        default: break
        }
    }

    private static func run(
        _ block: Page.Block, _ run: (String) async throws -> ChildProcess.Output
    ) async throws {
        for command in block.commands {
            let output = try await run(command.text)
            #expect(
                command.statuses.contains { output.ending == .exited($0) },
                "\(block.place): \(command.text)\(output.ending)\n\(output.text.suffix(2_000))")
        }
    }
}

extension ChildProcess.Output {
    func requireSuccess() throws {
        guard succeeded else { throw TestFailure(text) }
    }
}
