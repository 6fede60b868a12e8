import ArgumentParser
import CRIClient
import EventLoop
import Foundation

/// `hawker containerd verify`: whether the running containerd serves CRI, and whether it can pull.
struct ContainerdVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Ask the running containerd whether its CRI plugin works; pull an image through it.",
        discussion: """
            A conflict in containerd's registry settings does not stop containerd: it runs on without its CRI plugin, \
            and only asking shows it. Exit status 0: all is well; 65: CRI is missing or failed, or the pull did; \
            69: containerd does not answer.
            """)

    @Option(help: "containerd's socket.")
    var socket = "/run/containerd/containerd.sock"

    @Option(help: ArgumentHelp("Pull this image through CRI, as the kubelet would.", valueName: "reference"))
    var image: String?

    @Flag(help: "Print JSON.")
    var json = false

    private struct Report: Encodable {
        var socket: String
        var cri: String
        var runtimeVersion: String?
        var failures: [String] = []
        var image: String?
        var imageID: String?
        var imageBytes: UInt64?
        var pullSeconds: Double?
    }

    func run() async throws {
        do {
            try await verify()
        } catch let error as CRIError {
            Console.complain("containerd at \(socket): \(error.sentence)")
            if case .unreachable = error { throw Exit.unavailable }
            throw Exit.data
        }
    }


    @LoopActor
    private func verify() async throws {
        let client = CRIClient(socket: socket)
        var report = Report(socket: socket, cri: "")
        switch try await client.criState() {
        case .ready(let version):
            report.cri = "ok"
            report.runtimeVersion = "\(version.runtimeName) \(version.runtimeVersion)"
        case .failed(let plugins):
            report.cri = "failed"
            report.failures = plugins.map { "\($0.type).\($0.id): \($0.failure?.message ?? "did not load")" }
        case .absent:
            report.cri = "absent"
        }
        if report.cri == "ok", let image {
            let began = ContinuousClock.now
            report.image = image
            report.imageID = try await client.pull(image)
            report.pullSeconds = (ContinuousClock.now - began) / .seconds(1)
            report.imageBytes = try await client.image(image)?.bytes
        }
        try print(report)
        if report.cri != "ok" { throw Exit.data }
    }

    private func print(_ report: Report) throws {
        if json { return try Console.printJSON(report) }
        var rows = [["containerd", report.runtimeVersion ?? report.socket], ["CRI plugin", report.cri]]
        for failure in report.failures { rows.append(["", failure]) }
        if report.cri == "absent" {
            rows.append(["", "it is disabled or not built in: look at disabled_plugins in containerd's config.toml"])
        }
        if let image = report.image, let id = report.imageID {
            rows.append(["pulled", image])
            rows.append(["image", id])
            rows.append(["size", Console.bytes(report.imageBytes ?? 0)])
        }
        for row in rows { Swift.print(row[0].padding(toLength: 12, withPad: " ", startingAt: 0) + row[1]) }
    }
}
