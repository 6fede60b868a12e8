// swift-tools-version: 6.2
import PackageDescription

// The target graph: arrows point down, siblings do not know each other, and each C library has one module
// and one Swift target that may import it. `Tests/TidyTests` checks what SwiftPM does not.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")

func module(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.init(stringLiteral: name)] + dependencies,
        resources: resources, swiftSettings: settings)
}

// Scripts/fuzz sets it: libFuzzer comes with a build of its own.
let fuzzTargets: [Target] =
    Context.environment["HAWKER_FUZZ"] == nil
    ? []
    : [
        .systemLibrary(name: "CLibFuzzer", path: "Tests/Fuzz/CLibFuzzer"),
        .executableTarget(
            name: "fuzz",
            dependencies: ["CLibFuzzer", "TOMLEdit", "RuntimeConfig", "HTTPHead", "MirrorServer", "Wire", "OCIModel"],
            path: "Tests/Fuzz/fuzz", swiftSettings: settings),
    ]

let package = Package(
    name: "hawker",
    products: [.executable(name: "hawker", targets: ["hawker"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        // Layer C: system libraries and generated C.
        .systemLibrary(name: "CLibuv", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CLibSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CHTTPParser", providers: [.apt(["libhttp-parser-dev"])]),
        .systemLibrary(
            name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
        .target(name: "CPeerProto", dependencies: ["CProtobufC"]),
        .target(name: "CAdminProto", dependencies: ["CProtobufC"]),
        .target(name: "CCRIProto", dependencies: ["CProtobufC"]),
        .target(name: "CLinux"),

        // Layer 0: values and engines that know nothing of Hawker.
        module("OCIModel"),
        module("PieceModel"),
        module("Telemetry", [log]),
        module("EventLoop", ["CLibuv", "CLinux"]),
        module("Pacing", ["EventLoop"]),
        module("Hashing", ["COpenSSL", "OCIModel"]),
        module("TLS", ["CLibSSL"]),
        module("Compression", ["CZstd"]),
        module("ProtobufCodec", ["CProtobufC"]),
        module("TOMLEdit", [toml]),

        // Layer 1.
        module("PieceExchange", ["PieceModel", "OCIModel"]),
        module("HTTPHead", ["CHTTPParser"]),
        module("HTTPTransfer", ["CCurl", "EventLoop"]),
        module("ContentStore", ["CSQLite", "CLinux", "Hashing", "PieceModel", "OCIModel"]),
        module("Wire", ["CPeerProto", "ProtobufCodec", "PieceExchange", "PieceModel", "OCIModel"]),

        // Layer 2: siblings.
        module("MirrorServer", ["HTTPHead", "EventLoop", "OCIModel", "Telemetry"]),
        module(
            "PeerTransport",
            [
                "EventLoop", "Pacing", "TLS", "Wire", "PieceExchange", "PieceModel", "ContentStore", "Compression",
                "Hashing", "OCIModel", "Telemetry",
            ]),
        module("PeerDirectory", ["CAres", "CHiredis", "EventLoop", "TLS", "PieceExchange", "PieceModel", "OCIModel"]),
        module("StatusServer", ["HTTPHead", "EventLoop"]),
        module("OriginClient", ["HTTPTransfer", "EventLoop", "Hashing", "OCIModel"]),
        module("AdminAPI", ["CAdminProto", "ProtobufCodec", "Wire", "EventLoop", "CLinux"]),
        module("RuntimeConfig", ["TOMLEdit", "OCIModel", "CLinux"]),
        module("Fetching", ["HTTPTransfer", "EventLoop", "Hashing", "OCIModel"]),
        module("CRIClient", ["CCRIProto", "ProtobufCodec", "HTTPTransfer", "EventLoop"]),

        // Layer 3 and 4: the composition root and the thin executable.
        module(
            "Daemon",
            [
                "MirrorServer", "StatusServer", "PeerTransport", "PeerDirectory", "OriginClient", "AdminAPI",
                "ContentStore",
                "EventLoop", "Pacing", "TLS", "Wire", "PieceModel", "OCIModel", "Hashing", "Telemetry", "TOMLEdit",
                "RuntimeConfig", "CRIClient",
            ]),
        .executableTarget(
            name: "hawker",
            dependencies: [
                "Daemon", "AdminAPI", "RuntimeConfig", "CRIClient", "Fetching", "ContentStore", "EventLoop", "TLS", "Telemetry",
                "OCIModel", "PieceModel", arguments,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "swarm-simulator", dependencies: ["PieceExchange", "PieceModel", "OCIModel"],
            swiftSettings: settings),

        // Tests.
        .target(
            name: "TestSupport", dependencies: ["EventLoop", "OCIModel", "Hashing"], path: "Tests/TestSupport",
            swiftSettings: settings),
        tests("OCIModel"),
        tests("PieceModel", ["OCIModel"]),
        tests("EventLoop", ["TestSupport"]),
        tests("Pacing", ["EventLoop", "TestSupport"]),
        tests("Hashing", ["OCIModel"]),
        tests("TLS"),
        tests("Compression"),
        tests("TOMLEdit", ["TestSupport"]),
        tests("PieceExchange", ["PieceModel", "OCIModel"]),
        tests("HTTPHead", ["TestSupport"]),
        tests("HTTPTransfer", ["EventLoop", "TestSupport"]),
        tests("ContentStore", ["Hashing", "PieceModel", "OCIModel", "TestSupport"]),
        tests("Wire", ["PieceExchange", "PieceModel", "OCIModel"]),
        tests("MirrorServer", ["HTTPHead", "EventLoop", "OCIModel", "TestSupport"]),
        tests("StatusServer", ["EventLoop", "TestSupport"]),
        tests("Telemetry", [log]),
        tests(
            "PeerTransport",
            [
                "EventLoop", "Wire", "PieceExchange", "PieceModel", "ContentStore", "OCIModel", "Hashing", "TLS",
                "TestSupport",
            ]),
        tests("PeerDirectory", ["EventLoop", "PieceExchange", "PieceModel", "OCIModel", "TestSupport"]),
        tests("OriginClient", ["HTTPTransfer", "EventLoop", "Hashing", "OCIModel", "TestSupport"]),
        tests("Fetching", ["HTTPTransfer", "EventLoop", "Hashing", "OCIModel", "TestSupport"]),
        tests("CRIClient", ["HTTPTransfer", "EventLoop", "Hashing", "OCIModel", "TestSupport"]),
        tests("AdminAPI", ["EventLoop", "TestSupport"]),
        tests(
            "RuntimeConfig", ["CRIClient", "EventLoop", "OCIModel", "TestSupport"], resources: [.copy("Corpus"), .copy("World")]),
        tests("Daemon", ["AdminAPI", "EventLoop", "Hashing", "OCIModel", "PeerDirectory", "Telemetry", "TestSupport"]),
        .testTarget(name: "NodeTests", dependencies: ["hawker", "TestSupport", "OCIModel"], swiftSettings: settings),
        .testTarget(
            name: "DeployTests", dependencies: ["hawker", "TestSupport"], resources: [.copy("Programs")],
            swiftSettings: settings),
        .testTarget(name: "TidyTests", swiftSettings: settings),
    ] + fuzzTargets
)
