import Foundation
import OCIModel
import TestSupport

/// A registry and nodes that know one another, all on loopback.
final class Cluster: Sendable {
    let registry: DockerRegistry
    let nodes: [NodeProcess]

    /// Nothing of the nodes runs yet. `change` may change a node's settings.
    init(
        nodes names: [String], registry: DockerRegistry, change: (inout NodeProcess.Settings) -> Void = { _ in }
    ) throws {
        var settings = try names.map { try NodeProcess.Settings(name: $0) }
        for index in settings.indices {
            settings[index].registries = [(registry.host, registry.url)]
            settings[index].peers = settings.indices.filter { $0 != index }.map {
                "127.0.0.1:\(settings[$0].peerPort)"
            }
            change(&settings[index])
        }
        self.registry = registry
        nodes = try settings.map { try NodeProcess($0) }
    }

    /// Starts the given nodes and waits until each of them has a connected peer, if it has peers.
    func start(_ starting: [NodeProcess]) async throws -> [ChildProcess] {
        var processes: [ChildProcess] = []
        for node in starting { processes.append(try await node.start()) }
        if starting.count > 1 {
            for node in starting {
                try await eventually("node \(node.settings.name) has a peer") {
                    try await node.peers().contains { $0.state == "connected" }
                }
            }
        }
        return processes
    }
}

/// What a mirror answered.
struct Answer: Sendable {
    let status: Int
    let bytes: [UInt8]
    /// False when the connection ended before the promised length.
    let isWhole: Bool
}

/// `hawker status --json`, as far as the tests look at it.
struct NodeReport: Decodable {
    struct Source: Decodable {
        let source: String
        let isPeer: Bool
        let contentBytes: Int
        let wireBytes: Int
        let compressedBytes: Int
    }

    struct Mirror: Decodable {
        let blobsServed: Int
        let bytesSent: Int
    }

    struct Discovery: Decodable {
        let state: String
        let endpoints: Int
    }

    struct Limit: Decodable {
        let key: String
        let bytesPerSecond: Int
        let bytes: Int
        let waits: Int
    }

    let received: [Source]
    let uploadedBytes: Int
    let uploadedWireBytes: Int
    let uploadedCompressedBytes: Int
    let limits: [Limit]
    let discovery: [Discovery]
    let mirror: Mirror

    var bytesFromRegistry: Int { received.filter { !$0.isPeer }.map(\.contentBytes).reduce(0, +) }

    var bytesFromPeers: Int { received.filter(\.isPeer).map(\.contentBytes).reduce(0, +) }

    /// The one whose key begins so.
    func limit(_ key: String) -> Limit? { limits.first { $0.key.hasPrefix(key) } }

    func bytes(fromPeer name: String) -> Int {
        received.filter { $0.isPeer && $0.source == name }.map(\.contentBytes).reduce(0, +)
    }
}

/// One line of `hawker peers --json`.
struct PeerReport: Decodable {
    let name: String
    let state: String
    let reason: String
    let knownFrom: [String]
    let encrypted: Bool
    let certificateName: String
}

extension NodeProcess {
    func report() async throws -> NodeReport {
        try Self.decode(try await admin(["status", "--json"]))
    }

    func peers() async throws -> [PeerReport] {
        try Self.decode(try await admin(["peers", "--json"]))
    }

    /// Asks the mirror as containerd does in config path mode; `path` is what follows `/v2/`.
    func get(_ path: String, from registry: DockerRegistry, options: [String] = []) async throws -> Answer {
        try await get(path, namespace: registry.host, options: options)
    }

    /// Without a namespace it is the node's default registry that is asked for.
    func get(_ path: String, namespace: String?, options: [String] = []) async throws -> Answer {
        let folder = try TemporaryFolder("answer")
        let query = namespace.map { "?ns=\($0)" } ?? ""
        let output = try await ChildProcess.run(
            [
                "curl", "--silent", "--output", folder.path("body"), "--write-out", "%{http_code}",
                "--header", "Accept: \(TestImage.manifestMediaType)",
            ] + options + ["\(mirrorURL)/v2/\(path)\(query)"]
        )
        return Answer(
            status: Int(output.text) ?? 0,
            bytes: (try? folder.read("body")) ?? [],
            isWhole: output.succeeded
        )
    }

    /// Fetches an image's manifest by digest, its configuration and its layers, and compares every byte.
    func pull(_ image: TestImage, _ repository: String, from registry: DockerRegistry) async throws {
        let manifest = try await get("\(repository)/manifests/\(image.manifest.digest)", from: registry)
        guard manifest.status == 200, manifest.bytes == image.manifest.bytes else {
            throw TestFailure("node \(settings.name): manifest: status \(manifest.status)")
        }
        for blob in [image.config] + image.layers.map(\.blob) {
            let answer = try await get("\(repository)/blobs/\(blob.digest)", from: registry)
            guard answer.status == 200, answer.isWhole, answer.bytes == blob.bytes else {
                throw TestFailure(
                    "node \(settings.name): \(blob.digest): status \(answer.status), \(answer.bytes.count) bytes"
                )
            }
        }
    }

    private static func decode<T: Decodable>(_ text: String) throws -> T {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(T.self, from: Data(text.utf8))
    }
}
