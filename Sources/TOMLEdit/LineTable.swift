/// Where the lines of a document begin.
struct LineTable: Sendable {
    /// Offset of each line's first byte; the first is 0.
    private let starts: [Int]
    private let count: Int

    init(_ bytes: [UInt8]) {
        var starts = [0]
        for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            starts.append(offset + 1)
        }
        self.starts = starts
        count = bytes.count
    }

    /// Index of the line that holds `offset`, from 0.
    func index(of offset: Int) -> Int {
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= offset { low = middle } else { high = middle }
        }
        return low
    }

    /// Number of the line that holds `offset`, from 1.
    func number(of offset: Int) -> Int { index(of: offset) + 1 }

    /// Offset of the first byte of the line that holds `offset`.
    func start(of offset: Int) -> Int { starts[index(of: offset)] }

    /// Offset past the line break of the line that holds `offset`, or the end of the document.
    func end(of offset: Int) -> Int {
        let next = index(of: offset) + 1
        return next < starts.count ? starts[next] : count
    }

    /// Line and column, both from 1, without a table: for the one error that ends a scan.
    static func locate(_ offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        var line = 1
        var start = 0
        for index in 0..<min(offset, bytes.count) where bytes[index] == UInt8(ascii: "\n") {
            line += 1
            start = index + 1
        }
        return (line, offset - start + 1)
    }
}
