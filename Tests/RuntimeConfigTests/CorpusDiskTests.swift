import Foundation
import RuntimeConfig
import Testing

@Suite("The corpus on a real disk")
struct CorpusDiskTests {
    @Test(
        "apply writes what was planned and revert gives back every byte; a refusal changes none",
        arguments: Corpus.names
    )
    func roundTrip(name: String) throws {
        for input in try Corpus.inputs(name) {
            for (release, mode) in [
                ("1.6.20", RuntimeMode.mirror), ("1.6.20", .configPath), ("2.1.9", .configPath),
            ] {
                let scratch = try Scratch()
                let place = { (path: String) in "etc" + path }
                for (path, bytes) in input.files {
                    try scratch.write(place(path), bytes: Self.moved(bytes, to: scratch.path("etc")))
                }
                for folder in input.folders { try scratch.makeFolder(place(folder)) }
                let before = scratch.snapshot()
                var options = try scratch.options(mode: mode, registries: input.registries, version: release)
                options.config = scratch.path(place(configFile))
                options.stateDirectory = scratch.path("state")
                options.hostsDirectory = nil
                options.migrates = true
                // Where no file names a folder, the one of the machine would be taken.
                options.isDryRun = true
                if options.run(.apply).text.contains("+++ /etc/") {
                    options.hostsDirectory = scratch.path("etc/etc/containerd/certs.d")
                }
                options.isDryRun = false
                let lane = "\(name), \(input.name): \(mode.rawValue) on \(release)"
                let applied = options.run(.apply)
                guard applied.status == 0 else {
                    #expect(applied.status == 65, "\(lane): \(applied.text)")
                    #expect(scratch.snapshot() == before, "\(lane) was refused")
                    continue
                }
                let after = scratch.snapshot()
                #expect(options.run(.apply).text.contains("nothing to do"), "\(lane), again")
                #expect(scratch.snapshot() == after, "\(lane), again")
                #expect(options.run(.revert).status == 0, "\(lane), revert")
                #expect(scratch.snapshot() == before, "\(lane), revert")
            }
        }
    }

    /// Absolute paths of the corpus, below `root`.
    private static func moved(_ bytes: [UInt8], to root: String) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.first {
            let mark = ["\"/", "'/", ":/"].first { rest.starts(with: $0.utf8) }
            let isURL = rest.dropFirst(2).first == UInt8(ascii: "/")
            guard let mark, !isURL else {
                result.append(byte)
                rest = rest.dropFirst()
                continue
            }
            result += Array(mark.utf8.dropLast()) + Array(root.utf8)
            rest = rest.dropFirst(mark.utf8.count - 1)
        }
        return result
    }
}
