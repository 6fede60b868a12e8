import Foundation
import OCIModel
import TestSupport
import Testing

@testable import Fetching

@Suite("a file that is whole or not there")
struct PartialFileTests {
    @Test("it takes its place when it has its digest, also in two attempts")
    func twoAttempts() async throws {
        let folder = try TemporaryFolder("partial")
        var generator = SeededGenerator(seed: 5)
        let blob = try await Blob(generator.bytes(count: 3_000_000))
        let path = folder.path("out")
        do {
            let first = try PartialFile(path: path, digest: blob.digest, bytesMax: 3_000_000)
            try first.append(Array(blob.bytes[..<1_234_567]))
            #expect(throws: FetchError.self) { try PartialFile(path: path, digest: blob.digest) }
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        let second = try PartialFile(path: path, digest: blob.digest, bytesMax: 3_000_000)
        #expect(second.resumedBytes == 1_234_567)
        try second.append(Array(blob.bytes[1_234_567...]))
        try second.commit()
        #expect(try folder.read("out") == blob.bytes)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out"])
        #expect(PartialFile.digest(ofFile: path) == blob.digest)
    }

    @Test("wrong bytes leave nothing, and what was there before stays")
    func wrong() async throws {
        let folder = try TemporaryFolder("partial")
        let blob = try await Blob(Array("right".utf8))
        let path = try folder.write("out", "before")
        let file = try PartialFile(path: path, digest: blob.digest)
        try file.append(Array("wrong".utf8))
        #expect(throws: FetchError.self) { try file.commit() }
        #expect(try folder.read("out") == Array("before".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out"])
    }

    @Test("more than there can be is thrown away, and a link in its place is not followed")
    func odd() async throws {
        let folder = try TemporaryFolder("partial")
        let blob = try await Blob(Array("right".utf8))
        let part = ".out.\(blob.digest.hex.prefix(16)).part"
        try folder.write(part, "longer than it")
        let file = try PartialFile(path: folder.path("out"), digest: blob.digest, bytesMax: 5)
        #expect(file.resumedBytes == 0 && file.count == 0)
        let other = try await Blob(Array("other".utf8))
        let target = try folder.write("target", "mine")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path(".out.\(other.digest.hex.prefix(16)).part"), withDestinationPath: target)
        #expect(throws: FetchError.self) { try PartialFile(path: folder.path("out"), digest: other.digest) }
        #expect(try folder.read("target") == Array("mine".utf8))
    }
}
