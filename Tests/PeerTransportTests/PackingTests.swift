import Testing

@testable import PeerTransport

@Suite("how the next piece is packed")
struct PackingTests {
    @Test(
        "well while pieces wait for the network, quickly when few do, not at all where packing is what all wait for",
        arguments: [
            (0, 0, .zstd(level: 1)), (1, 0, .zstd(level: 1)), (1, 1, .zstd(level: 1)), (2, 1, .zstd(level: 1)),
            (2, 0, .zstd(level: 3)), (4, 2, .zstd(level: 3)), (12, 3, .zstd(level: 3)), (5, 3, .zstd(level: 1)),
            (2, 2, .zstd(level: 1)), (3, 3, .zstd(level: 1)), (4, 4, .none), (12, 12, .none),
        ] as [(Int, Int, Packing)])
    func choice(running: Int, preparing: Int, expected: Packing) {
        #expect(Packing.choose(running: running, preparing: preparing) == expected)
    }
}
