import CAdminProto
import ProtobufCodec
import Wire

/// The frames of a call: what client and server put around the messages of the methods.
enum AdminFrame: Equatable {
    case call(method: String, argument: [UInt8])
    case item([UInt8])
    /// `nil` is success.
    case end(AdminFailure?)

    static let limits = FrameLimits(messageBytesMax: AdminWire.messageBytesMax)

    /// The whole frame of call number `stream`.
    func encoded(stream: UInt32) -> [UInt8] {
        switch self {
        case .call(let method, let argument):
            let message = AdminSchemas.call.encode { message, arena in
                message.method = arena.text(method)
                message.deadline_millis = UInt32(AdminLimits.callDeadlineMillis)
                message.argument = arena.bytes(argument)
            }
            return Frame(type: AdminWire.callType, stream: stream, message: message).encoded
        case .item(let item):
            let message = AdminSchemas.item.encode { message, arena in message.message = arena.bytes(item) }
            return Frame(type: AdminWire.itemType, stream: stream, message: message).encoded
        case .end(let failure):
            let message = AdminSchemas.end.encode { message, arena in
                message.code = failure?.code.rawValue ?? 0
                message.message = arena.text(failure?.message ?? "")
            }
            return Frame(type: AdminWire.endType, stream: stream, message: message).encoded
        }
    }

    /// `nil` for a type this protocol does not have and for bytes that are not its message.
    init?(_ frame: Frame) {
        let budget = AdminWire.unpackBudgetBytes
        do {
            switch frame.type {
            case AdminWire.callType:
                self = try AdminSchemas.call.decode(frame.message, budget: budget) { message in
                    .call(
                        method: ProtobufField.text(message.method) ?? "",
                        argument: ProtobufField.bytes(message.argument))
                }
            case AdminWire.itemType:
                self = try AdminSchemas.item.decode(frame.message, budget: budget) { message in
                    .item(ProtobufField.bytes(message.message))
                }
            case AdminWire.endType:
                self = try AdminSchemas.end.decode(frame.message, budget: budget) { message in
                    guard message.code != 0 else { return .end(nil) }
                    let code = AdminFailure.Code(rawValue: message.code) ?? .internal
                    return .end(AdminFailure(code, ProtobufField.text(message.message) ?? ""))
                }
            default: return nil
            }
        } catch {
            return nil
        }
    }
}

/// The argument of `cache.remove`.
enum CacheRemoveRequest {
    static func encode(_ digests: [String]) -> [UInt8] {
        AdminSchemas.removeRequest.encode { message, arena in
            message.n_digests = digests.count
            message.digests = arena.array(digests.map { arena.text($0) })
        }
    }

    static func decode(_ argument: [UInt8]) throws(AdminFailure) -> [String] {
        let digests: [String]?
        do throws(ProtobufError) {
            digests = try AdminSchemas.removeRequest.decode(argument, budget: AdminWire.unpackBudgetBytes) {
                ProtobufField.texts($0.digests, count: $0.n_digests)
            }
        } catch {
            throw AdminFailure(.invalidArgument, "the request is not a list of digests")
        }
        guard let digests, !digests.isEmpty, digests.count <= AdminLimits.digestsPerRemoveMax else {
            throw AdminFailure(.invalidArgument, "name 1 to \(AdminLimits.digestsPerRemoveMax) digests")
        }
        return digests
    }
}
