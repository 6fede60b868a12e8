import Foundation
import TestSupport
import Testing

extension NodeTests {
    @Suite("a node that is killed at any moment")
    struct CrashTests {
        private static let pulls = TortureExtent.pulls("HAWKER_TORTURE_PULLS", usual: 7, promised: 200)
        private static let seed = TortureExtent.seed

        @Test("serves only right bytes after each restart, and downloads no finished piece twice")
        func killedAtRandomMoments() async throws {
            print("torture: seed \(Self.seed)")
            let began = ContinuousClock.now
            var torture = try await Torture(seed: Self.seed)
            try await torture.run(pulls: Self.pulls)
            let seconds = (ContinuousClock.now - began).components.seconds
            let summary = torture.summary
            print(
                """
                torture: \(summary.pulls) pulls, \(summary.kills) kills (\(summary.killsMidBlob) in the middle of a \
                blob), \(summary.pullsOfSecondNode) pulls of the second node, \(summary.wrongBytes) wrong bytes, \
                \(summary.bytesSavedByResume) bytes saved by resume, \(summary.violations.count) violations, \
                at most \(summary.peakResidentBytes >> 20) MiB resident, \(seconds) s, seed \(Self.seed)
                """
            )
            #expect(
                summary.violations.isEmpty,
                "seed \(Self.seed): \(summary.violations.joined(separator: "; "))"
            )
            #expect(summary.wrongBytes == 0, "seed \(Self.seed)")
        }
    }
}
