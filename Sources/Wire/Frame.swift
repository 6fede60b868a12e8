/// One frame as it travels: a fixed header, a protobuf message, and raw bytes that are copied by nobody.
///
///     0               4               8              12      13      14      16
///     +---------------+---------------+---------------+-------+-------+-------+
///     | message bytes | payload bytes |    stream     | type  | flags |   0   |
///     +---------------+---------------+---------------+-------+-------+-------+
///     | message                               | payload                       |
///     +---------------------------------------+-------------------------------+
///
/// Little-endian. Peers and the admin socket share this layout; what types, streams and flags mean is theirs.
package struct Frame: Equatable, Sendable {
    package static let headerBytes = 16

    package var type: UInt8
    package var flags: UInt8
    package var stream: UInt32
    package var message: [UInt8]
    package var payload: [UInt8]

    package init(
        type: UInt8,
        flags: UInt8 = 0,
        stream: UInt32 = 0,
        message: [UInt8] = [],
        payload: [UInt8] = []
    ) {
        self.type = type
        self.flags = flags
        self.stream = stream
        self.message = message
        self.payload = payload
    }

    /// Header, message and payload in one buffer. Message and payload are each shorter than 4 GiB.
    package var encoded: [UInt8] { head(payloadBytes: payload.count) + payload }

    /// Header and message, for a payload of that many bytes that the caller sends right after.
    ///
    /// `payload` is ignored.
    package func head(payloadBytes: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerBytes + message.count)
        bytes.append(littleEndian: UInt32(message.count))
        bytes.append(littleEndian: UInt32(payloadBytes))
        bytes.append(littleEndian: stream)
        bytes.append(contentsOf: [type, flags, 0, 0])
        bytes.append(contentsOf: message)
        return bytes
    }
}

/// What a `FrameDecoder` accepts at the moment.
package struct FrameLimits: Equatable, Sendable {
    package var messageBytesMax: UInt32
    package var payloadBytesMax: UInt32
    /// The only frame type that may have a payload; `nil` when none may.
    package var payloadType: UInt8?

    package init(messageBytesMax: UInt32, payloadBytesMax: UInt32 = 0, payloadType: UInt8? = nil) {
        self.messageBytesMax = messageBytesMax
        self.payloadBytesMax = payloadBytesMax
        self.payloadType = payloadType
    }
}

extension [UInt8] {
    fileprivate mutating func append(littleEndian value: UInt32) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
