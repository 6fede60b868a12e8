import OCIModel
import Testing

@Suite("Which repositories are served")
struct RepositoryFilterTests {
    @Test(
        "a star stands for any characters, everything else for itself",
        arguments: [
            ("team/app", "team/app", true), ("team/app", "team/app2", false), ("team/*", "team/app", true),
            ("team/*", "team/a/b", true), ("team/*", "team", false), ("*", "a/b/c", true), ("*/app", "x/y/app", true),
            ("*/app", "app", false), ("a*b*c", "a-x.b/c", true), ("a*b*c", "a-x.b/d", false), ("a**b", "ab", true),
            ("a*a", "a", false), ("a*aa", "a.aaa", true),
        ]
    )
    func matches(_ pattern: String, _ name: String, _ expected: Bool) throws {
        let repository = try #require(RepositoryName(name))
        #expect(try #require(RepositoryPattern(pattern)).matches(repository) == expected)
    }

    @Test("a pattern that matches no repository is none", arguments: ["", "Team/*", "a b", "a?", "[a]", "a:b"])
    func refuses(_ text: String) {
        #expect(RepositoryPattern(text) == nil)
    }

    @Test("a pattern of many stars ends for a name that almost fits")
    func bounded() throws {
        let pattern = try #require(RepositoryPattern(String(repeating: "*a", count: 120) + "*b"))
        let repository = try #require(RepositoryName(String(repeating: "a", count: RepositoryName.bytesMax)))
        #expect(!pattern.matches(repository))
    }

    @Test("what is allowed is served unless it is denied; without a list everything is allowed")
    func filters() throws {
        let (app, old) = (try #require(RepositoryName("team/app")), try #require(RepositoryName("team/app-old")))
        var filter = RepositoryFilter()
        #expect(filter.permits(app) && filter.permits(old))
        filter.deny = [try #require(RepositoryPattern("*-old"))]
        #expect(filter.permits(app) && !filter.permits(old))
        filter.allow = [try #require(RepositoryPattern("other/*"))]
        #expect(!filter.permits(app) && !filter.permits(old))
        filter.allow.append(try #require(RepositoryPattern("team/*")))
        #expect(filter.permits(app) && !filter.permits(old))
    }
}
