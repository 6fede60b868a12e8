package import PieceExchange
package import PieceModel

/// How Redis servers are reached, and as whom.
package struct RedisOptions: Sendable {
    package var servers: [RedisAddress]
    /// `nil` is Redis's default user.
    package var user: String?
    /// Its first line is the password; read at each connect, so that it may change. `nil`: none is sent.
    package var passwordFile: String?
    /// PEM files for servers that are spoken to over TLS, read at each connect as well: whose certificates are believed
    /// (`nil`: those that the system trusts), and the certificate to show with its key.
    package var authoritiesFile: String?
    package var certificateFile: String?
    package var keyFile: String?
    /// Nodes of other clusters may use the same servers.
    package var cluster: String
    /// This node's name.
    package var node: PeerName
    /// Between signs of life, at most; half of it at least.
    package var everyMillis: UInt64 = 10_000
    /// How long grants last, and how many there are; all nodes of a cluster should have the same.
    package var grants = ExchangeLimits()
    /// After a server was lost or could not be reached: doubles from the first to the second, or to `everyMillis` if
    /// that is less.
    package var retryMillisMin: UInt64 = 500
    package var retryMillisMax: UInt64 = 30_000

    package init(servers: [RedisAddress], cluster: String, node: PeerName) {
        self.servers = servers
        self.cluster = cluster
        self.node = node
    }

    /// A node that says nothing for this long is gone.
    var lifetimeMillis: UInt64 { everyMillis &* 3 }
}
