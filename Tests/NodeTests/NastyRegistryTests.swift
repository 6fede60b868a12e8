import Foundation
import TestSupport
import Testing

extension NodeTests {
    @Suite("a registry with every bad habit")
    struct NastyRegistryTests {
        private static let pulls = TortureExtent.pulls("HAWKER_NASTY_PULLS", usual: 24, promised: 1_000)
        private static let seed = TortureExtent.seed
        private static let pullsAtOnce = 8

        enum Ending: Sendable {
            case right
            case failed(String)
        }

        @Test("gives a real containerd the right image or an honest error, and never wrong content")
        func pulls() async throws {
            let registry = try await NastyRegistry(seed: Self.seed)
            var settings = try NodeProcess.Settings(name: "a")
            settings.registries = [(registry.host, registry.url)]
            settings.logLevel = "info"
            settings.cacheQuota = "64MiB"
            let node = try NodeProcess(settings)
            let daemon = try await node.start()
            let containerd = try Containerd()
            try await containerd.configure(mode: "mirror", mirror: node, host: registry.host, url: registry.url)
            let runtime = try await containerd.start()

            let endings = try await Self.pullAll(containerd, registry)
            let failures = endings.compactMap { if case .failed(let text) = $0 { text } else { nil } }
            let dishonest = failures.filter {
                $0.contains("unexpected commit digest") || $0.contains("failed size validation")
            }
            let served = try await node.report().mirror
            let habits = registry.counts.sorted { $0.key.rawValue < $1.key.rawValue }
            print(
                """
                nasty registry: \(endings.count) pulls, \(endings.count - failures.count) right, \(failures.count) \
                honest errors, \(dishonest.count) with wrong content; \(served.blobsServed) blobs through the mirror; \
                \(habits.map { "\($0.key) \($0.value)" }.joined(separator: ", ")); seed \(Self.seed)
                """)
            for text in failures.prefix(20) { print("nasty registry: \(Self.sentence(text))") }
            #expect(dishonest.isEmpty, "seed \(Self.seed): \(dishonest.joined(separator: "\n"))")
            // Most of what containerd got came through the node: else nothing was tried.
            #expect(served.blobsServed > Self.pulls / 2)
            #expect(daemon.ending == nil)
            #expect(try await daemon.stop(within: 40) == .exited(0))
            try await runtime.stop()
            await registry.close()
        }

        /// Of all that `hawker containerd verify` prints: why the image did not come.
        private static func sentence(_ output: String) -> Substring {
            output.split(separator: "\n").first { $0.hasPrefix("image") }?.suffix(250) ?? output.suffix(250)
        }

        private static func pullAll(_ containerd: Containerd, _ registry: NastyRegistry) async throws -> [Ending] {
            try await withThrowingTaskGroup(of: Ending.self) { group in
                var endings: [Ending] = []
                for number in 0..<Self.pulls {
                    if number >= Self.pullsAtOnce, let ending = try await group.next() { endings.append(ending) }
                    group.addTask { try await pull(number, containerd, registry) }
                }
                for try await ending in group { endings.append(ending) }
                return endings
            }
        }

        private static func pull(
            _ number: Int, _ containerd: Containerd, _ registry: NastyRegistry
        ) async throws -> Ending {
            var generator = SeededGenerator(seed: seed &+ UInt64(number))
            let noise = generator.bytes(count: 200_000 + Int(generator.next() % 600_000))
            let image = try await TestImage.unpackable([
                (.plain, ["noise": noise]), (.gzip, ["number": Array("\(number)".utf8)]),
            ])
            let repository = "image-\(number)"
            registry.add(image, repository: repository)
            let reference = "\(registry.host)/\(repository):latest"
            defer { registry.remove(repository: repository) }
            do {
                try await containerd.pull(reference)
            } catch {
                return .failed("\(error)")
            }
            try await containerd.forget(reference)
            return .right
        }
    }
}
