/// The shortest edit between two sequences, as runs that differ.
///
/// Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), on what common ends leave over. A
/// difference of more than `stepsMax` is reported as one run; that is correct, only coarser.
enum LineDiff {
    struct Hunk: Equatable {
        let old: Range<Int>
        let new: Range<Int>
    }

    private static let stepsMax = 1000

    static func hunks<Element: Hashable>(_ old: [Element], _ new: [Element]) -> [Hunk] {
        var front = 0
        while front < old.count, front < new.count, old[front] == new[front] { front += 1 }
        var back = 0
        while back < old.count - front, back < new.count - front,
            old[old.count - 1 - back] == new[new.count - 1 - back]
        {
            back += 1
        }
        let left = Array(old[front..<(old.count - back)])
        let right = Array(new[front..<(new.count - back)])
        if left.isEmpty, right.isEmpty { return [] }
        let pairs = left.isEmpty || right.isEmpty ? [] : commonPairs(left, right)
        var hunks: [Hunk] = []
        var position = (old: 0, new: 0)
        for pair in pairs + [(left.count, right.count)] {
            if pair.0 > position.old || pair.1 > position.new {
                hunks.append(
                    Hunk(
                        old: (position.old + front)..<(pair.0 + front),
                        new: (position.new + front)..<(pair.1 + front)
                    )
                )
            }
            position = (pair.0 + 1, pair.1 + 1)
        }
        return hunks
    }

    /// Indices of equal elements, rising in both; empty when the sequences are too different to be worth it.
    private static func commonPairs<Element: Hashable>(_ left: [Element], _ right: [Element]) -> [(Int, Int)]
    {
        let stepLimit = min(left.count + right.count, stepsMax)
        let offset = stepLimit + 1
        var furthest = [Int](repeating: 0, count: 2 * offset + 1)
        var trace: [[Int]] = []
        for step in 0...stepLimit {
            trace.append(furthest)
            for diagonal in stride(from: -step, through: step, by: 2) {
                let goesDown =
                    diagonal == -step
                    || (diagonal != step && furthest[offset + diagonal - 1] < furthest[offset + diagonal + 1])
                var x = goesDown ? furthest[offset + diagonal + 1] : furthest[offset + diagonal - 1] + 1
                var y = x - diagonal
                while x < left.count, y < right.count, left[x] == right[y] {
                    x += 1
                    y += 1
                }
                furthest[offset + diagonal] = x
                if x >= left.count, y >= right.count {
                    return walkBack(trace, offset: offset, left: left, right: right)
                }
            }
        }
        return []
    }

    private static func walkBack<Element: Hashable>(
        _ trace: [[Int]],
        offset: Int,
        left: [Element],
        right: [Element]
    ) -> [(Int, Int)] {
        var pairs: [(Int, Int)] = []
        var (x, y) = (left.count, right.count)
        for step in trace.indices.reversed() {
            let furthest = trace[step]
            let diagonal = x - y
            let goesDown =
                diagonal == -step
                || (diagonal != step && furthest[offset + diagonal - 1] < furthest[offset + diagonal + 1])
            let previous = goesDown ? diagonal + 1 : diagonal - 1
            let startX = step == 0 ? 0 : furthest[offset + previous]
            let startY = step == 0 ? 0 : startX - previous
            while x > startX, y > startY, x > 0, y > 0, left[x - 1] == right[y - 1] {
                x -= 1
                y -= 1
                pairs.append((x, y))
            }
            (x, y) = (startX, startY)
        }
        return pairs.reversed()
    }

    /// Lines with their line breaks; the last may have none.
    static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            lines.append(bytes[start...index])
            start = index + 1
        }
        if start < bytes.count { lines.append(bytes[start...]) }
        return lines
    }

    /// Words, blanks and single signs: fine enough to tell an edit at the one end of a line from one at the
    /// other.
    static func tokens(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var tokens: [ArraySlice<UInt8>] = []
        var start = 0
        while start < bytes.count {
            var end = start + 1
            if isWord(bytes[start]) {
                while end < bytes.count, isWord(bytes[end]) { end += 1 }
            }
            tokens.append(bytes[start..<end])
            start = end
        }
        return tokens
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
            UInt8(ascii: "/"), UInt8(ascii: ":"), 0x80...0xFF:
            true
        default: false
        }
    }

    /// The difference as `diff -u` prints it; empty when there is none.
    static func unified(path: String, old: [UInt8]?, new: [UInt8]?) -> String {
        let (before, after) = (lines(old ?? []), lines(new ?? []))
        let hunks = hunks(before, after)
        guard !hunks.isEmpty else { return "" }
        var text = "--- \(old == nil ? "/dev/null" : path)\n+++ \(new == nil ? "/dev/null" : path)\n"
        var index = 0
        while index < hunks.count {
            var last = index
            while last + 1 < hunks.count, hunks[last + 1].old.lowerBound - hunks[last].old.upperBound <= 6 {
                last += 1
            }
            text += block(Array(hunks[index...last]), before, after)
            index = last + 1
        }
        return text
    }

    private static func block(
        _ hunks: [Hunk],
        _ before: [ArraySlice<UInt8>],
        _ after: [ArraySlice<UInt8>]
    ) -> String {
        guard let first = hunks.first, let last = hunks.last else { return "" }
        let context = min(3, first.old.lowerBound)
        let start = (old: first.old.lowerBound - context, new: first.new.lowerBound - context)
        let tail = min(3, before.count - last.old.upperBound)
        let count = (old: last.old.upperBound + tail - start.old, new: last.new.upperBound + tail - start.new)
        let position = { (start: Int, count: Int) in "\(count == 0 ? start : start + 1),\(count)" }
        var text = "@@ -\(position(start.old, count.old)) +\(position(start.new, count.new)) @@\n"
        var at = start.old
        for hunk in hunks {
            for line in before[at..<hunk.old.lowerBound] { text += render(" ", line) }
            for line in before[hunk.old] { text += render("-", line) }
            for line in after[hunk.new] { text += render("+", line) }
            at = hunk.old.upperBound
        }
        for line in before[at..<(last.old.upperBound + tail)] { text += render(" ", line) }
        return text
    }

    private static func render(_ mark: String, _ line: ArraySlice<UInt8>) -> String {
        let text = mark + String(decoding: line, as: UTF8.self)
        return line.last == UInt8(ascii: "\n") ? text : text + "\n\\ No newline at end of file\n"
    }
}
