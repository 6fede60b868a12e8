/// gRPC's "Length-Prefixed-Message": a zero byte, the length as four big-endian bytes, the message.
enum GRPCFrame {
    static let headBytes = 5

    /// `nil` for a message of 4 GiB or more.
    static func encode(_ message: [UInt8]) -> [UInt8]? {
        guard let length = UInt32(exactly: message.count) else { return nil }
        let head = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> UInt32($0)) }
        return [0] + head + message
    }

    /// The one message of a unary answer; `nil` when the bytes are not exactly that, or are compressed.
    static func decode(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
        guard bytes.count >= headBytes, bytes[0] == 0 else { return nil }
        let length = bytes[1..<headBytes].reduce(0) { $0 << 8 | Int($1) }
        guard bytes.count - headBytes == length else { return nil }
        return bytes[headBytes...]
    }
}

/// The percent-encoding of `grpc-message`.
enum GRPCMessage {
    /// A `%` that no two hexadecimal digits follow stands for itself, as the specification demands of a
    /// reader.
    static func decode(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var decoded: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let high = nibble(bytes[index + 1]),
                let low = nibble(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
