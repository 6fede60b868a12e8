import AdminAPI
import ArgumentParser
import FoundationEssentials
import Glibc
import Telemetry

/// Exit statuses of `hawker`, as sysexits.h numbers them.
enum Exit {
    static let usage = ExitCode(64)
    static let data = ExitCode(65)
    static let unavailable = ExitCode(69)
    static let software = ExitCode(70)
    static let cannotCreate = ExitCode(73)
    static let noPermission = ExitCode(77)
    static let configuration = ExitCode(78)
}

/// What commands print: results to standard output, one sentence of advice to standard error.
enum Console {
    static func complain(_ sentence: String) {
        // A closed standard error leaves nobody to tell.
        Array("hawker: \(sentence)\n".utf8).withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Pretty, sorted keys, snake case: stable for scripts and for `diff`.
    static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// Columns as wide as their widest cell, two spaces apart; numbers to the right where `right` says so.
    static func printTable(_ header: [String], _ rows: [[String]], right: Set<Int> = []) {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        for row in all {
            let cells = row.indices.map { column -> String in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return right.contains(column) ? padding + row[column] : row[column] + padding
            }
            var line = cells.joined(separator: "  ")
            while line.hasSuffix(" ") { line.removeLast() }
            print(line)
        }
    }

    /// Bytes for people: `0 B`, `12.3 MiB`.
    static func bytes(_ count: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        guard unit > 0 else { return "\(count) B" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// The day, in UTC, of a time in seconds since 1970.
    static func date(_ seconds: UInt64) -> String {
        String(Timestamp.of(Int64(clamping: seconds)).prefix { $0 != "T" })
    }

    /// Seconds for people: `59s`, `2h 3m`, `4d 5h`.
    static func duration(_ seconds: UInt64) -> String {
        switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m \(seconds % 60)s"
        case ..<86_400: "\(seconds / 3600)h \(seconds % 3600 / 60)m"
        default: "\(seconds / 86_400)d \(seconds % 86_400 / 3600)h"
        }
    }
}

/// Options of every command that asks the running daemon.
struct AdminOptions: ParsableArguments {
    @Option(help: "Unix socket of the daemon (admin.socket of its settings).")
    var socket = "/run/hawker/hawker.sock"

    @Flag(help: "Print JSON.")
    var json = false

    /// Runs one call; a failure is said in one sentence and becomes the exit status.
    func ask<Answer>(_ call: (AdminClient) async throws(AdminFailure) -> Answer) async throws -> Answer {
        do throws(AdminFailure) {
            return try await call(AdminClient(socket: socket))
        } catch {
            Console.complain(error.message)
            throw status(of: error.code)
        }
    }

    private func status(of code: AdminFailure.Code) -> ExitCode {
        switch code {
        case .invalidArgument: Exit.usage
        case .notFound, .failedPrecondition: Exit.data
        case .permissionDenied: Exit.noPermission
        case .deadlineExceeded, .unavailable: Exit.unavailable
        case .unimplemented, .internal: Exit.software
        }
    }
}
