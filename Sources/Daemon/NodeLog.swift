import EventLoop
import Logging
import MirrorServer
import OCIModel
import OriginClient
import PeerTransport
import StatusServer
import TLS

/// Which events of the node's parts are worth a line, and at which level.
enum NodeLog {
    /// A finished download or a peer that came or went is news; a ban is for the operator to act on.
    static func swarm(_ logger: Logger) -> @LoopActor (SwarmEvent) -> Void {
        var limiter = LogLimiter()
        return { event in
            switch event {
            case .strangerRefused(let address, let refusal):
                let host = address.prefix(upTo: address.lastIndex(of: ":") ?? address.endIndex)
                let metadata: Logger.Metadata = ["address": "\(address)", "reason": "\(refusal)"]
                // Who only looks whether the port is open is no news.
                let isNews = refusal != .handshake(.cutOff) && limiter.admits("\(host) \(refusal)", now: Loop.nowNanoseconds)
                logger.log(level: isNews ? .warning : .debug, "refused as a peer", metadata: metadata)
            case .peerConnected(let name, let address, let outbound):
                logger.info(
                    "peer connected",
                    metadata: ["peer": "\(name)", "address": "\(address)", "dialled": .stringConvertible(outbound)])
            case .peerDisconnected(let name, let address, let cause):
                logger.info(
                    "peer disconnected", metadata: ["peer": "\(name)", "address": "\(address)", "cause": "\(cause)"])
            case .strangerDisconnected(let address, let cause):
                logger.debug("connection ended unnamed", metadata: ["address": "\(address)", "cause": "\(cause)"])
            case .dialFailed(let endpoint, let error):
                logger.debug("peer not reached", metadata: ["address": "\(endpoint)", "error": "\(error)"])
            case .peerBanned(let name, let cause, let seconds):
                logger.warning(
                    "peer banned", metadata: ["peer": "\(name)", "cause": "\(cause)", "seconds": .stringConvertible(seconds)])
            case .downloadStarted(let digest, let bytes, let resumed):
                logger.debug(
                    "download started", metadata: ["digest": "\(digest)", "bytes": .stringConvertible(bytes), "resumed": .stringConvertible(resumed)])
            case .downloadFinished(let digest, let sources, let registry, let nanoseconds):
                logger.info(
                    "download finished",
                    metadata: [
                        "digest": "\(digest)", "registry": "\(registry)",
                        "registry_bytes": .stringConvertible(sources.originBytes),
                        "peer_bytes": .stringConvertible(sources.peerBytes.values.reduce(0, +)),
                        "peers": .array(sources.peerBytes.keys.sorted().map { "\($0)" }),
                        "resumed_bytes": .stringConvertible(sources.resumedBytes),
                        "millis": .stringConvertible(nanoseconds / 1_000_000),
                    ])
            case .downloadFailed(let digest, let failure):
                logger.warning("download failed", metadata: ["digest": "\(digest)", "reason": "\(failure)"])
            case .blobMismatched(let digest, let dropped):
                logger.warning(
                    "blob did not match its digest", metadata: ["digest": "\(digest)", "pieces_dropped": .stringConvertible(dropped)])
            }
        }
    }

    /// Why a registry could not be used. That it lacks something, or wants credentials, is an answer and no failure.
    static func registryFailed(_ error: OriginError, _ registry: RegistryHost, _ logger: Logger) {
        switch error {
        case .notFound, .denied, .cancelled: break
        case .linkRefused, .rateLimited, .serverFailed, .unreachable, .untrusted, .badContent, .refused:
            logger.warning("registry failed", metadata: ["registry": "\(registry)", "error": "\(error)"])
        }
    }

    /// One line a request; each blob that a runtime got, with where from, is news.
    static func request(_ logger: Logger) -> @LoopActor (MirrorRequest) -> Void {
        { request in
            let (level, message) = news(request)
            // Most requests are none: nothing is put into words for them.
            guard level >= logger.logLevel else { return }
            var metadata: Logger.Metadata = [
                "request": "\(describe(request.subject))", "status": .stringConvertible(request.status),
                "bytes": .stringConvertible(request.bodyBytes),
                "millis": .stringConvertible(request.nanoseconds / 1_000_000),
            ]
            if case .declined(let reason) = request.outcome { metadata["reason"] = "\(reason)" }
            if isBlobServed(request) { metadata["from"] = "\(request.wholeFrom?.label ?? "download")" }
            logger.log(level: level, message, metadata: metadata)
        }
    }

    private static func news(_ request: MirrorRequest) -> (Logger.Level, Logger.Message) {
        switch request.outcome {
        case .served: isBlobServed(request) ? (.info, "blob served") : (.debug, "served")
        case .declined: (.info, "declined")
        case .deadlineMissed: (.warning, "declined: no answer in time")
        case .refused: (.info, "refused")
        case .sourceFailed: (.warning, "cut short: no source was left")
        case .clientLost: (.debug, "client went away")
        }
    }

    private static func isBlobServed(_ request: MirrorRequest) -> Bool {
        guard case .blob = request.subject, case .served = request.outcome else { return false }
        return !request.isHead
    }

    private static func describe(_ list: ListingQuery.List) -> String {
        switch list {
        case .tags: "tags"
        case .referrers(let digest): "referrers of \(digest)"
        }
    }

    private static func describe(_ subject: MirrorRequest.Subject) -> String {
        switch subject {
        case .manifest(let query): "\(query.registry)/\(query.repository) manifest \(query.reference)"
        case .blob(let query): "\(query.registry)/\(query.repository) blob \(query.digest)"
        case .listing(let query): "\(query.registry)/\(query.repository) \(describe(query.list))"
        case .file(let digest): "file \(digest)"
        case .other: "other"
        }
    }
}

extension Node {
    /// What it serves, and what an operator should know of its settings.
    func logStart() {
        logger.info(
            "serving",
            metadata: [
                "node": "\(settings.nodeName)", "version": "\(version)", "mirror": "\(settings.mirrorListen.host):\(mirror.port)",
                "peers": "\(settings.peersListen.map { "\($0.host):\(swarm.port)" } ?? "off")",
                "cache": "\(settings.cachePath)", "admin": "\(settings.adminSocket)",
                "status": "\(statusServer.map { "port \($0.port)" } ?? "off")",
            ])
        if settings.isPlaintextOnNetwork {
            logger.warning("peers talk in plaintext: whoever reaches the peer port can read all, and be any node")
        }
        if settings.registries.isEmpty, !settings.anyRegistry {
            logger.warning("no [[registry]] in the settings: every request is declined")
        }
    }
}
