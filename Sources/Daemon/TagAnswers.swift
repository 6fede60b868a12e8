import MirrorServer
import OCIModel
import OriginClient

/// What registries said not long ago that tags mean, to whom; for as long as the settings let it count.
///
/// Bounded: beyond `countMax` the answer that is oldest goes.
struct TagAnswers {
    struct Question: Hashable {
        let place: Permissions.Place
        let tag: Tag
        /// `nil`: anybody.
        let caller: Digest?
        /// What the caller would take decides what a tag means.
        let accept: [String]
    }

    struct Answer {
        let mediaType: MediaType
        let digest: Digest
        let size: Int64
        fileprivate let at: UInt64
    }

    private static let countMax = 4096

    private let lifeNanoseconds: UInt64
    private var answers: [Question: Answer] = [:]

    /// With 0 nothing is kept.
    init(lifeSeconds: UInt64) {
        lifeNanoseconds = lifeSeconds * 1_000_000_000
    }

    /// `now` in nanoseconds.
    func answer(_ question: Question, now: UInt64) -> Answer? {
        answers[question].flatMap { now < $0.at || now - $0.at < lifeNanoseconds ? $0 : nil }
    }

    mutating func note(_ manifest: OriginManifest, for question: Question, now: UInt64) {
        guard lifeNanoseconds > 0 else { return }
        if answers[question] == nil, answers.count >= Self.countMax,
            let oldest = answers.min(by: { $0.value.at < $1.value.at })?.key
        {
            answers[oldest] = nil
        }
        answers[question] = Answer(
            mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size, at: now)
    }
}
