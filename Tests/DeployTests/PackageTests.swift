import Foundation
import TestSupport
import Testing

@Suite("The Debian package", .enabled(if: Deploy.isAll))
struct PackageTests {
    @Test("lintian finds no error, and the same input makes the same bytes")
    func lintian() async throws {
        let folder = try TemporaryFolder("packages")
        let package = try await Self.build(folder.makeFolder("one"), version: "1.0")
        let again = try await Self.build(folder.makeFolder("two"), version: "1.0")
        try await ChildProcess.check(["cmp", package, again])
        let output = try await ChildProcess.run(
            ["lintian", "--allow-root", "--tag-display-limit", "0", package], within: 300)
        let errors = output.text.split(separator: "\n").filter { $0.hasPrefix("E:") }
        #expect(errors.isEmpty && output.succeeded, "\(output.text)")
    }

    @Test("installs, upgrades, is removed and purged; containerd's file is as before, and nothing is left")
    func life() async throws {
        let debian = try await DebianTree(packages: [
            "systemd", "systemd-sysv", "dbus", "ca-certificates", "adduser", "containerd", "runc", "curl", "libcurl4",
            "libuv1", "libprotobuf-c1", "libzstd1", "libsqlite3-0", "libhttp-parser2.9", "libc-ares2", "libhiredis0.14",
        ])
        let old = try await Self.build(debian.folder.makeFolder("tree/old"), version: "1.0")
        let new = try await Self.build(debian.folder.makeFolder("tree/new"), version: "1.1")
        let (first, second) = (old.dropFirst(debian.path.count), new.dropFirst(debian.path.count))
        let before = try await debian.check(Self.everything)
        let configuration = try await debian.check("sha256sum /etc/containerd/config.toml")

        try await debian.check("dpkg --install \(first)")
        try await Self.expectServing(debian)
        let owned = try await debian.check("stat -c '%U %a' /var/lib/dragonfly/content /run/hawker")
        #expect(owned == "hawker 700\nhawker 700\n")
        try await Self.expectSupervised(debian)
        try await debian.check("hawker containerd apply --mode mirror --registry r.example --restart")
        #expect(try await debian.check("sha256sum /etc/containerd/config.toml") != configuration)

        // A setting of the user's stays, and what is asked during an upgrade is held until the new version answers.
        try await debian.check("echo '# mine' >>/etc/hawker/hawker.toml")
        async let answers = debian.check(
            "for n in $(seq 60); do \(Self.ask) || exit 1; sleep .05; done")
        try await debian.check("dpkg --install \(second)")
        #expect(try await answers.contains("{}"))
        try await Self.expectServing(debian)
        #expect(try await debian.check("dpkg-query -W hawker").contains("1.1"))
        #expect(try await debian.check("tail -n 1 /etc/hawker/hawker.toml") == "# mine\n")
        #expect(try await debian.check("hawker containerd check --registry r.example").contains("127.0.0.1:4001"))

        try await debian.check("dpkg --remove hawker")
        #expect(try await debian.check("sha256sum /etc/containerd/config.toml") == configuration)
        #expect(try await debian.check("tail -n 1 /etc/hawker/hawker.toml") == "# mine\n")
        #expect(try await debian.run("systemctl is-active hawker.service hawker.socket").text == "inactive\ninactive\n")
        #expect(try await !debian.run("curl --silent http://127.0.0.1:4001/v2/").succeeded)

        try await debian.check("dpkg --install \(second)")
        try await Self.expectServing(debian)
        try await debian.check("dpkg --purge hawker")
        #expect(try await debian.check(Self.everything) == before)
        try await debian.stop()
    }

    @Test("a removal that cannot take its work back stops, and says what to do")
    func stuck() async throws {
        let folder = try TemporaryFolder("removal")
        let programs = try folder.makeFolder("bin")
        try folder.write("bin/hawker", "#!/bin/sh\necho 'the reason' >&2\nexit 74\n")
        try await ChildProcess.check(["chmod", "755", programs + "/hawker"])
        for (action, status) in [("remove", Int32(1)), ("upgrade", 0), ("deconfigure", 0)] {
            let output = try await ChildProcess.run(
                ["sh", Deploy.path("deb/prerm"), action], environment: ["PATH": programs + ":/usr/bin:/bin"])
            #expect(output.ending == .exited(status))
            #expect(output.text.contains("the reason") == (status == 1))
            #expect(output.text.contains("hawker stays installed") == (status == 1))
        }
    }

    /// Files with content, users and units; not what every installation of anything changes.
    private static let everything = """
        find /etc /usr /var -xdev -not -path '/var/lib/dpkg*' -not -path '/var/log*' -not -path '/var/cache*' \
            -not -path '/var/lib/containerd*' -not -path '/var/lib/systemd/*' -not -path '/etc/machine-id' \
            -not -path '/etc/.pwd.lock' -not -name '*-' \\( -type f -exec sha256sum {} + \
            -o -not -type d -printf '%p %l\\n' -o -type d -printf '%p %m %u\\n' \\) | sort
        systemctl list-unit-files 'hawker*' --no-legend || true
        """

    private static func build(_ folder: String, version: String) async throws -> String {
        try await ChildProcess.check(
            [Deploy.path("deb/build"), "--out", folder, "--version", version] + Deploy.binary(),
            environment: Deploy.time, within: Deploy.buildSeconds)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        let name = try #require(names.first { $0.hasSuffix(".deb") })
        return "\(folder)/\(name)"
    }

    private static let ask = "curl --silent --max-time 90 --fail http://127.0.0.1:4001/v2/"

    /// A daemon that dies or hangs is started anew while requests wait; one that cannot start makes none wait.
    private static func expectSupervised(_ debian: DebianTree) async throws {
        for (signal, times) in [("SEGV", 1), ("STOP", 2)] {
            try await debian.check("kill -\(signal) $(systemctl show --value -p MainPID hawker)")
            async let answer = debian.check(ask)
            try await eventually("systemd starts it anew", within: 90) {
                try await debian.check("systemctl show --value -p NRestarts hawker") == "\(times)\n"
            }
            #expect(try await answer == "{}")
            try await expectServing(debian)
        }
        #expect(try await debian.run("systemctl reload hawker").succeeded)
        try await debian.check("cp /etc/hawker/hawker.toml /good && echo '[bad' >>/etc/hawker/hawker.toml")
        #expect(try await !debian.run("systemctl reload hawker").succeeded)
        #expect(try await debian.check(ask) == "{}", "the settings in force stay")

        #expect(try await !debian.run("systemctl restart hawker").succeeded)
        try await eventually("connections are refused") {
            try await debian.run("curl --silent --max-time 20 http://127.0.0.1:4001/v2/").ending == .exited(7)
        }
        try await debian.check("mv /good /etc/hawker/hawker.toml && sleep 10 && systemctl start hawker.socket hawker")
        try await expectServing(debian)
    }

    private static func expectServing(_ debian: DebianTree) async throws {
        #expect(try await debian.run("systemctl is-active hawker.service hawker.socket").text == "active\nactive\n")
        #expect(try await debian.check(ask) == "{}")
        #expect(try await debian.check("systemctl show --value -p StatusText hawker") == "mirror on 127.0.0.1:4001\n")
        #expect(try await debian.check("hawker status").contains("serving"))
    }
}
