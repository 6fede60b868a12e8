/// A node as a distribution ships it, and what the chart's step is to make of it.
struct Distribution: Sendable, CustomStringConvertible {
    enum Expectation: Sendable {
        /// Files change, and containerd is restarted for it or not.
        case wired(restarts: Bool)
        /// Nothing changes; the words are in the advice.
        case refused([String])
    }

    let name: String
    let files: [String: String]
    /// Arguments of the containerd that runs; `nil` for a release that is not this machine's, which only files tell of.
    var containerd: [String]?
    /// Further arguments of the step.
    var arguments: [String] = []
    let expectation: Expectation

    var description: String { name }

    static let configPath = "/etc/containerd/config.toml"

    static let all = [debian, kubeadm, kind, eks, eksWithContainerd2, eksThatKeepsLayers, aks, k3s]

    /// The file of the package containerd of Debian 12.
    static let debian = Distribution(
        name: "Debian 12",
        files: [
            configPath: """
                version = 2

                [plugins]
                  [plugins."io.containerd.grpc.v1.cri"]
                    [plugins."io.containerd.grpc.v1.cri".cni]
                      bin_dir = "/usr/lib/cni"
                      conf_dir = "/etc/cni/net.d"
                  [plugins."io.containerd.internal.v1.opt"]
                    path = "/var/lib/containerd/opt"

                """
        ],
        containerd: [], expectation: .wired(restarts: true))

    /// What kubeadm's guide says to write: `containerd config default`, with systemd's cgroups. The test makes it.
    static let kubeadm = Distribution(
        name: "kubeadm", files: [:], containerd: [], expectation: .wired(restarts: true))

    static let kind = Distribution(
        name: "kind",
        files: [
            configPath: """
                # explicitly use v2 config format
                version = 2

                [plugins."io.containerd.grpc.v1.cri".containerd]
                  # save disk space when using a single snapshotter
                  discard_unpacked_layers = true
                  snapshotter = "overlayfs"
                  default_runtime_name = "runc"
                  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
                    runtime_type = "io.containerd.runc.v2"
                    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
                      SystemdCgroup = true

                [plugins."io.containerd.grpc.v1.cri"]
                  sandbox_image = "registry.k8s.io/pause:3.7"
                  tolerate_missing_hugetlb_controller = true
                  restrict_oom_score_adj = false

                """
        ],
        containerd: [], expectation: .wired(restarts: true))

    /// Amazon Linux 2023, as nodeadm writes it for containerd 1.7.
    static let eks = Distribution(
        name: "EKS",
        files: [
            configPath: """
                version = 2
                root = "/var/lib/containerd"
                state = "/run/containerd"

                [grpc]
                address = "/run/containerd/containerd.sock"

                [plugins."io.containerd.grpc.v1.cri"]
                sandbox_image = "localhost/kubernetes/pause"

                [plugins."io.containerd.grpc.v1.cri".registry]
                config_path = "/etc/containerd/certs.d:/etc/docker/certs.d"

                [plugins."io.containerd.grpc.v1.cri".containerd]
                default_runtime_name = "runc"
                discard_unpacked_layers = true

                [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
                runtime_type = "io.containerd.runc.v2"

                [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
                BinaryName = "/usr/sbin/runc"
                SystemdCgroup = true

                [plugins."io.containerd.grpc.v1.cri".cni]
                bin_dir = "/opt/cni/bin"
                conf_dir = "/etc/cni/net.d"

                """
        ],
        containerd: [], expectation: .wired(restarts: false))

    /// The same for containerd 2.1. As it is shipped, the list of folders still works: throwing layers away turns
    /// containerd's own way of pulling off.
    static let eksWithContainerd2 = Distribution(
        name: "EKS with containerd 2.1", files: eksFiles(discards: true), arguments: eksArguments,
        expectation: .wired(restarts: false))

    /// Told to keep layers, it takes the list for the name of one folder.
    static let eksThatKeepsLayers = Distribution(
        name: "EKS with containerd 2.1 that keeps layers", files: eksFiles(discards: false), arguments: eksArguments,
        expectation: .refused(["/etc/containerd/certs.d:/etc/docker/certs.d", "--migrate"]))

    private static let eksArguments = ["--containerd-version=2.1.9", "--config=" + configPath]

    private static func eksFiles(discards: Bool) -> [String: String] {
        [
            configPath: """
                version = 3
                root = "/var/lib/containerd"
                state = "/run/containerd"

                [plugins."io.containerd.cri.v1.images"]
                discard_unpacked_layers = \(discards)

                [plugins."io.containerd.cri.v1.images".registry]
                config_path = "/etc/containerd/certs.d:/etc/docker/certs.d"

                """
        ]
    }

    /// With containerd 2, whose plugin's name stands in a file of version 2.
    static let aks = Distribution(
        name: "AKS",
        files: [
            configPath: """
                version = 2
                oom_score = -999
                [plugins."io.containerd.cri.v1.images"]
                  [plugins."io.containerd.cri.v1.images".registry]
                    config_path = "/etc/containerd/certs.d"
                  [plugins."io.containerd.cri.v1.images".registry.headers]
                    X-Meta-Source-Client = ["azure/aks"]
                [metrics]
                  address = "0.0.0.0:10257"

                """,
            "/etc/containerd/certs.d/mcr.microsoft.com/hosts.toml": """
                server = "https://mcr.microsoft.com"

                [host."https://mcr.azure.example"]
                  capabilities = ["pull", "resolve"]

                """,
        ],
        arguments: [
            "--containerd-version=2.0.11", "--config=" + configPath, "--registry=mcr.microsoft.com",
        ],
        expectation: .wired(restarts: false))

    static let k3sConfig = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"

    static let k3s = Distribution(
        name: "k3s",
        files: [
            k3sConfig: """
                # File generated by k3s. DO NOT EDIT. Use config.toml.tmpl instead.
                version = 2

                [plugins."io.containerd.internal.v1.opt"]
                  path = "/var/lib/rancher/k3s/agent/containerd"

                [plugins."io.containerd.grpc.v1.cri".registry]
                  config_path = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d"

                """,
            "/etc/rancher/k3s/registries.yaml": "# mine\nmirrors:\n  other.example:\n",
        ],
        containerd: [
            "-c", k3sConfig, "-a", "/run/k3s/containerd/containerd.sock", "--state", "/run/k3s/containerd",
            "--root", "/var/lib/rancher/k3s/agent/containerd",
        ],
        expectation: .refused(["k3s writes this file anew at each start", "hawker runtime apply --runtime k3s"]))
}
