import OCIModel
import Testing

@Suite("credentials and challenges")
struct CredentialTests {
    @Test(
        "only one Bearer token is one",
        arguments: [
            ("Bearer abc", true), ("bearer a.b-c_d~+/=", true), ("Bearer ", false), ("Bearer", false), ("", false),
            ("Basic dXNlcjpwYXNz", false), ("Bearer a b", false), ("Bearer a,b", false), ("Bearer a\u{7f}", false),
            ("Bearer a\r\nX: y", false), ("Bearer é", false),
            ("Bearer " + String(repeating: "a", count: 16 << 10), false),
        ]
    )
    func parses(text: String, isOne: Bool) {
        #expect((Credential(authorization: text) != nil) == isOne)
    }

    @Test("a credential shows itself to nobody who prints it")
    func redacted() throws {
        let credential = try #require(Credential(authorization: "Bearer canary"))
        var dumped = ""
        dump([credential as Credential?], to: &dumped)
        for text in ["\(credential)", String(reflecting: credential), "\([credential])", dumped] {
            #expect(!text.contains("canary"), "\(text)")
        }
    }

    @Test("a challenge is a header that nothing in it can end")
    func challenge() throws {
        let challenge = try #require(
            BearerChallenge(realm: "https://auth.test/token", service: "r", scope: "repository:a/b:pull"))
        #expect(
            challenge.headerValue
                == #"Bearer realm="https://auth.test/token",service="r",scope="repository:a/b:pull""#)
        for part in ["a\"b", "a\\b", "a\r\nb", "é", String(repeating: "a", count: 3_000)] {
            #expect(BearerChallenge(realm: "https://a", service: part, scope: nil) == nil)
            #expect(BearerChallenge(realm: part, service: nil, scope: nil) == nil)
        }
    }
}
