import Glibc

extension ContainerdCommands {
    /// Removes a folder that we made and that is empty again: containerd would find it and look no further.
    func removeFolder(_ path: String) -> Bool { rmdir(path) == 0 }
}
