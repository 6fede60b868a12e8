import EventLoop
import Pacing

/// Reads a channel no faster than a pacer allows: beyond the rate, what comes is left in the kernel.
///
///     reading <--> held back
@LoopActor
final class PacedReader {
    private(set) var isHeldBack = false
    private let channel: any PeerChannel
    private let pacer: Pacer
    private var onRead: (@LoopActor (Stream.ReadEvent) -> Void)?

    init(_ channel: any PeerChannel, _ pacer: Pacer) {
        self.channel = channel
        self.pacer = pacer
    }

    func start(_ onRead: @escaping @LoopActor (Stream.ReadEvent) -> Void) {
        self.onRead = onRead
        read()
    }

    private func read() {
        channel.startReading { [weak self] event in
            guard let self else { return }
            if case .bytes(let bytes) = event { pacer.count(bytes.count) }
            onRead?(event)
            if onRead != nil, !pacer.isOpen, case .bytes = event { holdBack() }
        }
    }

    private func holdBack() {
        isHeldBack = true
        channel.stopReading()
        pacer.whenOpen { [weak self] in
            guard let self, onRead != nil else { return }
            isHeldBack = false
            read()
        }
    }

    /// Reads no more.
    func stop() {
        onRead = nil
        channel.stopReading()
    }
}
