import Foundation
import RuntimeConfig
import Testing

@Suite("The corpus of configurations")
struct CorpusTests {
    private static let isRecording = ProcessInfo.processInfo.environment["HAWKER_RECORD_CORPUS"] == "1"

    @Test(
        "each input comes to its verdict and its exact bytes, and a second run changes nothing",
        arguments: Corpus.names
    )
    func golden(name: String) throws {
        var golden = ""
        for input in try Corpus.inputs(name) {
            var outcomes: [(lane: Corpus.Lane, release: String, outcome: CorpusOutcome)] = []
            var seen: Set<CorpusOutcome> = []
            for lane in Corpus.lanes {
                for release in Corpus.releases {
                    let outcome = Corpus.outcome(input, lane, release, tree: input.tree)
                    outcomes.append((lane, release, outcome))
                    let place = "\(name), \(input.name): \(lane.name) on \(release)"
                    #expect(outcome.verdict == input.verdict(lane, release) ?? "no verdict", "\(place)")
                    guard case .accepted(let files, _) = outcome, seen.insert(outcome).inserted else {
                        continue
                    }
                    var after = input.tree
                    after.files.merge(files) { $1 }
                    let again = Corpus.outcome(input, lane, release, tree: after)
                    #expect(again.verdict == "same", "\(place), a second time")
                }
            }
            golden += "--- \(input.name)\n" + Corpus.golden(outcomes)
        }
        if Self.isRecording {
            let folder = URL(filePath: #filePath).deletingLastPathComponent()
            try golden.write(
                to: folder.appending(path: "Corpus/\(name).golden"),
                atomically: true,
                encoding: .utf8
            )
        } else {
            #expect(try golden == Corpus.text(name + ".golden"), "\(name)")
        }
    }

    @Test("the corpus is as large as it is said to be, and no input stands in it twice")
    func count() throws {
        let inputs = try Corpus.names.flatMap(Corpus.inputs)
        let outcomes = inputs.count * Corpus.lanes.count * Corpus.releases.count
        print("corpus: \(inputs.count) inputs, \(outcomes) outcomes")
        #expect(inputs.count >= 150)
        let texts = inputs.map {
            "\($0.registries) \($0.folders.sorted()) \($0.files.sorted { $0.key < $1.key })"
        }
        #expect(Set(texts).count == texts.count)
    }
}
