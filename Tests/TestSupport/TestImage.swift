package import OCIModel

/// An OCI image in memory: a manifest, a configuration and layers that agree with one another.
package struct TestImage: Sendable {
    package static let manifestMediaType = "application/vnd.oci.image.manifest.v1+json"
    package static let configMediaType = "application/vnd.oci.image.config.v1+json"

    package struct Layer: Sendable {
        package let blob: Blob
        package let mediaType: String
        /// The digest of the uncompressed tar archive.
        package let diffID: Digest
    }

    /// How a layer's tar archive is stored.
    package enum Packing: String, Sendable, CaseIterable {
        case plain = "application/vnd.oci.image.layer.v1.tar"
        case gzip = "application/vnd.oci.image.layer.v1.tar+gzip"
        case zstd = "application/vnd.oci.image.layer.v1.tar+zstd"
    }

    package let manifest: Blob
    package let config: Blob
    package let layers: [Layer]

    package init(layers: [Layer]) async throws {
        let diffIDs = layers.map { "\"\($0.diffID)\"" }.joined(separator: ",")
        let configText = """
            {"architecture":"amd64","os":"linux","config":{},\
            "rootfs":{"type":"layers","diff_ids":[\(diffIDs)]}}
            """
        config = try await Blob(Array(configText.utf8))
        let descriptors = layers.map { Self.descriptor($0.blob, $0.mediaType) }.joined(separator: ",")
        let manifestText = """
            {"schemaVersion":2,"mediaType":"\(Self.manifestMediaType)",\
            "config":\(Self.descriptor(config, Self.configMediaType)),"layers":[\(descriptors)]}
            """
        manifest = try await Blob(Array(manifestText.utf8))
        self.layers = layers
    }

    /// An image whose layers are `sizes` bytes of noise: for tests of transport, no runtime can unpack it.
    package static func noise(layerSizes sizes: [Int], seed: UInt64) async throws -> TestImage {
        var generator = SeededGenerator(seed: seed)
        var layers: [Layer] = []
        for size in sizes {
            let blob = try await Blob(generator.bytes(count: size))
            layers.append(Layer(blob: blob, mediaType: Packing.plain.rawValue, diffID: blob.digest))
        }
        return try await TestImage(layers: layers)
    }

    /// An image that a runtime can unpack: one layer per element, holding the given files.
    package static func unpackable(
        _ contents: [(packing: Packing, files: [String: [UInt8]])]
    ) async throws -> TestImage {
        var layers: [Layer] = []
        for (packing, files) in contents {
            layers.append(try await layer(packing, files))
        }
        return try await TestImage(layers: layers)
    }

    private static func layer(_ packing: Packing, _ files: [String: [UInt8]]) async throws -> Layer {
        let folder = try TemporaryFolder("layer")
        for (name, bytes) in files { try folder.write("root/\(name)", bytes) }
        let archive = folder.path("layer.tar")
        try await ChildProcess.check(
            ["tar", "--numeric-owner", "--sort=name", "-C", folder.path("root"), "-cf", archive, "."])
        let diffID = try await Blob.digest(ofFile: archive)
        let stored: String
        switch packing {
        case .plain: stored = "layer.tar"
        case .gzip:
            try await ChildProcess.check(["gzip", "-n", "-1", archive])
            stored = "layer.tar.gz"
        case .zstd:
            try await ChildProcess.check(["zstd", "-q", "-1", archive])
            stored = "layer.tar.zst"
        }
        let blob = try await Blob(folder.read(stored))
        return Layer(blob: blob, mediaType: packing.rawValue, diffID: diffID)
    }

    private static func descriptor(_ blob: Blob, _ mediaType: String) -> String {
        #"{"mediaType":"\#(mediaType)","digest":"\#(blob.digest)","size":\#(blob.bytes.count)}"#
    }
}
