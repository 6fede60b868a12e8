package import CProtobufC

/// Owns what the pointers of one message refer to while it is packed.
///
/// Pointers from an arena are valid until it goes away.
package final class ProtobufArena {
    private var allocations: [UnsafeMutableRawPointer] = []

    init() {}

    deinit {
        for allocation in allocations { allocation.deallocate() }
    }

    /// For a `string` field.
    package func text(_ text: String) -> UnsafeMutablePointer<CChar> {
        let bytes = Array(text.utf8CString)
        let copy = allocate(CChar.self, count: bytes.count)
        copy.initialize(from: bytes, count: bytes.count)
        return copy
    }

    /// For a `bytes` field.
    package func bytes(_ bytes: [UInt8]) -> ProtobufCBinaryData {
        let copy = allocate(UInt8.self, count: bytes.count)
        copy.initialize(from: bytes, count: bytes.count)
        return ProtobufCBinaryData(len: bytes.count, data: copy)
    }

    /// For a `repeated` field of numbers, or of what the functions of this arena return; set its `n_…` too.
    package func array<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
        let copy = allocate(Element.self, count: elements.count)
        copy.initialize(from: elements, count: elements.count)
        return copy
    }

    /// For a field that is a message: `fill` sets it.
    package func message<Message>(
        _ schema: ProtobufSchema<Message>,
        _ fill: (inout Message) -> Void
    ) -> UnsafeMutablePointer<Message> {
        let copy = allocate(Message.self, count: 1)
        copy.initialize(to: schema.make())
        fill(&copy.pointee)
        return copy
    }

    // Generated messages and their fields are C types: nothing in them needs deinitialising.
    private func allocate<Element>(_: Element.Type, count: Int) -> UnsafeMutablePointer<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(count, 1))
        allocations.append(UnsafeMutableRawPointer(memory))
        return memory
    }
}
