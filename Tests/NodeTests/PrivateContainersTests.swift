import Foundation
import OCIModel
import TestSupport
import Testing

@Suite("real Podman, Buildah and Skopeo, a node, and a registry that wants a password", .serialized)
struct PrivateContainersTests {
    private static let user = "somebody:canary-password"

    enum Client: String, CaseIterable, Sendable {
        case podman, buildah, skopeo

        /// `user` is `name:password`; `nil` for nobody.
        func command(_ reference: String, _ user: String?, _ home: ContainersNodeTests.Home) -> [String] {
            let storage = [
                "--root", home.folder.path("images-\(self)"), "--runroot", home.folder.path("run-\(self)"),
                "--storage-driver", "vfs",
            ]
            let login = user.map { ["\(self == .skopeo ? "--src-creds" : "--creds")=\($0)"] } ?? []
            return switch self {
            case .podman:
                ["podman"] + storage + ["--cgroup-manager", "cgroupfs", "--events-backend", "none", "pull", "--quiet"]
                    + login + [reference]
            case .buildah: ["buildah"] + storage + ["pull", "--quiet"] + login + [reference]
            case .skopeo: ["skopeo", "copy"] + login + ["docker://\(reference)", "dir:\(home.folder.path("copy"))"]
            }
        }
    }

    @Test("get the image with it and nothing without, and the node never sees it", arguments: [true, false])
    func pull(hasTokens: Bool) async throws {
        let tokens = try await TokenServer(user: Self.user, repository: "image")
        let passwords = try await PasswordFile(Self.user)
        let registry = try await DockerRegistry(auth: hasTokens ? tokens.auth : passwords.auth)
        var generator = SeededGenerator(seed: 44)
        let image = try await TestImage.unpackable([(.gzip, ["noise": generator.bytes(count: 300_000)])])
        try registry.add(image, repository: "image")
        var settings = try NodeProcess.Settings(name: "a")
        settings.registries = [(registry.host, registry.url)]
        let node = try NodeProcess(settings)
        let daemon = try await node.start()
        let home = try ContainersNodeTests.Home(nil)
        try await ChildProcess.check([
            try NodeProcess.binaryPath(), "runtime", "apply", "--runtime", "podman", "--config", home.configPath,
            "--state-dir", home.folder.path("state"), "--registry", "\(registry.host)=\(registry.url)", "--mirror",
            node.mirrorURL,
        ])

        for client in Client.allCases {
            let reference = "\(registry.host)/image:latest"
            for stranger in [nil, "somebody:wrong"] {
                let command = client.command(reference, stranger, home)
                let refused = try await ChildProcess.run(home.environment + command)
                #expect(!refused.succeeded, "\(client) as \(stranger ?? "nobody")")
            }
            // The program itself compares every digest.
            let known = try await ChildProcess.run(home.environment + client.command(reference, Self.user, home))
            #expect(known.succeeded, "\(client): \(known.text)")
        }
        for layer in image.layers {
            #expect(try home.folder.read("copy/\(layer.blob.digest.hex)") == layer.blob.bytes)
        }
        let log = try String(contentsOfFile: node.logPath, encoding: .utf8)
        #expect(!log.contains("canary"))
        #expect(try await !node.admin(["status", "--json"]).contains("canary"))
        try await daemon.stop()
        try await registry.process.stop()
        await tokens.server.close()
    }
}
