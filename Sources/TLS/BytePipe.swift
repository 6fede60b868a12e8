import CLibSSL

/// What OpenSSL takes for a socket: reads give what was received, writes become output.
///
/// OpenSSL's own memory buffers would do as well, but never give memory back, and copy everything once more each way.
final class BytePipe {
    /// Received and not read: first what was kept, or else `lent`, which belongs to a caller.
    private var kept: [UInt8] = []
    private var keptStart = 0
    private var lent = UnsafeRawBufferPointer(start: nil, count: 0)
    private var output: [UInt8] = []

    /// Refers to this pipe without owning it.
    func makeBIO() -> OpaquePointer {
        guard let method = Self.method, let bio = BIO_new(method) else {
            preconditionFailure("out of memory for a TLS connection")
        }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    func receive(_ bytes: UnsafeRawBufferPointer) {
        dropRead()
        kept.append(contentsOf: bytes)
    }

    func receiving<T>(_ bytes: UnsafeRawBufferPointer, _ body: () -> T) -> T {
        precondition(lent.isEmpty, "bytes are lent one call at a time")
        if keptStart < kept.count { receive(bytes) } else { lent = bytes }
        defer {
            if !lent.isEmpty {
                let rest = lent
                lent = UnsafeRawBufferPointer(start: nil, count: 0)
                receive(rest)
            }
        }
        return body()
    }

    private func dropRead() {
        if keptStart > 0 { kept.removeFirst(keptStart) }
        keptStart = 0
    }

    /// Lets output grow in this array's memory, if there is none yet.
    func lend(_ memory: consuming [UInt8]) {
        guard output.isEmpty else { return }
        output = memory
        output.removeAll(keepingCapacity: true)
    }

    func takeOutput() -> [UInt8] {
        let bytes = output
        output = []
        return bytes
    }

    // MARK: OpenSSL's calls

    /// Copies at most `count` bytes; 0 when there are none.
    fileprivate func read(_ target: UnsafeMutableRawPointer, _ count: Int) -> Int {
        if keptStart < kept.count {
            let taken = min(count, kept.count - keptStart)
            kept.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { target.copyMemory(from: base + keptStart, byteCount: taken) }
            }
            keptStart += taken
            if keptStart == kept.count {
                kept = []
                keptStart = 0
            }
            return taken
        }
        let taken = min(count, lent.count)
        guard taken > 0, let base = lent.baseAddress else { return 0 }
        target.copyMemory(from: base, byteCount: taken)
        lent = UnsafeRawBufferPointer(rebasing: lent[taken...])
        return taken
    }

    fileprivate func write(_ source: UnsafeRawPointer, _ count: Int) {
        output.append(contentsOf: UnsafeRawBufferPointer(start: source, count: count))
    }

    /// Made once and never freed.
    private nonisolated(unsafe) static let method: OpaquePointer? = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hawker") else { return nil }
        BIO_meth_set_read_ex(method, readCallback)
        BIO_meth_set_write_ex(method, writeCallback)
        BIO_meth_set_ctrl(method, controlCallback)
        return method
    }()
}

private func pipe(of bio: OpaquePointer?) -> BytePipe? {
    BIO_get_data(bio).map { Unmanaged<BytePipe>.fromOpaque($0).takeUnretainedValue() }
}

private func readCallback(
    _ bio: OpaquePointer?, _ target: UnsafeMutablePointer<CChar>?, _ count: Int, _ done: UnsafeMutablePointer<Int>?
) -> Int32 {
    BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
    let taken = target.flatMap { pipe(of: bio)?.read(UnsafeMutableRawPointer($0), count) } ?? 0
    done?.pointee = taken
    if taken == 0 { BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY) }
    return taken > 0 ? 1 : 0
}

private func writeCallback(
    _ bio: OpaquePointer?, _ source: UnsafePointer<CChar>?, _ count: Int, _ done: UnsafeMutablePointer<Int>?
) -> Int32 {
    BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
    guard let source, let pipe = pipe(of: bio) else { return 0 }
    pipe.write(UnsafeRawPointer(source), count)
    done?.pointee = count
    return 1
}

/// Only flushing is done, and needs nothing.
private func controlCallback(
    _ bio: OpaquePointer?, _ command: Int32, _ number: Int, _ pointer: UnsafeMutableRawPointer?
) -> Int {
    command == BIO_CTRL_FLUSH ? 1 : 0
}
