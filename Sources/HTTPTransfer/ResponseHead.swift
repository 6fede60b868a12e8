/// Header or trailer fields in the order they came; names are kept in lower case.
package struct HeaderFields: Hashable, Sendable {
    package struct Field: Hashable, Sendable {
        package let name: String
        package let value: String
    }

    package private(set) var fields: [Field] = []

    package init() {}

    /// All values of a name, which must be given in lower case.
    package func values(_ name: String) -> [String] {
        fields.lazy.filter { $0.name == name }.map(\.value)
    }

    /// The value of a field that may stand only once; `nil` when it is absent or its values disagree.
    package func single(_ name: String) -> String? {
        let all = values(name)
        guard let first = all.first, all.allSatisfy({ $0 == first }) else { return nil }
        return first
    }

    mutating func append(name: some StringProtocol, value: String) {
        fields.append(Field(name: name.lowercased(), value: value))
    }
}

/// A final response's status and headers; informational (1xx) responses never appear.
package struct ResponseHead: Sendable {
    package let status: Int
    package let headers: HeaderFields
    /// Where the address really spoken to lies; `nil` for a Unix socket.
    package let address: AddressClass?
}

/// Builds heads and trailers out of the header lines as libcurl hands them over, one call per line.
///
/// A status line starts a new head, the empty line ends it, and what comes after the end of a final head is a
/// trailer.
struct HeadCollector {
    enum Event: Equatable {
        case none
        case head(status: Int, HeaderFields)
        case refused(TransferError.Kind)
    }

    private(set) var trailers = HeaderFields()
    private var headers = HeaderFields()
    private var status = 0
    private var bytes = 0
    private var isComplete = false
    private let bytesMax: Int

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    mutating func take(_ line: UnsafeRawBufferPointer) -> Event {
        bytes += line.count
        guard bytes <= bytesMax else { return .refused(.headTooLarge) }
        let text = String(decoding: line, as: UTF8.self).trimmedOfWhitespace()
        if !isComplete, text.hasPrefix("HTTP/") { return takeStatus(text) }
        if text.isEmpty { return takeEnd() }
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), colon != text.startIndex else {
            return .refused(.protocolViolation)
        }
        let value = String(text[text.utf8.index(after: colon)...]).trimmedOfWhitespace()
        if isComplete {
            trailers.append(name: text[..<colon], value: value)
        } else {
            headers.append(name: text[..<colon], value: value)
        }
        return .none
    }

    private mutating func takeStatus(_ line: String) -> Event {
        let parts = line.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[1].utf8.count == 3, let code = Int(parts[1]), code >= 100 else {
            return .refused(.protocolViolation)
        }
        headers = HeaderFields()
        status = code
        return .none
    }

    private mutating func takeEnd() -> Event {
        guard !isComplete, status >= 200 else { return .none }
        isComplete = true
        return .head(status: status, headers)
    }
}

extension String {
    func trimmedOfWhitespace() -> String {
        let isBlank: (UInt8) -> Bool = { $0 == 32 || $0 == 9 || $0 == 13 || $0 == 10 }
        guard let first = utf8.firstIndex(where: { !isBlank($0) }),
            let last = utf8.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(self[first...last])
    }
}
