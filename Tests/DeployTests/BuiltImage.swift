import Foundation
import TestSupport

/// The image as Scripts/deploy/image/build makes it, and as a container runtime unpacks it.
final class BuiltImage: Sendable {
    private static let tag = "test"
    private static let user = 64123

    let folder: TemporaryFolder

    var reference: String { folder.path("layout:\(Self.tag)") }
    /// Its root file system.
    var root: String { folder.path("bundle/rootfs") }

    init() async throws {
        folder = try TemporaryFolder("image")
        try await ChildProcess.check(
            [Deploy.path("image/build"), "--out", folder.path("layout"), "--tag", Self.tag] + Deploy.binary(),
            environment: Deploy.time, within: Deploy.buildSeconds)
        try await ChildProcess.check(["umoci", "unpack", "--image", reference, folder.path("bundle")])
    }

    /// Of the image's manifest.
    var digest: String {
        get throws {
            struct Index: Decodable {
                struct Entry: Decodable { let digest: String }
                let manifests: [Entry]
            }
            let index = try JSONDecoder().decode(Index.self, from: Data(folder.read("layout/index.json")))
            return index.manifests.first?.digest ?? ""
        }
    }

    /// Of all its files.
    func unpackedBytes() async throws -> Int {
        let text = try await ChildProcess.check(["du", "--summarize", "--apparent-size", "--bytes", root])
        return Int(text.prefix { $0.isNumber }) ?? .max
    }

    /// Runs a program of the image to its end.
    func run(_ command: [String], user: Int) async throws -> ChildProcess.Output {
        let name = "run-\(UInt32.random(in: 0...UInt32.max))"
        try configure(name, command, user: user, mounts: [])
        return try await ChildProcess.run(["runc", "run", "--bundle", folder.path(name), "hawker-\(name)"])
    }

    /// Runs the daemon as the chart does: on the host's network, its root read-only, as its own user, able to nothing.
    func startDaemon(settings: String) async throws -> ChildProcess {
        try folder.write("settings/hawker.toml", settings)
        var mounts = [["/etc/hawker", folder.path("settings"), "ro"]]
        for name in ["/run/hawker", "/var/lib/dragonfly/content"] {
            let place = try folder.makeFolder("writable\(name)")
            try await ChildProcess.check(["chmod", "700", place])
            try await ChildProcess.check(["chown", "\(Self.user)", place])
            mounts.append([name, place, "rw"])
        }
        let name = "daemon-\(UInt32.random(in: 0...UInt32.max))"
        try configure(name, ["/usr/bin/hawker", "daemon"], user: Self.user, mounts: mounts)
        return try ChildProcess(
            ["runc", "run", "--bundle", folder.path(name), "hawker-\(name)"], logPath: folder.path("daemon.log"))
    }

    /// Of content in the daemon's cache.
    var cachedBytes: Int {
        get throws {
            let path = folder.path("writable/var/lib/dragonfly/content/blobs")
            let names = FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []
            return try names.reduce(0) { sum, name in
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")
                guard attributes[.type] as? FileAttributeType == .typeRegular else { return sum }
                return sum + (attributes[.size] as? Int ?? 0)
            }
        }
    }

    /// A bundle of its own on the same files, changed from umoci's to what a pod of the chart gets.
    private func configure(_ name: String, _ command: [String], user: Int, mounts: [[String]]) throws {
        let text = try folder.read("bundle/config.json")
        guard var config = try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any],
            var process = config["process"] as? [String: Any], var linux = config["linux"] as? [String: Any],
            let namespaces = linux["namespaces"] as? [[String: Any]], let own = config["mounts"] as? [[String: Any]]
        else { throw TestFailure("umoci wrote another config.json") }
        process["terminal"] = false
        process["args"] = command
        process["user"] = ["uid": user, "gid": user]
        process["noNewPrivileges"] = true
        process["capabilities"] = ["bounding", "effective", "inheritable", "permitted", "ambient"].reduce(into: [:]) {
            $0[$1] = [String]()
        }
        linux["namespaces"] = namespaces.filter { ["pid", "ipc", "mount"].contains($0["type"] as? String) }
        linux["resources"] = nil
        linux["cgroupsPath"] = "/hawker-\(name)"
        config["process"] = process
        config["linux"] = linux
        config["hostname"] = nil
        config["root"] = ["path": root, "readonly": true]
        // Control groups of a container differ from machine to machine, and are not what is looked at.
        config["mounts"] =
            own.filter { $0["type"] as? String != "cgroup" }
            + mounts.map { ["destination": $0[0], "source": $0[1], "type": "bind", "options": ["bind", $0[2]]] }
        try folder.write("\(name)/config.json", Array(JSONSerialization.data(withJSONObject: config)))
    }
}
