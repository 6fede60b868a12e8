import ArgumentParser
import RuntimeConfig

/// Which registries go through which mirror: for containerd and the other runtimes alike.
struct RegistryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A registry to route through the mirror; may be repeated.",
            discussion: "With =URL when the registry is not at https://HOST, such as"
                + " localhost:5000=http://localhost:5000.",
            valueName: "host[=url]"
        )
    )
    var registry: [String] = []

    @Option(help: "Where the mirror listens.")
    var mirror = "http://127.0.0.1:4001"

    /// A `ValidationError`, here and below, ends in usage and status 64.
    func endpoint() throws -> Endpoint {
        guard let endpoint = Endpoint(mirror), endpoint.path.isEmpty else {
            throw ValidationError("--mirror \(mirror) is not a URL of the form http://HOST:PORT")
        }
        return endpoint
    }

    func targets() throws -> [RegistryTarget] {
        var targets: [RegistryTarget] = []
        for text in registry {
            guard let target = RegistryTarget(text) else {
                throw ValidationError(
                    "--registry \(text) is not HOST or HOST=URL, as in docker.io or r:5000=http://r:5000"
                )
            }
            guard !targets.contains(where: { $0.host == target.host }) else {
                throw ValidationError("--registry \(target.host) is given twice")
            }
            targets.append(target)
        }
        return targets
    }

    static func requireAbsolute(_ paths: [String?]) throws {
        for path in paths.compactMap(\.self) where !path.hasPrefix("/") {
            throw ValidationError("\(path) is not an absolute path")
        }
    }
}
