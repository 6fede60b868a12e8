import CLinux
import Glibc
import TOMLEdit

/// Has the containerd binary of the node read planned files before they are written.
///
/// It gets copies that exist in memory alone: nothing is left behind by a run that is killed, and passwords of the
/// configuration reach no disk.
struct DumpProof {
    let binary: String
    /// The release that the plan is for.
    let version: ContainerdVersion
    let config: String

    private static let timeoutMillis = 30_000

    /// Refuses when the binary cannot read the planned files, or reads other registry settings in them than we did.
    ///
    /// A note where it was not asked; `nil` also where there is no such binary.
    func check(_ changes: [FileChange], on tree: any FileTree) throws(Refusal) -> Finding? {
        guard let installed = VersionProbe.run(binary) else { return nil }
        guard installed == version else {
            return Finding(
                .note, .dumpSkipped, file: config,
                "\(binary) is containerd \(installed), not \(version), so it was not asked to read the planned files"
            )
        }
        let planned = [String: [UInt8]?](
            changes.map { ($0.path, $0.after) }, uniquingKeysWith: { _, last in last })
        let files = try ConfigFiles.load(
            main: config, version: version, tree: PlannedTree(base: tree, planned: planned))
        guard files.main.exists else { return nil }
        let dump = try read(files)
        let settings = EffectiveSettings.compute(version, files)
        let differences = ConfigDump.differences(from: settings, version, in: dump)
        guard let first = differences.first else { return nil }
        throw refuse(
            .dumpDiffers,
            "containerd's own reading of the planned files (config dump) is another than Hawker's: \(first)",
            remedy: "please report this file; until then route the registry by hand"
        )
    }

    private func read(_ files: ConfigFiles) throws(Refusal) -> TOMLNode {
        let copies = files.files.map { _ in clinux_memory_file() }
        defer { for file in copies where file >= 0 { close(file) } }
        if let code = copies.first(where: { $0 < 0 }) {
            throw refuse(.dumpFailed, "no copy for containerd's config dump: \(ErrorText.of(-code))")
        }
        let places = copies.map { "/proc/self/fd/\($0)" }
        do throws(TOMLEditError) {
            for (file, bytes) in zip(copies, try ConfigDump.copies(of: files, at: places)) {
                fill(file, bytes)
            }
        } catch {
            throw Refusal(Planner.finding(error, file: config))
        }
        let capture = Program.capture(
            [binary, "--config", places[0], "config", "dump"], passing: copies,
            timeoutMillis: Self.timeoutMillis)
        guard capture.ending == .exited(0) else {
            throw failure(capture, names: Array(zip(places, files.files.map(\.path))))
        }
        do throws(TOMLError) {
            return try TOMLDocument(capture.output).root
        } catch {
            throw refuse(.dumpFailed, "containerd's config dump of the planned files cannot be read: \(error)")
        }
    }

    private func fill(_ file: Int32, _ bytes: [UInt8]) {
        var offset = 0
        while offset < bytes.count {
            let written = bytes[offset...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            // Without memory the copy ends short, and containerd reads something else than we did.
            guard written > 0 else { return }
            offset += written
        }
    }

    private func failure(_ capture: Program.Capture, names: [(place: String, path: String)]) -> Refusal {
        guard case .exited(let status) = capture.ending else {
            return refuse(
                .dumpFailed, "\(binary) config dump gave no answer within \(Self.timeoutMillis / 1000) s",
                remedy: "see whether \(binary) runs at all")
        }
        var words = capture.errors.split(separator: "\n").last.map(String.init) ?? "exit status \(status)"
        for (place, path) in names { words = words.replacing(place, with: path) }
        return refuse(
            .dumpFailed, "containerd \(version) would not start with the planned files; it says: \(words)",
            remedy: "repair what it names: it was there before, or please report this file")
    }

    private func refuse(_ rule: Finding.Rule, _ message: String, remedy: String = "") -> Refusal {
        Refusal(Finding(.broken, rule, file: config, message, remedy: remedy))
    }
}
