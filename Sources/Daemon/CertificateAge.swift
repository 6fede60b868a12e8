import TLS

/// How far a certificate is through its life.
enum CertificateAge: String {
    case early
    case good
    /// A third of its life is left, or two weeks, whichever is less: whoever renews it should have.
    case late
    case expired

    /// `now` in seconds since 1970.
    init(_ certificate: Certificate, now: Int64) {
        let life = max(0, certificate.notAfter - certificate.notBefore)
        switch now {
        case ..<certificate.notBefore: self = .early
        case certificate.notAfter...: self = .expired
        case (certificate.notAfter - min(life / 3, Self.lateSeconds))...: self = .late
        default: self = .good
        }
    }

    private static let lateSeconds: Int64 = 14 * 86_400
}
