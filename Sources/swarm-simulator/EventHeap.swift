/// Happenings by time; those of one moment in the order in which they were made, so that a run does not depend
/// on the heap's shape.
struct EventHeap<Element> {
    private var heap: [(time: UInt64, sequence: UInt64, element: Element)] = []
    private var sequence: UInt64 = 0

    mutating func push(_ time: UInt64, _ element: Element) {
        sequence += 1
        heap.append((time, sequence, element))
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> (time: UInt64, element: Element)? {
        guard let top = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return (top.time, top.element) }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            let left = 2 * parent + 1
            if left < heap.count, isBefore(left, least) { least = left }
            if left + 1 < heap.count, isBefore(left + 1, least) { least = left + 1 }
            if least == parent { return (top.time, top.element) }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        (heap[one].time, heap[one].sequence) < (heap[other].time, heap[other].sequence)
    }
}
