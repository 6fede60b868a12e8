import EventLoop
import HTTPTransfer
import OCIModel
import TestSupport
import Testing

@testable import OriginClient

/// Listens on all addresses of the machine, and counts who comes.
@LoopActor
private final class Canary {
    let port: UInt16
    private(set) var visits = 0
    private let listeners: [Listener]
    private var streams: [Stream] = []

    init() throws {
        let first = try Listener.tcp(host: "0.0.0.0", port: 0)
        port = first.port
        // Where there is no IPv6, nothing can be dialled over it.
        listeners = [first] + [try? Listener.tcp(host: "::1", port: first.port)].compactMap(\.self)
        for listener in listeners {
            listener.accept { [weak self] stream in
                self?.visits += 1
                self?.streams.append(stream)
                stream.close()
            }
        }
    }

    func close() {
        for listener in listeners { listener.close() }
    }
}

@Suite("Addresses that are dialled")
struct DiallerTests {
    @LoopActor private static func get(
        _ engine: TransferEngine, _ url: TransferURL, _ policy: AddressPolicy
    ) async -> Result<Int, TransferError> {
        var request = TransferRequest(.get, url)
        request.addressPolicy = policy
        request.timeouts = .init(connect: 3_000, head: 1_000, stall: 1_000)
        return await withCheckedContinuation { done in
            var status = 0
            engine.start(
                request,
                onHead: { status = $0.status },
                onBody: { _ in .more },
                onEnd: { end in done.resume(returning: end.map { _ in status }) }
            )
        }
    }

    @Test("no spelling of a forbidden host is dialled for a public registry")
    @LoopActor func spellings() async throws {
        let canary = try Canary()
        defer { canary.close() }
        let engine = TransferEngine()
        defer { engine.close() }
        let spellings = ForbiddenHosts.spellings
        #expect(Set(spellings).count >= 500)
        var refused = 0
        for start in stride(from: 0, to: spellings.count, by: 50) {
            let gets = spellings[start..<min(start + 50, spellings.count)].map { spelling in
                Task { @LoopActor () -> (String, Result<Int, TransferError>?) in
                    guard let url = TransferURL("http://\(spelling):\(canary.port)/v2/") else { return (spelling, nil) }
                    return (spelling, await Self.get(engine, url, .reachable(from: .public)))
                }
            }
            for get in gets {
                switch await get.value {
                case (_, nil): refused += 1
                case (let spelling, .success(let status)?): Issue.record("\(spelling) answered \(status)")
                case (let spelling, .failure(let error)?):
                    if error.kind == .addressRefused { refused += 1 }
                    // Others were no address to the resolver, or no host to the parser of URLs.
                    let isUnknown = [.nameNotFound, .timedOut(.connect), .timedOut(.head), .invalidRequest]
                        .contains(error.kind)
                    #expect(error.kind == .addressRefused || isUnknown, "\(spelling): \(error)")
                }
            }
        }
        #expect(canary.visits == 0)
        #expect(refused >= 400, "\(refused) of \(spellings.count)")
        // The same engine does dial where it may.
        let own = try #require(TransferURL("http://127.0.0.1:\(canary.port)/"))
        _ = await Self.get(engine, own, .any)
        try await eventually("the canary is seen") { canary.visits == 1 }
    }

    /// Those that lead nowhere a registry on loopback may send us.
    private static let beyondLoopback = ForbiddenHosts.spellings.filter { spelling in
        guard let url = TransferURL("http://\(spelling)/"), let address = AddressClass(text: url.host) else {
            return false
        }
        return address == .linkLocal || address == .unusable
    }

    @Test("neither a redirect nor a token server leads to a metadata service, however it is written")
    @LoopActor func redirectsAndRealms() async throws {
        #expect(Self.beyondLoopback.count > 100)
        let target = Target()
        let redirecting = try NastyRegistry { _ in
            .response(307, headers: [("Location", "http://\(target.host)/latest/meta-data/")])
        }
        let challenging = try NastyRegistry { _ in
            .response(401, headers: [("WWW-Authenticate", #"Bearer realm="http://\#(target.host)/token",service="s""#)])
        }
        defer {
            redirecting.server.close()
            challenging.server.close()
        }
        for spelling in Self.beyondLoopback {
            target.host = spelling
            #expect(try await redirecting.fetchKeepingServer() == .refused(.address), "\(spelling)")
            #expect(try await challenging.fetchKeepingServer() == .refused(.address), "\(spelling)")
        }
        let count = Self.beyondLoopback.count
        #expect(redirecting.server.requests.count == count && challenging.server.requests.count == count)
    }

    @LoopActor private final class Target { var host = "" }

    @Test("a registry that only a request names is not looked for on this machine")
    @LoopActor func foreign() async throws {
        let canary = try Canary()
        defer { canary.close() }
        var options = OriginEndpoint.Options()
        options.isForeign = true
        let repository = try #require(RepositoryName("a"))
        for host in ["127.0.0.1", "[::1]", "localhost", "169.254.169.254", "0.0.0.0"] {
            let registry = try #require(RegistryHost("\(host):\(canary.port)"))
            let endpoint = try #require(OriginEndpoint(registry, options))
            await #expect(throws: OriginError.refused(.address), "\(host)") {
                try await OriginClient().manifest(
                    endpoint: endpoint, repository: repository, reference: .tag(.latest), head: false)
            }
        }
        #expect(canary.visits == 0)
    }
}
