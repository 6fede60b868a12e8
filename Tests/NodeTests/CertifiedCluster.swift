import Foundation
import TestSupport

/// What `hawker cert authority` makes.
struct Authority: Sendable {
    private let folder: TemporaryFolder

    init() async throws {
        folder = try TemporaryFolder("authority")
        try await ChildProcess.check(
            [try NodeProcess.binaryPath(), "cert", "authority", "--out", folder.path, "--force"])
    }

    /// Lines of the table `[peers]` that name the files of `issue`.
    static func settings(of name: String, in target: TemporaryFolder) -> [String] {
        let files = target.path(name)
        return [
            "tls.certificate = \"\(files)/tls.crt\"", "tls.key = \"\(files)/tls.key\"",
            "tls.authorities = [\"\(files)/ca0.crt\", \"\(files)/ca1.crt\"]",
        ]
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
        settings.peerLines = Authority.settings(of: name, in: folder)
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

    func untilConnected() async throws { try await nodes.untilConnected() }

    /// The first node, then all others at once.
    func pullEverywhere(_ image: TestImage) async throws {
        try await nodes[0].pull(image, "image", from: registry)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes[1...] { group.addTask { try await node.pull(image, "image", from: self.registry) } }
            try await group.waitForAll()
        }
    }
}

extension [NodeProcess] {
    /// Waits until each has all others as peers, over TLS.
    func untilConnected() async throws {
        for node in self {
            try await eventually("\(node.settings.name) is connected to all") {
                try await node.peers().count { $0.state == "connected" && $0.encrypted } >= self.count - 1
            }
        }
    }
}

extension Sequence {
    /// One after the other.
    func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var results: [T] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
