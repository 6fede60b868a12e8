import Foundation
import Hashing
import OCIModel
import Testing

@testable import ContentStore

@Suite("The catalogue")
struct CatalogueTests {
    private let manifest = SHA256Hasher.hash([1])
    private let layer = SHA256Hasher.hash([2])

    @Test("descriptors, tags and media types come back, also after a restart")
    func remembers() throws {
        let folder = try TemporaryFolder()
        var store = try ContentStore.open(folder)
        #expect(store.knownSize(layer) == nil && store.mediaType(manifest) == nil)
        store.recordManifest(
            manifest,
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            registry: "docker.io",
            repository: "library/busybox",
            naming: [(layer, 1234), (SHA256Hasher.hash([3]), -1)]
        )
        store.recordTag(
            registry: "docker.io",
            repository: "library/busybox",
            tag: "1.36",
            digest: manifest,
            mediaType: "a/b"
        )
        for _ in 0..<2 {
            #expect(store.knownSize(layer) == 1234)
            #expect(store.knownSize(SHA256Hasher.hash([3])) == nil)
            let tag = store.lastDigest(registry: "docker.io", repository: "library/busybox", tag: "1.36")
            #expect(tag?.digest == manifest && tag?.mediaType == "a/b")
            #expect(abs((tag?.recordedAt ?? 0) - Int64(Date().timeIntervalSince1970)) < 3600)
            #expect(
                store.lastDigest(registry: "docker.io", repository: "library/busybox", tag: "1.37") == nil
            )
            #expect(store.lastDigest(registry: "ghcr.io", repository: "library/busybox", tag: "1.36") == nil)
            #expect(store.mediaType(manifest) == "application/vnd.oci.image.manifest.v1+json")
            store.close()
            store = try ContentStore.open(folder)
        }
        #expect(store.usage.lastError == nil)
    }

    @Test("the size of a committed blob wins, then that of the own repository, then the latest")
    func sizes() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(500)
        for (repository, size) in [("good", 500), ("bad", 7), ("worse", 8)] as [(String, Int64)] {
            store.recordManifest(
                manifest, mediaType: "m", registry: "r", repository: repository, naming: [(sample.digest, size)])
        }
        #expect(store.knownSize(sample.digest) == 8)
        #expect(store.knownSize(sample.digest, registry: "r", repository: "good") == 500)
        #expect(store.knownSize(sample.digest, registry: "other", repository: "good") == 8)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        #expect(store.knownSize(sample.digest) == 500)
        #expect(store.knownSize(sample.digest, registry: "r", repository: "bad") == 500)
    }

    @Test("text that looks like SQL is text")
    func quoting() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let name = "x'); DROP TABLE tag; --\u{0}é"
        store.recordTag(registry: name, repository: name, tag: name, digest: manifest, mediaType: "m")
        #expect(store.lastDigest(registry: name, repository: name, tag: name)?.digest == manifest)
        #expect(store.usage.lastError == nil)
    }

    @Test(
        "a damaged file is moved aside at start and rebuilt from the blobs",
        arguments: [0, 100, 4096, 20_000]
    )
    func damagedAtStart(keptBytes: Int) throws {
        let folder = try TemporaryFolder()
        var store = try ContentStore.open(folder)
        let sample = try Sample(5000)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        store.close()
        let path = folder.path + "/" + Catalogue.fileName
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        for index in bytes.indices where index >= keptBytes {
            bytes[index] = UInt8(truncatingIfNeeded: index &* 31)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        store = try ContentStore.open(folder)
        #expect(FileManager.default.fileExists(atPath: path + ".damaged"))
        #expect(store.blob(sample.digest)?.bytes == 5000)
        store.recordManifest(sample.digest, mediaType: "m", registry: "r", repository: "a", naming: [])
        #expect(store.mediaType(sample.digest) == "m")
        try store.check()
        store.close()
        #expect(try ContentStore.open(folder).mediaType(sample.digest) == "m")
    }

    @Test("a missing file is made anew, and blobs keep the order of their making")
    func missing() throws {
        let folder = try TemporaryFolder()
        var store = try ContentStore.open(folder)
        let samples = try (1...3).map { try Sample(100, seed: UInt64($0)) }
        for sample in samples { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        store.close()
        for (index, sample) in samples.enumerated() {
            let time = Date(timeIntervalSince1970: 1_000_000 - Double(index))
            try FileManager.default.setAttributes(
                [.modificationDate: time],
                ofItemAtPath: sample.path(in: folder)
            )
        }
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: folder.path + "/" + Catalogue.fileName + suffix)
        }
        store = try ContentStore.open(folder)
        #expect(store.list().map(\.digest) == samples.map(\.digest))
        try store.check()
    }

    @Test("a file that turns out damaged in use is replaced, and pins survive")
    func damagedInUse() throws {
        let folder = try TemporaryFolder()
        var store = try ContentStore.open(folder)
        let sample = try Sample(5000)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        try store.setPinned(sample.digest, true)
        // What SQLite reports when it meets a bad page.
        var isFirst = true
        let answer = try store.catalogue.perform { database throws(DatabaseError) -> String? in
            defer { isFirst = false }
            if isFirst { throw DatabaseError(code: 11 | 2 << 8) }
            return try database.run("SELECT 'again'").first?.first?.text
        }
        #expect(answer == "again")
        #expect(FileManager.default.fileExists(atPath: folder.path + "/" + Catalogue.fileName + ".damaged"))
        store.close()
        store = try ContentStore.open(folder)
        #expect(store.blob(sample.digest)?.isPinned == true)
    }

    @Test("rows of blobs that are gone go, files without a row are taken up")
    func reconciled() throws {
        let folder = try TemporaryFolder()
        var store = try ContentStore.open(folder)
        let samples = try (1...3).map { try Sample(1000, seed: UInt64($0)) }
        for sample in samples { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        try store.catalogue.remove([samples[1].digest])
        store.close()
        try FileManager.default.removeItem(atPath: samples[0].path(in: folder))
        store = try ContentStore.open(folder)
        #expect(store.list().map(\.digest) == [samples[1].digest, samples[2].digest])
        #expect(Set(try store.catalogue.blobs().map(\.digest)) == [samples[1].digest, samples[2].digest])
        try store.check()
    }

    @Test("without a place for its file the catalogue works in memory, and the blobs are there")
    func noFile() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/" + Catalogue.fileName
        var store = try ContentStore.open(folder)
        let sample = try Sample(1000)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        store.close()
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        store = try ContentStore.open(folder)
        store.recordManifest(sample.digest, mediaType: "m", registry: "r", repository: "a", naming: [])
        #expect(store.mediaType(sample.digest) == "m")
        #expect(try store.contents(sample.digest) == sample.bytes)
    }
}
