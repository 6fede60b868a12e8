import Testing

@testable import OCIModel

@Suite("queries of URLs")
struct URLQueryTests {
    @Test(
        "only what may stand in a URL as it is",
        arguments: [
            ("", true), ("n=2&last=a", true), ("a=%2f%2F", true), ("next_page=gA-_.~==", true), ("a=b:c@d/e?f", true),
            ("a b", false), ("a=<", false), ("a=\"", false), ("a=%2", false), ("a=%", false), ("a=%zz", false),
            ("a=ä", false), ("a=\r\n", false), ("a=#", false), (String(repeating: "a", count: 4097), false),
        ])
    func characters(text: String, isValid: Bool) {
        #expect((URLQuery(text) != nil) == isValid)
    }

    @Test("parts are kept by their decoded names, and as they were written")
    func parts() throws {
        let query = try #require(URLQuery("n=2&%6es=a&last=x%2By&ns=b&flag"))
        #expect(query.keeping { $0 != "ns" }.text == "n=2&last=x%2By&flag")
        #expect(query.keeping { $0 == "ns" }.text == "%6es=a&ns=b")
        #expect(URLQuery.empty.joined(with: query) == query)
        #expect(try #require(URLQuery("a=1")).joined(with: try #require(URLQuery("b=2"))).text == "a=1&b=2")
        #expect(URLQuery.values(of: "ns", in: query.text) == ["a", "b"])
        #expect(URLQuery.values(of: "last", in: "last=x%2By+z") == ["x+y z"])
        #expect(URLQuery.values(of: "n", in: "n=1&x=%ff&%f=2") == nil)
        #expect(URLQuery.decodedPath("a+b%20c/%64") == "a+b c/d")
    }
}
