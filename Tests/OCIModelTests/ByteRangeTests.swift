import OCIModel
import Testing

@Suite("ByteRange")
struct ByteRangeTests {
    @Test(
        "a range is taken only when it is not empty and not negative",
        arguments: [
            (0, 1, true), (0, Int64.max, true), (Int64.max - 1, Int64.max, true), (5, 9, true),
            (0, 0, false), (5, 5, false), (9, 5, false), (-1, 5, false), (Int64.min, Int64.max, false),
            (-9, -5, false),
        ] as [(Int64, Int64, Bool)]
    )
    func bounds(start: Int64, end: Int64, valid: Bool) {
        #expect((ByteRange(start: start, end: end) != nil) == valid)
    }

    @Test("it is written with both ends inclusive, as HTTP does")
    func text() throws {
        let range = try #require(ByteRange(start: 10, end: 20))
        #expect(range.count == 10)
        #expect(range.description == "10-19")
        #expect(try #require(ByteRange(start: 0, end: 1)).description == "0-0")
    }
}
