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
        let scan = buffer.withUnsafeBufferPointer { Self.scan($0, from: scanned, head: start, line, limits) }
        scanned = scan.end
        line = scan.line
        switch scan.outcome {
        case .more: return nil
        case .failed(let error): throw error
        case .head: return try finish()
        }
    }

    private struct Scan {
        enum Outcome { case more, head, failed(RequestHeadError) }

        var end: Int
        var line: LineState
        var outcome: Outcome
    }

    /// Goes on to the end of the head or of the bytes.
    private static func scan(
        _ bytes: UnsafeBufferPointer<UInt8>, from: Int, head: Int, _ line: LineState, _ limits: RequestHeadLimits
    ) -> Scan {
        var line = line
        for index in from..<max(from, bytes.count) {
            guard index - head < limits.bytesMax else {
                return Scan(end: index, line: line, outcome: .failed(.tooLarge))
            }
            switch (line, bytes[index]) {
            case (.inLine, 0x20...0x7e), (.inLine, 0x09), (.lineStart, 0x21...0x7e): line = .inLine
            case (.lineStart, 0x0d): line = .afterCarriageReturn(emptyLine: true)
            case (.inLine, 0x0d): line = .afterCarriageReturn(emptyLine: false)
            case (.afterCarriageReturn(emptyLine: false), 0x0a): line = .lineStart
            case (.afterCarriageReturn(emptyLine: true), 0x0a):
                return Scan(end: index + 1, line: .lineStart, outcome: .head)
            default: return Scan(end: index + 1, line: line, outcome: .failed(.malformed))
            }
        }
        return Scan(end: bytes.count, line: line, outcome: .more)
    }

    private mutating func finish() throws(RequestHeadError) -> RequestHead {
        let parsed = buffer.withUnsafeBufferPointer { bytes in
            RequestHeadParser.parse(UnsafeBufferPointer(rebasing: bytes[start..<scanned]), limits: limits)
        }
        start = scanned
        // A connection may now be idle for long; it should not keep what a burst of requests needed.
        if start == buffer.count {
            buffer = []
            start = 0
            scanned = 0
        }
        return try parsed.get()
    }
}
