import Foundation
import TestSupport

/// A copy of the repository on a machine with Helm and kubectl: both are stood in for by programs that render the chart
/// with Helm's own SDK and know what objects it makes, because no cluster is at hand.
final class BuildMachine: Sendable {
    let folder: TemporaryFolder

    init() async throws {
        folder = try TemporaryFolder("machine")
        for entry in ["Scripts", "README.md"] {
            try await ChildProcess.check(["cp", "--recursive", "\(Deploy.root)/\(entry)", folder.path])
        }
        let python = Deploy.root + "/.build/chart-python/bin/python"
        for name in ["helm", "kubectl"] {
            let program = try Deploy.program("cluster.py")
            try folder.write("bin/\(name)", "#!/bin/sh\nexec \(python) \(program) \(name) \"$@\"\n")
        }
        // The registry of the pages is the test's own, without TLS.
        try folder.write(
            "bin/skopeo",
            """
            #!/bin/sh
            for word; do
                shift
                case $word in docker://registry.example/*) word=docker://$REGISTRY/${word#docker://*/} ;; esac
                set -- "$@" "$word"
            done
            exec /usr/bin/skopeo "$@" --dest-tls-verify=false

            """)
        try await ChildProcess.check(["chmod", "-R", "755", folder.path("bin")])
    }

    /// Runs a line of shell in the repository's folder.
    func run(_ line: String, registry: String = "") async throws -> ChildProcess.Output {
        let path = "\(folder.path("bin")):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return try await ChildProcess.run(
            ["bash", "-c", line],
            environment: [
                "PATH": path, "REGISTRY": registry, "HAWKER_RELEASE": try await Deploy.release(),
                "HAWKER": try NodeProcess.binaryPath(), "CLUSTER": folder.path("cluster.json"),
            ], folder: folder.path, within: Deploy.buildSeconds)
    }

    /// The next version, in the place of the packages that are there.
    func placeNewerPackage(in place: String) async throws {
        try await run("mkdir -p newer && Scripts/deploy/deb/build --out newer --version 9.0").requireSuccess()
        try await run("rm -f \(place)/hawker_*.deb && cp newer/*.deb \(place)").requireSuccess()
    }
}
