import Hashing
import OCIModel

/// Who may pull from which repository, as its registry said not long ago.
///
///     unknown --registry gave something--> allowed --fresh time over, or registry said no--> unknown
///
/// A registry gives rights to repositories, so one answer speaks for the repository's other blobs, to the same caller.
/// Callers are told apart by a hash of their credential with a salt of this process: what is kept cannot be used.
/// Bounded: beyond `countMax` the verdict that is oldest goes.
struct Permissions {
    struct Place: Hashable {
        let registry: RegistryHost
        let repository: RepositoryName
    }

    private struct Key: Hashable {
        let place: Place
        /// `nil`: anybody.
        let caller: Digest?
    }

    private static let countMax = 4096
    private static let nanosecondsASecond: UInt64 = 1_000_000_000

    /// For how long a verdict is taken for what the registry would say.
    let freshSeconds: UInt64
    /// For how long beyond, when the registry cannot be asked.
    let graceSeconds: UInt64
    private let salt: [UInt8]
    private var allowedAt: [Key: UInt64] = [:]

    init(_ settings: Settings) {
        var random = SystemRandomNumberGenerator()
        let salt = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        self.init(freshSeconds: settings.verdictSeconds, graceSeconds: settings.privateGraceSeconds, salt: salt)
    }

    /// `salt` has to be random, and new with each process.
    init(freshSeconds: UInt64, graceSeconds: UInt64, salt: [UInt8]) {
        self.freshSeconds = freshSeconds
        self.graceSeconds = graceSeconds
        self.salt = salt
    }

    /// Whether the registry let this caller, or anybody, pull from there within the fresh time; `now` in nanoseconds.
    func isFresh(_ credential: Credential?, _ place: Place, now: UInt64) -> Bool {
        isAllowed(credential, place, within: freshSeconds, now)
    }

    /// The same with the grace that counts while the registry cannot be asked.
    func isInGrace(_ credential: Credential?, _ place: Place, now: UInt64) -> Bool {
        isAllowed(credential, place, within: freshSeconds + graceSeconds, now)
    }

    mutating func allow(_ credential: Credential?, _ place: Place, now: UInt64) {
        let key = Key(place: place, caller: caller(credential))
        if allowedAt[key] == nil, allowedAt.count >= Self.countMax,
            let oldest = allowedAt.min(by: { $0.value < $1.value })?.key
        {
            allowedAt[oldest] = nil
        }
        allowedAt[key] = now
    }

    mutating func forbid(_ credential: Credential?, _ place: Place) {
        allowedAt[Key(place: place, caller: caller(credential))] = nil
    }

    private func isAllowed(_ credential: Credential?, _ place: Place, within seconds: UInt64, _ now: UInt64) -> Bool {
        guard let at = allowedAt[Key(place: place, caller: caller(credential))] else { return false }
        return now < at || now - at < seconds * Self.nanosecondsASecond
    }

    /// Stands for the caller in what is kept; `nil` for anybody.
    func caller(_ credential: Credential?) -> Digest? {
        credential.map { SHA256Hasher.hash(salt + Array($0.headerValue.utf8)) }
    }
}
