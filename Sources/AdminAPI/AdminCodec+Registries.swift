import CAdminProto
import ProtobufCodec

extension RegistryStatus {
    func fill(_ message: inout Hawker__Admin__V1__Registry, _ arena: ProtobufArena) {
        message.host = arena.text(host)
        message.requests = requests
        message.retries = retries
        message.failures = failures
        message.bytes = bytes
        message.skipped_bytes = skippedBytes
        if let rateLimit {
            message.rate_limit = arena.message(AdminSchemas.rateLimit) { limit in
                limit.limit = rateLimit.limit
                limit.remaining = rateLimit.remaining
                limit.window_seconds = rateLimit.windowSeconds
            }
        }
    }

    init(_ message: Hawker__Admin__V1__Registry) {
        host = ProtobufField.text(message.host) ?? ""
        requests = message.requests
        retries = message.retries
        failures = message.failures
        bytes = message.bytes
        skippedBytes = message.skipped_bytes
        rateLimit = (message.rate_limit?.pointee).map { limit in
            var status = RateLimitStatus()
            status.limit = limit.limit
            status.remaining = limit.remaining
            status.windowSeconds = limit.window_seconds
            return status
        }
    }
}
