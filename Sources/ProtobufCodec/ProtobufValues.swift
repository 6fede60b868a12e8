package import CProtobufC

/// Reads the fields of an unpacked message; the pointers are valid while its `decode` runs.
package enum ProtobufField {
    /// A copy of a `bytes` field.
    package static func bytes(_ field: ProtobufCBinaryData) -> [UInt8] { [UInt8](raw(field)) }

    /// A `bytes` field where it lies.
    package static func raw(_ field: ProtobufCBinaryData) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: field.data, count: field.data == nil ? 0 : field.len)
    }

    /// The text of a `string` field, up to its first NUL; `nil` when it is not UTF-8.
    package static func text(_ field: UnsafePointer<CChar>?) -> String? {
        guard let field else { return "" }
        return String(validatingCString: field)
    }

    /// The elements of a `repeated` field of numbers, given its `n_…`.
    package static func elements<Element>(
        _ field: UnsafePointer<Element>?,
        count: Int
    ) -> UnsafeBufferPointer<Element> {
        UnsafeBufferPointer(start: field, count: field == nil ? 0 : count)
    }

    /// The texts of a `repeated string` field; `nil` when one is not UTF-8.
    package static func texts(
        _ field: UnsafePointer<UnsafeMutablePointer<CChar>?>?,
        count: Int
    ) -> [String]? {
        var texts: [String] = []
        for pointer in elements(field, count: count) {
            guard let text = text(pointer) else { return nil }
            texts.append(text)
        }
        return texts
    }

    /// The messages of a `repeated` message field.
    package static func messages<Message>(
        _ field: UnsafePointer<UnsafeMutablePointer<Message>?>?,
        count: Int
    ) -> [Message] {
        elements(field, count: count).compactMap { $0?.pointee }
    }
}
