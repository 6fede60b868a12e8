import EventLoop
import HTTPTransfer
import OCIModel

/// What a sink says to body bytes.
enum SinkFlow {
    case more
    /// Everything wanted has arrived; the rest of the response is not read.
    case enough
    case failed(OriginError)
}

/// Takes the one successful (200 or 206) response of a call; all others end before it sees them.
@LoopActor
protocol ResponseSink: AnyObject {
    /// The transfer that will deliver to this sink, so that it can be paused.
    func willReceive(over transfer: Transfer)
    /// An error refuses the response.
    func accept(_ head: ResponseHead) -> OriginError?
    func take(_ bytes: UnsafeRawBufferPointer) -> SinkFlow
    /// Runs at the end of a complete response, or after `.enough`.
    func finish() -> OriginError?
}

extension ResponseSink {
    func willReceive(over transfer: Transfer) {}
}

/// Checks every sink needs.
enum HeadChecks {
    /// Refuses encoded bodies, of which digests and ranges say nothing, and pages of portals and proxies.
    static func content(_ head: ResponseHead) -> OriginError? {
        isPlain(head) ? notPage(head) : .badContent(.contentEncoding)
    }

    /// Whether the body is what it stands for, byte by byte.
    static func isPlain(_ head: ResponseHead) -> Bool {
        head.headers.values("content-encoding").allSatisfy { $0.isEmpty || $0.lowercased() == "identity" }
    }

    static func notPage(_ head: ResponseHead) -> OriginError? {
        let isPage = head.headers.values("content-type").contains { $0.lowercased().hasPrefix("text/html") }
        return isPage ? .badContent(.contentType) : nil
    }

    /// The stated length of the body; `nil` for none.
    static func length(_ head: ResponseHead) throws(OriginError) -> Int64? {
        guard !head.headers.values("content-length").isEmpty else { return nil }
        guard let text = head.headers.single("content-length"), let length = Decimal.parse(text) else {
            throw .badContent(.contentLength)
        }
        return length
    }

    /// The SHA-256 digest the registry states; `nil` for none or another algorithm.
    static func digest(_ head: ResponseHead) throws(OriginError) -> Digest? {
        let values = head.headers.values("docker-content-digest").filter { $0.hasPrefix("sha256:") }
        guard let first = values.first else { return nil }
        guard let digest = Digest(first), values.allSatisfy({ $0 == first }) else {
            throw .badContent(.digest)
        }
        return digest
    }
}

/// Collects a whole body up to a bound.
@LoopActor
final class CollectingSink: ResponseSink {
    private(set) var head: ResponseHead?
    private(set) var bytes: [UInt8] = []
    private let bytesMax: Int
    private let decodes: Bool

    /// With `decodes` an encoded body is taken, and arrives decoded; the request has to ask for that.
    init(bytesMax: Int, decodes: Bool = false) {
        self.bytesMax = bytesMax
        self.decodes = decodes
    }

    func accept(_ head: ResponseHead) -> OriginError? {
        self.head = head
        bytes = []
        guard head.status == 200 else { return .badContent(.status(head.status)) }
        return decodes ? HeadChecks.notPage(head) : HeadChecks.content(head)
    }

    func take(_ bytes: UnsafeRawBufferPointer) -> SinkFlow {
        guard self.bytes.count + bytes.count <= bytesMax else { return .failed(.badContent(.tooLong)) }
        self.bytes.append(contentsOf: bytes)
        return .more
    }

    func finish() -> OriginError? { nil }
}

/// Learns the size of a blob from the answer to a request for its first byte; takes no body.
@LoopActor
final class SizeSink: ResponseSink {
    /// `nil` when the answer did not say.
    private(set) var bytes: Int64?

    func accept(_ head: ResponseHead) -> OriginError? {
        if let error = HeadChecks.content(head) { return error }
        do throws(OriginError) {
            let length = try HeadChecks.length(head)
            let total = head.headers.single("content-range").flatMap(ContentRange.init)?.total
            bytes = head.status == 206 ? total : length
            return nil
        } catch {
            return error
        }
    }

    func take(_ bytes: UnsafeRawBufferPointer) -> SinkFlow { .enough }
    func finish() -> OriginError? { nil }
}

/// Hands on exactly the bytes of one range, whatever the registry makes of the request.
@LoopActor
final class RangeSink: ResponseSink {
    /// Offset in the blob of the next byte to hand on.
    private(set) var next: Int64
    /// Bytes read and thrown away because the registry ignored the range.
    private(set) var skippedBytes: Int64 = 0
    private(set) var response: ResponseHead?
    private let end: Int64
    private var offset: Int64 = 0
    private var mayRunOn = false
    private let onTransfer: @LoopActor (Transfer) -> Void
    private let onBytes: @LoopActor (UnsafeRawBufferPointer) -> Void

    init(
        _ range: ByteRange,
        onTransfer: @escaping @LoopActor (Transfer) -> Void,
        onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void
    ) {
        next = range.start
        end = range.end
        self.onTransfer = onTransfer
        self.onBytes = onBytes
    }

    func willReceive(over transfer: Transfer) {
        onTransfer(transfer)
    }

    func accept(_ head: ResponseHead) -> OriginError? {
        if let error = HeadChecks.content(head) { return error }
        do throws(OriginError) {
            let length = try HeadChecks.length(head)
            if head.status == 206 { try acceptPart(head, length) } else { try acceptWhole(head, length) }
        } catch {
            return error
        }
        response = head
        return nil
    }

    private func acceptPart(_ head: ResponseHead, _ length: Int64?) throws(OriginError) {
        guard let text = head.headers.single("content-range"), let stated = ContentRange(text),
            stated.range == ByteRange(start: next, end: end)
        else { throw .badContent(.contentRange) }
        guard length == nil || length == stated.range.count else { throw .badContent(.contentLength) }
        offset = next
        mayRunOn = false
    }

    /// A registry that ignores `Range` sends the blob from its start.
    private func acceptWhole(_ head: ResponseHead, _ length: Int64?) throws(OriginError) {
        guard head.status == 200 else { throw .badContent(.status(head.status)) }
        if let length, length < end { throw .badContent(.contentLength) }
        offset = 0
        mayRunOn = length != end
    }

    func take(_ bytes: UnsafeRawBufferPointer) -> SinkFlow {
        let chunkEnd = offset + Int64(bytes.count)
        let wantedStart = max(offset, next)
        let wantedEnd = min(chunkEnd, end)
        let isOver = chunkEnd > end
        skippedBytes += min(chunkEnd, next) - min(offset, next)
        if wantedStart < wantedEnd {
            let slice = Int(wantedStart - offset)..<Int(wantedEnd - offset)
            next = wantedEnd
            onBytes(UnsafeRawBufferPointer(rebasing: bytes[slice]))
        }
        offset = chunkEnd
        if mayRunOn { return next == end ? .enough : .more }
        return isOver ? .failed(.badContent(.tooLong)) : .more
    }

    func finish() -> OriginError? {
        next == end ? nil : .unreachable(TransferError(.truncated))
    }
}
