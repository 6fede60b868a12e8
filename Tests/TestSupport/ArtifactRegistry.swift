package import OCIModel
import Synchronization

/// A registry of the distribution specification 1.1 with one repository: any media type, pages of tags, and lists of
/// referrers.
package final class ArtifactRegistry: Sendable {
    package struct Manifest: Sendable {
        package let mediaType: String
        package let content: Blob
        /// What it refers to, and as which kind of artifact.
        package var subject: Digest?
        package var artifactType = ""

        package init(
            _ mediaType: String, _ text: String, subject: Digest? = nil, artifactType: String = ""
        ) async throws {
            self.mediaType = mediaType
            content = try await Blob(Array(text.utf8))
            self.subject = subject
            self.artifactType = artifactType
        }

        fileprivate var descriptor: String {
            """
            {"mediaType":"\(mediaType)","digest":"\(content.digest)","size":\(content.bytes.count),\
            "artifactType":"\(artifactType)"}
            """
        }
    }

    package struct State: Sendable {
        package var manifests: [Manifest] = []
        package var blobs: [Blob] = []
        package var tags: [String: Digest] = [:]
        /// Else the list is not there, as in older registries.
        package var knowsReferrers = true
        /// Who may pull, by token; empty lets everybody.
        package var tokens: Set<String> = []
        package var isUp = true
        /// Before each answer about a manifest.
        package var pauseMillis: UInt64 = 0

        package init() {}
    }

    package static let repository = "team/thing"
    package let server: ScriptedServer
    private let state: Mutex<State>

    package init(_ initial: State) async throws {
        state = Mutex(initial)
        let box = Box()
        server = try await ScriptedServer { request in box.registry?.answer(request) ?? [.close] }
        box.registry = self
    }

    /// Lets the server, which has to be there first, reach the registry.
    private final class Box: @unchecked Sendable {
        weak var registry: ArtifactRegistry?
    }

    package func change(_ body: @Sendable (inout State) -> Void) { state.withLock { body(&$0) } }

    /// How often something was asked for with this method and target, without its query.
    package func count(_ method: String, _ rest: String) async -> Int {
        let target = "/v2/\(Self.repository)/\(rest)"
        return await server.requests.filter { $0.method == method && $0.target.prefix { $0 != "?" } == target }.count
    }

    // MARK: Answers

    private func answer(_ request: ScriptedServer.Request) -> [ScriptedServer.Step] {
        let state = state.withLock { $0 }
        guard state.isUp else { return [.close] }
        let parts = request.target.split(separator: "?", maxSplits: 1).map(String.init)
        guard let path = parts.first else { return .response(404) }
        if path == "/v2/" { return .response(200, body: Array("{}".utf8)) }
        let prefix = "/v2/\(Self.repository)/"
        guard path.hasPrefix(prefix) else { return .response(404) }
        let query = Self.query(parts.dropFirst().first ?? "")
        let token = request.header("authorization").map { String($0.dropFirst("Bearer ".count)) }
        guard state.tokens.isEmpty || token.map(state.tokens.contains) ?? false else {
            let scope = "repository:\(Self.repository):pull"
            let challenge = "Bearer realm=\"\(server.url)/token\",service=\"s\",scope=\"\(scope)\""
            return .response(401, headers: [("WWW-Authenticate", challenge)], isHead: request.method == "HEAD")
        }
        let rest = path.dropFirst(prefix.count).split(separator: "/").map(String.init)
        switch (rest.first, rest.last) {
        case ("manifests", let reference?): return manifest(reference, state, request)
        case ("blobs", let digest?): return blob(digest, state, request)
        case ("tags", _): return tags(state, query)
        case ("referrers", let digest?) where state.knowsReferrers: return referrers(digest, state, query)
        default: return .response(404)
        }
    }

    private func manifest(
        _ reference: String, _ state: State, _ request: ScriptedServer.Request
    ) -> [ScriptedServer.Step] {
        let digest = state.tags[reference]?.description ?? reference
        let isHead = request.method == "HEAD"
        let pause: [ScriptedServer.Step] = state.pauseMillis > 0 ? [.pause(milliseconds: state.pauseMillis)] : []
        guard let manifest = state.manifests.first(where: { $0.content.digest.description == digest }) else {
            return pause + .response(404, isHead: isHead)
        }
        let headers = [
            ("Content-Type", manifest.mediaType), ("Docker-Content-Digest", digest),
            ("Content-Length", "\(manifest.content.bytes.count)"),
        ]
        return pause + .response(200, headers: headers, body: manifest.content.bytes, isHead: isHead)
    }

    private func blob(_ digest: String, _ state: State, _ request: ScriptedServer.Request) -> [ScriptedServer.Step] {
        let isHead = request.method == "HEAD"
        guard let blob = state.blobs.first(where: { $0.digest.description == digest }) else {
            return .response(404, isHead: isHead)
        }
        let bytes = blob.bytes
        let ends = (request.header("range") ?? "").split { !$0.isNumber }.compactMap { Int($0) }
        guard !isHead, ends.count == 2 else {
            return .response(200, headers: [("Content-Length", "\(bytes.count)")], body: bytes, isHead: isHead)
        }
        let range = ("Content-Range", "bytes \(ends[0])-\(ends[1])/\(bytes.count)")
        return .response(206, headers: [range], body: Array(bytes[ends[0]...ends[1]]))
    }

    /// With a link to a host that only the registry itself knows, as behind a proxy.
    private func tags(_ state: State, _ query: [String: String]) -> [ScriptedServer.Step] {
        let all = state.tags.keys.sorted().filter { $0 > query["last"] ?? "" }
        let page = Array(all.prefix(query["n"].flatMap { Int($0) } ?? all.count))
        var headers = [("Content-Type", "application/json")]
        if page.count < all.count, let last = page.last {
            let target = "/v2/\(Self.repository)/tags/list?n=\(page.count)&last=\(last)"
            headers.append(("Link", "<http://registry.internal:5000\(target)>; rel=\"next\""))
        }
        let names = page.map { "\"\($0)\"" }.joined(separator: ",")
        return .response(
            200, headers: headers, body: Array("{\"name\":\"\(Self.repository)\",\"tags\":[\(names)]}".utf8))
    }

    private func referrers(
        _ digest: String, _ state: State, _ query: [String: String]
    ) -> [ScriptedServer.Step] {
        let type = query["artifactType"]
        let found = state.manifests.filter {
            $0.subject?.description == digest && (type == nil || type == $0.artifactType)
        }
        var headers = [("Content-Type", "\(MediaType.ociIndex)")]
        if type != nil { headers.append(("OCI-Filters-Applied", "artifactType")) }
        return .response(200, headers: headers, body: Array(Self.index(found).utf8))
    }

    /// An index of these manifests, as lists of referrers are.
    package static func index(_ manifests: [Manifest]) -> String {
        let entries = manifests.map(\.descriptor).joined(separator: ",")
        return "{\"schemaVersion\":2,\"mediaType\":\"\(MediaType.ociIndex)\",\"manifests\":[\(entries)]}"
    }

    private static func query(_ text: String) -> [String: String] {
        var values: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 {
                values[parts[0]] = parts[1].split(separator: "%2F").joined(separator: "/")
                    .split(separator: "%2B").joined(separator: "+")
            }
        }
        return values
    }
}
