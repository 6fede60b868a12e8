import TestSupport

extension Containerd {
    /// What an operator runs on a node, before `start`.
    func configure(mode: String, mirror: NodeProcess, _ registry: DockerRegistry) async throws {
        try await ChildProcess.check(
            [
                try NodeProcess.binaryPath(), "containerd", "apply", "--mode", mode,
                "--config", configPath, "--hosts-dir", configPath + ".certs.d",
                "--state-dir", configPath + ".hawker-state",
                "--registry", "\(registry.host)=\(registry.url)", "--mirror", mirror.mirrorURL,
            ])
    }

    /// Through CRI, as the kubelet would; containerd checks every digest.
    func pull(_ reference: String) async throws {
        try await ChildProcess.check(
            [
                try NodeProcess.binaryPath(), "containerd", "verify", "--containerd-only", "--socket", socketPath,
                "--image", reference,
            ])
    }
}
