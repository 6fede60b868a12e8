import CAdminProto
import ProtobufCodec

extension PeerSecurity {
    func fill(_ message: inout Hawker__Admin__V1__PeerSecurity, _ arena: ProtobufArena) {
        message.mode = arena.text(mode)
        message.certificate_name = arena.text(certificateName)
        message.certificate_expires = certificateExpires
        message.certificate_state = arena.text(certificateState)
        message.problem = arena.text(problem)
    }

    init(_ message: Hawker__Admin__V1__PeerSecurity) {
        mode = ProtobufField.text(message.mode) ?? ""
        certificateName = ProtobufField.text(message.certificate_name) ?? ""
        certificateExpires = message.certificate_expires
        certificateState = ProtobufField.text(message.certificate_state) ?? ""
        problem = ProtobufField.text(message.problem) ?? ""
    }
}
