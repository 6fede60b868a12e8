import FoundationEssentials
import Glibc
package import OCIModel

/// What a user's `config.json` of Docker, or `auth.json` of Podman, says about registries: names and passwords, of
/// which nothing is ever printed.
///
/// Programs that keep passwords elsewhere (`credsStore`, `credHelpers`) are not run.
package struct DockerCredentials: Sendable {
    /// `user:password` in base64, by what the file calls the registry.
    private let entries: [String: String]
    /// Where it was read from; for advice.
    package let path: String?
    package let namesHelpers: Bool

    private static let bytesMax = 1 << 20

    private struct File: Decodable {
        struct Entry: Decodable {
            let auth: String?
            let username: String?
            let password: String?
        }

        let auths: [String: Entry]?
        let credsStore: String?
        let credHelpers: [String: String]?
    }

    /// Reads `file`, which has to be there, else the first of `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json` and
    /// `~/.docker/config.json` that is.
    package static func load(
        _ file: String?, environment: (String) -> String? = { name in getenv(name).map { String(cString: $0) } }
    ) throws(FetchError) -> DockerCredentials {
        if let file {
            guard let bytes = read(file) else { throw FetchError(.usage, "\(file) cannot be read, or is too large") }
            return try DockerCredentials(bytes, path: file)
        }
        let candidates = [
            environment("REGISTRY_AUTH_FILE"), environment("DOCKER_CONFIG").map { $0 + "/config.json" },
            environment("HOME").map { $0 + "/.docker/config.json" },
        ]
        for case let path? in candidates {
            if let bytes = read(path) { return try DockerCredentials(bytes, path: path) }
        }
        return DockerCredentials(entries: [:], path: nil, namesHelpers: false)
    }

    init(_ bytes: [UInt8], path: String) throws(FetchError) {
        let file: File
        do {
            file = try JSONDecoder().decode(File.self, from: Data(bytes))
        } catch {
            throw FetchError(.usage, "\(path) is not a config.json as docker login writes it")
        }
        var entries: [String: String] = [:]
        for (name, entry) in file.auths ?? [:] {
            if let auth = entry.auth, !auth.isEmpty {
                entries[name] = auth
            } else if let user = entry.username, let password = entry.password {
                entries[name] = Data("\(user):\(password)".utf8).base64EncodedString()
            }
        }
        self.init(entries: entries, path: path, namesHelpers: file.credsStore != nil || file.credHelpers != nil)
    }

    private init(entries: [String: String], path: String?, namesHelpers: Bool) {
        self.entries = entries
        self.path = path
        self.namesHelpers = namesHelpers
    }

    /// The value of an `Authorization` header for a registry, or for what of it the longest matching entry names.
    package func basic(for host: RegistryHost, _ repository: RepositoryName? = nil) -> String? {
        auth(for: host, repository).map { "Basic " + $0 }
    }

    /// The same for who wants them apart; `nil` also when the entry is no `user:password` in base64.
    package func login(
        for host: RegistryHost, _ repository: RepositoryName? = nil
    ) -> (user: String, password: String)? {
        guard let auth = auth(for: host, repository), let bytes = Data(base64Encoded: auth),
            let text = String(validating: bytes, as: UTF8.self), let colon = text.firstIndex(of: ":")
        else { return nil }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }

    private func auth(for host: RegistryHost, _ repository: RepositoryName?) -> String? {
        var names = [host.description]
        for part in repository?.text.split(separator: "/") ?? [] { names.append("\(names.last ?? "")/\(part)") }
        names.reverse()
        if host.canonical == .dockerHub { names += ["index.docker.io", "https://index.docker.io/v1/"] }
        names += ["https://\(host)", "https://\(host)/", "http://\(host)", "https://\(host)/v2/", "https://\(host)/v1/"]
        for name in names {
            if let auth = entries[name], auth.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) { return auth }
        }
        return nil
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content = [UInt8](repeating: 0, count: bytesMax + 1)
        var count = 0
        while count < content.count {
            let got = content.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
            }
            guard got >= 0 else { return nil }
            if got == 0 { return Array(content[..<count]) }
            count += got
        }
        return nil
    }
}
