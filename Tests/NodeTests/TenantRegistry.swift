import OCIModel
import Synchronization
import TestSupport

/// A registry with a token server, three repositories and three tenants.
///
/// `acme/app` and `beta/app` are each one tenant's own, `open/app` is anybody's. A repository has a layer of its own
/// and one that all three share.
final class TenantRegistry: Sendable {
    enum Repository: String, CaseIterable, Sendable { case acme = "acme/app", beta = "beta/app", open = "open/app" }

    /// Of the token that a caller shows; `revoked` was good once.
    enum Token: String, CaseIterable, Sendable {
        case acme = "canary-acme", beta = "canary-beta", stranger = "canary-stranger", wrong = "canary-wrong"
        case revoked = "canary-revoked"
    }

    struct Image: Sendable {
        let manifest: Blob
        let layer: Blob
    }

    let images: [Repository: Image]
    let shared: Blob
    let server: ScriptedServer
    /// Whether the registry answers at all, and whether it still takes the token that will be revoked.
    private let state: Mutex<(isUp: Bool, isRevoked: Bool)>

    init(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let shared = try await Blob(generator.bytes(count: 300_000))
        var images: [Repository: Image] = [:]
        for repository in Repository.allCases {
            let layer = try await Blob(generator.bytes(count: 200_000))
            images[repository] = Image(manifest: try await Self.manifest([layer, shared]), layer: layer)
        }
        self.images = images
        self.shared = shared
        state = Mutex((isUp: true, isRevoked: false))
        let box = Box()
        server = try await ScriptedServer { request in box.registry?.answer(request) ?? [.close] }
        box.registry = self
    }

    /// Lets the server, which has to be there first, reach the registry.
    private final class Box: @unchecked Sendable {
        weak var registry: TenantRegistry?
    }

    func set(isUp: Bool) { state.withLock { $0.isUp = isUp } }
    func revoke() { state.withLock { $0.isRevoked = true } }

    /// What the registry itself would do.
    func allows(_ token: Token?, _ repository: Repository) -> Bool {
        let isRevoked = state.withLock { $0.isRevoked }
        return switch token {
        case nil: repository == .open
        case .acme: repository != .beta
        case .beta: repository != .acme
        case .stranger: repository == .open
        case .wrong: false
        case .revoked: !isRevoked && repository != .beta
        }
    }

    /// What the registry itself would do when asked for some content under a repository's name.
    func gives(_ token: Token?, _ repository: Repository, _ content: Blob) -> Bool {
        allows(token, repository) && has(content, in: repository)
    }

    func has(_ content: Blob, in repository: Repository) -> Bool {
        images[repository].map { [shared, $0.layer, $0.manifest].contains(content) } ?? false
    }

    func blob(_ digest: Digest, of repository: Repository) -> Blob? {
        guard let image = images[repository] else { return nil }
        return [image.layer, shared].first { $0.digest == digest }
    }

    private static func manifest(_ layers: [Blob]) async throws -> Blob {
        let parts = layers.map {
            """
            {"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\($0.digest)","size":\($0.bytes.count)}
            """
        }
        let config = """
            {"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:\
            \(String(repeating: "0", count: 64))","size":2}
            """
        let text = """
            {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","config":\(config),\
            "layers":[\(parts.joined(separator: ","))]}
            """
        return try await Blob(Array(text.utf8))
    }

    // MARK: The server

    private func answer(_ request: ScriptedServer.Request) -> [ScriptedServer.Step] {
        guard state.withLock({ $0.isUp }) else { return [.close] }
        if request.target.hasPrefix("/token") { return .response(200, body: Array(#"{"token":"anonymous"}"#.utf8)) }
        let path = request.target.split(separator: "/").map(String.init)
        guard path.count == 5, path[0] == "v2", let repository = Repository(rawValue: "\(path[1])/\(path[2])") else {
            return .response(404)
        }
        guard isAllowed(request.header("authorization"), repository) else {
            let scope = "repository:\(repository.rawValue):pull"
            let challenge = "Bearer realm=\"\(server.url)/token\",service=\"tenants\",scope=\"\(scope)\""
            return .response(401, headers: [("WWW-Authenticate", challenge)], isHead: request.method == "HEAD")
        }
        return content(path[3], path[4], repository, request)
    }

    private func isAllowed(_ header: String?, _ repository: Repository) -> Bool {
        guard let header, header.hasPrefix("Bearer ") else { return false }
        let text = String(header.dropFirst("Bearer ".count))
        if text == "anonymous" { return allows(nil, repository) }
        return Token(rawValue: text).map { allows($0, repository) } ?? false
    }

    private func content(
        _ kind: String, _ reference: String, _ repository: Repository, _ request: ScriptedServer.Request
    ) -> [ScriptedServer.Step] {
        let isHead = request.method == "HEAD"
        guard let image = images[repository] else { return .response(404) }
        if kind == "manifests" {
            guard reference == "latest" || reference == "\(image.manifest.digest)" else { return .response(404) }
            let headers = [
                ("Content-Type", "\(MediaType.ociManifest)"), ("Docker-Content-Digest", "\(image.manifest.digest)"),
                ("Content-Length", "\(image.manifest.bytes.count)"),
            ]
            return .response(200, headers: headers, body: image.manifest.bytes, isHead: isHead)
        }
        guard let digest = Digest(reference[...]), let blob = blob(digest, of: repository) else {
            return .response(404)
        }
        guard !isHead else { return .response(200, headers: [("Content-Length", "\(blob.bytes.count)")], isHead: true) }
        let ends = (request.header("range") ?? "").split { !$0.isNumber }.compactMap { Int($0) }
        guard ends.count == 2 else { return .response(200, body: blob.bytes) }
        let range = ("Content-Range", "bytes \(ends[0])-\(ends[1])/\(blob.bytes.count)")
        return .response(206, headers: [range], body: Array(blob.bytes[ends[0]...ends[1]]))
    }
}
