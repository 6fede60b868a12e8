import Foundation
import TestSupport

/// A mirror's whole answer, head included.
struct MirrorReply {
    let status: Int
    let bytes: [UInt8]
    private let fields: [(name: String, value: String)]

    /// `name` in lower case.
    func header(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Where the next page is, if there is one: the target of `Link`.
    var nextPage: String? {
        header("link").flatMap { link in
            guard link.hasSuffix("rel=\"next\""), let start = link.firstIndex(of: "<"),
                let end = link.firstIndex(of: ">")
            else { return nil }
            return String(link[link.index(after: start)..<end])
        }
    }

    fileprivate init(head: String, bytes: [UInt8]) {
        let lines = head.split(separator: "\r\n")
        status = lines.first.flatMap { $0.split(separator: " ").dropFirst().first.flatMap { Int($0) } } ?? 0
        fields = lines.dropFirst().map { line in
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            return (parts.first?.lowercased() ?? "", parts.count > 1 ? parts[1] : "")
        }
        self.bytes = bytes
    }
}

extension NodeProcess {
    /// Asks the mirror for a target such as `/v2/`; options are curl's.
    func ask(_ target: String, _ options: [String] = []) async throws -> MirrorReply {
        let folder = try TemporaryFolder("reply")
        let output = try await ChildProcess.run(
            [
                "curl", "--silent", "--globoff", "--path-as-is", "--output", folder.path("body"), "--dump-header",
                folder.path("head"),
            ] + options + [mirrorURL + target])
        guard output.succeeded else { throw TestFailure("curl \(target): \(output.ending) \(output.text)") }
        return MirrorReply(
            head: String(decoding: try folder.read("head"), as: UTF8.self), bytes: (try? folder.read("body")) ?? [])
    }

    func head(_ target: String, _ options: [String] = []) async throws -> MirrorReply {
        try await ask(target, ["--head"] + options)
    }

    /// Asks the same `count` times at once; the statuses that came.
    func storm(_ count: Int, _ target: String, _ options: [String] = []) async throws -> [Int] {
        let separator = target.contains("?") ? "&" : "?"
        let output = try await ChildProcess.check(
            [
                "curl", "--silent", "--parallel", "--parallel-max", "\(count)", "--parallel-immediate", "--output",
                "/dev/null", "--write-out", "%{http_code}\n",
            ] + options + ["\(mirrorURL)\(target)\(separator)number=[1-\(count)]"])
        return output.split(separator: "\n").compactMap { Int($0) }
    }
}
