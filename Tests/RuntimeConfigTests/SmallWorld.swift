import CRIClient
import EventLoop
import Foundation
import Glibc
import TestSupport

/// Registries, and the mirror in front of them, in a network of their own: every name leads to them.
///
/// `World/registries.py` says what they answer and what they write down.
final class SmallWorld: Sendable {
    static let mirrorPort = 4001

    let folder: TemporaryFolder
    let process: ChildProcess
    private let names: [String]

    /// `authorities` are all hosts, with their ports, that anybody may ask for.
    init(script: String, authorities: Set<String>) async throws {
        folder = try TemporaryFolder("world")
        let parts = authorities.map { $0.split(separator: ":") }
        names = Set(parts.map { String($0[0]) }).union(["localhost"]).sorted()
        let ports = Set(parts.compactMap { $0.count > 1 ? String($0[1]) : nil }).union(["80", "443"])
            .subtracting([String(Self.mirrorPort)])
        let addresses = names.filter { Self.isAddress($0) && !$0.hasPrefix("127.") }
        let links = ["ip link set lo up"] + addresses.map { "ip address add \($0)/32 dev lo" }
        let server = ["exec python3", script, folder.path, "\(Self.mirrorPort)"] + ports.sorted() + ["--"] + names
        process = try ChildProcess(
            ["unshare", "--net", "sh", "-c", (links + [server.joined(separator: " ")]).joined(separator: " && ")],
            logPath: folder.path("world.log")
        )
        try await eventually("the mirror listens") {
            try process.requireRunning()
            return requests.contains("mirror started")
        }
    }

    private static func isAddress(_ name: String) -> Bool { name.allSatisfy { $0.isNumber || $0 == "." } }

    /// What was asked so far, a line each.
    var requests: [String] {
        let text = (try? String(contentsOfFile: folder.path("requests.log"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    /// Lines of /etc/hosts.
    var hosts: String {
        names.filter { !Self.isAddress($0) }.map { "127.0.0.1 \($0)\n" }.joined()
    }

    /// Only these answer as registries from now on.
    func serve(_ authorities: [String]) throws {
        try folder.write("registries", authorities.joined(separator: "\n"))
    }

    var isMirrorUp: Bool { requests.last { $0 == "mirror started" || $0 == "mirror stopped" } == "mirror started" }

    func setMirror(isUp: Bool) async throws {
        let count = requests.count
        process.send(isUp ? SIGUSR2 : SIGUSR1)
        let word = isUp ? "mirror started" : "mirror stopped"
        try await eventually(word) { requests.dropFirst(count).contains(word) }
    }
}

/// A containerd of such a world that finds the given files where they are named, byte for byte, and in the folders that
/// can hold containerd's configuration nothing of the machine's.
struct PlacedContainerd {
    let folder: TemporaryFolder
    let process: ChildProcess
    let socket: String

    init(_ files: [String: [UInt8]], in world: SmallWorld) throws {
        folder = try TemporaryFolder("corpus")
        socket = folder.path("run.sock")
        let files = files.merging(try Self.certificates(for: files, of: world)) { $1 }
        for (path, bytes) in files { try folder.write("files" + path, bytes) }
        try folder.write("hosts", world.hosts)
        // An overlay over everything, so that no path has to change for the test.
        let script = """
            mkdir over && mount -t tmpfs none over && mkdir over/upper over/work over/all &&
            mount -t overlay overlay -o lowerdir=/,upperdir=over/upper,workdir=over/work over/all &&
            rm -rf over/all/etc/containerd over/all/etc/docker over/all/opt/* &&
            mkdir over/all/etc/containerd && cp -r files/. over/all/ && cp hosts over/all/etc/hosts &&
            for name in proc sys dev run; do mount --rbind /$name over/all/$name; done &&
            mount --bind . over/all\(folder.path) &&
            exec chroot over/all containerd --config /etc/containerd/config.toml --root \(folder.path("root")) \
            --state \(folder.path("state")) --address \(socket) --log-level warn
            """
        process = try ChildProcess(
            [
                "nsenter", "--net=/proc/\(world.process.pid)/ns/net", "unshare", "--mount", "--propagation",
                "private", "sh", "-c", script,
            ],
            environment: ["SSL_CERT_FILE": "\(world.folder.path)/ca.pem"],
            folder: folder.path,
            logPath: folder.path("containerd.log")
        )
    }

    /// Real ones for every certificate that the files name or are: a missing one fails each pull.
    private static func certificates(
        for files: [String: [UInt8]], of world: SmallWorld
    ) throws -> [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        let real = { (name: String) in
            try world.folder.read(
                name.hasSuffix(".key") ? "client.key" : name.contains("client") ? "client.pem" : "ca.pem")
        }
        for (path, bytes) in files {
            if [".crt", ".cert", ".key"].contains(where: path.hasSuffix) { result[path] = try real(path) }
            let text = String(decoding: bytes, as: UTF8.self)
            let folder = URL(filePath: path).deletingLastPathComponent().path
            for match in text.matches(of: /["']([A-Za-z0-9\/._-]+\.(crt|pem|cert|key))["']/) {
                let name = String(match.1)
                result[name.hasPrefix("/") ? name : folder + "/" + name] = try real(name)
            }
        }
        return result
    }

    /// What containerd says of its CRI plugin once it answers.
    @LoopActor
    func state() async throws -> CRIState {
        let client = CRIClient(socket: socket)
        var last: CRIState?
        try await eventually("containerd answers", within: 30) { @LoopActor in
            try process.requireRunning()
            last = try? await client.criState()  // Not listening yet.
            return last != nil
        }
        guard let last else { throw TestFailure("no answer") }
        return last
    }

    @LoopActor
    func pull(_ image: String) async throws {
        try await CRIClient(socket: socket).pull(image, deadlineMillis: 30_000)
    }
}
