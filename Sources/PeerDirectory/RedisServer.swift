import EventLoop
import PieceModel
import TLS

/// This node's membership on one Redis server.
///
///     waiting --due--> connecting --> member --+
///        ^                 |                   |  a sign of life at each interval
///        +----failed-------+-------lost--------+
@LoopActor
final class RedisServer {
    let address: RedisAddress
    /// Its last sign of life was answered, and the connection is there.
    private(set) var isWorking = false
    /// Why it was lost, or never reached.
    private var failure: RedisFailure?
    private(set) var members: MemberTable

    private let options: RedisOptions
    private let own: OwnEndpoint
    private let changed: @LoopActor () -> Void
    private var backoff: Backoff
    private let timer = LoopTimer()
    private var connection: RedisConnection?
    private var version: Int64 = -1
    private var isStopped = false
    private var isLiving = false
    /// What the server said last to a command beside the membership's, if it was no.
    private var refusal: RedisFailure?
    private var random = SystemRandomNumberGenerator()

    /// Endpoints asked for at once; with more members, each node gets a part.
    private static let listMax = 1024
    private static let leaveMillis: UInt64 = 1_000

    /// `changed` is called when the state or the members may differ.
    init(_ address: RedisAddress, options: RedisOptions, own: OwnEndpoint, changed: @escaping @LoopActor () -> Void) {
        self.address = address
        self.options = options
        self.own = own
        self.changed = changed
        // One that is back is seen as soon as one that never went would be told again.
        let longestMillis = min(options.retryMillisMax, max(options.everyMillis, options.retryMillisMin))
        backoff = Backoff(firstMillis: options.retryMillisMin, longestMillis: longestMillis)
        members = MemberTable(graceNanoseconds: options.lifetimeMillis &* 1_000_000)
    }

    var state: DiscoveryStatus.State {
        guard isWorking else { return failure.map { .failing($0.description) } ?? .starting }
        guard let refusal else { return .working }
        return .failing("keeps no grants (\(refusal)): has its user all rights that the README lists?")
    }

    func start() {
        Loop.task { await self.live() }
    }

    /// Takes this node off the list if the server answers soon.
    func stop() async {
        isStopped = true
        timer.stop()
        guard let connection else { return }
        let limit = LoopTimer()
        limit.start(after: Self.leaveMillis) { connection.close() }
        _ = await connection.run(script(RedisScripts.leave, [options.node.text]))
        limit.stop()
        connection.close()
    }

    /// One step: connects if need be, gives a sign of life, and plans the next.
    private func live() async {
        guard !isStopped else { return }
        isLiving = true
        let failure = await signOfLife()
        isLiving = false
        guard !isStopped else { return }
        if let failure { return lost(failure) }
        // It may have ended with the last answer, when nobody could be told.
        if connection?.isOpen != true { return lost(.closed) }
        backoff.succeeded()
        isWorking = true
        changed()
        timer.start(after: Backoff.jittered(options.everyMillis, using: &random)) { [weak self] in self?.start() }
    }

    private func lost(_ failure: RedisFailure) {
        guard !isStopped, !isLiving else { return }
        let ended = connection
        connection = nil
        ended?.onEnd = nil
        ended?.close()
        isWorking = false
        self.failure = failure
        changed()
        timer.start(after: backoff.failed(using: &random)) { [weak self] in self?.start() }
    }

    /// A command beside the membership's own; fails at once while the server is not a working one.
    func run(_ words: [String]) async -> Result<RedisReply, RedisFailure> {
        guard let connection, isWorking else { return .failure(.closed) }
        let answer = await connection.run(words)
        let before = refusal
        switch answer {
        case .success: refusal = nil
        case .failure(.refused(let code)): refusal = .refused(code)
        case .failure: break
        }
        if refusal != before { changed() }
        return answer
    }

    private func signOfLife() async -> RedisFailure? {
        let connection: RedisConnection
        switch await connected() {
        case .failure(let failure): return failure
        case .success(let open): connection = open
        }
        guard let endpoint = advertised(over: connection) else { return .closed }
        let arguments = [
            options.node.text, endpoint.description, "\(options.lifetimeMillis)", "\(Self.listMax)", "\(version)",
            "\(UInt32.random(in: 0...(.max), using: &random))",
        ]
        switch await connection.run(script(RedisScripts.heartbeat, arguments)) {
        case .failure(let failure): return failure
        case .success(let reply): return take(reply) ? nil : .nonsense
        }
    }

    private func script(_ text: String, _ arguments: [String]) -> [String] {
        let keys = RedisScripts.keys(cluster: options.cluster)
        return ["EVAL", text, "\(keys.count)"] + keys + arguments
    }

    /// Where others can dial this node: as set, or the address that the server is reached from.
    private func advertised(over connection: RedisConnection) -> PeerEndpoint? {
        own.reachable ?? connection.localHost.flatMap { PeerEndpoint(host: $0, port: own.listenPort) }
    }

    /// False for an answer that the script cannot have given.
    private func take(_ reply: RedisReply) -> Bool {
        guard case .array(let parts) = reply, parts.count >= 2, let version = parts[0].integer,
            let count = parts[1].integer, count >= 0
        else { return false }
        // Without a list nothing has changed, but somebody may have been missing long enough by now.
        let listed: [PeerEndpoint]
        if version == self.version {
            listed = lastListed
        } else {
            let own = own.matcher()
            listed = parts.dropFirst(2).compactMap { $0.text.flatMap { PeerEndpoint($0) } }.filter { !own.isOwn($0) }
        }
        lastListed = listed
        self.version = version
        members.heard(listed, isComplete: count <= Int64(Self.listMax), now: Loop.nowNanoseconds)
        return true
    }

    private var lastListed: [PeerEndpoint] = []

    // MARK: Connecting

    private func connected() async -> Result<RedisConnection, RedisFailure> {
        if let connection { return .success(connection) }
        var context: TLSServiceContext?
        if address.isSecure {
            let options = options
            switch await Loop.offload({ options.context() }) {
            case .failure(let failure): return .failure(failure)
            case .success(let made): context = made
            }
        }
        let opened: RedisConnection
        switch await RedisConnection.open(address.endpoint, context) {
        case .failure(let failure): return .failure(failure)
        case .success(let connection): opened = connection
        }
        if let failure = await authenticate(opened) {
            opened.close()
            return .failure(failure)
        }
        guard !isStopped else {
            opened.close()
            return .failure(.closed)
        }
        opened.onEnd = { [weak self] failure in self?.lost(failure) }
        connection = opened
        version = -1
        refusal = nil
        return .success(opened)
    }

    private func authenticate(_ connection: RedisConnection) async -> RedisFailure? {
        let options = options
        let password: [UInt8]?
        switch await Loop.offload({ options.password() }) {
        case .failure(let failure): return failure
        case .success(let line): password = line
        }
        guard let password else {
            // A server that wants a password answers a command of more than ten words with a mere protocol error.
            guard case .failure(let failure) = await connection.run(["PING"]) else { return nil }
            return failure
        }
        let user = options.user.map { [Array($0.utf8)] } ?? []
        switch await connection.run([Array("AUTH".utf8)] + user + [password]) {
        case .success: return nil
        case .failure(let failure): return failure
        }
    }
}
