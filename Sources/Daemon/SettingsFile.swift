import Glibc
import OCIModel
import PeerDirectory
import TOMLEdit

/// Why a settings file was not taken; nothing of it is in force then.
package struct SettingsError: Error, Equatable, Sendable, CustomStringConvertible {
    package var file: String
    /// Counted from 1; 0 when the error is of no line.
    package var line: Int
    package var reason: String

    package var description: String { line > 0 ? "\(file):\(line): \(reason)" : "\(file): \(reason)" }
}

extension Settings {
    package static let defaultFile = "/etc/hawker/hawker.toml"

    /// Reads and checks a settings file. `nil` means the default file, which may be missing: then the defaults hold.
    package static func load(file: String?) throws(SettingsError) -> Settings {
        try SettingsFile.load(file: file).settings
    }

    /// Reads and checks the content of a settings file; `file` is its name for errors.
    package static func parse(_ content: [UInt8], file: String) throws(SettingsError) -> Settings {
        try SettingsFile.parse(content, file: file).settings
    }
}

/// A settings file that was read and found right.
package struct SettingsFile: Sendable {
    package let settings: Settings
    /// What the file says, by key; of a registry's keys as `registry.KEY of HOST`.
    let given: [String: TOMLNode]

    static let bytesMax = 1 << 20

    /// As `Settings.load`.
    package static func load(file: String?) throws(SettingsError) -> SettingsFile {
        let path = file ?? Settings.defaultFile
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if file == nil, errno == ENOENT { return SettingsFile(settings: .defaults(), given: [:]) }
            throw SettingsError(file: path, line: 0, reason: "cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var content = [UInt8](repeating: 0, count: bytesMax + 1)
        var count = 0
        while count < content.count {
            let got = content.withUnsafeMutableBytes { buffer in
                read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
            }
            guard got >= 0 else {
                throw SettingsError(file: path, line: 0, reason: "cannot be read: \(String(cString: strerror(errno)))")
            }
            if got == 0 { break }
            count += got
        }
        guard count <= bytesMax else {
            throw SettingsError(file: path, line: 0, reason: "is larger than \(bytesMax) bytes")
        }
        return try parse(Array(content[..<count]), file: path)
    }

    static func parse(_ content: [UInt8], file: String) throws(SettingsError) -> SettingsFile {
        let document: TOMLDocument
        do throws(TOMLError) {
            document = try TOMLDocument(content)
        } catch {
            throw SettingsError(file: file, line: error.line, reason: "\(error)")
        }
        var reader = SettingsReader(file: file, document: document)
        try reader.read()
        return SettingsFile(settings: reader.settings, given: reader.given)
    }
}

/// Turns a parsed settings file into `Settings`: every key known, every value checked, or an error with its line.
private struct SettingsReader {
    let file: String
    let document: TOMLDocument
    var settings = Settings.defaults()
    var given: [String: TOMLNode] = [:]

    init(file: String, document: TOMLDocument) {
        self.file = file
        self.document = document
    }

    mutating func read() throws(SettingsError) {
        for name in document.keys(at: []) {
            let line = document.line(of: [name]) ?? 0
            if name == "registry" {
                try readRegistries(line)
                continue
            }
            guard let members = document.root[[name]]?.table else { throw unknown(name, line) }
            guard SettingsKeys.all.contains(where: { $0.path.hasPrefix(name + ".") }) else { throw unknown(name, line) }
            try readTable([name], members)
        }
        try checkPeers()
    }

    /// Keys of a table, and of tables in it that have keys.
    private mutating func readTable(_ place: [String], _ members: [String: TOMLNode]) throws(SettingsError) {
        for key in document.keys(at: place) {
            guard let value = members[key] else { continue }
            let path = (place + [key]).joined(separator: ".")
            if let inner = value.table, SettingsKeys.all.contains(where: { $0.path.hasPrefix(path + ".") }) {
                try readTable(place + [key], inner)
                continue
            }
            try apply(SettingsKeys.all, path: path, value, document.line(of: place + [key]) ?? 0)
            given[path] = value
        }
    }

    /// What no key can know alone.
    private func checkPeers() throws(SettingsError) {
        let line = document.line(of: ["peers"]) ?? 0
        let needListen = [
            ("static", !settings.staticPeers.isEmpty), ("dns", settings.peersDNS != nil),
            ("redis", !settings.peersRedis.isEmpty), ("advertise", settings.peersAdvertise != nil),
        ]
        if settings.peersListen == nil, let (key, _) = needListen.first(where: \.1) {
            throw fail(line, "peers.\(key) needs peers.listen: peers ask each other")
        }
        if let problem = settings.trustProblem { throw fail(line, problem) }
        if settings.peersRedisUser != nil, settings.peersRedisPasswordFile == nil {
            throw fail(line, "peers.redis_user needs peers.redis_password_file")
        }
        if settings.peersRedisPasswordFile != nil, settings.peersRedis.isEmpty {
            throw fail(line, "peers.redis_password_file needs peers.redis: no server is named")
        }
        if (settings.peersRedisCertificateFile == nil) != (settings.peersRedisKeyFile == nil) {
            throw fail(line, "peers.redis_cert_file and peers.redis_key_file need each other")
        }
        let namesTLSFile = (settings.peersRedisAuthoritiesFile ?? settings.peersRedisCertificateFile) != nil
        if namesTLSFile, !settings.peersRedis.contains(where: \.isSecure) {
            throw fail(line, "peers.redis_ca_file and redis_cert_file need a rediss:// server in peers.redis")
        }
    }

    private func checkRegistry(_ registry: RegistrySettings, _ line: Int) throws(SettingsError) {
        if (registry.certificateFile == nil) != (registry.keyFile == nil) {
            throw fail(line, "registry \(registry.host) needs cert_file and key_file, or neither")
        }
        if registry.overridesPath, registry.url == nil {
            throw fail(line, "registry \(registry.host): override_path needs a url with a path")
        }
    }

    private mutating func readRegistries(_ line: Int) throws(SettingsError) {
        guard case .array(let entries) = document.root[["registry"]] else {
            throw fail(line, "write each registry as [[registry]], with double brackets")
        }
        for (number, entry) in entries.enumerated() {
            let place = document.line(ofElement: number, at: ["registry"], key: nil) ?? line
            guard let members = entry.table, let name = members["host"]?.string, let host = RegistryHost(name) else {
                throw fail(place, "each [[registry]] needs host = \"HOST\" or \"HOST:PORT\"")
            }
            guard !settings.registries.contains(where: { $0.host == host }) else {
                throw fail(place, "registry \(host) is listed twice")
            }
            settings.registries.append(RegistrySettings(host: host))
            for (key, value) in members.sorted(by: { $0.key < $1.key }) {
                let at = document.line(ofElement: number, at: ["registry"], key: key) ?? place
                try apply(SettingsKeys.registry, path: "registry.\(key)", value, at)
                given["registry.\(key) of \(host)"] = value
            }
            if let last = settings.registries.last { try checkRegistry(last, place) }
        }
    }

    private mutating func apply(
        _ keys: [SettingsKey], path: String, _ value: TOMLNode, _ line: Int
    ) throws(SettingsError) {
        guard let key = keys.first(where: { $0.path == path }) else { throw unknown(path, line) }
        guard key.read(value, &settings) else { throw fail(line, "\(path): expected \(key.expected)") }
    }

    private func unknown(_ path: String, _ line: Int) -> SettingsError {
        let known = (SettingsKeys.all + SettingsKeys.registry).map(\.path)
        let near = known.first { $0.split(separator: ".").last == path.split(separator: ".").last }
        return fail(line, "unknown key \(path); \(near.map { "did you mean \($0)?" } ?? "`hawker config default` lists all")")
    }

    private func fail(_ line: Int, _ reason: String) -> SettingsError {
        SettingsError(file: file, line: line, reason: reason)
    }
}
