import Foundation
import TestSupport
import Testing

extension NodeTests {
    @Suite("a containerd whose mirror has a fault")
    struct MirrorFaultTests {
        private static let pulls = TortureExtent.pulls("HAWKER_FAULT_PULLS", usual: 2, promised: 100)
        private static let seed = TortureExtent.seed

        @Test("gets every image all the same, from the registry", arguments: MirrorFaults.Fault.allCases)
        func pullsAllTheSame(fault: MirrorFaults.Fault) async throws {
            var faults = try await MirrorFaults(fault, seed: Self.seed)
            try await faults.run(pulls: Self.pulls)
            let summary = faults.summary
            print("mirror \(fault): \(summary.line), seed \(Self.seed)")
            #expect(summary.failures.isEmpty, "seed \(Self.seed): \(summary.failures.joined(separator: "; "))")
            #expect(summary.right == Self.pulls)
        }
    }
}
