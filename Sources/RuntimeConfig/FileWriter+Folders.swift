import Glibc

extension FileWriter {
    /// Whether a folder went; one that is in use says so by not going away.
    static func removeEmptyFolder(_ path: String) -> Bool { rmdir(path) == 0 }
}
