import CProtobufC

/// Why bytes are not a message.
package enum ProtobufError: Error, Equatable, Sendable {
    /// The bytes are not an encoding of this message type.
    case malformed
    /// Unpacking would allocate more than the caller allows.
    case overBudget
}

/// One message type of a generated C module: the only door to packing and unpacking its messages.
///
/// Made from the generated `…__init` function, so that Swift needs none of the generated macros:
/// `ProtobufSchema(hawker__peer__hello__init)`.
package struct ProtobufSchema<Message>: @unchecked Sendable {
    private let initialize: @Sendable (UnsafeMutablePointer<Message>?) -> Void
    // Points to constant data of the generated code, which nothing ever writes: hence `@unchecked Sendable`.
    private let descriptor: UnsafePointer<ProtobufCMessageDescriptor>

    /// `initialize` has to be the generated `…__init` function of `Message`; anything else traps.
    package init(_ initialize: @escaping @Sendable (UnsafeMutablePointer<Message>?) -> Void) {
        self.initialize = initialize
        let (descriptor, size) = withUnsafeTemporaryAllocation(of: Message.self, capacity: 1) { memory in
            initialize(memory.baseAddress)
            // Every generated message begins with a `ProtobufCMessage`.
            let base = UnsafeRawPointer(memory.baseAddress)?.load(as: ProtobufCMessage.self)
            return (base?.descriptor, base?.descriptor?.pointee.sizeof_message)
        }
        guard let descriptor, size == MemoryLayout<Message>.size else {
            preconditionFailure("not the init function of this message type")
        }
        self.descriptor = descriptor
    }

    /// A message with every field at its default.
    package func make() -> Message {
        withUnsafeTemporaryAllocation(of: Message.self, capacity: 1) { memory in
            initialize(memory.baseAddress)
            return UnsafeRawPointer(memory.baseAddress.unsafelyUnwrapped).load(as: Message.self)
        }
    }

    /// Unpacks a message, allocating `budget` bytes at most, and hands it to `read`.
    ///
    /// Everything the message points to is freed when `read` returns.
    package func decode<Value>(
        _ bytes: UnsafeRawBufferPointer,
        budget: Int,
        _ read: (Message) -> Value
    ) throws(ProtobufError) -> Value {
        let limit = ProtobufBudget(bytes: budget)
        var allocator = limit.allocator
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard let message = protobuf_c_message_unpack(descriptor, &allocator, bytes.count, start) else {
            throw limit.exceeded ? .overBudget : .malformed
        }
        let value = read(UnsafeRawPointer(message).load(as: Message.self))
        protobuf_c_message_free_unpacked(message, &allocator)
        return value
    }

    /// `decode` for bytes in an array.
    package func decode<Value>(
        _ bytes: [UInt8],
        budget: Int,
        _ read: (Message) -> Value
    ) throws(ProtobufError) -> Value {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(ProtobufError) in try decode(buffer, budget: budget, read) }
        }
        return try result.get()
    }

    /// Packs the message that `fill` sets.
    ///
    /// What its pointers refer to comes from the arena, or outlives the call.
    package func encode(_ fill: (inout Message, ProtobufArena) -> Void) -> [UInt8] {
        let arena = ProtobufArena()
        return withExtendedLifetime(arena) {
            var message = make()
            fill(&message, arena)
            return withUnsafeBytes(of: &message) { bytes in
                guard let base = bytes.baseAddress?.assumingMemoryBound(to: ProtobufCMessage.self) else {
                    return []
                }
                return [UInt8](unsafeUninitializedCapacity: protobuf_c_message_get_packed_size(base)) {
                    buffer,
                    count in
                    guard buffer.count > 0 else { return }
                    count = protobuf_c_message_pack(base, buffer.baseAddress)
                }
            }
        }
    }
}
