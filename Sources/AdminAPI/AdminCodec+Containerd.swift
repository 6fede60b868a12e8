import CAdminProto
import ProtobufCodec

extension ContainerdWiring {
    func fill(_ message: inout Hawker__Admin__V1__ContainerdWiring, _ arena: ProtobufArena) {
        message.state = arena.text(state)
        message.reason = arena.text(reason)
        message.config = arena.text(config)
    }

    init(_ message: Hawker__Admin__V1__ContainerdWiring) {
        state = ProtobufField.text(message.state) ?? ""
        reason = ProtobufField.text(message.reason) ?? ""
        config = ProtobufField.text(message.config) ?? ""
    }
}

extension RuntimeStoreStatus {
    func fill(_ message: inout Hawker__Admin__V1__RuntimeStore, _ arena: ProtobufArena) {
        message.folder = arena.text(folder)
        message.problem = arena.text(problem)
        message.blobs = blobs
        message.bytes = bytes
        message.served_bytes = servedBytes
        message.sharing_problem = arena.text(sharingProblem)
    }

    init(_ message: Hawker__Admin__V1__RuntimeStore) {
        folder = ProtobufField.text(message.folder) ?? ""
        problem = ProtobufField.text(message.problem) ?? ""
        blobs = message.blobs
        bytes = message.bytes
        servedBytes = message.served_bytes
        sharingProblem = ProtobufField.text(message.sharing_problem) ?? ""
    }
}
