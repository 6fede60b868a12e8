import Testing

/// What each target may import. Arrows point down only: a target imports targets of rows above its own, in layer 2 (the
/// siblings) of layers above its own, and each C library has one row. Swift's compiler and package manager do not check
/// this: a transitive C module can be imported from anywhere. Nobody imports Foundation whole: with it come 40 MB of
/// ICU's tables.
private let importTable = """
    layer 0
    OCIModel       | Glibc
    PieceModel     |
    Telemetry      | Logging Glibc Synchronization
    EventLoop      | CLibuv CLinux Glibc Synchronization
    Pacing         | EventLoop
    Hashing        | OCIModel COpenSSL
    TLS            | CLibSSL Glibc
    Compression    | CZstd Glibc Synchronization
    ProtobufCodec  | CProtobufC Glibc
    TOMLEdit       | TOMLKit

    layer 1
    PieceExchange  | OCIModel PieceModel
    HTTPHead       | CHTTPParser
    HTTPTransfer   | EventLoop CCurl Glibc Synchronization
    ContentStore   | OCIModel PieceModel Hashing CSQLite CLinux Glibc Synchronization
    Wire           | OCIModel PieceModel PieceExchange ProtobufCodec CPeerProto

    layer 2
    MirrorServer   | OCIModel HTTPHead EventLoop Telemetry Glibc
    StatusServer   | HTTPHead EventLoop
    PeerTransport  | OCIModel PieceModel PieceExchange Wire EventLoop Pacing TLS ContentStore Compression Hashing Telemetry Glibc
    PeerDirectory  | OCIModel PieceModel PieceExchange EventLoop TLS CAres CHiredis Glibc
    OriginClient   | OCIModel Hashing EventLoop HTTPTransfer Telemetry FoundationEssentials Glibc Synchronization
    AdminAPI       | EventLoop Wire ProtobufCodec CAdminProto CLinux Glibc
    RuntimeConfig  | OCIModel TOMLEdit CLinux Glibc FoundationEssentials Synchronization
    CRIClient      | EventLoop HTTPTransfer ProtobufCodec CCRIProto FoundationEssentials Glibc
    Fetching       | OCIModel Hashing EventLoop HTTPTransfer FoundationEssentials Glibc Synchronization

    layer 3
    Daemon         | OCIModel PieceModel Wire EventLoop Pacing TLS ContentStore Hashing Telemetry TOMLEdit MirrorServer StatusServer PeerTransport PeerDirectory OriginClient AdminAPI RuntimeConfig CRIClient Logging Glibc FoundationEssentials

    layer 4
    hawker         | OCIModel PieceModel EventLoop TLS ContentStore Telemetry AdminAPI RuntimeConfig CRIClient Fetching Daemon ArgumentParser Logging Glibc FoundationEssentials
    swarm-simulator | OCIModel PieceModel PieceExchange Glibc
    """

/// Kernel and C library calls that Swift does not see: not a library's door, so several targets share it.
private let sharedModule = "CLinux"

@Suite("imports point down, and each C library has one door")
struct ImportTests {
    private struct Row {
        let layer: Int
        let target: String
        let allowed: [String]
    }

    private static let rows: [Row] = {
        var layer = -1
        return importTable.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
            guard cells.count == 2 else {
                layer += 1
                return nil
            }
            return Row(
                layer: layer,
                target: cells[0].trimmingPrefix(" ").split(separator: " ").joined(),
                allowed: cells[1].split(separator: " ").map(String.init)
            )
        }
    }()

    @Test("every target imports only what the table allows it")
    func everyImportIsAllowed() {
        let allowed = Dictionary(uniqueKeysWithValues: Self.rows.map { ($0.target, $0.allowed) })
        report(
            Repository.swiftFiles.filter(\.isSource).flatMap { file in
                Self.imports(of: file).compactMap { line, module in
                    guard let modules = allowed[file.target] else {
                        return Finding(
                            path: file.path,
                            line: line,
                            message: "\(file.target) is not in the import table"
                        )
                    }
                    if modules.contains(module) { return nil }
                    return Finding(
                        path: file.path,
                        line: line,
                        message: "\(file.target) may not import \(module)"
                    )
                }
            }
        )
    }

    @Test("the table has a row for each Swift target and none for what is gone")
    func tableIsComplete() throws {
        let targets = Set(Repository.swiftFiles.filter(\.isSource).map(\.target))
        #expect(Set(Self.rows.map(\.target)) == targets)
    }

    @Test("within the table, arrows point down and siblings do not know one another")
    func arrowsPointDown() {
        for (index, row) in Self.rows.enumerated() {
            let isSibling = row.layer >= 2
            let below = Self.rows.prefix(index).filter { !isSibling || $0.layer < row.layer }.map(\.target)
            for module in row.allowed where Self.rows.contains(where: { $0.target == module }) {
                #expect(below.contains(module), "\(row.target) imports \(module)")
            }
        }
    }

    @Test("one target imports each C library")
    func oneDoorPerLibrary() throws {
        let modules = try Repository.entries(of: "Sources")
            .filter { $0.contains(/^C[A-Z]/) && !Self.rows.map(\.target).contains($0) && $0 != sharedModule }
        for module in modules {
            let doors = Self.rows.filter { $0.allowed.contains(module) }.map(\.target)
            #expect(doors.count == 1, "\(module) is imported by \(doors)")
        }
    }

    @Test("tests import the C module of the target they test, or none")
    func testsUseTheDoors() {
        let allowed = Dictionary(uniqueKeysWithValues: Self.rows.map { ($0.target + "Tests", $0.allowed) })
        report(
            Repository.swiftFiles.filter { !$0.isSource }.flatMap { file in
                Self.imports(of: file).compactMap { line, module in
                    // The fuzz targets have a library of their own.
                    guard module.contains(/^C[A-Z]/), module != sharedModule, module != "CRIClient",
                        (file.target, module) != ("Fuzz", "CLibFuzzer"),
                        !(allowed[file.target] ?? []).contains(module)
                    else { return nil }
                    return Finding(
                        path: file.path,
                        line: line,
                        message: "\(file.target) may not import \(module)"
                    )
                }
            }
        )
    }

    /// Line (from 1) and module of each import.
    private static func imports(of file: SourceFile) -> [(line: Int, module: String)] {
        let form =
            /^\s*(@\w+(\([^)]*\))?\s+)*([a-z]+\s+)?import\s+((struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)/
        return file.code.enumerated().filter { $0.element.contains("import ") }.compactMap { index, line in
            line.prefixMatch(of: form).map { (index + 1, String($0.output.6)) }
        }
    }
}
