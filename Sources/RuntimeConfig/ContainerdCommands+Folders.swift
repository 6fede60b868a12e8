import Glibc

extension ContainerdCommands {
    /// Removes a folder that we made and that is empty again: containerd would find it and look no further.
    func removeFolder(_ path: String) -> Bool { rmdir(path) == 0 }

    /// Whether containerd reads the file only when it starts: the main file or an imported one.
    func isConfiguration(_ change: FileChange) -> Bool { isConfiguration(change.path) }

    func isConfiguration(_ path: String) -> Bool {
        path == options.config || Path.name(path) != "hosts.toml"
    }
}
