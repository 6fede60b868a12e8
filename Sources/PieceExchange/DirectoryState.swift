import PieceModel

/// What a node keeps for others as a member that keeps grants.
extension PieceExchange {
    package struct DirectoryState: Equatable, Sendable {
        package var books = 0
        package var grants = 0
        package var takers = 0
        /// Bytes of the books' tables, near enough: strides times entries, and the names' text.
        package var bytes = 0

        package init() {}
    }

    /// O(books).
    package var directoryState: DirectoryState {
        var state = DirectoryState()
        for book in grantBooks.values {
            state.books += 1
            state.grants += book.grants.count
            state.takers += book.takers.count
            state.bytes += book.byteCount
        }
        return state
    }
}

extension GrantBook {
    /// A hash table is filled to three quarters at the most.
    fileprivate var byteCount: Int {
        let name = MemoryLayout<PeerName>.stride
        return taken.words.count * MemoryLayout<UInt64>.stride
            + grants.capacity * MemoryLayout<Grant>.stride
            + takers.capacity * 4 / 3 * (name + MemoryLayout<Taker>.stride)
            + (grants.count + takers.count) * PeerName.byteCountMax
    }
}
