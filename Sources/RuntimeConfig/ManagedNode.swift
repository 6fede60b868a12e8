/// Nodes and files that another program writes anew, so that an edit would be lost or is not possible.
enum ManagedNode {
    /// Throws a `Refusal` that names the right place when the file, or the whole system, is managed.
    static func refuse(config: String, tree: any FileTree) throws(Refusal) {
        if let finding = file(config) ?? system(config, tree: tree) { throw Refusal(finding) }
    }

    private static func finding(_ config: String, _ message: String, _ remedy: String) -> Finding {
        Finding(.broken, .managedFile, file: config, message, remedy: remedy)
    }

    private static func file(_ config: String) -> Finding? {
        for (folder, name) in [("/var/lib/rancher/k3s/", "k3s"), ("/var/lib/rancher/rke2/", "rke2")]
        where config.hasPrefix(folder) {
            return finding(
                config, "\(name) writes this file at every start",
                "hawker runtime apply --runtime \(name), which sets the mirror in /etc/rancher/\(name)/registries.yaml"
            )
        }
        return nil
    }

    /// By `ID` of os-release(5).
    private static func system(_ config: String, tree: any FileTree) -> Finding? {
        guard case .success(let bytes) = tree.read("/etc/os-release") else { return nil }
        let id = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            .first { $0.hasPrefix("ID=") }.map { $0.dropFirst(3).filter { $0 != "\"" && $0 != "'" } }
        switch id {
        case "bottlerocket":
            return finding(
                config, "Bottlerocket makes this file from its settings",
                "set settings.container-registry.mirrors with apiclient or in the node's user data")
        case "talos":
            return finding(
                config, "Talos makes this file from the machine configuration",
                "set machine.registries.mirrors (from 1.13 on a RegistryMirrorConfig document) with talosctl")
        case "cos":
            return finding(
                config, "GKE writes the node's configuration and loses edits",
                "set registryHosts in the node pool's containerd configuration (gcloud container node-pools update"
                    + " --containerd-config-from-file)")
        default: return nil
        }
    }
}
