import TestSupport
import Testing

@Suite("The units for systemd")
struct SystemdTests {
    @Test("systemd finds nothing wrong with them but that the program is not installed here")
    func verify() async throws {
        let units = ["hawker.service", "hawker.socket"].map { Deploy.path("systemd/\($0)") }
        let output = try await ChildProcess.run(["systemd-analyze", "--man=no", "verify"] + units)
        let complaints = output.text.split(separator: "\n").filter { !$0.contains("/usr/bin/hawker is not executable") }
        #expect(complaints.isEmpty, "\(output.text)")
    }

    @Test("the service is exposed to 1.5 of 10 at most")
    func exposure() async throws {
        let output = try await ChildProcess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=15", Deploy.path("systemd/hawker.service")])
        #expect(output.succeeded, "\(output.text)")
        #expect(output.text.contains("Overall exposure level"), "\(output.text)")
    }
}
