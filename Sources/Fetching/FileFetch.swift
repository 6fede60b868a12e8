import EventLoop

extension MirrorClient {
    /// Attempts in a row that bring no byte, before it is given up.
    private static let attemptsMax = 5
    private static let pauseMillis: UInt64 = 1_000
    private static let wrongContentAdvice =
        "Compare the digest with what the publisher says: either it is another file's, or what is served there has changed"

    /// Completes the file and puts it into its place, however often the connection breaks off.
    ///
    /// `target` says where the bytes are, before each attempt; what it throws ends the fetch. `authorize` gets what the
    /// mirror refused, and says with which `Authorization` to ask again, or `nil`.
    package func fetch(
        into file: PartialFile,
        _ meter: FetchMeter,
        target: @LoopActor () async throws(FetchError) -> String
    ) async throws(FetchError) {
        try await fetch(into: file, meter, authorization: nil, target: target) { _ in nil }
    }

    func fetch(
        into file: PartialFile,
        _ meter: FetchMeter,
        authorization: String?,
        target: @LoopActor () async throws(FetchError) -> String,
        authorize: @LoopActor (Document) async throws(FetchError) -> String?
    ) async throws(FetchError) {
        var authorization = authorization
        var attempt = 0
        meter.bytesDone += file.count
        meter.bytesResumed += file.resumedBytes
        while true {
            let before = file.count
            let place = try await target()
            var reason: String
            switch await append(place, authorization: authorization, to: file, meter) {
            case .whole: return try await commit(file, meter)
            case .failed(let error): throw error
            case .brokeOff(let why): reason = "the connection to the mirror broke off (\(why))"
            case .refused(let document) where document.status == 416 && before > 0:
                // There is nothing after what is here: it is all, or it is wrong.
                return try await commit(file, meter)
            case .refused(let document) where document.isWrongContent:
                // Nor are the bytes that were got before.
                await Loop.offload { file.discard() }
                throw FetchError(.data, "\(document.reason); nothing was written. \(Self.wrongContentAdvice)")
            case .refused(let document):
                if document.status == 401, let again = try await authorize(document) {
                    authorization = again
                    reason = "the credential does not count"
                } else {
                    reason = document.reason
                }
            }
            attempt = file.count > before ? 1 : attempt + 1
            guard attempt < Self.attemptsMax else {
                throw FetchError(.unavailable, "\(reason); the same command goes on where this one ended")
            }
            if attempt > 1 { await Loop.pause(milliseconds: Self.pauseMillis) }
        }
    }

    private func commit(_ file: PartialFile, _ meter: FetchMeter) async throws(FetchError) {
        try await Loop.offload { () throws(FetchError) in try file.commit() }
        meter.filesDone += 1
    }
}
