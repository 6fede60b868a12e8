import EventLoop
import TLS

/// The sending half of a TLS connection: bytes, file runs and the final word, in the order asked for.
///
///     open --shutdown()--> finishing
///       |                      |
///       +--> failed <----------+    first error, or `cancel()`: every item then ends with that error
///
/// Invariants: `waitingBytes` is what `waiting` has not yet handed to the session; a file run that is being read ends
/// only once the pool has returned.
@LoopActor
final class SecureWriter {
    typealias Completion = @LoopActor (LoopError?) -> Void

    private enum Item {
        case bytes([UInt8], Completion?)
        case file(SecureFile)
        case end((@LoopActor () -> Void)?)
    }

    /// Turned into records at a time, and nothing while any of that waits for the kernel. Larger blocks would be mapped
    /// and unmapped each time (`ProcessMemory`), and copied where the kernel takes only a part.
    private static let sliceBytes = 48 << 10
    /// Memory for records, handed from one write to the next.
    private static var recordMemory: [UInt8] = []

    private let stream: Stream
    private let session: TLSSession
    private var waiting: [Item] = []
    private var waitingBytes = 0
    /// Of the first item's bytes, so many are out.
    private var sent = 0
    private var isFinishing = false
    private var failure: LoopError?

    init(_ stream: Stream, _ session: TLSSession) {
        self.stream = stream
        self.session = session
    }

    var queuedBytes: Int { waitingBytes + stream.queuedBytes }

    func write(_ bytes: [UInt8], then: Completion?) {
        if let error = refusal("write") { return report(error, to: then) }
        waitingBytes += bytes.count
        waiting.append(.bytes(bytes, then))
        advance()
    }

    func send(_ file: SecureFile) {
        if let error = refusal("sendfile") {
            Loop.enqueue { file.then(.failure(error)) }
            return
        }
        waitingBytes += Int(file.count)
        waiting.append(.file(file))
        advance()
    }

    func shutdown(then: (@LoopActor () -> Void)?) {
        if refusal("shutdown") != nil {
            if let then { Loop.enqueue(then) }
            return
        }
        isFinishing = true
        waiting.append(.end(then))
        advance()
    }

    func cancel() { fail(LoopError(.canceled, "write")) }

    /// Sends what the session has to say on its own.
    func sendOutput() {
        let output = session.takeOutput()
        if !output.isEmpty { stream.write(output) }
    }

    private func refusal(_ operation: String) -> LoopError? {
        failure ?? (isFinishing ? LoopError(.brokenPipe, operation) : nil)
    }

    private func report(_ error: LoopError?, to completion: Completion?) {
        if let completion { Loop.enqueue { completion(error) } }
    }

    private func fail(_ error: LoopError) {
        guard failure == nil else { return }
        failure = error
        waitingBytes = 0
        let items = waiting
        waiting = []
        for item in items {
            switch item {
            case .bytes(_, let then): report(error, to: then)
            case .file(let file): file.cancel(error)
            case .end(let then): if let then { Loop.enqueue(then) }
            }
        }
    }

    private func advance() {
        while failure == nil, stream.queuedBytes == 0, let item = waiting.first {
            switch item {
            case .bytes(let bytes, let then):
                let end = min(sent + Self.sliceBytes, bytes.count)
                let slice = sent..<end
                let isWhole = end == bytes.count
                sent = isWhole ? 0 : end
                if isWhole { waiting.removeFirst() }
                bytes.withUnsafeBytes { all in
                    transmit(UnsafeRawBufferPointer(rebasing: all[slice]), then: isWhole ? then : nil)
                }
            case .file(let file):
                let next = file.next(upTo: Self.sliceBytes) { [weak self] in self?.advance() }
                switch next {
                case .failure(let error): return fail(error, of: file)
                case .success(nil): return
                case .success(let slice?):
                    if file.isRead { waiting.removeFirst() }
                    transmit(slice.bytes) { file.left(slice.bytes.count, $0) }
                    slice.done()
                }
            case .end(let then):
                waiting.removeFirst()
                session.end()
                sendOutput()
                stream.shutdown(then: then)
            }
        }
    }

    /// The head of a frame may be out: what would follow makes no sense to the other side.
    private func fail(_ error: LoopError, of file: SecureFile) {
        waiting.removeFirst()
        file.cancel(error)
        fail(error)
    }

    private func transmit(_ bytes: UnsafeRawBufferPointer, then: Completion?) {
        waitingBytes -= bytes.count
        let memory = Self.recordMemory
        Self.recordMemory = []
        do throws(TLSError) {
            try session.write(bytes, memory: memory)
        } catch {
            let error = LoopError(.other("\(error)"), "TLS")
            report(error, to: then)
            return fail(error)
        }
        let records = session.takeOutput()
        stream.write(records) { error in
            // Strongly: whoever counts on the end of a write hears it, whatever became of the channel.
            if let error { self.fail(error) }
            then?(error)
            self.advance()
        }
        // The stream has sent or copied it.
        Self.recordMemory = records
    }
}
