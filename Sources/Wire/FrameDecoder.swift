/// Cuts a stream of bytes into frames; does no input or output itself.
///
/// States: collecting the header; collecting the message; collecting the payload; failed.
/// Invariants: a length is compared with the limits before any byte it promises is waited for; memory held is
/// at most eight times the bytes received of the frame being collected, and never more than the frame takes, but
/// for the room that the caller gave; after an error every further call throws the same error.
package struct FrameDecoder: Sendable {
    private static let wholeRoomPart = 8

    /// May be changed between frames; counts from the next header on.
    package var limits: FrameLimits

    private var header: [UInt8] = []
    private var frame: Frame?
    private var messageBytes = 0
    private var payloadBytes = 0
    private var failure: WireError?

    package init(limits: FrameLimits) {
        self.limits = limits
    }

    /// Whether the stream may end here: no frame has begun.
    package var isBetweenFrames: Bool { header.isEmpty && frame == nil && failure == nil }

    /// Bytes that the frame being collected still lacks; 0 before its header is complete.
    package var missingBytes: Int {
        frame.map { messageBytes - $0.message.count + payloadBytes - $0.payload.count } ?? 0
    }

    /// Bytes kept of the frame that is being collected.
    package var heldBytes: Int {
        header.capacity + (frame?.message.capacity ?? 0) + (frame?.payload.capacity ?? 0)
    }

    /// Takes bytes from the front of `input` until a frame is complete or nothing is left; returns the frame.
    ///
    /// `room` may give an empty array with room for a payload of so many bytes, of which none came yet: memory that its
    /// owner holds anyway, or would be spent on a mere claim.
    package mutating func next(
        _ input: inout UnsafeRawBufferPointer,
        room: (Int) -> [UInt8] = { _ in [] }
    ) throws(WireError) -> Frame? {
        if let failure { throw failure }
        if frame == nil {
            guard try collectHeader(&input) else { return nil }
        }
        guard var frame else { return nil }
        self.frame = nil
        Self.collect(&input, into: &frame.message, total: messageBytes)
        if frame.message.count == messageBytes {
            if payloadBytes > 0, frame.payload.capacity == 0 { frame.payload = room(payloadBytes) }
            Self.collect(&input, into: &frame.payload, total: payloadBytes)
            if frame.payload.count == payloadBytes { return frame }
        }
        self.frame = frame
        return nil
    }

    /// Returns whether the header is complete, and then has set up `frame`.
    private mutating func collectHeader(_ input: inout UnsafeRawBufferPointer) throws(WireError) -> Bool {
        Self.collect(&input, into: &header, total: Frame.headerBytes)
        guard header.count == Frame.headerBytes else { return false }
        let message = word(at: 0)
        let payload = word(at: 4)
        let type = header[12]
        if message > limits.messageBytesMax {
            throw fail(.messageTooLong(type: type, bytes: message))
        }
        if payload > (limits.payloadType == type ? limits.payloadBytesMax : 0) {
            throw fail(.payloadTooLong(type: type, bytes: payload))
        }
        if header[14] != 0 || header[15] != 0 {
            throw fail(.reservedNotZero(type: type))
        }
        messageBytes = Int(message)
        payloadBytes = Int(payload)
        frame = Frame(type: type, flags: header[13], stream: word(at: 8))
        header.removeAll(keepingCapacity: true)
        return true
    }

    private mutating func fail(_ error: WireError) -> WireError {
        failure = error
        header = []
        return error
    }

    private func word(at offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(header[offset + $1]) << UInt32(8 * $1) }
    }

    private static func collect(_ input: inout UnsafeRawBufferPointer, into bytes: inout [UInt8], total: Int)
    {
        let count = min(total - bytes.count, input.count)
        guard count > 0 else { return }
        let needed = bytes.count + count
        if needed > bytes.capacity {
            // Room for all of it as soon as some has come, so that a piece is not moved while it grows; before that
            // for as much again, because a length alone is only a claim.
            bytes.reserveCapacity(needed >= total / Self.wholeRoomPart ? total : needed * 2)
        }
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: input.prefix(count)))
        input = UnsafeRawBufferPointer(rebasing: input.dropFirst(count))
    }
}
