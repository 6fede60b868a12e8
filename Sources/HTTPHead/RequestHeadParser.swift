import CHTTPParser

/// The door to http-parser: a whole head in, a `RequestHead` or a refusal out.
///
/// The parser sees exactly one head and must end exactly with it, so that no body, upgrade or second
/// request can hide in what it was given.
enum RequestHeadParser {
    /// `head` ends with the empty line and has passed `RequestHeadReader`'s line discipline.
    static func parse(
        _ head: ArraySlice<UInt8>,
        limits: RequestHeadLimits
    ) throws(RequestHeadError) -> RequestHead {
        let tokens = Tokens()
        guard let line = run(head, into: tokens) else { throw .malformed }
        guard tokens.target.count <= limits.targetBytesMax, tokens.fields.count <= limits.fieldsMax else {
            throw .tooLarge
        }
        guard hasPlainRequestLine(head, target: tokens.target) else { throw .malformed }
        var fields: [RequestHead.Field] = []
        for field in tokens.fields {
            guard !field.name.isEmpty, field.name.allSatisfy(isTokenByte) else { throw .malformed }
            fields.append(RequestHead.Field(name: lowercased(field.name), value: trimmed(field.value)))
        }
        try refuseBody(fields)
        let method: RequestHead.Method
        switch line.method {
        case HTTP_GET: method = .get
        case HTTP_HEAD: method = .head
        default: throw .methodNotAllowed
        }
        let target = String(decoding: tokens.target, as: UTF8.self)
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        return RequestHead(
            method: method,
            path: parts.first.map(String.init) ?? target,
            query: parts.count > 1 ? parts.last.map(String.init) : nil,
            fields: fields,
            endsConnection: line.minor == 0 || asksToClose(fields)
        )
    }

    /// Collects what the parser's callbacks point at.
    private final class Tokens {
        var target: [UInt8] = []
        var fields: [(name: [UInt8], value: [UInt8])] = []
        var valueBegan = true
        var isComplete = false

        func name(_ bytes: UnsafeRawBufferPointer) {
            if valueBegan { fields.append((name: [], value: [])) }
            valueBegan = false
            fields[fields.count - 1].name.append(contentsOf: bytes)
        }

        func value(_ bytes: UnsafeRawBufferPointer) {
            valueBegan = true
            guard !fields.isEmpty else { return }
            fields[fields.count - 1].value.append(contentsOf: bytes)
        }
    }

    private static let settings: http_parser_settings = {
        var settings = http_parser_settings()
        http_parser_settings_init(&settings)
        settings.on_url = { parser, at, count in
            RequestHeadParser.tokens(parser)?.target.append(
                contentsOf: UnsafeRawBufferPointer(start: at, count: count)
            )
            return 0
        }
        settings.on_header_field = { parser, at, count in
            RequestHeadParser.tokens(parser)?.name(UnsafeRawBufferPointer(start: at, count: count))
            return 0
        }
        settings.on_header_value = { parser, at, count in
            RequestHeadParser.tokens(parser)?.value(UnsafeRawBufferPointer(start: at, count: count))
            return 0
        }
        settings.on_message_complete = { parser in
            RequestHeadParser.tokens(parser)?.isComplete = true
            return 0
        }
        return settings
    }()

    private static func tokens(_ parser: UnsafeMutablePointer<http_parser>?) -> Tokens? {
        guard let data = parser?.pointee.data else { return nil }
        return Unmanaged<Tokens>.fromOpaque(data).takeUnretainedValue()
    }

    private static func run(
        _ head: ArraySlice<UInt8>,
        into tokens: Tokens
    ) -> (method: http_method, minor: UInt16)? {
        var parser = http_parser()
        http_parser_init(&parser, HTTP_REQUEST)
        let consumed = withExtendedLifetime(tokens) {
            parser.data = Unmanaged.passUnretained(tokens).toOpaque()
            return withUnsafePointer(to: settings) { settings in
                head.withUnsafeBytes { bytes in
                    http_parser_execute(
                        &parser,
                        settings,
                        bytes.bindMemory(to: CChar.self).baseAddress,
                        bytes.count
                    )
                }
            }
        }
        guard consumed == head.count, parser.http_errno == HPE_OK.rawValue, tokens.isComplete,
            parser.http_major == 1, parser.http_minor <= 1, parser.method != HTTP_CONNECT.rawValue
        else { return nil }
        return (http_method(parser.method), parser.http_minor)
    }

    /// One space before and after an origin-form target, and nothing else in the line that the parser
    /// skipped.
    private static func hasPlainRequestLine(_ head: ArraySlice<UInt8>, target: [UInt8]) -> Bool {
        let line = head.prefix { $0 != 0x0d }
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1].elementsEqual(target), target.first == UInt8(ascii: "/") else {
            return false
        }
        return !target.contains { $0 == UInt8(ascii: "#") || $0 == 0x09 }
            && parts[2].count == "HTTP/1.1".utf8.count
    }

    /// Requests of a pull have no body, so any framing field but `Content-Length: 0` is a trick or a mistake.
    private static func refuseBody(_ fields: [RequestHead.Field]) throws(RequestHeadError) {
        for name in ["transfer-encoding", "expect"] where fields.contains(where: { $0.name == name }) {
            throw .malformed
        }
        let lengths = fields.filter { $0.name == "content-length" }
        guard lengths.count <= 1, lengths.allSatisfy({ $0.value == "0" }) else { throw .malformed }
    }

    private static func asksToClose(_ fields: [RequestHead.Field]) -> Bool {
        fields.filter { $0.name == "connection" }.contains { field in
            field.value.split(separator: ",").contains { option in
                lowercased(trimmed(Array(option.utf8)).utf8) == "close"
            }
        }
    }

    private static func trimmed(_ bytes: [UInt8]) -> String {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        let end = bytes.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? 0
        return String(decoding: bytes[..<end].drop(while: isSpace), as: UTF8.self)
    }

    private static func lowercased(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }, as: UTF8.self)
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
