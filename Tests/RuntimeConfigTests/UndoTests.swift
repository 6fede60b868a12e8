import TestSupport
import Testing

@testable import RuntimeConfig

@Suite("Differences and three-way undo")
struct UndoTests {
    private func text(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        (0..<count).flatMap { _ in Array("\("abcd".randomElement(using: &random) ?? "a")\n".utf8) }
    }

    @Test("hunks turn the old text into the new one, and are as few as can be")
    func hunks() {
        for seed in UInt64(1)...2000 {
            var random = SeededGenerator(seed: seed)
            let old = LineDiff.lines(text(Int.random(in: 0...12, using: &random), &random))
            let new = LineDiff.lines(text(Int.random(in: 0...12, using: &random), &random))
            var result: [UInt8] = []
            var position = 0
            var kept = 0
            for hunk in LineDiff.hunks(old, new) {
                result += old[position..<hunk.old.lowerBound].joined() + Array(new[hunk.new].joined())
                kept += hunk.old.lowerBound - position
                position = hunk.old.upperBound
            }
            result += old[position...].joined()
            kept += old.count - position
            #expect(result == Array(new.joined()), "seed \(seed)")
            #expect(kept == commonLength(old, new), "seed \(seed)")
        }
    }

    private func commonLength(_ old: [ArraySlice<UInt8>], _ new: [ArraySlice<UInt8>]) -> Int {
        var row = [Int](repeating: 0, count: new.count + 1)
        for line in old {
            var diagonal = 0
            for (index, other) in new.enumerated() {
                let above = row[index + 1]
                row[index + 1] = line == other ? diagonal + 1 : max(above, row[index])
                diagonal = above
            }
        }
        return row[new.count]
    }

    @Test("an edit elsewhere survives the undo, and nothing else does")
    func undo() {
        for seed in UInt64(1)...1000 {
            var random = SeededGenerator(seed: seed)
            let lines = (0..<30).map { "line \($0)\n" }
            var original = lines
            var applied = lines
            applied.insert("ours\n", at: Int.random(in: 0...10, using: &random))
            applied.remove(at: Int.random(in: 1...10, using: &random))
            var current = applied
            current[Int.random(in: 14..<20, using: &random)] = "theirs\n"
            current.append("more\n")
            let at = current.firstIndex(of: "theirs\n") ?? 0
            original[at - applied.count + original.count] = "theirs\n"
            original.append("more\n")
            let result = ThreeWay.undo(
                applied: Array(applied.joined().utf8),
                original: Array(lines.joined().utf8),
                current: Array(current.joined().utf8)
            )
            #expect(result == Array(original.joined().utf8), "seed \(seed)")
        }
    }

    @Test("changes of the same words are nobody's to merge")
    func collision() {
        let result = ThreeWay.undo(
            applied: Array("k = \"b\"\n".utf8),
            original: Array("k = \"a\"\n".utf8),
            current: Array("k = \"c\"\n".utf8)
        )
        #expect(result == nil)
    }
}
