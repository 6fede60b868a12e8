import Foundation
import Glibc
import Testing

@testable import RuntimeConfig

@Suite("Which containerd runs")
struct RunningContainerdTests {
    @Test(
        "a flag's value is found as Go finds it",
        arguments: [
            (["containerd"], nil), (["containerd", "--config", "a"], "a"), (["containerd", "-c", "a"], "a"),
            (["containerd", "--config=a"], "a"), (["containerd", "-config", "a"], "a"),
            (["containerd", "-c=a"], "a"), (["containerd", "-c", "a", "--config", "b"], "b"),
            (["containerd", "--log-level", "info", "-c", "a"], "a"), (["containerd", "-c"], nil),
        ] as [([String], String?)]
    )
    func flags(arguments: [String], value: String?) {
        #expect(RunningContainerd.value(of: ["-c", "--config"], in: arguments) == value)
    }

    @Test("a process tells its arguments and its age, and one that is gone tells nothing")
    func process() throws {
        let own = try #require(RunningContainerd(pid: getpid(), socket: "/s"))
        #expect(own.arguments == CommandLine.arguments)
        #expect(own.uptimeSeconds >= 0)
        #expect(own.sharesFiles)
        let scratch = try Scratch()
        try scratch.write("old", "")
        var times = [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]
        utimes(scratch.path("old"), &times)
        #expect(!own.isOlder(thanFile: scratch.path("old")))
        times = [timeval(tv_sec: time(nil) + 60, tv_usec: 0), timeval(tv_sec: time(nil) + 60, tv_usec: 0)]
        utimes(scratch.path("old"), &times)
        #expect(own.isOlder(thanFile: scratch.path("old")))
        #expect(!own.isOlder(thanFile: scratch.path("missing")))
        #expect(RunningContainerd(pid: Int32.max, socket: nil) == nil)
        #expect(RunningContainerd.owner(of: scratch.path("missing")) == .nobody)
    }

    @Test("files lead to the mirror, past it, or to no CRI at all; imports and hosts files count")
    func wiring() throws {
        let scratch = try Scratch()
        let section = "[plugins.\"io.containerd.grpc.v1.cri\".registry"
        let certs = scratch.path("certs.d")
        let imports = "imports = [\"\(scratch.path("conf.d"))/*.toml\"]\n"
        try scratch.write(
            "config.toml",
            "version = 2\n\(imports)\(section)]\nconfig_path = \"\(certs)\"\n"
        )
        let target = try #require(RegistryTarget("r.example"))
        let mirror = try #require(Endpoint("http://127.0.0.1:4001"))
        let look = {
            Wiring.look(
                config: scratch.path("config.toml"),
                version: ContainerdVersion(1, 6, 20),
                registries: [target],
                mirror: mirror,
                tree: DiskTree()
            )
        }
        #expect(look().state == .bypassed)
        try scratch.write("certs.d/r.example/hosts.toml", "[host.\"http://127.0.0.1:4001\"]\n")
        #expect(look().state == .routed)
        #expect(look().reason.isEmpty)
        try scratch.write("conf.d/nvidia.toml", "version = 2\n\(section).mirrors.\"a\"]\n")
        #expect(look().state == .bypassed)
        try scratch.write("certs.d/r.example/hosts.toml", "[host.\"http://127.0.0.1:4001\"]\ncapabilities = 1\n")
        try FileManager.default.removeItem(atPath: scratch.path("conf.d/nvidia.toml"))
        let dead = look()
        #expect(dead.state == .bypassed)
        #expect(dead.reason.contains("hosts.toml:2"))
        try scratch.write("config.toml", "version = 2\n\(section)]\nconfig_path = \"/c\"\n\(section).mirrors.\"a\"]\n")
        #expect(look().state == .broken)
        try scratch.write("config.toml", "version = ")
        #expect(look().state == .broken)
    }
}
