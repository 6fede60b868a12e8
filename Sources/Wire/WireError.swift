/// How the bytes of a connection break the rules.
///
/// After any of these the connection is of no more use: where the next frame begins is not known.
package enum WireError: Error, Equatable, Sendable {
    /// The header promises a message longer than allowed at this moment.
    case messageTooLong(type: UInt8, bytes: UInt32)
    /// The header promises a payload where none may be, or a longer one than allowed.
    case payloadTooLong(type: UInt8, bytes: UInt32)
    /// The header's reserved bytes, or flags or a stream number without a meaning here, are not zero.
    case reservedNotZero(type: UInt8)
    case unknownType(UInt8)
    /// The message's bytes are not an encoding of its type.
    case malformedMessage(type: UInt8)
    /// Unpacking the message would take more memory than any honest one needs.
    case messageOverBudget(type: UInt8)
    /// A field's value is outside what the protocol allows.
    case badField(type: UInt8, field: String)
}
