import EventLoop
import Fetching
import Glibc

/// One line on a terminal that says how far a fetch is, written over and over; nothing where standard error is none.
@LoopActor
final class ProgressLine {
    private let meter: FetchMeter
    private let isShown: Bool
    private let timer = LoopTimer()
    private let started = Loop.nowNanoseconds
    private static let everyMillis: UInt64 = 200
    private static let barWidth = 30

    init(_ meter: FetchMeter, isShown: Bool) {
        self.meter = meter
        self.isShown = isShown && isatty(STDERR_FILENO) == 1
    }

    func start() {
        guard isShown else { return }
        timer.start(after: Self.everyMillis) { [weak self] in
            self?.show()
            self?.start()
        }
    }

    func stop() {
        timer.stop()
        if isShown { write("\r\u{1b}[K") }
    }

    private func show() {
        let (done, total) = (meter.bytesDone, max(meter.bytesTotal, 1))
        let share = min(Double(done) / Double(total), 1)
        let filled = Int(share * Double(Self.barWidth))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Self.barWidth - filled)
        let seconds = max(Double(Loop.nowNanoseconds - started) / 1e9, 0.001)
        let rate = Double(max(done - meter.bytesResumed, 0)) / seconds
        let left = rate > 0 ? Console.duration(UInt64(Double(max(total - done, 0)) / rate)) : "?"
        let files = meter.filesTotal > 1 ? "  \(meter.filesDone)/\(meter.filesTotal) files" : ""
        let amounts = "\(Console.bytes(UInt64(clamping: done))) of \(Console.bytes(UInt64(clamping: meter.bytesTotal)))"
        let speed = "\(Console.bytes(UInt64(rate)))/s  \(left) left"
        write("\r\u{1b}[K[\(bar)] \(Int(share * 100)) %  \(amounts)  \(speed)\(files)")
    }

    private func write(_ text: String) {
        // A closed terminal leaves nobody to tell.
        Array(text.utf8).withUnsafeBytes { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
