import Foundation
import Glibc
import TestSupport
import Testing

@testable import RuntimeConfig

private let isInstalled = access("/usr/bin/containerd", X_OK) == 0

@Suite("What config dump says of planned files")
struct DumpTests {
    private static let config = "/etc/containerd/config.toml"
    private static let section = "plugins.\"io.containerd.grpc.v1.cri\".registry"

    private func proof(_ binary: String, version: String = "1.6.20") throws -> DumpProof {
        DumpProof(
            binary: binary, version: try #require(ContainerdVersion(version)), config: Self.config)
    }

    private func fault(_ proof: DumpProof, _ files: [String: String]) -> Finding? {
        do throws(Refusal) {
            return try proof.check([], on: MemoryTree(files))
        } catch {
            return error.findings[0]
        }
    }

    /// A program that says it is 1.6.20 and answers `config dump` with `answer`, a shell script.
    private func containerd(_ folder: TemporaryFolder, _ answer: String) throws -> String {
        let path = try folder.write(
            "containerd", "#!/bin/sh\nif [ \"$1\" = --version ]; then echo containerd x 1.6.20; exit; fi\n" + answer)
        chmod(path, 0o755)
        return path
    }

    @Test("the real one agrees about every input and every result of the corpus", .enabled(if: isInstalled))
    func corpus() throws {
        let proof = try proof("/usr/bin/containerd")
        try #require(VersionProbe.run(proof.binary) == proof.version)
        var seen: Set<[String: [UInt8]]> = []
        for input in try Corpus.names.flatMap(Corpus.inputs) {
            for lane in Corpus.lanes {
                let outcome = Corpus.outcome(input, lane, "1.6.20", tree: input.tree)
                guard case .accepted(let changes, _) = outcome else { continue }
                var tree = input.tree
                tree.files.merge(changes) { $1 }
                guard seen.insert(tree.files).inserted else { continue }
                do throws(Refusal) {
                    #expect(try proof.check([], on: tree) == nil)
                } catch {
                    Issue.record("\(input.name), \(lane.name): \(error.findings[0].message)")
                }
            }
        }
        #expect(seen.count > 200)
    }

    @Test("imports are read in their order, from copies", .enabled(if: isInstalled))
    func imports() throws {
        let mirrors = { (endpoint: String) in
            "version = 2\n[\(Self.section).mirrors.\"r.example\"]\n  endpoint = [\"\(endpoint)\"]\n"
        }
        let files = [
            Self.config: "imports = ['conf.d/a.toml', '/x/*.toml'] # two\n" + mirrors("https://main"),
            "/etc/containerd/conf.d/a.toml": "imports = [\n 'nested.toml', # one\n]\n" + mirrors("https://a"),
            "/etc/containerd/conf.d/nested.toml": mirrors("https://nested"),
            "/x/b.toml": mirrors("https://b"),
        ]
        #expect(fault(try proof("/usr/bin/containerd"), files) == nil)
    }

    @Test("what it reads otherwise, or not at all, is refused in its own words")
    func refusals() throws {
        let folder = try TemporaryFolder("dump")
        let files = [Self.config: "version = 2\n[\(Self.section).mirrors.\"r.example\"]\n  endpoint = [\"https://m\"]\n"]
        for (answer, rule, words) in [
            ("echo 'no [toml'", Finding.Rule.dumpFailed, "cannot be read"),
            ("echo 'containerd: /proc/self/fd/'${2##*/}': bad' >&2; exit 1", .dumpFailed, "says: containerd: \(Self.config): bad"),
            ("kill -9 $$", .dumpFailed, "exit status 137"),
            ("echo 'version = 2'", .dumpDiffers, "is not in it"),
            (
                "echo '[\(Self.section)]'; echo 'config_path = \"/x\"'", .dumpDiffers,
                "config_path is \"/x\" in it and \"\" here"
            ),
            (
                "echo '[\(Self.section).mirrors.\"r.example\"]'; echo 'endpoint = [\"https://n\"]'", .dumpDiffers,
                "mirrors.\"r.example\" is [https://n] in it and [https://m] here"
            ),
            (
                "echo '[\(Self.section).mirrors.\"r.example\"]'; echo 'endpoint = [\"https://m\"]';"
                    + "echo '[\(Self.section).configs.\"r.example\".tls]'; echo 'ca_file = \"/ca\"'", .dumpDiffers,
                "configs.\"r.example\".tls.ca_file is \"/ca\" in it and \"\" here"
            ),
        ] {
            let found = fault(try proof(try containerd(folder, answer)), files)
            #expect(found?.rule == rule, "\(answer)")
            #expect(found?.message.contains(words) == true, "\(found?.message ?? "")")
        }
    }

    @Test("another release is not asked, and that is said; no binary says nothing")
    func skipped() throws {
        let folder = try TemporaryFolder("dump")
        let binary = try containerd(folder, "exit 1")
        let files = [Self.config: "version = 2\n"]
        #expect(fault(try proof(binary, version: "2.1.9"), files)?.rule == .dumpSkipped)
        #expect(fault(try proof(folder.path("none")), files) == nil)
        #expect(fault(try proof(binary), [:]) == nil)
    }

    @Test("apply refuses, and writes nothing, when the node's containerd reads something else")
    func apply() throws {
        let folder = try TemporaryFolder("dump")
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        var options = try scratch.options()
        options.binary = try containerd(folder, "echo '[\(Self.section)]'")
        let result = options.run(.apply)
        #expect(result.status == 65)
        #expect(result.text.contains("config dump"))
        #expect(scratch.snapshot() == ["config.toml": "version = 2\n"])
    }
}
