import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("The service manager", .timeLimit(.minutes(1)))
@LoopActor
struct ServiceManagerTests {
    @Test("is told of the start, of a reload, of the end, and in between, often enough, that the loop lives")
    func life() async throws {
        let inbox = try Inbox()
        let watchdogMicros = 90_000
        let manager = inbox.manager(["WATCHDOG_USEC": "\(watchdogMicros)", "WATCHDOG_PID": "7"])
        await manager.ready("mirror on 127.0.0.1:4001")
        #expect(await inbox.next() == "READY=1\nSTATUS=mirror on 127.0.0.1:4001")
        for _ in 0..<3 { #expect(await inbox.next() == "WATCHDOG=1") }
        await manager.reloading()
        let reload = try #require(await inbox.next(but: "WATCHDOG=1"))
        #expect(reload.contains(/^RELOADING=1\nMONOTONIC_USEC=[0-9]+$/))
        await manager.ready("again")
        #expect(await inbox.next(but: "WATCHDOG=1") == "READY=1\nSTATUS=again")
        await manager.stopping("finishing what runs")
        #expect(await inbox.next(but: "WATCHDOG=1") == "STOPPING=1\nSTATUS=finishing what runs")
        #expect(await inbox.next() == "WATCHDOG=1", "draining, too, is watched")
    }

    @Test(
        "asks for no watchdog when it is another process's, off, or not a number",
        arguments: [
            ["WATCHDOG_USEC": "90000", "WATCHDOG_PID": "8"], ["WATCHDOG_USEC": "0"], ["WATCHDOG_USEC": "-1"], [:],
        ]
    )
    func noWatchdog(variables: [String: String]) async throws {
        let inbox = try Inbox()
        let manager = inbox.manager(variables)
        await manager.ready("up")
        await manager.stopping("down")
        #expect(await inbox.next() == "READY=1\nSTATUS=up")
        #expect(await inbox.next() == "STOPPING=1\nSTATUS=down")
    }

    @Test("an abstract address is one as well; one that nobody listens on, or that is none, does no harm")
    func addresses() async throws {
        let name = "@hawker-test-\(UInt64.random(in: 0...UInt64.max))"
        let inbox = try Inbox(address: name)
        await inbox.manager([:]).ready("up")
        #expect(await inbox.next() == "READY=1\nSTATUS=up")
        for address in ["/nowhere/notify", "", "@", "relative", "/" + String(repeating: "x", count: 200)] {
            await ServiceManager(pid: 7, variable: { $0 == "NOTIFY_SOCKET" ? address : nil }).ready("up")
        }
    }

    @Test("hands over listening TCP sockets, by number, to the process it names")
    func sockets() async throws {
        let first = try InheritedSocket()
        let count = ["LISTEN_FDS": "1"]
        let manager = Self.manager(first, count.merging(["LISTEN_PID": "7"]) { $1 })
        let socket = try #require(manager.sockets.first)
        #expect(manager.sockets.count == 1)
        #expect(socket.host == "127.0.0.1" && socket.port == first.port)
        #expect(fcntl(first.descriptor, F_GETFD) == FD_CLOEXEC, "a child would keep it open")

        let listener = try Listener.tcp(socket)
        let accepted = Box<EventLoop.Stream>()
        listener.accept { accepted.put($0) }
        let client: Result<EventLoop.Stream, LoopError> = await callback {
            Stream.connect(host: "127.0.0.1", port: first.port, timeoutMillis: 10_000, then: $0)
        }
        _ = await accepted.take()
        _ = try client.get()
        #expect(listener.isHandedOver && listener.port == first.port)
        listener.close()

        for variables in [count, count.merging(["LISTEN_PID": "8"]) { $1 }, ["LISTEN_PID": "7", "LISTEN_FDS": "-3"]] {
            let other = try InheritedSocket()
            #expect(Self.manager(other, variables).sockets.isEmpty)
            other.close()
        }
    }

    @Test("a descriptor that is no listening TCP socket is left alone")
    func otherDescriptors() throws {
        let file = open("/dev/null", O_RDONLY)
        let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        let deaf = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        for descriptor in [file, datagrams, deaf, 1_000_000] { #expect(HandedSocket(descriptor) == nil) }
        for descriptor in [file, datagrams, deaf] { close(descriptor) }
    }

    private static func manager(_ handed: InheritedSocket, _ variables: [String: String]) -> ServiceManager {
        ServiceManager(pid: 7, firstDescriptor: handed.descriptor, variable: { variables[$0] })
    }
}

/// The manager's end of its notification socket.
@LoopActor
private final class Inbox {
    private let descriptor: Int32
    private let address: String
    private let folder = EventLoopTests.TemporaryFolder()

    init(address: String? = nil) throws {
        self.address = address ?? folder.path + "/notify"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(self.address.utf8)
        withUnsafeMutableBytes(of: &name.sun_path) {
            $0.copyBytes(from: bytes)
            if bytes.first == UInt8(ascii: "@") { $0[0] = 0 }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let status = withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard status == 0 else { throw TestFailure("bind: \(errno)") }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    isolated deinit {
        close(descriptor)
        unlink(address)
    }

    func manager(_ variables: [String: String]) -> ServiceManager {
        let all = variables.merging(["NOTIFY_SOCKET": address]) { $1 }
        return ServiceManager(pid: 7, variable: { all[$0] })
    }

    /// The next datagram; `nil` when none comes.
    func next() async -> String? {
        let descriptor = descriptor
        return await Loop.offload {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    /// The next one that says something else.
    func next(but word: String) async -> String? {
        while let message = await next() {
            if message != word { return message }
        }
        return nil
    }
}
