import EventLoop
import OriginClient
import Pacing
import PeerTransport

/// A read from a registry that keeps to the rates it falls under.
///
///     reading <--> waiting for one pacer after the other
///
/// It is paused while it waits, while its owner says so, or both.
@LoopActor
final class PacedFetch: OriginFetch {
    private let pacers: [Pacer]
    private var transfer: OriginTransfer?
    private var isWaiting = false
    private var isHeld = false

    init(_ pacers: [Pacer]) {
        self.pacers = pacers
    }

    /// What is paced; before its first byte.
    func begin(_ transfer: OriginTransfer) { self.transfer = transfer }

    /// Bytes have come.
    func count(_ bytes: Int) {
        for pacer in pacers { pacer.count(bytes) }
        guard !isWaiting, pacers.contains(where: { !$0.isOpen }) else { return }
        isWaiting = true
        transfer?.pause()
        wait(for: pacers[...])
    }

    func pause() {
        isHeld = true
        transfer?.pause()
    }

    func resume() {
        isHeld = false
        if !isWaiting { transfer?.resume() }
    }

    func cancel() {
        transfer?.cancel()
        transfer = nil
    }

    private func wait(for rest: ArraySlice<Pacer>) {
        guard let first = rest.first else {
            isWaiting = false
            if !isHeld { transfer?.resume() }
            return
        }
        first.whenOpen { [weak self] in self?.wait(for: rest.dropFirst()) }
    }
}
