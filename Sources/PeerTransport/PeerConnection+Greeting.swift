import Wire

/// What a connection says first.
extension PeerConnection {
    /// Nothing heard for so long is looked into: what came may wait to be more (`LowWater`), and who was dialled for
    /// this node's Hello: it may speak TLS, and can say so only to somebody who spoke.
    static let patientMillis: UInt64 = 1_000

    /// Once; later calls do nothing.
    func sayHello() {
        guard let unsaid else { return }
        self.unsaid = nil
        write(PeerCodec.encode(unsaid))
    }
}
