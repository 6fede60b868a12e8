/// Undoing our edit in a file that was edited again.
enum ThreeWay {
    /// Carries the step from `applied` back to `original` over to `current`.
    ///
    /// Lines first; where both sides touch the same lines, words. `nil` when they touch the same words: then
    /// only a human knows. Equal changes on both sides count as one.
    static func undo(applied: [UInt8], original: [UInt8], current: [UInt8]) -> [UInt8]? {
        if current == applied { return original }
        if current == original { return original }
        return merge(LineDiff.lines(applied), LineDiff.lines(original), LineDiff.lines(current))
            ?? merge(LineDiff.tokens(applied), LineDiff.tokens(original), LineDiff.tokens(current))
    }

    private static func merge(
        _ base: [ArraySlice<UInt8>],
        _ ours: [ArraySlice<UInt8>],
        _ theirs: [ArraySlice<UInt8>]
    ) -> [UInt8]? {
        var left = LineDiff.hunks(base, ours)[...]
        var right = LineDiff.hunks(base, theirs)[...]
        var result: [UInt8] = []
        var position = 0
        while let takesLeft = choose(&left, &right, base, ours, theirs, from: position) {
            guard let hunk = takesLeft ? left.popFirst() : right.popFirst() else { return nil }
            for line in base[position..<hunk.old.lowerBound] { result += line }
            for line in takesLeft ? ours[hunk.new] : theirs[hunk.new] { result += line }
            position = hunk.old.upperBound
        }
        guard left.isEmpty, right.isEmpty else { return nil }
        for line in base[position...] { result += line }
        return result
    }

    /// Which side's change comes next; `nil` at the end, and when the two cannot be put in an order.
    ///
    /// One that both sides made is dropped from `right`.
    private static func choose(
        _ left: inout ArraySlice<LineDiff.Hunk>,
        _ right: inout ArraySlice<LineDiff.Hunk>,
        _ base: [ArraySlice<UInt8>],
        _ ours: [ArraySlice<UInt8>],
        _ theirs: [ArraySlice<UInt8>],
        from position: Int
    ) -> Bool? {
        guard let mine = left.first else { return right.isEmpty ? nil : false }
        guard let other = right.first else { return true }
        if mine.old == other.old, Array(ours[mine.new]) == Array(theirs[other.new]) {
            right.removeFirst()
            return true
        }
        let mineEnd = left.dropFirst().first?.old.lowerBound ?? base.count
        let otherEnd = right.dropFirst().first?.old.lowerBound ?? base.count
        for first in slides(of: mine, base, ours, within: position..<mineEnd) {
            for second in slides(of: other, base, theirs, within: position..<otherEnd)
            where !collides(first, second) {
                left[left.startIndex] = first
                right[right.startIndex] = second
                let (a, b) = (first.old, second.old)
                return (a.lowerBound, a.upperBound) < (b.lowerBound, b.upperBound)
            }
        }
        return nil
    }

    /// The same change at every place where it means the same: inserting `, b` behind `a` in `a, c` is
    /// inserting `b, ` before `c`.
    ///
    /// The place found by the difference comes first.
    private static func slides(
        of hunk: LineDiff.Hunk,
        _ base: [ArraySlice<UInt8>],
        _ side: [ArraySlice<UInt8>],
        within limits: Range<Int>
    ) -> [LineDiff.Hunk] {
        guard hunk.old.isEmpty || hunk.new.isEmpty else { return [hunk] }
        let moved = { (hunk: LineDiff.Hunk, step: Int) in
            LineDiff.Hunk(
                old: (hunk.old.lowerBound + step)..<(hunk.old.upperBound + step),
                new: (hunk.new.lowerBound + step)..<(hunk.new.upperBound + step)
            )
        }
        let last = { (hunk: LineDiff.Hunk) in
            hunk.old.isEmpty ? side[hunk.new.upperBound - 1] : base[hunk.old.upperBound - 1]
        }
        let first = { (hunk: LineDiff.Hunk) in
            hunk.old.isEmpty ? side[hunk.new.lowerBound] : base[hunk.old.lowerBound]
        }
        var result = [hunk]
        var current = hunk
        while current.old.lowerBound > limits.lowerBound, base[current.old.lowerBound - 1] == last(current) {
            current = moved(current, -1)
            result.append(current)
        }
        current = hunk
        while current.old.upperBound < limits.upperBound, base[current.old.upperBound] == first(current) {
            current = moved(current, 1)
            result.append(current)
        }
        return result
    }

    /// Whether two changes overlap, or meet and both bring text, so that its order would be a guess.
    private static func collides(_ left: LineDiff.Hunk, _ right: LineDiff.Hunk) -> Bool {
        let (first, second) = (left.old, right.old)
        if first.lowerBound < second.upperBound, second.lowerBound < first.upperBound { return true }
        let meets = first.lowerBound <= second.upperBound && second.lowerBound <= first.upperBound
        return meets && !left.new.isEmpty && !right.new.isEmpty
    }
}
