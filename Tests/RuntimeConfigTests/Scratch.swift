import Foundation
import Glibc
import RuntimeConfig
import Synchronization

/// A folder of its own on the real disk, gone with this object.
final class Scratch {
    let root: String

    init() throws {
        var template = Array(
            (FileManager.default.temporaryDirectory.path + "/hawker-test.XXXXXX").utf8CString
        )
        guard mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func path(_ name: String) -> String { root + "/" + name }

    func write(_ name: String, _ text: String) throws {
        let folder = URL(filePath: path(name)).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path(name)))
    }

    func write(_ name: String, bytes: [UInt8]) throws {
        try write(name, "")
        try Data(bytes).write(to: URL(filePath: path(name)))
    }

    func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
    }

    /// `nil` when there is no such file.
    func text(_ name: String) -> String? {
        (try? Data(contentsOf: URL(filePath: path(name)))).map { String(decoding: $0, as: UTF8.self) }
    }

    func status(_ name: String) -> stat {
        var status = stat()
        lstat(path(name), &status)
        return status
    }

    /// Everything below the folder but the state folder, with content; links with their target.
    func snapshot() -> [String: String] {
        var result: [String: String] = [:]
        let names = FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? []
        for name in names where !name.hasPrefix("state") {
            let link = try? FileManager.default.destinationOfSymbolicLink(atPath: path(name))
            result[name] = link.map { "-> " + $0 } ?? text(name) ?? "folder"
        }
        return result
    }

    func options(
        mode: RuntimeMode? = .mirror,
        registries: [String] = ["r.example"],
        version: String = "1.6.20"
    ) throws -> ContainerdOptions {
        guard let mirror = Endpoint("http://127.0.0.1:4001") else { throw CocoaError(.coderInvalidValue) }
        var options = ContainerdOptions(mirror: mirror)
        options.config = path("config.toml")
        options.stateDirectory = path("state")
        options.hostsDirectory = path("certs.d")
        options.version = ContainerdVersion(version)
        options.mode = mode
        options.registries = registries.compactMap(RegistryTarget.init)
        return options
    }
}

/// Collects what a command says.
final class Words: Sendable {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }

    var output: CommandOutput {
        let add: @Sendable (String) -> Void = { [self] line in lines.withLock { $0.append(line) } }
        return CommandOutput(out: add, err: add)
    }
}

extension ContainerdOptions {
    enum Action { case check, apply, revert, revertAll }

    func run(_ action: Action) -> (status: Int32, text: String) {
        let words = Words()
        let commands = ContainerdCommands(options: self, output: words.output)
        let status =
            switch action {
            case .check: commands.check()
            case .apply: commands.apply()
            case .revert: commands.revert()
            case .revertAll: commands.revertAll()
            }
        return (status, words.text)
    }
}
