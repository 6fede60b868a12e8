import EventLoop

/// What a connection knows of the request that it is answering.
struct RequestInProgress {
    var subject = MirrorRequest.Subject.other
    var isHead = false
    /// The connection ends with this answer.
    var endsConnection = false
    /// The values of `Range` that count.
    var ranges: [String] = []
    var status = ResponseHead.Status.ok
    var outcome = MirrorRequest.Outcome.served
    var wholeFrom: MirrorRequest.Holder?
    /// Handed to the kernel.
    var bodyBytes: Int64 = 0
    private let startNanoseconds = Loop.nowNanoseconds

    /// The request as it ended now.
    func finished() -> MirrorRequest {
        MirrorRequest(
            subject: subject,
            isHead: isHead,
            status: status.rawValue,
            outcome: outcome,
            wholeFrom: wholeFrom,
            bodyBytes: bodyBytes,
            nanoseconds: Loop.nowNanoseconds &- startNanoseconds
        )
    }

    /// The 404 that suits what was asked for.
    func declined(_ reason: String) -> Refusal {
        switch subject {
        case .manifest: .manifestDeclined(reason: reason)
        case .listing: .listingDeclined(reason: reason)
        case .blob, .file, .other: .blobDeclined(reason: reason)
        }
    }
}
