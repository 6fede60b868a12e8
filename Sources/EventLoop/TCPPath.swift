import CLinux

/// What the kernel saw of the path that a TCP connection sends over, since it was connected.
package struct TCPPath: Hashable, Sendable {
    /// Bytes that the other side acknowledged.
    package var ackedBytes: UInt64
    /// The kernel's estimate of what the path carries: measured from acknowledgements while there was more to send, or
    /// higher than that. 0 before the first.
    package var bytesPerSecond: UInt64
    /// There was nothing more to send when that was measured: queues on the way let a short burst through at once.
    package var isSenderLimited: Bool
    /// Time for which data waited for the other side to read what it has.
    package var heldMicros: UInt64

    package init(ackedBytes: UInt64, bytesPerSecond: UInt64, isSenderLimited: Bool, heldMicros: UInt64) {
        self.ackedBytes = ackedBytes
        self.bytesPerSecond = bytesPerSecond
        self.isSenderLimited = isSenderLimited
        self.heldMicros = heldMicros
    }

    init?(of descriptor: Int32) {
        var path = clinux_tcp_path()
        guard clinux_tcp_path(descriptor, &path) == 0 else { return nil }
        self.init(
            ackedBytes: path.acked, bytesPerSecond: path.delivery_rate, isSenderLimited: path.sender_limited,
            heldMicros: path.held_micros)
    }
}
