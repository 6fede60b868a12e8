/// Cuts the bytes of a connection into request heads.
///
/// http-parser tokenises, and is lenient where it must not be: it takes bare line feeds, folded lines, runs
/// of spaces and control bytes. So each byte passes the line discipline of RFC 9112 here first, and a head
/// reaches the parser whole. Nothing is scanned twice, and what is kept is at most one head and the chunk
/// that came with its end.
package struct RequestHeadReader: Sendable {
    private let limits: RequestHeadLimits
    private var buffer: [UInt8] = []
    /// Where the current head begins.
    private var start = 0
    /// Where the scan goes on; `start <= scanned <= buffer.count`.
    private var scanned = 0
    private var line = LineState.lineStart

    private enum LineState {
        case lineStart, inLine, afterCarriageReturn(emptyLine: Bool)
    }

    package init(limits: RequestHeadLimits = RequestHeadLimits()) {
        self.limits = limits
    }

    /// Whether bytes of an unfinished head are there.
    package var isInsideHead: Bool { start < buffer.count }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start > 0 {
            buffer.removeFirst(start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete head, or `nil` when more bytes are needed.
    package mutating func next() throws(RequestHeadError) -> RequestHead? {
        while scanned < buffer.count {
            guard scanned - start < limits.bytesMax else { throw .tooLarge }
            let byte = buffer[scanned]
            scanned += 1
            switch (line, byte) {
            case (.lineStart, 0x0d): line = .afterCarriageReturn(emptyLine: true)
            case (.inLine, 0x0d): line = .afterCarriageReturn(emptyLine: false)
            case (.afterCarriageReturn(emptyLine: false), 0x0a): line = .lineStart
            case (.afterCarriageReturn(emptyLine: true), 0x0a): return try finish()
            case (.inLine, 0x09), (.inLine, 0x20...0x7e), (.lineStart, 0x21...0x7e): line = .inLine
            default: throw .malformed
            }
        }
        return nil
    }

    private mutating func finish() throws(RequestHeadError) -> RequestHead {
        let head = try RequestHeadParser.parse(buffer[start..<scanned], limits: limits)
        start = scanned
        line = .lineStart
        // A connection may now be idle for long; it should not keep what a burst of requests needed.
        if start == buffer.count {
            buffer = []
            start = 0
            scanned = 0
        }
        return head
    }
}
