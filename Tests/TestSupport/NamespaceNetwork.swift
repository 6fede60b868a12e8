import Glibc

/// Hosts that are network namespaces on one switch, which is a namespace too: with the namespaces everything goes.
/// Needs root.
package struct NamespaceNetwork: Sendable {
    private let names: [String]
    private let prefix = "hawker-test-\(getpid())-"
    private var switchName: String { prefix + "switch" }

    /// Builds it for the time that `body` takes. The names are letters; there are at most 200.
    package static func with(
        _ names: [String], _ body: (NamespaceNetwork) async throws -> Void
    ) async throws {
        let network = NamespaceNetwork(names: names)
        do {
            try await network.build()
            try await body(network)
        } catch {
            await network.remove()
            throw error
        }
        await network.remove()
    }

    private init(names: [String]) { self.names = names }

    package func namespace(_ name: String) -> String { prefix + name }

    package func address(_ name: String) -> String { "10.78.0.\((names.firstIndex(of: name) ?? 250) + 1)" }

    /// What stands before a command that is to run on the host. It sees the same files; `ip netns exec` would give it
    /// mounts of its own.
    package static func prefix(_ namespace: String?) -> [String] {
        namespace.map { ["nsenter", "--net=/run/netns/\($0)", "--"] } ?? []
    }

    private func build() async throws {
        try await Self.ip("netns add \(switchName)")
        try await Self.ip("-n \(switchName) link add bridge type bridge")
        try await Self.ip("-n \(switchName) link set bridge up")
        for (number, name) in names.enumerated() {
            let host = namespace(name)
            try await Self.ip("netns add \(host)")
            try await Self.ip("-n \(host) link set lo up")
            try await Self.ip("-n \(host) link add eth0 type veth peer name port\(number) netns \(switchName)")
            try await Self.ip("-n \(host) address add \(address(name))/24 dev eth0")
            try await Self.ip("-n \(host) link set eth0 up")
            try await Self.ip("-n \(switchName) link set port\(number) master bridge up")
        }
    }

    private func remove() async {
        for name in names.map(namespace) + [switchName] {
            // What was never made cannot be removed.
            _ = try? await Self.ip("netns delete \(name)")
        }
    }

    private static func ip(_ words: String) async throws {
        try await ChildProcess.check(["ip"] + words.split(separator: " ").map(String.init))
    }
}
