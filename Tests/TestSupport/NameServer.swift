import Glibc

/// Debian's dnsmasq on loopback with a port of its own; it knows the names that a test gives it, all of them below
/// `test.`, and asks nobody else.
package final class NameServer: Sendable {
    package let port: UInt16
    private let folder: TemporaryFolder

    /// `address:port`, as settings want it.
    package var address: String { "127.0.0.1:\(port)" }

    /// Without a name; `start` runs it.
    package init() throws {
        folder = try TemporaryFolder("names")
        port = try FreePort.next()
        try publish([:])
        try publish(services: [:])
    }

    /// Addresses by name, instead of those before; a running server has to be told by `SIGHUP`.
    package func publish(_ hosts: [String: [String]]) throws {
        let lines = hosts.flatMap { name, addresses in addresses.map { "\($0) \(name)\n" } }
        try folder.write("hosts", lines.joined())
    }

    /// Targets by name of the service, instead of those before; a running server has to be started again.
    package func publish(services: [String: [(host: String, port: UInt16)]]) throws {
        let lines = services.flatMap { name, targets in
            targets.map { "srv-host=\(name),\($0.host),\($0.port)\n" }
        }
        try folder.write("services.conf", lines.joined())
    }

    /// Runs the server, any number of times one after the other, and waits until it answers.
    package func start() async throws -> ChildProcess {
        let process = try ChildProcess(
            [
                "dnsmasq", "--keep-in-foreground", "--user=root", "--port=\(port)", "--listen-address=127.0.0.1",
                "--bind-interfaces", "--conf-file=\(folder.path("services.conf"))", "--no-resolv", "--no-hosts",
                "--addn-hosts=\(folder.path("hosts"))", "--local=/test/", "--pid-file", "--log-facility=-",
            ],
            logPath: folder.path("dnsmasq.log"))
        try await eventually("dnsmasq listens on \(port)") {
            try process.requireRunning()
            return FreePort.isListening(port)
        }
        return process
    }
}
