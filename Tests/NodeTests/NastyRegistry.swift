import Foundation
import OCIModel
import Synchronization
import TestSupport

/// A registry that treats Hawker's requests badly, in every way that real ones and what stands before them were seen
/// to, and answers everybody else well. What it does to a request is drawn from a seed.
///
/// Tokens are anonymous, and each is good for some requests. Blobs may be behind a link, good for one request.
final class NastyRegistry: Sendable {
    enum Habit: String, CaseIterable, Sendable {
        case none, slow, stalled, truncated, wrongByte, tooLong, tooShort, rateLimited, serverError, htmlPage
        case expiredToken, link, expiredLink, redirectLoop, noRange

        /// Of 1,000 requests. A stall costs a deadline, which the others wait out.
        var weight: Int {
            switch self {
            case .none: 400
            case .stalled: 6
            default: 45
            }
        }
    }

    let port: UInt16
    private let state: State
    private let server: ScriptedServer

    var host: String { "127.0.0.1:\(port)" }
    var url: String { "http://\(host)" }

    private final class State: Sendable {
        struct Values {
            var generator: SeededGenerator
            var content: [String: (bytes: [UInt8], mediaType: String, digest: Digest)] = [:]
            var usesOfToken: [String: Int] = [:]
            var links: Set<String> = []
            var counts: [Habit: Int] = [:]
            var bytesToHawker = 0
        }

        let values: Mutex<Values>

        init(seed: UInt64) { values = Mutex(Values(generator: SeededGenerator(seed: seed))) }
    }

    init(seed: UInt64) async throws {
        let state = State(seed: seed)
        self.state = state
        server = try await ScriptedServer { Self.answer($0, state) }
        port = await server.port
    }

    func close() async { await server.close() }

    var counts: [Habit: Int] { state.values.withLock { $0.counts } }
    var bytesToHawker: Int { state.values.withLock { $0.bytesToHawker } }

    func add(_ image: TestImage, repository: String) {
        state.values.withLock { values in
            let manifest = (image.manifest.bytes, TestImage.manifestMediaType, image.manifest.digest)
            values.content["/v2/\(repository)/manifests/latest"] = manifest
            values.content["/v2/\(repository)/manifests/\(image.manifest.digest)"] = manifest
            for blob in [image.config] + image.layers.map(\.blob) {
                values.content["/v2/\(repository)/blobs/\(blob.digest)"] =
                    (blob.bytes, "application/octet-stream", blob.digest)
            }
        }
    }

    /// Forgets an image's content, so that many pulls need the memory of a few.
    func remove(repository: String) {
        state.values.withLock { values in
            values.content = values.content.filter { !$0.key.hasPrefix("/v2/\(repository)/") }
        }
    }

    // MARK: Answers

    private static func answer(_ request: ScriptedServer.Request, _ state: State) -> [ScriptedServer.Step] {
        state.values.withLock { values in
            let isHawker = request.header("user-agent")?.hasPrefix("hawker/") ?? false
            if request.target.hasPrefix("/token") { return token(&values) }
            let habit = isHawker ? draw(&values) : .none
            values.counts[habit, default: 0] += isHawker ? 1 : 0
            if request.target.hasPrefix("/link/") { return linked(request, habit, &values) }
            if isHawker, let refusal = refusal(request, habit, &values) { return refusal }
            guard let entry = values.content[String(request.target.prefix { $0 != "?" })] else { return .response(404) }
            return content(entry.bytes, entry.mediaType, entry.digest, request, habit, isHawker, &values)
        }
    }

    private static func draw(_ values: inout State.Values) -> Habit {
        var place = Int(values.generator.next() % UInt64(Habit.allCases.map(\.weight).reduce(0, +)))
        for habit in Habit.allCases {
            if place < habit.weight { return habit }
            place -= habit.weight
        }
        return .none
    }

    private static func token(_ values: inout State.Values) -> [ScriptedServer.Step] {
        let token = "t\(values.generator.next())"
        values.usesOfToken[token] = 1 + Int(values.generator.next() % 12)
        return .response(200, body: Array(#"{"token":"\#(token)","expires_in":3600}"#.utf8))
    }

    /// What comes instead of content; `nil` when content comes.
    private static func refusal(
        _ request: ScriptedServer.Request, _ habit: Habit, _ values: inout State.Values
    ) -> [ScriptedServer.Step]? {
        let isHead = request.method == "HEAD"
        let token = String((request.header("authorization") ?? "").dropFirst("Bearer ".count))
        let uses = values.usesOfToken[token] ?? 0
        values.usesOfToken[token] = uses > 1 && habit != .expiredToken ? uses - 1 : nil
        if uses == 0 || habit == .expiredToken {
            let realm = "http://\(request.header("host") ?? "")/token"
            let challenge = "Bearer realm=\"\(realm)\",service=\"nasty\",scope=\"repository:any:pull\""
            return .response(401, headers: [("WWW-Authenticate", challenge)], isHead: isHead)
        }
        switch habit {
        case .rateLimited:
            return .response(429, headers: [("Retry-After", "1")], body: Array("slow down".utf8), isHead: isHead)
        case .serverError:
            let status = [500, 502, 503, 504][Int(values.generator.next() % 4)]
            return .response(status, body: Array("oops".utf8), isHead: isHead)
        case .htmlPage:
            let page = Array("<!doctype html><title>Please sign in</title>".utf8)
            return .response(200, headers: [("Content-Type", "text/html")], body: page, isHead: isHead)
        case .redirectLoop:
            return .response(307, headers: [("Location", request.target)], isHead: isHead)
        case .link, .expiredLink:
            guard request.target.contains("/blobs/"), !isHead else { return nil }
            let link = "/link/\(values.generator.next())\(request.target)"
            if habit == .link { values.links.insert(link) }
            return .response(307, headers: [("Location", link)])
        default: return nil
        }
    }

    /// A link is good for one GET, and refuses HEAD as a signed one does.
    private static func linked(
        _ request: ScriptedServer.Request, _ habit: Habit, _ values: inout State.Values
    ) -> [ScriptedServer.Step] {
        guard request.method == "GET", values.links.remove(request.target) != nil,
            let place = request.target.range(of: "/v2/"),
            let entry = values.content[String(request.target[place.lowerBound...].prefix { $0 != "?" })]
        else { return .response(403, body: Array("<Error><Code>AccessDenied</Code></Error>".utf8)) }
        return content(entry.bytes, entry.mediaType, entry.digest, request, habit, true, &values)
    }

    private static func content(
        _ whole: [UInt8], _ mediaType: String, _ digest: Digest, _ request: ScriptedServer.Request, _ habit: Habit,
        _ isHawker: Bool, _ values: inout State.Values
    ) -> [ScriptedServer.Step] {
        var headers = [("Content-Type", mediaType), ("Docker-Content-Digest", "\(digest)")]
        if request.method == "HEAD" {
            let lie = habit == .tooLong ? 100 : habit == .tooShort ? -1 : 0
            return .response(200, headers: headers + [("Content-Length", "\(whole.count + lie)")], isHead: true)
        }
        var (status, body) = (200, whole)
        let ends = (request.header("range") ?? "").split { !$0.isNumber }.compactMap { Int($0) }
        if habit != .noRange, let first = ends.first, first < whole.count {
            let last = min(ends.dropFirst().first ?? whole.count - 1, whole.count - 1)
            (status, body) = (206, Array(whole[first...max(first, last)]))
            headers.append(("Content-Range", "bytes \(first)-\(max(first, last))/\(whole.count)"))
        }
        if isHawker { values.bytesToHawker += body.count }
        return spoiled(status, headers, body, habit, &values)
    }

    private static func spoiled(
        _ status: Int, _ headers: [(String, String)], _ body: [UInt8], _ habit: Habit, _ values: inout State.Values
    ) -> [ScriptedServer.Step] {
        let cut = body.isEmpty ? 0 : Int(values.generator.next() % UInt64(body.count))
        let promised = headers + [("Content-Length", "\(body.count)")]
        switch habit {
        case .slow:
            let start = [ScriptedServer.Step].response(status, headers: promised, body: Array(body[..<cut]))
            return start + [.pause(milliseconds: 300), .send(Array(body[cut...]))]
        case .stalled: return .response(status, headers: promised, body: Array(body[..<cut])) + [.hang]
        case .truncated: return .response(status, headers: promised, body: Array(body[..<cut])) + [.close]
        case .wrongByte:
            var wrong = body
            if !wrong.isEmpty { wrong[cut] ^= 1 }
            return .response(status, headers: headers, body: wrong)
        case .tooLong: return .response(status, headers: headers, body: body + [0, 1, 2])
        case .tooShort: return .response(status, headers: headers, body: Array(body.dropLast()))
        default: return .response(status, headers: headers, body: body)
        }
    }
}
