import OCIModel
import OriginClient

/// What answers a request in memory that was answered from the disk before: small manifests, and which repository names
/// what.
///
/// Nothing here is leave to have anything: who may have what is decided before, and each time (`NodeImages+Access`).
/// - Bytes are put here after they were hashed, so they are the digest's for as long as they are kept. Whether the
///   store still has the blob is for the caller to ask: then eviction, removal and a damaged file count here as well.
/// - A manifest that was just got is here until it is in the store, so that nobody waits for the disk.
/// - That a repository names a blob is never taken back while the node runs (`ContentStore.isNamed`).
struct ManifestMemory {
    struct Name: Hashable {
        let place: Permissions.Place
        let digest: Digest
    }

    /// Larger manifests come from the disk: they are few, and take their time anyway.
    static let manifestBytesMax = 64 << 10
    /// Of all manifests, each with `entryBytes` for what is around it.
    private static let bytesMax = 2 << 20
    private static let entryBytes = 512
    /// Of some 200 bytes each.
    private static let namesMax = 8192
    /// Of manifests on their way to the disk; beyond, who brings one more waits for it.
    private static let arrivingBytesMax = 8 << 20
    /// How old a use may be that the store has not been told of.
    private static let useNanoseconds: UInt64 = 60_000_000_000

    private struct Held {
        let manifest: OriginManifest
        var toldAt: UInt64
    }

    private var manifests = RecentlyUsed<Digest, Held>(costMax: bytesMax)
    private var names = RecentlyUsed<Name, Int64?>(costMax: namesMax)
    private var arriving: [Digest: OriginManifest] = [:]
    private var arrivingBytes = 0
    /// Goes up when something was forgotten: what was read before may be no longer what should be kept.
    private(set) var changes = 0

    mutating func isNamed(_ name: Name) -> Bool { names.value(name) != nil }

    /// The size that a manifest of the place gives the blob, which nobody has checked.
    mutating func bytes(of name: Name) -> Int64? { names.value(name) ?? nil }

    /// `bytes` by a manifest's word; without, what was known stays.
    mutating func noteNamed(_ name: Name, bytes: Int64? = nil) {
        names.put(name, bytes ?? names.value(name) ?? nil)
    }

    /// The manifest, and whether the store should hear that it was used; `now` in nanoseconds.
    mutating func manifest(_ digest: Digest, now: UInt64) -> (manifest: OriginManifest, tellsStore: Bool)? {
        guard var held = manifests.value(digest) else { return nil }
        guard now > held.toldAt, now - held.toldAt >= Self.useNanoseconds else { return (held.manifest, false) }
        held.toldAt = now
        put(held)
        return (held.manifest, true)
    }

    /// `manifest` is whole, was hashed, and its use is known to the store.
    mutating func keep(_ manifest: OriginManifest, now: UInt64) {
        guard !manifest.bytes.isEmpty, manifest.bytes.count <= Self.manifestBytesMax else { return }
        put(Held(manifest: manifest, toldAt: now))
    }

    mutating func forget(_ digest: Digest) {
        manifests.remove(digest)
        changes &+= 1
    }

    /// A manifest that goes to the disk now; false when it is on its way already.
    mutating func begin(_ manifest: OriginManifest) -> Bool {
        guard arriving[manifest.digest] == nil else { return false }
        arriving[manifest.digest] = manifest
        arrivingBytes += manifest.bytes.count
        return true
    }

    /// It is there, or never will be.
    mutating func end(_ digest: Digest) {
        guard let manifest = arriving.removeValue(forKey: digest) else { return }
        arrivingBytes -= manifest.bytes.count
    }

    func arriving(_ digest: Digest) -> OriginManifest? { arriving[digest] }

    var isBehind: Bool { arrivingBytes > Self.arrivingBytesMax }

    private mutating func put(_ held: Held) {
        manifests.put(held.manifest.digest, held, cost: held.manifest.bytes.count + Self.entryBytes)
    }
}
