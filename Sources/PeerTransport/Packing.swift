/// How a piece is made ready for a peer: zstd is there to spare the network, and must not keep it waiting.
enum Packing: Hashable, Sendable {
    /// As it lies in the file.
    case none
    case zstd(level: Int32)

    /// Pieces are small and pack worse than whole files: with time for it, level 3 wins back what that loses.
    private static let thorough = Packing.zstd(level: 3)
    private static let quick = Packing.zstd(level: 1)
    /// Of libuv's pool.
    private static let threads = 4

    /// For the next piece, beside `running` uploads to all peers, of which `preparing` are still being packed; the
    /// others wait for the network, or for the turn that a limit gives them.
    ///
    /// While more wait than are being packed there is time. Where nothing waits and each thread is packing, that is the
    /// hold-up: then a piece goes as it is, at once. Fewer say nothing: the kernel takes several packed pieces at a
    /// time, also for a slow link, and so many uploads begin together.
    static func choose(running: Int, preparing: Int) -> Packing {
        assert(preparing >= 0 && preparing <= running)
        let waiting = running - preparing
        if waiting >= 2, waiting >= preparing { return thorough }
        return waiting == 0 && preparing >= threads ? .none : quick
    }
}
