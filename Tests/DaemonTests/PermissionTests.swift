import OCIModel
import Testing

@testable import Daemon

@Suite("who may pull from where")
struct PermissionTests {
    private static let second: UInt64 = 1_000_000_000

    private func place(_ repository: String) throws -> Permissions.Place {
        Permissions.Place(
            registry: try #require(RegistryHost("r.test")), repository: try #require(RepositoryName(repository)))
    }

    private func credential(_ token: String) throws -> Credential {
        try #require(Credential(authorization: "Bearer \(token)"))
    }

    private func permissions(grace: UInt64 = 0) -> Permissions {
        Permissions(freshSeconds: 300, graceSeconds: grace, salt: [1, 2, 3])
    }

    @Test("a verdict speaks for one caller and one repository")
    func narrow() throws {
        var permissions = permissions()
        let (a, b) = (try credential("a"), try credential("b"))
        permissions.allow(a, try place("x"), now: 0)
        #expect(permissions.isFresh(a, try place("x"), now: 1))
        #expect(try !permissions.isFresh(b, place("x"), now: 1))
        #expect(try !permissions.isFresh(nil, place("x"), now: 1))
        #expect(try !permissions.isFresh(a, place("y"), now: 1))
    }

    @Test("a verdict ends with its time, or when the registry says otherwise")
    func ends() throws {
        var permissions = permissions()
        let (a, x) = (try credential("a"), try place("x"))
        permissions.allow(a, x, now: 5)
        #expect(permissions.isFresh(a, x, now: 5 + 300 * Self.second - 1))
        #expect(!permissions.isFresh(a, x, now: 5 + 300 * Self.second))
        permissions.allow(a, x, now: 7)
        permissions.forbid(a, x)
        #expect(!permissions.isFresh(a, x, now: 8))
    }

    @Test("grace counts beyond, where it was asked for")
    func grace() throws {
        let x = try place("x")
        var without = permissions()
        var with = permissions(grace: 60)
        without.allow(nil, x, now: 0)
        with.allow(nil, x, now: 0)
        #expect(!without.isInGrace(nil, x, now: 300 * Self.second))
        #expect(with.isInGrace(nil, x, now: 359 * Self.second))
        #expect(!with.isInGrace(nil, x, now: 360 * Self.second))
        #expect(!with.isFresh(nil, x, now: 359 * Self.second))
    }

    @Test("of very many verdicts the oldest goes")
    func bounded() throws {
        var permissions = permissions()
        for number in 0..<5_000 {
            permissions.allow(try credential("t\(number)"), try place("x"), now: UInt64(number))
        }
        #expect(try !permissions.isFresh(credential("t0"), place("x"), now: 5_000))
        #expect(try permissions.isFresh(credential("t4999"), place("x"), now: 5_000))
    }
}
