package import OCIModel

/// Content with the digest that an independent program (`sha256sum`) computed for it, so that a test's
/// expectation shares nothing with the code under test.
package struct Blob: Sendable, Equatable {
    package let digest: Digest
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) async throws {
        let folder = try TemporaryFolder("digest")
        digest = try await Self.digest(ofFile: folder.write("content", bytes))
        self.bytes = bytes
    }

    package static func digest(ofFile path: String) async throws -> Digest {
        let output = try await ChildProcess.check(["sha256sum", "--zero", path])
        guard let digest = Digest(hex: output.prefix(Digest.hexCount)) else {
            throw TestFailure("sha256sum \(path): \(output)")
        }
        return digest
    }
}
