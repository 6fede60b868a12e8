/// A container runtime other than a plain containerd.
package enum OtherRuntime: String, CaseIterable, Sendable {
    /// With Buildah and Skopeo, which read the same files.
    case podman
    case crio
    case docker
    case k3s
    case rke2

    package var configDefault: String {
        switch self {
        case .podman, .crio: "/etc/containers/registries.conf"
        case .docker: "/etc/docker/daemon.json"
        case .k3s: "/etc/rancher/k3s/registries.yaml"
        case .rke2: "/etc/rancher/rke2/registries.yaml"
        }
    }

    /// What has to be done before a change counts; `nil` where every pull reads the files.
    var activation: String? {
        switch self {
        case .podman: nil
        case .crio: "systemctl reload crio"
        case .docker: "systemctl reload docker"
        case .k3s: "systemctl restart k3s, or k3s-agent on an agent"
        case .rke2: "systemctl restart rke2-server, or rke2-agent on an agent"
        }
    }
}

/// What the commands below `hawker runtime` are given.
package struct OtherRuntimeOptions: Sendable {
    package var runtime: OtherRuntime
    package var config: String
    package var registries: [RegistryTarget] = []
    package var mirror: Endpoint
    package var stateDirectory = "/var/lib/hawker/runtimes"
    package var isDryRun = false
    package var isJSON = false

    package init(runtime: OtherRuntime, mirror: Endpoint) {
        self.runtime = runtime
        config = runtime.configDefault
        self.mirror = mirror
    }
}

/// What a runtime's files are to say, and what they say.
///
/// Planners are pure: they read a tree and give bytes. Each proves its plan by reading the planned bytes with
/// the reader that `inspect` uses.
protocol RuntimePlanner: Sendable {
    init(config: String, mirror: Endpoint)

    /// What the runtime asks for each registry with the files as they are.
    func inspect(_ targets: [RegistryTarget], tree: any FileTree) throws(Refusal) -> RuntimeState

    /// The changes that put the mirror in front of each registry.
    func plan(_ targets: [RegistryTarget], tree: any FileTree) throws(Refusal) -> RuntimePlan

    /// Whether the runtime could read a file with these bytes.
    func isReadable(_ bytes: [UInt8]) -> Bool
}

struct RuntimeState {
    /// One for each target, in order.
    var registries: [RegistryReport] = []
    var findings: [Finding] = []
}

struct RuntimePlan {
    var changes: [FileChange] = []
    var findings: [Finding] = []
}

extension OtherRuntimeOptions {
    var planner: any RuntimePlanner {
        switch runtime {
        case .podman, .crio: RegistriesConfPlanner(config: config, mirror: mirror)
        case .docker: DockerDaemonPlanner(config: config, mirror: mirror)
        case .k3s, .rke2: K3sRegistriesPlanner(config: config, mirror: mirror)
        }
    }
}
