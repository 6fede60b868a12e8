import CHiredis
import EventLoop

/// One value of Redis's protocol (RESP 2), as far as the commands of this module are answered with it.
enum RedisReply: Equatable, Sendable {
    case bytes([UInt8])
    case integer(Int64)
    case nothing
    case array([RedisReply])
    /// The server's error code, such as `WRONGPASS`: the rest of its sentence may repeat what was sent, a password
    /// included.
    case refused(String)

    var integer: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }

    /// `nil` for what is not UTF-8.
    var text: String? {
        if case .bytes(let bytes) = self { String(validating: bytes, as: UTF8.self) } else { nil }
    }
}

/// What came is not an answer to anything that was asked, or is larger than any of those.
struct RedisProtocolError: Error {}

/// Cuts the bytes of a connection into replies, with hiredis' parser.
///
/// The bytes are a stranger's: more than `replyBytesMax` for one reply, an array of more than `elementsMax`, and an
/// array within an array are errors before memory is taken for them. After an error nothing more is read.
@LoopActor
final class RedisReader {
    static let replyBytesMax = 1 << 20
    static let elementsMax = redisElementsMax

    private let reader: UnsafeMutablePointer<redisReader>

    init() {
        guard let reader = redisReaderCreateWithFunctions(boundedFunctions) else {
            preconditionFailure("out of memory")
        }
        self.reader = reader
    }

    isolated deinit {
        redisReaderFree(reader)
    }

    func feed(_ bytes: UnsafeRawBufferPointer) throws(RedisProtocolError) {
        guard bytes.count <= Self.replyBytesMax - (reader.pointee.len - reader.pointee.pos),
            redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count) == REDIS_OK
        else { throw RedisProtocolError() }
    }

    /// The next whole reply; `nil` when more bytes are needed.
    func next() throws(RedisProtocolError) -> RedisReply? {
        var object: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &object) == REDIS_OK else { throw RedisProtocolError() }
        guard let object else { return nil }
        defer { freeReplyObject(object) }
        return try Self.value(object.assumingMemoryBound(to: redisReply.self).pointee)
    }

    private static func value(_ reply: redisReply) throws(RedisProtocolError) -> RedisReply {
        switch reply.type {
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: return .bytes(bytes(reply))
        case REDIS_REPLY_INTEGER: return .integer(reply.integer)
        case REDIS_REPLY_NIL: return .nothing
        case REDIS_REPLY_ERROR: return .refused(code(bytes(reply)))
        case REDIS_REPLY_ARRAY:
            var elements: [RedisReply] = []
            for element in UnsafeBufferPointer(start: reply.element, count: Int(reply.elements)) {
                guard let element else { throw RedisProtocolError() }
                elements.append(try value(element.pointee))
            }
            return .array(elements)
        default: throw RedisProtocolError()
        }
    }

    private static func bytes(_ reply: redisReply) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: reply.str, count: reply.str == nil ? 0 : Int(reply.len)))
    }

    /// The first word, if it looks like a code at all.
    private static func code(_ sentence: [UInt8]) -> String {
        let word = sentence.prefix { $0 != UInt8(ascii: " ") }
        let isCode = !word.isEmpty && word.count <= 20 && word.allSatisfy { (0x41...0x5A).contains($0) }
        return isCode ? String(decoding: word, as: UTF8.self) : "an error"
    }
}

/// Outside of the actor, for the C callback.
private let redisElementsMax = 8 << 10

/// hiredis' own constructors, except that arrays are bounded. It keeps the pointer, so this one is never freed.
// Written once, before any reader exists.
private nonisolated(unsafe) let boundedFunctions: UnsafeMutablePointer<redisReplyObjectFunctions> = {
    let functions = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
    functions.initialize(to: ownFunctions)
    functions.pointee.createArray = { task, count in
        guard let task, task.pointee.parent == nil, count <= redisElementsMax else { return nil }
        return ownFunctions.createArray?(task, count)
    }
    return functions
}()

private let ownFunctions: redisReplyObjectFunctions = {
    let reader = redisReaderCreate()
    defer { redisReaderFree(reader) }
    guard let functions = reader?.pointee.fn.pointee else { preconditionFailure("out of memory") }
    return functions
}()

/// A command as the protocol wants it: each word with its length, so that any bytes may be in it.
enum RedisCommand {
    static func encode(_ words: [[UInt8]]) -> [UInt8] {
        var target: UnsafeMutablePointer<CChar>?
        let joined = Array(words.joined()) + [0]
        let count = joined.withUnsafeBufferPointer { bytes -> Int32 in
            var pointers: [UnsafePointer<CChar>?] = []
            var offset = 0
            for word in words {
                let start = UnsafeRawPointer(bytes.baseAddress)?.advanced(by: offset)
                pointers.append(start?.assumingMemoryBound(to: CChar.self))
                offset += word.count
            }
            return redisFormatCommandArgv(&target, Int32(words.count), &pointers, words.map(\.count))
        }
        defer { redisFreeCommand(target) }
        precondition(count > 0, "hiredis refuses a command only when memory is out")
        return Array(UnsafeRawBufferPointer(start: target, count: Int(count)))
    }
}
