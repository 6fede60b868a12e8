import EventLoop
import Glibc
import Pacing
import PieceExchange
import PieceModel
import TLS
import Wire

/// One connection to a peer, or to somebody who may turn out to be one.
///
///     greeting --Hello comes, open()--> open --+
///        |                                     |
///        +--------------close()----------------+--> closed
///
/// Invariants: before `open` the other side costs one small buffer; `outstanding` never exceeds the other
/// side's credit; what is written in one turn of the exchange leaves as one write (`flush`); of the pieces to
/// send the stream has one at a time, so that a message waits for no other.
@LoopActor
final class PeerConnection {
    let channel: any PeerChannel
    /// Dialled by this node.
    let outbound: Bool
    let address: String
    /// This node's own Hello, until it is said.
    var unsaid: Hello?
    /// The other side's Hello; `nil` while greeting.
    private(set) var hello: Hello?
    private(set) var isClosed = false
    var received = PieceTraffic()
    var sent = PieceTraffic()
    let uploads: PeerUploads

    private weak var owner: (any PeerConnectionOwner)?
    private let reader: PacedReader
    private var decoder = FrameDecoder(limits: PeerLimits.beforeHello)
    private var isOpen = false
    private var outbox: [UInt8] = []
    /// Requests sent and not answered, and those that wait for one of these to be.
    private var outstanding: Set<UInt32> = []
    private var waiting: [(request: UInt32, frame: [UInt8])] = []
    /// Few: the exchange bounds what is sent to one peer at once.
    private var pieces: [OutgoingPiece] = []
    private var isSendingPiece = false
    private var unsent: UnsentLimit
    private let began: UInt64
    private var lastAlive: UInt64
    private var lastTaken: UInt64
    /// When something was said or sent last, by either side, that only one who needs the other says.
    var lastUsed: UInt64
    private var pinged = false
    private var probeDeadline: UInt64?

    init(channel: any PeerChannel, outbound: Bool, arrivals: Pacer, owner: any PeerConnectionOwner) {
        self.channel = channel
        reader = PacedReader(channel, arrivals)
        uploads = PeerUploads(over: channel)
        self.outbound = outbound
        self.owner = owner
        address = channel.peerAddress
        began = Loop.nowNanoseconds
        unsent = UnsentLimit(now: began)
        lastAlive = began
        lastTaken = began
        lastUsed = began
    }

    var peer: PeerName? { isOpen ? hello?.node : nil }

    /// Begins to listen, and says Hello unless this node dialled: it may be connected with the other side already, and
    /// one more Hello would end one of the two connections, with all that is on its way.
    func start(_ own: Hello) {
        unsaid = own
        if !outbound { sayHello() }
        channel.limitUnsent(unsent.bytes)
        reader.start { [weak self] event in self?.heard(event) }
    }

    /// Takes the other side for the peer that its Hello names.
    func open() {
        precondition(hello != nil && !isClosed)
        sayHello()
        isOpen = true
        decoder.limits = PeerLimits.afterHello
    }

    // MARK: Reading

    private func heard(_ event: Stream.ReadEvent) {
        guard !isClosed else { return }
        lastAlive = Loop.nowNanoseconds
        pinged = false
        probeDeadline = nil
        switch event {
        case .bytes(let bytes): decode(bytes)
        case .end: end(.closedByPeer(nil))
        case .failed(let error): end(.failed(error))
        }
    }

    private func decode(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        do throws(WireError) {
            while !isClosed, let frame = try decoder.next(&rest, room: PieceMemory.take) {
                take(try PeerCodec.decode(frame))
            }
            if !isClosed { channel.expect(decoder.missingBytes) }
        } catch {
            end(.violation(error), saying: .banned)
        }
    }

    private func take(_ frame: PeerFrame) {
        switch (frame, isOpen) {
        case (.goodbye(let reason), _):
            end(.closedByPeer(reason))
        case (.hello(let hello), false):
            self.hello = hello
            owner?.connection(self, greeted: hello)
        case (.ping, true):
            write(PeerCodec.encodePong())
        case (.pong, true):
            break
        case (.message(let message), true):
            if case .refuse(let request, _, _) = message { credit(request) }
            noteUse(message)
            owner?.connection(self, received: message)
        case (.piece(let header, let payload), true):
            credit(header.request)
            lastUsed = lastAlive
            owner?.connection(self, received: header, payload: payload)
        case (.hello, true), (.ping, false), (.pong, false), (.message, false), (.piece, false):
            end(.outOfTurn, saying: .banned)
        }
    }

    // MARK: Writing

    /// Queues a message until `flush`. A request beyond the other side's credit waits for an answer to
    /// another.
    func send(_ message: PeerMessage) {
        guard isOpen, !isClosed else { return }
        noteUse(message)
        switch message {
        case .request(let request, _, _):
            let frame = PeerCodec.encode(message)
            guard outstanding.count < (hello?.requestsMax ?? 0) else {
                waiting.append((request, frame))
                return
            }
            outstanding.insert(request)
            outbox += frame
        case .cancel(let request):
            if let index = waiting.firstIndex(where: { $0.request == request }) {
                waiting.remove(at: index)
            } else {
                outbox += PeerCodec.encode(message)
                credit(request)
            }
        default:
            outbox += PeerCodec.encode(message)
        }
    }

    /// Sends a piece after those asked for before.
    func send(_ piece: OutgoingPiece) {
        guard isOpen, !isClosed else { return piece.ended() }
        pieces.append(piece)
        sendNextPiece()
    }

    private func sendNextPiece() {
        guard !isSendingPiece, !isClosed, !pieces.isEmpty else { return }
        let piece = pieces.removeFirst()
        isSendingPiece = true
        flush()
        write(PeerCodec.encode(.piece(piece.header)))
        // Its owner counts on hearing of the end, whether or not this connection lives to see it.
        let pieceEnded: @LoopActor () -> Void = { [weak self] in
            self?.isSendingPiece = false
            piece.ended()
            self?.pieceLeft(piece)
        }
        switch piece.content {
        case .bytes(let payload):
            write(payload) { [weak self] in
                self?.delivered()
                pieceEnded()
            }
        case .file(let file, let offset):
            channel.sendFile(file, offset: offset, count: Int64(piece.header.payloadBytes)) { [weak self] _ in
                self?.delivered()
            } then: { [weak self] result in
                self?.delivered()
                // The frame's head is out: without its payload the stream is out of step for good.
                if case .failure(let error) = result { self?.end(.failed(error)) }
                pieceEnded()
            }
        }
    }

    private func pieceLeft(_ piece: OutgoingPiece) {
        if unsent.carried(piece.header.payloadBytes, now: Loop.nowNanoseconds) { channel.limitUnsent(unsent.bytes) }
        sendNextPiece()
    }

    func flush() {
        guard !outbox.isEmpty, !isClosed else { return }
        let bytes = outbox
        outbox = []
        write(bytes)
    }

    func write(_ bytes: [UInt8], then: (@LoopActor () -> Void)? = nil) {
        if channel.queuedBytes == 0 { lastTaken = Loop.nowNanoseconds }
        channel.write(bytes) { [weak self] error in
            self?.lastTaken = Loop.nowNanoseconds
            if let error { self?.end(.failed(error)) }
            then?()
        }
    }

    /// Some of a piece was taken: that takes a living peer, whose own words may be held up behind its data.
    private func delivered() {
        lastTaken = Loop.nowNanoseconds
        lastAlive = lastTaken
        lastUsed = lastTaken
    }

    /// The request needs no answer any more, so that another may be sent.
    private func credit(_ request: UInt32) {
        guard outstanding.remove(request) != nil, !waiting.isEmpty else { return }
        let next = waiting.removeFirst()
        outstanding.insert(next.request)
        outbox += next.frame
        flush()
    }

    // MARK: Health

    /// Asks for a sign of life within `millis`: somebody else claims to be this peer.
    func probe(within millis: UInt64) {
        guard isOpen, !isClosed, probeDeadline == nil else { return }
        probeDeadline = Loop.nowNanoseconds &+ millis &* 1_000_000
        write(PeerCodec.encodePing())
    }

    /// To be called about every second: ends the connection when one of its deadlines has passed.
    func check(_ options: SwarmOptions) {
        let now = Loop.nowNanoseconds
        func passed(_ millis: UInt64, since start: UInt64) -> Bool {
            now > start && (now - start) / 1_000_000 >= millis
        }
        guard !isClosed else { return }
        if let certificate = channel.certificate, certificate.notAfter < time(nil) { return distrust() }
        // Who is not read from cannot be heard.
        if reader.isHeldBack { lastAlive = now }
        // Over a slow link every byte is a sign of life.
        if passed(Self.patientMillis, since: lastAlive) { channel.expect(0) }
        if !isOpen {
            if passed(Self.patientMillis, since: began) { sayHello() }
            if !reader.isHeldBack, passed(options.helloMillis, since: began) { end(.noHello) }
        } else if channel.queuedBytes > 0, passed(options.stallMillis, since: lastTaken) {
            end(.stalled)
        } else if channel.queuedBytes > options.queuedBytesMax {
            end(.stalled)
        } else if passed(options.silentMillis, since: lastAlive) {
            end(.silent)
        } else if let probeDeadline, now >= probeDeadline {
            end(.silent)
        } else if !pinged, passed(options.quietMillis, since: lastAlive) {
            pinged = true
            write(PeerCodec.encodePing())
        }
    }

    /// A goodbye is said if one is given and the other side still takes it.
    func end(_ cause: DisconnectCause, saying goodbye: Goodbye? = nil) {
        guard !isClosed else { return }
        if let goodbye { outbox += PeerCodec.encode(goodbye) }
        flush()
        isClosed = true
        waiting = []
        for piece in pieces { piece.ended() }
        pieces = []
        let channel = channel
        reader.stop()
        if goodbye != nil, channel.queuedBytes <= Self.goodbyeQueueMax {
            channel.shutdown { channel.close() }
            // The other side may never take it.
            let timer = LoopTimer()
            timer.start(after: Self.goodbyeMillis) {
                channel.close()
                timer.stop()
            }
        } else {
            channel.close()
        }
        owner?.connection(self, endedBy: cause)
    }
}
