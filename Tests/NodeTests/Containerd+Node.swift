import TestSupport

extension Containerd {
    /// What an operator runs on a node, before `start`.
    func configure(mode: String, mirror: NodeProcess, _ registry: DockerRegistry) async throws {
        try await configure(mode: mode, mirror: mirror, host: registry.host, url: registry.url)
    }

    func configure(mode: String, mirror: NodeProcess, host: String, url: String) async throws {
        try await ChildProcess.check(
            [
                try NodeProcess.binaryPath(), "containerd", "apply", "--mode", mode,
                "--config", configPath, "--hosts-dir", configPath + ".certs.d",
                "--state-dir", configPath + ".hawker-state",
                "--registry", "\(host)=\(url)", "--mirror", mirror.mirrorURL,
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

extension Containerd {
    /// Removes the image and waits until its content is gone too, so that many pulls need the room of a few.
    func forget(_ reference: String) async throws {
        _ = try await ChildProcess.run(
            ["ctr", "--address", socketPath, "--namespace", "k8s.io", "images", "rm", "--sync", reference])
    }
}
