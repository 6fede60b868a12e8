import PieceModel
import Testing

@testable import Daemon

@Suite("settings that are read again")
struct ReloadTests {
    private func file(_ text: String) throws -> SettingsFile {
        try SettingsFile.parse(Array(text.utf8), file: "hawker.toml")
    }

    private static let before = """
        [peers]
        listen = "127.0.0.1:4000"
        [limits]
        upload = "1MB/s"
        dscp = 8
        [[registry]]
        host = "a.io"
        rate = "5MB/s"
        [[registry]]
        host = "b.io"
        """

    @Test("the same again changes nothing, however it is spelled")
    func same() throws {
        let old = try file(Self.before)
        #expect(old.change(to: try file(Self.before + "\n# a remark\n")) == SettingsChange())
    }

    @Test("rates, peers.static and log.level are taken over, the rest waits")
    func split() throws {
        let old = try file(Self.before)
        let new = try file(
            """
            [peers]
            listen = "127.0.0.1:5000"
            static = ["a:1"]
            [limits]
            download = "2MB/s"
            dscp = 10
            [log]
            level = "debug"
            [[registry]]
            host = "a.io"
            [[registry]]
            host = "b.io"
            rate = "7MB/s"
            [[registry]]
            host = "c.io"
            rate = "9MB/s"
            """)
        let change = old.change(to: new)
        #expect(
            change.applied == [
                "limits.download", "limits.upload", "log.level", "peers.static", "registry.rate of a.io",
                "registry.rate of b.io",
            ])
        #expect(
            change.needRestart == [
                "limits.dscp", "peers.listen", "registry.host of c.io", "registry.rate of c.io",
            ])
        let now = old.taking(new)
        #expect(now.settings.limits.upload == nil)
        #expect(now.settings.limits.download == 2_000_000)
        #expect(now.settings.limits.trafficClass == 8)
        #expect(now.settings.peersListen?.port == 4000)
        #expect(now.settings.staticPeers.map(\.description) == ["a:1"])
        #expect(now.settings.logLevel == "debug")
        #expect(now.settings.registries.map(\.rate) == [nil, 7_000_000])
        // What was taken over is old news; what waits is still said.
        #expect(now.change(to: new).applied.isEmpty)
        #expect(now.change(to: new).needRestart == change.needRestart)
    }

    @Test("other files of certificates are taken over, but whether there is TLS is decided at the start")
    func certificates() throws {
        func text(_ authorities: String) -> String {
            """
            [peers]
            listen = "127.0.0.1:4000"
            tls = { certificate = "/c", key = "/k", authorities = [\(authorities)] }
            """
        }
        let (one, two) = (try file(text("\"/a\"")), try file(text("\"/a\", \"/b\"")))
        #expect(one.change(to: two) == SettingsChange(applied: ["peers.tls.authorities"]))
        #expect(one.taking(two).settings.trust.authorities == ["/a", "/b"])
        let plain = try file("[peers]\nlisten = \"127.0.0.1:4000\"")
        let keys = ["peers.tls.authorities", "peers.tls.certificate", "peers.tls.key"]
        #expect(plain.change(to: one) == SettingsChange(needRestart: keys))
        #expect(one.change(to: plain) == SettingsChange(needRestart: keys))
        #expect(plain.taking(one).settings.trust == TrustSettings())
    }

    @Test("every key that is said to be taken over is")
    func complete() throws {
        let reloadable = (SettingsKeys.all + SettingsKeys.registry).filter(\.isReloadable).map(\.path)
        #expect(
            Set(reloadable) == [
                "limits.upload", "limits.download", "limits.origin", "registry.rate", "peers.static", "log.level",
                "log.format",
                "peers.tls.certificate", "peers.tls.key", "peers.tls.authorities",
            ])
    }
}
