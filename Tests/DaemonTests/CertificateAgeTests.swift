import TLS
import Testing

@testable import Daemon

@Suite("how old a certificate is, and how often strangers are written of")
struct CertificateAgeTests {
    private static let day: Int64 = 86_400

    @Test(
        "a warning comes when a third of its life is left, or two weeks if that is less",
        arguments: [
            (1, 15, "good"), (1, 17, "late"), (1, 24, "expired"), (1, -1, "early"), (365, 8_400, "good"),
            (365, 8_424, "late"), (365, 8_760, "expired"), (90, 1_464, "good"),
        ])
    func age(lifeDays: Int64, hoursIn: Int64, expected: String) {
        var certificate = Certificate()
        certificate.notBefore = 1_000
        certificate.notAfter = 1_000 + lifeDays * Self.day
        #expect(CertificateAge(certificate, now: 1_000 + hoursIn * 3_600).rawValue == expected)
    }

    @Test("the same is written once a minute, and not without end")
    func limiter() {
        var limiter = LogLimiter()
        let second: UInt64 = 1_000_000_000
        #expect(limiter.admits("a", now: 0) && !limiter.admits("a", now: 59 * second))
        #expect(limiter.admits("b", now: second) && limiter.admits("a", now: 60 * second))
        let admitted = (0..<1_000).count { limiter.admits("\($0)", now: 61 * second) }
        #expect(admitted < 300)
    }
}
