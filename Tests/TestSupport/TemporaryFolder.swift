import Foundation
import Glibc

/// A folder under the system's temporary folder that goes away, with everything in it, with its last
/// reference. Mode 0700, owned by the running user.
package final class TemporaryFolder: Sendable {
    /// Absolute, without a trailing slash and without symbolic links.
    package let path: String

    package init(_ purpose: String = "test") throws {
        let base = FileManager.default.temporaryDirectory.resolvingSymlinksInPath().path
        var template = Array("\(base)/hawker-\(purpose).XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            throw TestFailure("cannot make a folder in \(base): \(String(cString: strerror(errno)))")
        }
        path = String(cString: made)
    }

    deinit {
        remove()
    }

    /// The absolute path of an entry, which need not exist.
    package func path(_ entry: String) -> String { "\(path)/\(entry)" }

    /// Makes a folder, with those above it, and returns its absolute path.
    package func makeFolder(_ entry: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path(entry), withIntermediateDirectories: true)
        return path(entry)
    }

    /// Writes a file, making the folders above it, and returns its absolute path.
    @discardableResult
    package func write(_ entry: String, _ bytes: [UInt8]) throws -> String {
        let target = URL(fileURLWithPath: path(entry))
        try FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try Data(bytes).write(to: target)
        return target.path
    }

    @discardableResult
    package func write(_ entry: String, _ text: String) throws -> String {
        try write(entry, Array(text.utf8))
    }

    package func read(_ entry: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path(entry))))
    }

    private func remove() {
        // A snapshot of a killed container runtime may still be mounted inside; it must not keep the folder.
        unmountAllInside()
        try? FileManager.default.removeItem(atPath: path)  // What is left is the temporary folder's to clean.
    }

    private func unmountAllInside() {
        guard let mounts = try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8) else { return }
        let inside = mounts.split(separator: "\n")
            .compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) }
            .filter { $0.hasPrefix(path + "/") }
        for mountPoint in inside.reversed() {
            umount2(mountPoint, Int32(MNT_DETACH))
        }
    }
}
