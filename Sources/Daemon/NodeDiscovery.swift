import EventLoop
import Logging
import PeerDirectory
import PeerTransport
import PieceModel

/// Makes the discovery that the settings ask for.
enum NodeDiscovery {
    /// `peerPort` is where the node really listens.
    @LoopActor
    static func make(_ settings: Settings, peerPort: UInt16) -> PeerDiscovery {
        guard let listen = settings.peersListen else { return PeerDiscovery([]) }
        let own = OwnEndpoint(
            advertised: settings.peersAdvertise, listenHost: listen.host == "localhost" ? "127.0.0.1" : listen.host,
            listenPort: peerPort)
        // Also with an empty list: the settings may name some later.
        var engines: [any DiscoveryEngine] = [StaticEngine(settings.staticPeers, own: own)]
        if let target = settings.peersDNS.flatMap({ DNSTarget($0, defaultPort: peerPort) }) {
            var options = DNSOptions()
            options.server = settings.peersDNSServer
            options.everyMillis = settings.peersDNSSeconds &* 1000
            engines.append(DNSEngine(target, options: options, own: own))
        }
        if !settings.peersRedis.isEmpty {
            var options = RedisOptions(
                servers: settings.peersRedis, cluster: settings.cluster, node: settings.nodeName)
            options.user = settings.peersRedisUser
            options.passwordFile = settings.peersRedisPasswordFile
            options.authoritiesFile = settings.peersRedisAuthoritiesFile
            options.certificateFile = settings.peersRedisCertificateFile
            options.keyFile = settings.peersRedisKeyFile
            options.everyMillis = settings.peersRedisSeconds &* 1000
            engines.append(RedisEngine(options, own: own))
        }
        return PeerDiscovery(engines)
    }

    /// Has the swarm ask Redis for grants while a server of it answers.
    @LoopActor
    static func join(_ discovery: PeerDiscovery, to swarm: Swarm) {
        guard let register = discovery.register else { return }
        register.registerChanged = { [weak swarm, weak register] isThere in swarm?.use(isThere ? register : nil) }
    }

    /// An engine that fails is for the operator to look at; who is known stays known.
    static func log(_ status: DiscoveryStatus, _ logger: Logger) {
        let metadata: Logger.Metadata = [
            "source": "\(status.source.rawValue)", "asked": "\(status.subject)", "endpoints": "\(status.endpoints)",
        ]
        switch status.state {
        case .starting: break
        case .working: logger.info("discovery works", metadata: metadata)
        case .failing(let reason):
            logger.warning(
                "discovery fails: the peers known stay", metadata: metadata.merging(["reason": "\(reason)"]) { $1 })
        }
    }
}

extension RedisEngine: GrantRegister {}
