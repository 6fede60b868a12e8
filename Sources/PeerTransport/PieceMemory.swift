import EventLoop
import PieceExchange

/// Memory for the bytes of pieces on their way to the disk, used again and again: as with `FileBlock`, the kernel would
/// map, clear and unmap each anew.
///
/// Invariant: what is kept while nobody needs it is at most `sparesBytesMax`, and nothing while no blob is on its way.
@LoopActor
enum PieceMemory {
    /// What may be asked of peers at a time: pieces come back in bursts, and what had to be let go of would be taken
    /// anew for the next. It was all in use at once before, so keeping it does not raise the peak.
    private static let sparesBytesMax = ExchangeLimits().requestedBytesMax
    /// A spare of many times the size would keep the memory of many pieces for one.
    private static let roomPart = 2
    private static var spares: [[UInt8]] = []
    private static var sparesBytes = 0
    /// A blob is on its way.
    static var isUsed = false {
        didSet {
            guard !isUsed, !spares.isEmpty else { return }
            spares = []
            sparesBytes = 0
        }
    }

    /// An empty array: with room for `bytes` if there is such a spare, else without any.
    static func take(_ bytes: Int) -> [UInt8] {
        let fits = bytes...(bytes * roomPart)
        guard let index = spares.lastIndex(where: { fits.contains($0.capacity) }) else { return [] }
        var spare = spares.remove(at: index)
        sparesBytes -= spare.capacity
        // Copies nothing; where somebody still looks at the old bytes, the room is another.
        spare.removeAll(keepingCapacity: true)
        return spare
    }

    /// The caller does not use `array` any more.
    static func giveBack(_ array: [UInt8]) {
        guard isUsed, array.capacity > 0, array.capacity <= sparesBytesMax else { return }
        spares.append(array)
        sparesBytes += array.capacity
        while sparesBytes > sparesBytesMax { sparesBytes -= spares.removeFirst().capacity }
    }
}
