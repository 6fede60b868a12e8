import CAdminProto
import ProtobufCodec

/// A file outside of any registry, to be fetched and shared like a blob.
package struct FileRequest: Equatable, Sendable {
    package var url = ""
    /// 64 lower-case hexadecimal digits.
    package var sha256 = ""
    /// The value of `Authorization` for the URL's host, or empty. It goes nowhere else.
    package var authorization = ""

    package init() {}
}

/// Where the file can be read: at the mirror, for about a minute from the last use.
package struct FileOffer: Equatable, Sendable {
    package var path = ""
    /// As the host says, or the cache knows.
    package var bytes: UInt64 = 0
    package var isCached = false
    /// `host:port`.
    package var mirrorAddress = ""

    package init() {}
}

extension FileRequest: AdminMessage {
    var encoded: [UInt8] {
        AdminSchemas.fileRequest.encode { message, arena in
            message.url = arena.text(url)
            message.sha256 = arena.text(sha256)
            message.authorization = arena.text(authorization)
        }
    }

    init(encoded: [UInt8]) throws(ProtobufError) {
        self = try AdminSchemas.fileRequest.decode(encoded, budget: AdminWire.unpackBudgetBytes) { message in
            var request = FileRequest()
            request.url = ProtobufField.text(message.url) ?? ""
            request.sha256 = ProtobufField.text(message.sha256) ?? ""
            request.authorization = ProtobufField.text(message.authorization) ?? ""
            return request
        }
    }
}

extension FileOffer: AdminMessage {
    var encoded: [UInt8] {
        AdminSchemas.fileOffer.encode { message, arena in
            message.path = arena.text(path)
            message.bytes = bytes
            message.is_cached = isCached ? 1 : 0
            message.mirror_address = arena.text(mirrorAddress)
        }
    }

    init(encoded: [UInt8]) throws(ProtobufError) {
        self = try AdminSchemas.fileOffer.decode(encoded, budget: AdminWire.unpackBudgetBytes) { message in
            var offer = FileOffer()
            offer.path = ProtobufField.text(message.path) ?? ""
            offer.bytes = message.bytes
            offer.isCached = message.is_cached != 0
            offer.mirrorAddress = ProtobufField.text(message.mirror_address) ?? ""
            return offer
        }
    }
}
