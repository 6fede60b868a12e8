import Foundation
import Hashing
import OCIModel
import PieceModel
import TestSupport
import Testing

@testable import ContentStore

/// A new folder, removed with the object.
final class TemporaryFolder: Sendable {
    let path: String
    private let isOwned: Bool

    init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "hawker-\(UUID().uuidString)"
        )
        try FileManager.default.createDirectory(
            at: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        path = folder.path
        isOwned = true
    }

    /// A folder that somebody else removes.
    init(existing path: String) {
        self.path = path
        isOwned = false
    }

    deinit { if isOwned { try? FileManager.default.removeItem(atPath: path) } }

    /// All plain files below, relative, without the marker, the lock and the catalogue.
    func contentFiles() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path).filter { name in
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: "\(path)/\(name)", isDirectory: &isFolder)
            return !isFolder.boolValue && !name.hasPrefix(".hawker") && !name.hasPrefix(Catalogue.fileName)
        }.sorted()
    }
}

/// Deterministic bytes without structure, different for every seed.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

/// A blob with everything a test needs to know about it.
struct Sample: Sendable {
    let bytes: [UInt8]
    let digest: Digest
    let layout: PieceLayout

    init(_ count: Int, seed: UInt64 = 1) throws {
        bytes = noise(count, seed: seed)
        digest = SHA256Hasher.hash(bytes)
        layout = try #require(PieceLayout(blobBytes: Int64(count)))
    }

    func bytes(of piece: PieceIndex) -> [UInt8] {
        Array(bytes[Int(layout.start(of: piece))..<Int(layout.end(of: piece))])
    }

    var pieceDigests: [Digest] { layout.pieces.map { SHA256Hasher.hash(bytes(of: $0)) } }

    var chainStates: [Digest] { TestSupport.chainStates(ofPieces: layout.pieces.map(bytes(of:))) }

    func path(in folder: TemporaryFolder) -> String {
        "\(folder.path)/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)"
    }
}

let author: PeerName = {
    guard let name = PeerName("node-1") else { preconditionFailure("a plain name is valid") }
    return name
}()

extension PartialBlob {
    func store(_ piece: PieceIndex, _ bytes: [UInt8], author name: PeerName = author) throws(StoreError) {
        try store(piece, bytes: bytes, digest: SHA256Hasher.hash(bytes), author: name)
    }

    func storeAll(_ sample: Sample) throws(StoreError) {
        for piece in sample.layout.pieces { try store(piece, sample.bytes(of: piece)) }
    }
}

extension ContentStore {
    static func open(
        _ folder: TemporaryFolder,
        quota: Int64 = 1 << 30,
        floor: Int64 = 0,
        disk: Disk = .system
    ) throws(StoreError) -> ContentStore {
        try ContentStore(
            Options(path: folder.path, quotaBytes: quota, freeFloorBytes: floor),
            disk: disk
        )
    }

    func commit(_ sample: Sample) throws(StoreError) -> Bool {
        let partial = try beginPartial(sample.digest, layout: sample.layout)
        try partial.storeAll(sample)
        return try partial.finish()
    }

    /// The whole blob read back, as a reader would get it.
    func contents(_ digest: Digest) throws -> [UInt8]? {
        guard let file = try openBlob(digest) else { return nil }
        return try Disk.read(file.descriptor, count: Int(file.bytes), at: 0)
    }

    /// What must hold whenever no call is under way: the ledger adds up, the quota is kept, every blob hashes
    /// right.
    func check() throws {
        ledger.withLock { $0.checkInvariants() }
        #expect(usage.usedBytes + usage.reservedBytes <= usage.quotaBytes)
        for info in list() {
            let bytes = try contents(info.digest)
            #expect(bytes.map(SHA256Hasher.hash) == info.digest)
        }
    }
}
