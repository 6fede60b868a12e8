import EventLoop
import TLS

/// A connection as `PeerConnection` needs it: bytes both ways, in order. Plain TCP and TLS are the two kinds.
///
/// The promises of `Stream` hold for both: handlers are never called inside the call that sets them or inside `close`,
/// every write and every file ends once, after `close` with `canceled`, and no event comes after it.
@LoopActor
protocol PeerChannel: AnyObject {
    /// `host:port` of the other end.
    var peerAddress: String { get }
    /// The other side's, verified; `nil` for plaintext.
    var certificate: Certificate? { get }
    /// Bytes asked to be sent that the kernel has not yet taken.
    var queuedBytes: Int { get }
    /// What the kernel saw of the way to the other side; `nil` when it does not say.
    var path: TCPPath? { get }

    /// See `Stream`, for each.
    func startReading(_ onRead: @escaping @LoopActor (Stream.ReadEvent) -> Void)
    func stopReading()
    func expect(_ count: Int)
    func limitUnsent(_ bytes: Int)
    func write(_ bytes: [UInt8], then: (@LoopActor (LoopError?) -> Void)?)
    func sendFile(
        _ file: Int32,
        offset: Int64,
        count: Int64,
        progress: (@LoopActor (Int64) -> Void)?,
        then: @escaping @LoopActor (Result<Int64, LoopError>) -> Void
    )
    func shutdown(then: (@LoopActor () -> Void)?)
    func close()

    /// Whether `context` would take the other side's certificate now; plaintext is not asked.
    func isTrusted(by context: TLSContext) -> Bool
}

extension Stream: PeerChannel {
    var certificate: Certificate? { nil }

    func isTrusted(by context: TLSContext) -> Bool { false }
}
