import EventLoop
import Glibc

/// A run of a file on its way into records: read ahead off the loop, slice by slice.
///
/// The file belongs to the caller until `then`, which is called once: when all has left, or on the first error once
/// nothing of the file is being read any more.
@LoopActor
final class SecureFile {
    private static let sliceBytes: Int64 = 256 << 10
    /// Slices read and not yet sent, those that are being read included.
    private static let aheadMax = 2

    let count: Int64
    let then: @LoopActor (Result<Int64, LoopError>) -> Void
    private let file: Int32
    private let progress: (@LoopActor (Int64) -> Void)?
    private var offset: Int64
    private var toRead: Int64
    private var leftBytes: Int64 = 0
    private var slices: [[UInt8]] = []
    private var isReading = false
    private var failure: LoopError?
    private var isEnded = false

    init(
        file: Int32,
        offset: Int64,
        count: Int64,
        progress: (@LoopActor (Int64) -> Void)?,
        then: @escaping @LoopActor (Result<Int64, LoopError>) -> Void
    ) {
        self.file = file
        self.offset = offset
        self.count = count
        self.progress = progress
        self.then = then
        toRead = count
    }

    /// Whether all of it was handed out by `next`.
    var isRead: Bool { toRead == 0 && slices.isEmpty && !isReading }

    /// The next slice, empty for a run of nothing, or the error that keeps it from being read. `nil` when there is none
    /// yet: `then` is called when there is.
    func next(then: @escaping @LoopActor () -> Void) -> ([UInt8], Result<Void, LoopError>)? {
        if let failure { return ([], .failure(failure)) }
        if count == 0 { return ([], .success(())) }
        let slice = slices.isEmpty ? nil : slices.removeFirst()
        readAhead(then)
        return slice.map { ($0, .success(())) }
    }

    private func readAhead(_ then: @escaping @LoopActor () -> Void) {
        guard !isReading, failure == nil, toRead > 0, slices.count < Self.aheadMax else { return }
        let (file, start, bytes) = (file, offset, min(toRead, Self.sliceBytes))
        offset += bytes
        toRead -= bytes
        isReading = true
        Loop.offload {
            Self.read(file, offset: start, count: Int(bytes))
        } then: { result in
            self.isReading = false
            switch result {
            case .success(let slice): self.slices.append(slice)
            case .failure(let error): if self.failure == nil { self.failure = error }
            }
            if self.isEnded { return self.then(.failure(self.failure ?? LoopError(.canceled, "sendfile"))) }
            self.readAhead(then)
            then()
        }
    }

    private nonisolated static func read(_ file: Int32, offset: Int64, count: Int) -> Result<[UInt8], LoopError> {
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count, let base = buffer.baseAddress {
                let got = pread(file, base + filled, count - filled, off_t(offset) + off_t(filled))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { return }
                filled += got
            }
        }
        return bytes.count == count ? .success(bytes) : .failure(LoopError(.endOfFile, "read"))
    }

    /// A slice has left, or will not.
    func left(_ bytes: Int, _ error: LoopError?) {
        if let error { return cancel(error) }
        guard !isEnded else { return }
        leftBytes += Int64(bytes)
        if bytes > 0 { progress?(leftBytes) }
        guard leftBytes == count, !isEnded else { return }
        isEnded = true
        then(.success(count))
    }

    /// Ends it with an error, if it has not ended.
    func cancel(_ error: LoopError) {
        guard !isEnded else { return }
        isEnded = true
        if failure == nil { failure = error }
        if !isReading { Loop.enqueue { self.then(.failure(error)) } }
    }
}
