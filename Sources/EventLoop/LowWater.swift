import CLinux

/// How many bytes have to lie in a TCP socket before it is reported readable.
///
/// A link of a hundred megabits brings a packet every tenth of a millisecond, and waking up for each costs more
/// than all else that is done with its bytes. Who knows that more is coming need not look before there is.
package struct LowWater {
    /// Waiting for less saves nothing.
    private static let bytesMin = 8 << 10

    private let bytesMax: Int
    private var current: Int32 = 1

    /// `bytesMax` is what may lie there unreported at most.
    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// At least `count` more bytes are on their way to the socket, not counting what was read from it.
    ///
    /// Holds until the next call, so it must be told again after each read, and taken back with 0: were fewer coming,
    /// they would never be reported. The end of the stream and errors are reported whatever was told here.
    package mutating func expect(_ count: Int, on socket: @autoclosure () -> Int32?) {
        let wanted = count < Self.bytesMin ? 1 : Int32(min(count, bytesMax))
        guard wanted != current, let socket = socket() else { return }
        // A socket that knows no such limit reports every packet, as before.
        if clinux_set_receive_low_water(socket, wanted) == 0 { current = wanted }
    }
}
