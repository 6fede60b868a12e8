import AdminAPI
import ArgumentParser

/// `hawker peers`: the other nodes as this one sees them.
struct PeersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers", abstract: "List the other nodes, their state and the bytes exchanged with each.")

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        let peers = try await admin.ask { client throws(AdminFailure) in try await client.peers() }
        if admin.json { return try Console.printJSON(peers) }
        if peers.isEmpty { return print("no peers: peers.static, peers.dns and peers.redis name none, and none has connected") }
        Console.printTable(
            ["NAME", "ZONE", "ADDRESS", "KNOWN FROM", "STATE", "CERTIFICATE", "RECEIVED", "SENT", "REASON"],
            peers.map {
                [
                    $0.name.isEmpty ? "-" : $0.name, $0.zone.isEmpty ? "-" : $0.zone, $0.address,
                    $0.knownFrom.isEmpty ? "its call" : $0.knownFrom.joined(separator: " "), $0.state,
                    certificate($0),
                    Console.bytes($0.receivedBytes), Console.bytes($0.sentBytes), $0.reason,
                ]
            }, right: [6, 7])
    }

    /// Such as `node-b until 2026-01-31`; what is not connected has none.
    private func certificate(_ peer: PeerStatus) -> String {
        if peer.state != "connected" { return "-" }
        return peer.encrypted ? "\(peer.certificateName) until \(Console.date(peer.certificateExpires))" : "plaintext"
    }
}
