/// Undoing our edit in a file that was edited again.
enum ThreeWay {
    /// Carries the step from `applied` back to `original` over to `current`.
    ///
    /// Lines first; where both sides touch the same lines, words. `nil` when they touch the same words: then only a
    /// human knows. Equal changes on both sides count as one.
    static func undo(applied: [UInt8], original: [UInt8], current: [UInt8]) -> [UInt8]? {
        if current == applied { return original }
        if current == original { return original }
        return merge(LineDiff.lines(applied), LineDiff.lines(original), LineDiff.lines(current))
            ?? merge(LineDiff.tokens(applied), LineDiff.tokens(original), LineDiff.tokens(current))
    }

    private static func merge(
        _ base: [ArraySlice<UInt8>], _ ours: [ArraySlice<UInt8>], _ theirs: [ArraySlice<UInt8>]
    ) -> [UInt8]? {
        let left = LineDiff.hunks(base, ours)
        let right = LineDiff.hunks(base, theirs)
        var result: [UInt8] = []
        var position = 0
        var (i, j) = (0, 0)
        while i < left.count || j < right.count {
            let takesLeft: Bool
            switch (i < left.count ? left[i] : nil, j < right.count ? right[j] : nil) {
            case (let mine?, let other?):
                if mine.old == other.old, Array(ours[mine.new]) == Array(theirs[other.new]) {
                    j += 1
                    takesLeft = true
                } else if collides(mine, other) {
                    return nil
                } else {
                    takesLeft = (mine.old.lowerBound, mine.old.upperBound) < (other.old.lowerBound, other.old.upperBound)
                }
            case (_?, nil): takesLeft = true
            default: takesLeft = false
            }
            let hunk = takesLeft ? left[i] : right[j]
            for line in base[position..<hunk.old.lowerBound] { result += line }
            for line in takesLeft ? ours[hunk.new] : theirs[hunk.new] { result += line }
            position = hunk.old.upperBound
            if takesLeft { i += 1 } else { j += 1 }
        }
        for line in base[position...] { result += line }
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
