/// One challenge of a `WWW-Authenticate` header (RFC 9110 §11.6.1).
struct AuthenticateChallenge: Equatable {
    /// In lower case.
    let scheme: String
    /// Names in lower case; no name twice.
    let parameters: [String: String]

    /// The challenges of one header value; `nil` when it cannot be read, for then nothing in it can be
    /// trusted.
    static func parse(_ text: String) -> [AuthenticateChallenge]? {
        var parser = ChallengeParser(bytes: Array(text.utf8))
        return parser.parse()
    }
}

/// Reads `challenge *( "," challenge )` where a challenge's own parameters are separated by commas too: a
/// token followed by `=` is a parameter, one followed by anything else begins the next challenge.
private struct ChallengeParser {
    let bytes: [UInt8]
    var position = 0

    mutating func parse() -> [AuthenticateChallenge]? {
        var challenges: [AuthenticateChallenge] = []
        skip(where: Self.isSeparator)
        while position < bytes.count {
            guard let challenge = challenge() else { return nil }
            challenges.append(challenge)
            skip(where: Self.isSeparator)
        }
        return challenges
    }

    private mutating func challenge() -> AuthenticateChallenge? {
        guard let scheme = token() else { return nil }
        var parameters: [String: String] = [:]
        skip(where: Self.isBlank)
        if takeToken68() { return AuthenticateChallenge(scheme: scheme.lowercased(), parameters: [:]) }
        while true {
            let start = position
            skip(where: Self.isSeparator)
            guard let name = token()?.lowercased(), takeEquals() else {
                position = start
                break
            }
            guard parameters[name] == nil, let value = value() else { return nil }
            parameters[name] = value
            skip(where: Self.isBlank)
            guard position == bytes.count || bytes[position] == UInt8(ascii: ",") else { return nil }
        }
        return AuthenticateChallenge(scheme: scheme.lowercased(), parameters: parameters)
    }

    /// `Negotiate TlRMTVNTUAAB==`: credentials without names.
    ///
    /// Left alone unless that is all there is.
    private mutating func takeToken68() -> Bool {
        let start = position
        skip { Self.isTokenByte($0) || $0 == UInt8(ascii: "/") }
        let end = position
        skip { $0 == UInt8(ascii: "=") }
        skip(where: Self.isBlank)
        let isAtEnd = position == bytes.count || bytes[position] == UInt8(ascii: ",")
        if end > start, isAtEnd { return true }
        position = start
        return false
    }

    private mutating func takeEquals() -> Bool {
        skip(where: Self.isBlank)
        guard position < bytes.count, bytes[position] == UInt8(ascii: "=") else { return false }
        position += 1
        skip(where: Self.isBlank)
        return true
    }

    private mutating func token() -> String? {
        let start = position
        skip(where: Self.isTokenByte)
        return start == position ? nil : String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func value() -> String? {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { return token() }
        position += 1
        var value: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: value, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard position < bytes.count else { return nil }
                value.append(bytes[position])
                position += 1
            case 0..<0x20, 0x7f: return nil
            default: value.append(byte)
            }
        }
        return nil
    }

    private mutating func skip(where matches: (UInt8) -> Bool) {
        while position < bytes.count, matches(bytes[position]) { position += 1 }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    private static func isSeparator(_ byte: UInt8) -> Bool { isBlank(byte) || byte == UInt8(ascii: ",") }
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: Array("!#$%&'*+-.^_`|~".utf8).contains(byte)
        }
    }
}
