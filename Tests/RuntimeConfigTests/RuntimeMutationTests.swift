import RuntimeConfig
import TestSupport
import Testing

/// Whole texts that are edited; their mutants are what editors, merges and tired people leave behind.
private let seeds: [OtherRuntime: [String]] = [
    .podman: [
        "# a\n[[registry]]\nprefix = 'docker.io'\nlocation = 'docker.io'\n[[registry.mirror]]\nlocation = 'm.example'\n",
        "unqualified-search-registries = [\"q.example\"]\r\n[[registry]]\r\nlocation = \"q.example\"\r\n",
    ],
    .docker: [
        "{\n  \"debug\": true,\n  \"registry-mirrors\": [\"https://m.example\"],\n  \"a\": {\"b\": [1, null]}\n}\n",
        "{\"dns\": [\"1.1.1.1\"], \"x\": \"\\u00e9\\n\"}",
    ],
    .k3s: [
        "mirrors:\n  docker.io:\n    endpoint:\n    - \"https://m.example\"\n  q.example:\nconfigs:\n  r:\n    auth:\n      user: x # y\n",
        "---\n# none\nmirrors:\n",
    ],
]

@Suite("mutants of configuration files")
struct RuntimeMutationTests {
    @Test(
        "an edit is one insertion, a second has nothing to do, and nothing traps",
        arguments: [OtherRuntime.podman, .docker, .k3s])
    func mutants(runtime: OtherRuntime) throws {
        var generator = SeededGenerator(seed: 11)
        var edited = 0
        for round in 0..<1000 {
            let texts = try #require(seeds[runtime])
            let before = Self.mutant(Array(texts[round % texts.count].utf8), &generator)
            let result = try planned(runtime, [runtime.configDefault: before])
            if result["refused"] != nil { continue }
            guard let after = result[runtime.configDefault] else { continue }
            edited += 1
            #expect(Self.isInsertion(Array(before.utf8), Array(after.utf8)), "\(before.debugDescription)")
            #expect(try planned(runtime, [runtime.configDefault: after]) == [:], "\(before.debugDescription)")
        }
        #expect(edited > 50)
    }

    /// A few bytes removed, doubled, or replaced by ones that mean something in these languages.
    private static func mutant(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> String {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
            let place = Int.random(in: bytes.indices, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes.remove(at: place)
            case 1: bytes.insert(bytes[place], at: place)
            case 2:
                bytes[place] = Array("\n \t\"'[]{}:,#-=\\&*|0a".utf8).randomElement(using: &generator) ?? 0
            default: bytes.removeSubrange(place..<min(bytes.count, place + 5))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isInsertion(_ before: [UInt8], _ after: [UInt8]) -> Bool {
        let front = zip(before, after).prefix { $0 == $1 }.count
        let back = zip(before.reversed(), after.reversed()).prefix { $0 == $1 }.count
        return front + back >= before.count
    }
}
