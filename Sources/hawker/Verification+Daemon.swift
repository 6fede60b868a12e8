import AdminAPI
import CRIClient
import ContentStore
import EventLoop
import FoundationEssentials
import Glibc
import OCIModel
import RuntimeConfig

/// The other end: Hawker's own daemon, its cache, and whether containerd's requests get there.
extension Verification {
    private static let sampleCountMax = 8
    private static let sampleBytesMax: UInt64 = 256 << 20
    private static let probeMillis: UInt64 = 15_000
    private static let probesMax = 8

    /// Health, address, log and cache of the daemon.
    func lookAtDaemon() async {
        let admin = AdminClient(socket: adminSocket)
        do throws(AdminFailure) {
            let status = try await admin.status()
            lookAtHealth(status)
            lookAtCache(status)
            await lookAtSample(try await admin.cacheList(), below: status.cachePath)
        } catch {
            add("daemon", .broken, error.message, remedy: "systemctl status hawker; --admin-socket, if it has another")
        }
    }

    private func lookAtHealth(_ status: NodeStatus) {
        let detail = "\(status.name), version \(status.version), up \(Console.duration(status.uptimeSeconds))"
        add("daemon", status.draining ? .advice : .ok, status.draining ? detail + ", draining" : detail)
        let listens = "http://\(status.mirrorAddress)"
        if Endpoint(listens)?.url == options.mirror.url {
            add("mirror", .ok, "\(listens), \(status.mirror.requests) requests, \(status.mirror.declined) declined")
        } else {
            add(
                "mirror", .broken, "the daemon listens on \(listens), and containerd is to ask \(options.mirror.url)",
                remedy: "hawker containerd apply --mirror \(listens), or change mirror.listen")
        }
        let problems = status.recentProblems
        guard let last = problems.last else { return add("log", .ok, "no warnings and no errors") }
        add("log", .advice, "\(problems.count) recent warnings and errors, the last: \(last)", remedy: "hawker status")
    }

    private func lookAtCache(_ status: NodeStatus) {
        let cache = status.cache
        let detail =
            "\(status.cachePath): \(cache.blobCount) blobs, \(Console.bytes(cache.usedBytes)) of "
            + Console.bytes(cache.quotaBytes)
        add("cache", cache.lastError.isEmpty ? .ok : .broken, cache.lastError.isEmpty ? detail : "\(detail); \(cache.lastError)")
    }

    /// Hashes a few blobs, chosen by chance.
    private func lookAtSample(_ blobs: [CachedBlob], below path: String) async {
        var rest = Self.sampleBytesMax
        var sample: [Digest] = []
        for blob in blobs.shuffled() where sample.count < Self.sampleCountMax && blob.bytes <= rest {
            guard let digest = Digest(blob.digest) else { continue }
            rest -= blob.bytes
            sample.append(digest)
        }
        let digests = sample
        let verdicts = await Loop.offload { digests.map { ($0, BlobVerdict.take($0, below: path)) } }
        var bytes: UInt64 = 0
        var count = 0
        for (digest, verdict) in verdicts {
            switch verdict {
            case .sound(let size):
                bytes += UInt64(clamping: size)
                count += 1
            case .damaged:
                add("integrity", .broken, "\(digest) holds other bytes", remedy: "hawker cache rm \(digest)")
            case .unreadable(let code):
                add("integrity", .broken, "\(digest) cannot be read: \(String(cString: strerror(code)))")
            case .missing: break
            }
        }
        guard !rows.contains(where: { $0.check == "integrity" }) else { return }
        add("integrity", .ok, "\(count) of \(blobs.count) blobs hashed, \(Console.bytes(bytes)), all as they should be")
    }

    /// Has containerd ask for an image that exists nowhere, and sees whether it asks the mirror.
    func probe() async {
        guard isReady else { return }
        for target in options.registries.prefix(Self.probesMax) {
            // Nothing has settings of its own for a host that cannot exist.
            await probe(target.isAll ? "probe.invalid" : target.host)
        }
        if options.registries.isEmpty {
            add("probe", .advice, "no registry is known to be routed", remedy: "name one with --registry")
        }
    }

    private func probe(_ host: String) async {
        let name = "hawker-probe/" + String(UInt64.random(in: 0...UInt64.max), radix: 16)
        let (client, deadline) = (client, Self.probeMillis)
        let before = await mirrorStatus()?.mirror.requests ?? 0
        let pull = ProbePull()
        let task = Task { @LoopActor in
            do throws(CRIError) {
                try await client.pull("\(host)/\(name):probe", deadlineMillis: deadline)
            } catch {
                pull.error = error
            }
            pull.isOver = true
        }
        defer { task.cancel() }
        let began = ContinuousClock.now
        while true {
            let isLast = pull.isOver || ContinuousClock.now - began > .milliseconds(Int64(deadline))
            let status = await mirrorStatus()
            if status?.recentProbes.contains(where: { $0.contains("/\(name):") }) == true {
                return add("probe", .ok, "\(host): containerd's request came to the mirror")
            }
            if isLast {
                return missed(host, requests: (status?.mirror.requests ?? 0) &- before, pull.error)
            }
            // Cancelled only when this process ends.
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private func missed(_ host: String, requests: UInt64, _ error: CRIError?) {
        let words = error.map { "; containerd says: \($0.sentence)" } ?? ""
        if requests > 0 {
            return add(
                "probe", .advice, "\(host): the mirror was asked, and does not serve this registry\(words)",
                remedy: "name it in a [[registry]] of hawker's settings")
        }
        add(
            "probe", .broken, "\(host): containerd did not ask the mirror\(words)",
            remedy: "hawker containerd check --registry \(host)")
    }

    private func mirrorStatus() async -> NodeStatus? {
        // That the daemon does not answer is a row of its own.
        try? await AdminClient(socket: adminSocket).status()
    }

    /// Pulls an image as the kubelet would; `seesDaemon` also asks where it came from.
    func pull(_ image: String, as credential: CRICredential?, seesDaemon: Bool) async {
        guard isReady else { return add("image", .broken, "\(image): not pulled, because CRI is not served") }
        let before = seesDaemon ? await mirrorStatus()?.mirror : nil
        let began = ContinuousClock.now
        do throws(CRIError) {
            let id = try await client.pull(image, as: credential)
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            let bytes = try await client.image(image)?.bytes ?? 0
            let text = "\(image): \(Console.bytes(bytes)) in \((seconds * 100).rounded() / 100) s, \(id)"
            guard let before, let after = await mirrorStatus()?.mirror else { return add("image", .ok, text) }
            let served = (after.manifestsServed &- before.manifestsServed) &+ (after.blobsServed &- before.blobsServed)
            let way = served > 0 ? "\(served) answers by the mirror" : "none of it by the mirror"
            add("image", served > 0 ? .ok : .advice, "\(text), \(way)")
        } catch {
            add("image", .broken, "\(image): \(error.sentence)")
        }
    }
}

/// A pull whose end is looked at from beside it.
@LoopActor
private final class ProbePull {
    var isOver = false
    var error: CRIError?
}
