import Hashing
import OCIModel
import OriginClient
import Testing

@testable import Daemon

@Suite("what answers from memory")
struct ManifestMemoryTests {
    private static let second: UInt64 = 1_000_000_000

    private func manifest(_ number: Int, bytes: Int) -> OriginManifest {
        let content = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes - 8)
            + withUnsafeBytes(of: number) { Array($0) }
        return OriginManifest(
            mediaType: .ociManifest, digest: SHA256Hasher.hash(content), bytes: content, size: Int64(bytes))
    }

    @Test("what is used stays, what is not goes, and the cost is never more than the bound")
    func recentlyUsed() {
        var cache = RecentlyUsed<Int, Int>(costMax: 100)
        cache.put(-1, -1, cost: 10)
        for number in 0..<1000 {
            cache.put(number, number, cost: 7)
            #expect(cache.value(-1) == -1 && cache.value(number) == number)
            #expect(cache.count <= 100 / 7 + 1)
        }
        #expect(cache.value(0) == nil)
        cache.put(5, 5, cost: 51)
        #expect(cache.value(5) == nil, "more than half the bound")
        cache.put(-1, 2, cost: 50)
        #expect(cache.value(-1) == 2)
        cache.remove(-1)
        #expect(cache.value(-1) == nil)
    }

    @Test("manifests are bounded by their bytes, and large ones are not kept")
    func bounds() {
        var memory = ManifestMemory()
        let all = (0..<100).map { manifest($0, bytes: 60_000) }
        for one in all { memory.keep(one, now: 0) }
        let kept = all.filter { memory.manifest($0.digest, now: 0) != nil }
        #expect(kept.count >= 16 && kept.count <= 35, "\(kept.count) of 60 KB each")
        #expect(kept.contains { $0.digest == all[99].digest })
        let large = manifest(1, bytes: ManifestMemory.manifestBytesMax + 1)
        memory.keep(large, now: 0)
        #expect(memory.manifest(large.digest, now: 0) == nil)
    }

    @Test("the store hears of a use once a minute")
    func uses() throws {
        var memory = ManifestMemory()
        let one = manifest(1, bytes: 100)
        memory.keep(one, now: 0)
        let told = (0...200).filter { memory.manifest(one.digest, now: UInt64($0) * Self.second)?.tellsStore == true }
        #expect(told == [60, 120, 180])
        let changes = memory.changes
        memory.forget(one.digest)
        #expect(memory.manifest(one.digest, now: 0) == nil && memory.changes != changes)
    }

    @Test("a name is of one repository of one registry")
    func names() throws {
        var memory = ManifestMemory()
        func name(_ registry: String, _ repository: String, _ digest: Digest) throws -> ManifestMemory.Name {
            let place = Permissions.Place(
                registry: try #require(RegistryHost(registry)), repository: try #require(RepositoryName(repository)))
            return ManifestMemory.Name(place: place, digest: digest)
        }
        let (one, other) = (manifest(1, bytes: 50).digest, manifest(2, bytes: 50).digest)
        memory.noteNamed(try name("r.test", "a", one))
        #expect(memory.isNamed(try name("r.test", "a", one)))
        #expect(try !memory.isNamed(name("r.test", "b", one)) && !memory.isNamed(name("s.test", "a", one)))
        #expect(try !memory.isNamed(name("r.test", "a", other)))
        #expect(memory.bytes(of: try name("r.test", "a", one)) == nil)
        memory.noteNamed(try name("r.test", "a", one), bytes: 7)
        memory.noteNamed(try name("r.test", "a", one))
        #expect(memory.bytes(of: try name("r.test", "a", one)) == 7, "a name without a size takes none away")
        #expect(memory.bytes(of: try name("r.test", "b", one)) == nil, "nor is it another repository's")
    }
}
