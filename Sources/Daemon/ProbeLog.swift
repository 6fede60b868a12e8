import EventLoop
import OCIModel

/// The newest probes that came to the mirror: requests for repositories that exist nowhere, by which `hawker containerd
/// verify` sees that containerd asks here.
@LoopActor
final class ProbeLog {
    private(set) var names: [String] = []

    private static let prefix = "hawker-probe/"
    private static let namesMax = 16

    /// Whether a request is a probe, which no registry needs to be asked about.
    func take(_ registry: RegistryHost, _ repository: RepositoryName, _ reference: ManifestReference) -> Bool {
        guard repository.text.hasPrefix(Self.prefix) else { return false }
        let name = "\(registry)/\(repository):\(reference)"
        if names.last != name { names.append(name) }
        if names.count > Self.namesMax { names.removeFirst() }
        return true
    }
}
