import CRIClient
import Foundation
import Glibc
import RuntimeConfig
import TestSupport
import Testing

private let isInstalled = access("/usr/bin/containerd", X_OK) == 0 && getuid() == 0
private let isAll = ProcessInfo.processInfo.environment["HAWKER_ALL_TESTS"] == "1"

@Suite(
    "The corpus and a real containerd",
    .serialized,
    .enabled(if: isInstalled, "containerd is not installed, or this is not root")
)
struct CorpusContainerdTests {
    private static let release = "1.6.20"

    /// What a plan for this release leaves behind, of what, and for which registries.
    private struct Result {
        let name: String
        let before: [String: [UInt8]]
        let files: [String: [UInt8]]
        let targets: [RegistryTarget]
    }

    /// Every different one.
    private static func results() throws -> [Result] {
        var results: [Result] = []
        var seen: Set<[String: [UInt8]]> = []
        for input in try Corpus.names.flatMap(Corpus.inputs) {
            for lane in Corpus.lanes {
                let outcome = Corpus.outcome(input, lane, release, tree: input.tree)
                guard case .accepted(let changes, _) = outcome else { continue }
                let files = input.files.merging(changes) { $1 }
                // The kernel does not let every machine lower the score.
                let isStartable = files.values.allSatisfy {
                    !String(decoding: $0, as: UTF8.self).contains("oom_score = -")
                }
                guard isStartable, seen.insert(files).inserted else { continue }
                let targets = input.registries.compactMap(RegistryTarget.init)
                results.append(
                    Result(
                        name: "\(input.name), \(lane.name)", before: input.files, files: files, targets: targets))
            }
        }
        return results
    }

    /// The registry's own authority, and how an image of it is named.
    private static func names(_ target: RegistryTarget) -> (host: String, authority: String) {
        if target.isAll { return ("any.example", "any.example") }
        return (target.host, String(target.url.split(separator: "/")[1]))
    }

    @Test(
        "every accepted result starts with CRI ok, pulls through the mirror, and without it from the registry",
        .timeLimit(.minutes(60))
    )
    func pulls() async throws {
        let results = try Self.results()
        var authorities: Set<String> = []
        for result in results {
            for target in result.targets { authorities.insert(Self.names(target).authority) }
            for bytes in result.files.values {
                let text = String(decoding: bytes, as: UTF8.self)
                authorities.formUnion(text.matches(of: /https?:\/\/([A-Za-z0-9.:-]+)/).map { String($0.1) })
            }
        }
        let folder = try #require(Bundle.module.resourcePath)
        let world = try await SmallWorld(script: folder + "/World/registries.py", authorities: authorities)
        let step = isAll ? 1 : max(1, results.count / 10)
        var (count, pulls, hopeless) = (0, 0, 0)
        for result in stride(from: 0, to: results.count, by: step).map({ results[$0] }) {
            do {
                let done = try await Self.check(result, in: world)
                pulls += done
                hopeless += done == 0 ? 1 : 0
                count += 1
            } catch {
                Issue.record("\(result.name): \(error)")
            }
        }
        print(
            "containerd: \(count) of \(results.count) accepted results with CRI ok; \(pulls) registries pulled from",
            "through the mirror and without it; \(hopeless) results with certificates that no pull survives, as before")
        try await world.process.kill()
    }

    /// Returns the number of registries that were pulled from both ways; 0 when the user's own settings fail each pull.
    private static func check(_ result: Result, in world: SmallWorld) async throws -> Int {
        let names = result.targets.map(names)
        // The user may have said that the registry is elsewhere.
        let servers = result.files.values.flatMap { bytes in
            String(decoding: bytes, as: UTF8.self).matches(of: /(?m)^server\s*=\s*["']https?:\/\/([A-Za-z0-9.:-]+)/)
                .map { String($0.1) }
        }
        try world.serve(names.map(\.authority) + servers)
        if !world.isMirrorUp { try await world.setMirror(isUp: true) }
        let containerd = try PlacedContainerd(result.files, in: world)
        let state = try await containerd.state()
        guard case .ready = state else {
            throw TestFailure("\(state)\n\(containerd.process.log.suffix(1500))")
        }
        if try await isHopeless(result, names.map(\.host), world) { return 0 }
        for name in names {
            try await pull("\(name.host)/corpus/probe:up", containerd, world) { lines in
                lines.contains("mirror ns=\(name.host) HEAD /v2/corpus/probe/manifests/up")
                    && lines.allSatisfy { $0.hasPrefix("mirror ns=\(name.host) ") }
            }
        }
        try await world.setMirror(isUp: false)
        for name in names {
            try await pull("\(name.host)/corpus/probe:down", containerd, world) { lines in
                ([name.authority] + servers).contains {
                    lines.contains("registry \($0) HEAD /v2/corpus/probe/manifests/down")
                }
            }
        }
        try await containerd.process.kill()
        return names.count
    }

    /// Whether the certificates that the files name already failed each pull before Hawker came.
    private static func isHopeless(_ result: Result, _ hosts: [String], _ world: SmallWorld) async throws -> Bool {
        let words = result.before.values.map { String(decoding: $0, as: UTF8.self) }
        guard words.contains(where: { $0.contains("_file") }) else { return false }
        let containerd = try PlacedContainerd(result.before, in: world)
        // A configuration that is in conflict with itself has no CRI to ask.
        guard case .ready = try await containerd.state() else { return false }
        defer { containerd.process.send(SIGKILL) }
        for host in hosts {
            do {
                try await containerd.pull("\(host)/corpus/probe:before")
            } catch {
                guard "\(error)".contains("get TLSConfig for registry") else { throw error }
                return true
            }
        }
        return false
    }

    private static func pull(
        _ image: String, _ containerd: PlacedContainerd, _ world: SmallWorld,
        _ isRight: ([String]) -> Bool
    ) async throws {
        let before = world.requests.count
        do {
            try await containerd.pull(image)
        } catch {
            throw TestFailure("\(image): \(error)\n\(world.requests.dropFirst(before))")
        }
        let lines = Array(world.requests.dropFirst(before))
        guard isRight(lines) else { throw TestFailure("\(image): \(lines)") }
    }
}
