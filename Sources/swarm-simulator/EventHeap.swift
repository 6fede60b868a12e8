/// Happenings by time; those of one moment in the order in which they were made, so that a run does not depend
/// on the heap's shape.
///
/// Heap entries are plain numbers; the happenings lie still in slots, for moving them costs more than all else here.
struct EventHeap<Element> {
    private struct Entry {
        let time: UInt64
        let sequence: UInt64
        let slot: Int

        func isBefore(_ other: Entry) -> Bool { (time, sequence) < (other.time, other.sequence) }
    }

    private var heap: [Entry] = []
    private var slots: [Element?] = []
    private var freeSlots: [Int] = []
    private var sequence: UInt64 = 0

    mutating func push(_ time: UInt64, _ element: Element) {
        sequence += 1
        let entry = Entry(time: time, sequence: sequence, slot: freeSlots.popLast() ?? slots.count)
        if entry.slot == slots.count { slots.append(element) } else { slots[entry.slot] = element }
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.isBefore(heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    mutating func pop() -> (time: UInt64, element: Element)? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty { sink(last) }
        var element: Element?
        swap(&element, &slots[top.slot])
        freeSlots.append(top.slot)
        return element.map { (top.time, $0) }
    }

    /// Puts the entry in the place of the first, which is gone.
    private mutating func sink(_ entry: Entry) {
        var parent = 0
        while true {
            var least = 2 * parent + 1
            guard least < heap.count else { break }
            if least + 1 < heap.count, heap[least + 1].isBefore(heap[least]) { least += 1 }
            guard heap[least].isBefore(entry) else { break }
            heap[parent] = heap[least]
            parent = least
        }
        heap[parent] = entry
    }
}
