import Foundation
import TestSupport
import Testing

extension NodeTests {
    @Suite("a containerd whose mirror has a fault")
    struct MirrorFaultTests {
        private static let environment = ProcessInfo.processInfo.environment
        /// `Scripts/torture-pulls` says how many; `Scripts/test --all` takes as many as the promise is about.
        private static let pulls =
            Int(environment["HAWKER_FAULT_PULLS"] ?? "") ?? (environment["HAWKER_ALL_TESTS"] == nil ? 2 : 100)
        private static let seed = UInt64(environment["HAWKER_TORTURE_SEED"] ?? "") ?? .random(in: 0...UInt64.max)

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
