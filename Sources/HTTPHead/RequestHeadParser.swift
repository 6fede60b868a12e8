import CHTTPParser

/// The door to http-parser: a whole head in, a `RequestHead` or a refusal out.
///
/// The parser sees exactly one head and must end exactly with it, so that no body, upgrade or second
/// request can hide in what it was given.
enum RequestHeadParser {
    /// `head` ends with the empty line and has passed `RequestHeadReader`'s line discipline.
    static func parse(
        _ head: UnsafeBufferPointer<UInt8>,
        limits: RequestHeadLimits
    ) -> Result<RequestHead, RequestHeadError> {
        guard let tokens = run(head) else { return .failure(.malformed) }
        guard tokens.target.count <= limits.targetBytesMax, tokens.fields.count <= limits.fieldsMax else {
            return .failure(.tooLarge)
        }
        guard hasPlainRequestLine(head, target: tokens.target) else { return .failure(.malformed) }
        var fields: [RequestHead.Field] = []
        fields.reserveCapacity(tokens.fields.count)
        var endsConnection = tokens.minor == 0
        var lengths = 0
        for field in tokens.fields {
            guard !field.name.isEmpty, head[field.name].allSatisfy(isTokenByte) else { return .failure(.malformed) }
            let name = lowercased(head[field.name])
            let value = trimmed(head[field.value])
            switch name {
            // Requests of a pull have no body, so any framing field but `Content-Length: 0` is a trick or a mistake.
            case "transfer-encoding", "expect": return .failure(.malformed)
            case "content-length":
                lengths += 1
                guard lengths == 1, value == "0" else { return .failure(.malformed) }
            case "connection": endsConnection = endsConnection || asksToClose(value)
            default: break
            }
            fields.append(RequestHead.Field(name: name, value: value))
        }
        let method: RequestHead.Method
        switch tokens.method {
        case HTTP_GET: method = .get
        case HTTP_HEAD: method = .head
        default: return .failure(.methodNotAllowed)
        }
        let target = head[tokens.target]
        let mark = target.firstIndex(of: UInt8(ascii: "?"))
        return .success(
            RequestHead(
                method: method,
                path: text(target[..<(mark ?? target.endIndex)]),
                query: mark.map { text(target[$0...].dropFirst()) },
                fields: fields,
                endsConnection: endsConnection))
    }

    private typealias Bytes = Slice<UnsafeBufferPointer<UInt8>>

    /// Where in the head is what the parser's callbacks point at.
    private struct Tokens {
        let base: UnsafePointer<CChar>
        var target = 0..<0
        var fields: [(name: Range<Int>, value: Range<Int>)] = []
        var method = HTTP_GET
        var minor: UInt16 = 0
        private var valueBegan = true
        var isComplete = false
        /// What is one text lies in two places.
        var isBroken = false

        init(base: UnsafePointer<CChar>) {
            self.base = base
            fields.reserveCapacity(8)
        }

        mutating func url(_ at: UnsafePointer<CChar>?, _ count: Int) { target = extended(target, at, count) }

        mutating func name(_ at: UnsafePointer<CChar>?, _ count: Int) {
            if valueBegan { fields.append((name: 0..<0, value: 0..<0)) }
            valueBegan = false
            fields[fields.count - 1].name = extended(fields[fields.count - 1].name, at, count)
        }

        mutating func value(_ at: UnsafePointer<CChar>?, _ count: Int) {
            valueBegan = true
            guard !fields.isEmpty else { return }
            fields[fields.count - 1].value = extended(fields[fields.count - 1].value, at, count)
        }

        /// The parser may tell a text in parts.
        private mutating func extended(
            _ range: Range<Int>, _ at: UnsafePointer<CChar>?, _ count: Int
        ) -> Range<Int> {
            guard count > 0, let at else { return range }
            let start = at - base
            if !range.isEmpty, range.upperBound != start { isBroken = true }
            return (range.isEmpty ? start : range.lowerBound)..<start + count
        }
    }

    private static let settings: http_parser_settings = {
        var settings = http_parser_settings()
        http_parser_settings_init(&settings)
        settings.on_url = { parser, at, count in
            RequestHeadParser.tokens(parser)?.pointee.url(at, count)
            return 0
        }
        settings.on_header_field = { parser, at, count in
            RequestHeadParser.tokens(parser)?.pointee.name(at, count)
            return 0
        }
        settings.on_header_value = { parser, at, count in
            RequestHeadParser.tokens(parser)?.pointee.value(at, count)
            return 0
        }
        settings.on_message_complete = { parser in
            RequestHeadParser.tokens(parser)?.pointee.isComplete = true
            return 0
        }
        return settings
    }()

    private static func tokens(_ parser: UnsafeMutablePointer<http_parser>?) -> UnsafeMutablePointer<Tokens>? {
        parser?.pointee.data?.assumingMemoryBound(to: Tokens.self)
    }

    private static func run(_ head: UnsafeBufferPointer<UInt8>) -> Tokens? {
        head.withMemoryRebound(to: CChar.self) { head in
            guard let base = head.baseAddress else { return nil }
            var parser = http_parser()
            http_parser_init(&parser, HTTP_REQUEST)
            var tokens = Tokens(base: base)
            let consumed = withUnsafeMutablePointer(to: &tokens) { tokens in
                parser.data = UnsafeMutableRawPointer(tokens)
                return withUnsafePointer(to: settings) { http_parser_execute(&parser, $0, base, head.count) }
            }
            guard consumed == head.count, parser.http_errno == HPE_OK.rawValue, tokens.isComplete, !tokens.isBroken,
                parser.http_major == 1, parser.http_minor <= 1, parser.method != HTTP_CONNECT.rawValue
            else { return nil }
            tokens.method = http_method(parser.method)
            tokens.minor = parser.http_minor
            return tokens
        }
    }

    /// One space before and after an origin-form target, and nothing else in the line that the parser
    /// skipped.
    private static func hasPlainRequestLine(_ head: UnsafeBufferPointer<UInt8>, target: Range<Int>) -> Bool {
        let space = UInt8(ascii: " ")
        let line = head[..<(head.firstIndex(of: 0x0d) ?? head.endIndex)]
        guard target.lowerBound > 0, target.upperBound < line.endIndex, head[target.lowerBound - 1] == space,
            head[target.upperBound] == space, head[target.lowerBound] == UInt8(ascii: "/")
        else { return false }
        let version = line[(target.upperBound + 1)...]
        return !line[..<(target.lowerBound - 1)].contains(space) && !version.contains(space)
            && version.count == "HTTP/1.1".utf8.count
            && !head[target].contains { $0 == UInt8(ascii: "#") || $0 == 0x09 || $0 == space }
    }

    private static func asksToClose(_ value: String) -> Bool {
        value.utf8.split(separator: UInt8(ascii: ",")).contains { option in
            Array(option).withUnsafeBufferPointer { lowercased(trimmed($0[...]).utf8) == "close" }
        }
    }

    private static func text(_ bytes: Bytes) -> String {
        String(decoding: UnsafeBufferPointer(rebasing: bytes), as: UTF8.self)
    }

    private static func trimmed(_ bytes: Bytes) -> String {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        var rest = bytes
        while let last = rest.last, isSpace(last) { rest.removeLast() }
        while let first = rest.first, isSpace(first) { rest.removeFirst() }
        return text(rest)
    }

    private static func lowercased(_ bytes: some Collection<UInt8>) -> String {
        String(unsafeUninitializedCapacity: bytes.count) { text in
            var end = 0
            for byte in bytes {
                text[end] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
                end += 1
            }
            return end
        }
    }

    /// RFC 9110 §5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
