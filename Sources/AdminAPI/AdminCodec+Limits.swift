import CAdminProto
import ProtobufCodec

extension LimitStatus {
    func fill(_ message: inout Hawker__Admin__V1__Limit, _ arena: ProtobufArena) {
        message.key = arena.text(key)
        message.bytes_per_second = bytesPerSecond
        message.bytes = bytes
        message.waits = waits
    }

    init(_ message: Hawker__Admin__V1__Limit) {
        key = ProtobufField.text(message.key) ?? ""
        bytesPerSecond = message.bytes_per_second
        bytes = message.bytes
        waits = message.waits
    }
}

extension ReloadReport: AdminMessage {
    var encoded: [UInt8] {
        AdminSchemas.reloaded.encode { message, arena in
            message.file = arena.text(file)
            message.n_applied = applied.count
            message.applied = arena.array(applied.map { arena.text($0) })
            message.n_need_restart = needRestart.count
            message.need_restart = arena.array(needRestart.map { arena.text($0) })
        }
    }

    init(encoded: [UInt8]) throws(ProtobufError) {
        self = try AdminSchemas.reloaded.decode(encoded, budget: AdminWire.unpackBudgetBytes) { message in
            var report = ReloadReport()
            report.file = ProtobufField.text(message.file) ?? ""
            report.applied = ProtobufField.texts(message.applied, count: message.n_applied) ?? []
            report.needRestart = ProtobufField.texts(message.need_restart, count: message.n_need_restart) ?? []
            return report
        }
    }
}
