import Testing

/// All tests of the built program. One after the other: each has several processes to itself, and two cores
/// are enough for one test.
@Suite("the built node", .serialized)
enum NodeTests {}
