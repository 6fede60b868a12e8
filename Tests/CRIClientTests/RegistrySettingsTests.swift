import Testing

@testable import CRIClient

@Suite("What containerd 1 says of its registries")
struct RegistrySettingsTests {
    @Test("paths and endpoints are taken, secrets are not")
    func reads() throws {
        let json = """
            {"containerd":{"snapshotter":"overlayfs"},"registry":{"configPath":"/c","mirrors":{"r":{"endpoint":["http://m"]},\
            "s":{"endpoint":null}},"configs":{"r":{"auth":{"username":"u","password":"p"}}},"auths":null}}
            """
        let settings = try #require(CRIRegistrySettings(json: json))
        #expect(settings.configPath == "/c")
        #expect(settings.mirrors == ["r": ["http://m"], "s": []])
        #expect(!"\(settings)".contains("password"))
    }

    @Test("a form that has no registry, or is none, is nothing", arguments: ["{}", "", "[]", "{\"registry\":null}", "{\"registry\":1}"])
    func nothing(json: String) {
        #expect(CRIRegistrySettings(json: json) == nil)
    }
}
