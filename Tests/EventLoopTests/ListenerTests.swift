import EventLoop
import Glibc
import Testing

@Suite("Listeners", .timeLimit(.minutes(1)))
@LoopActor
struct ListenerTests {
    @Test(
        "a Unix socket has exactly the mode asked for, and knows who connects",
        arguments: [0o600, 0o660, 0o666]
    )
    func unix(mode: UInt32) async throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/s"
        let listener = try Listener.unix(path: path, mode: mode)
        var info = stat()
        #expect(stat(path, &info) == 0)
        #expect(info.st_mode & 0o7777 == mode)
        let accepted = Box<EventLoop.Stream>()
        listener.accept { accepted.put($0) }
        let client: Result<EventLoop.Stream, LoopError> = await callback {
            Stream.connect(unixPath: path, then: $0)
        }
        let server = await accepted.take()
        #expect(server.peerCredentials?.pid == getpid())
        #expect(server.peerCredentials?.uid == getuid())
        #expect(server.peerCredentials?.gid == getgid())
        #expect(try client.get().peerAddress == "unix")
        listener.close()
        #expect(stat(path, &info) != 0)
    }

    @Test("a stale socket file is replaced, a live one or another kind of file is not")
    func staleFile() throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/s"
        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(status == 0)
        Glibc.close(stale)
        let listener = try Listener.unix(path: path, mode: 0o600)
        #expect(throws: LoopError(.addressInUse, "listen")) { try Listener.unix(path: path, mode: 0o600) }
        listener.close()
        Glibc.close(open(path, O_CREAT | O_WRONLY, 0o600))
        #expect(throws: LoopError(.addressInUse, "listen")) { try Listener.unix(path: path, mode: 0o600) }
        unlink(path)
    }

    @Test(
        "a path that the kernel would cut is refused",
        arguments: ["", "/tmp/" + String(repeating: "x", count: 103), "/tmp/a\0b"]
    )
    func badPath(path: String) async {
        #expect(throws: LoopError(.invalidAddress, "listen")) { try Listener.unix(path: path, mode: 0o600) }
        let result: Result<EventLoop.Stream, LoopError> = await callback {
            Stream.connect(unixPath: path, then: $0)
        }
        guard case .failure(let error) = result else {
            Issue.record("connected")
            return
        }
        #expect(error.code == .invalidAddress)
    }

    @Test("a taken port and a host that is no literal are typed errors")
    func tcpErrors() throws {
        let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        #expect(listener.port != 0)
        #expect(throws: LoopError(.addressInUse, "listen")) {
            try Listener.tcp(host: "127.0.0.1", port: listener.port)
        }
        #expect(throws: LoopError(.invalidAddress, "listen")) {
            try Listener.tcp(host: "example.org", port: 0)
        }
        #expect(throws: LoopError(.addressNotAvailable, "listen")) {
            try Listener.tcp(host: "192.0.2.1", port: 0)
        }
        listener.close()
    }

    @Test("a dropped listener lets go of its address")
    func dropped() throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/s"
        do {
            _ = try Listener.unix(path: path, mode: 0o600)
        }
        var info = stat()
        #expect(stat(path, &info) != 0)
        let again = try Listener.unix(path: path, mode: 0o600)
        again.close()
    }

    @Test("a listener closed by its own handler accepts no more")
    func closedByHandler() async throws {
        let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        let accepted = Box<EventLoop.Stream>()
        listener.accept { stream in
            listener.close()
            accepted.put(stream)
        }
        let client: Result<EventLoop.Stream, LoopError> = await callback {
            Stream.connect(host: "127.0.0.1", port: listener.port, timeoutMillis: 10_000, then: $0)
        }
        #expect(throws: Never.self) { try client.get() }
        #expect(await accepted.take().isOpen)
    }

    @Test("without descriptors, connections are closed at once, and later ones succeed")
    nonisolated func outOfDescriptors() async {
        await #expect(processExitsWith: .success) { @LoopActor in
            let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
            let accepted = Box<EventLoop.Stream>()
            listener.accept { accepted.put($0) }
            // Clients first, so that only the accepting side runs out.
            let clients = (0..<3).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
            var fillers: [Int32] = []
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            while case let filler = open("/dev/null", O_RDONLY), filler >= 0 { fillers.append(filler) }
            precondition(dial(clients[0], listener.port) && dial(clients[1], listener.port))
            for client in clients[0..<2] {
                let isGone = await Loop.offload { () -> Bool in
                    var byte: UInt8 = 0
                    return recv(client, &byte, 1, 0) <= 0
                }
                precondition(isGone)
            }
            precondition(listener.shedCount == 2)
            fillers.forEach { _ = Glibc.close($0) }
            precondition(dial(clients[2], listener.port))
            let survivor = await accepted.take()
            precondition(survivor.isOpen)
        }
    }
}

@Suite("Listeners without a spare descriptor", .timeLimit(.minutes(1)))
struct ListenerPauseTests {
    @Test("when even the reserve is of no use, accepting pauses and goes on by itself")
    func pause() async {
        await #expect(processExitsWith: .success) { @LoopActor in
            let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
            let accepted = Box<EventLoop.Stream>()
            listener.accept { accepted.put($0) }
            let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            var limit = rlimit()
            getrlimit(resource, &limit)
            // Every number below 3 is taken, so no descriptor at all can be made, with or without the
            // reserve.
            var tight = rlimit(rlim_cur: 3, rlim_max: limit.rlim_max)
            setrlimit(resource, &tight)
            precondition(dial(client, listener.port))
            let timer = LoopTimer()
            await withCheckedContinuation { waiter in timer.start(after: 250) { waiter.resume() } }
            precondition(listener.shedCount == 0)
            setrlimit(resource, &limit)
            let survivor = await accepted.take()
            precondition(survivor.isOpen)
        }
    }
}

@Sendable
private func dial(_ client: Int32, _ port: UInt16) -> Bool {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
