import EventLoop
import PeerTransport
import Telemetry

extension NodeMetrics {
    func peers(_ status: SwarmStatus) -> [MetricFamily] {
        var connected = 0
        var waiting = status.unreached.count
        var banned = 0
        for peer in status.peers {
            switch peer.state {
            case .connected: connected += 1
            case .disconnected: waiting += 1
            case .banned: banned += 1
            }
        }
        var peers = MetricFamily("hawker_peers", .gauge, "Nodes that this one knows, by how they stand.")
        for (state, count) in [("banned", banned), ("connected", connected), ("waiting", waiting)] {
            peers.add(count, [("state", state)])
        }
        let counters = node.counters
        var bans = MetricFamily("hawker_peer_bans_total", .counter, "Peers that were banned, by what they did.")
        for cause in BanCause.all { bans.add(counters.bans[cause.label] ?? 0, [("reason", cause.label)]) }
        func counter(_ name: String, _ help: String, _ counts: [String: UInt64], by label: String) -> MetricFamily {
            var family = MetricFamily(name, .counter, help)
            for (value, count) in counts.sorted(by: { $0.key < $1.key }) { family.add(count, [(label, value)]) }
            return family
        }
        return [
            peers, bans,
            MetricFamily("hawker_peer_connects_total", .counter, "Connections with peers.", counters.connects),
            counter(
                "hawker_peer_disconnects_total", "Connections with peers that ended.", counters.disconnects, by: "cause"),
            MetricFamily(
                "hawker_peer_dials_failed_total", .counter, "Peers that could not be reached.", counters.dialsFailed),
            counter(
                "hawker_peer_refusals_total", "Who wanted to be a peer, or was dialled as one, and was refused.",
                counters.refusals, by: "reason"),
        ]
    }

    func exchange(_ status: SwarmStatus, _ counters: SwarmCounters) -> [MetricFamily] {
        func traffic(
            _ name: String, _ help: String, _ traffic: [String: PieceTraffic], _ value: KeyPath<PieceTraffic, Int64>
        ) -> MetricFamily {
            var family = MetricFamily(name, .counter, help)
            for (peerZone, counted) in traffic.sorted(by: { $0.key < $1.key }) {
                family.add(counted[keyPath: value], [("zone", zone), ("peer_zone", peerZone)])
            }
            return family
        }
        var pieces = MetricFamily("hawker_pieces_total", .counter, "Pieces that came from peers, by what became of them.")
        pieces.add(counters.piecesStored, [("outcome", "stored")])
        pieces.add(counters.piecesUnstored, [("outcome", "store_failed")])
        pieces.add(counters.piecesWrong, [("outcome", "wrong_bytes")])
        var times = MetricFamily(
            "hawker_piece_duration_seconds", .histogram, "From asking a peer for a piece until it is checked and stored.")
        times.add(counters.pieceTimes)
        return [
            traffic("hawker_peer_received_bytes_total", "Bytes of pieces from peers.", counters.received, \.rawBytes),
            traffic(
                "hawker_peer_received_wire_bytes_total", "The same as they travelled, compressed where that paid.",
                counters.received, \.wireBytes),
            traffic(
                "hawker_peer_received_compressed_bytes_total", "Bytes of those pieces that travelled compressed.",
                counters.received, \.compressedBytes),
            traffic("hawker_peer_sent_bytes_total", "Bytes of pieces for peers.", counters.sent, \.rawBytes),
            traffic(
                "hawker_peer_sent_wire_bytes_total", "The same as they travelled, compressed where that paid.",
                counters.sent, \.wireBytes),
            traffic(
                "hawker_peer_sent_compressed_bytes_total", "Bytes of those pieces that travelled compressed.",
                counters.sent, \.compressedBytes),
            pieces, times, grants(counters), downloads(),
            MetricFamily(
                "hawker_grants_unanswered_total", .counter,
                "Keepers of grants that did not answer, or refused for too long, and were passed over.",
                counters.grantsUnanswered),
            MetricFamily(
                "hawker_downloads_running", .gauge, "Blobs that are being fetched.",
                status.downloads.count),
            MetricFamily(
                "hawker_uploads_running", .gauge, "Pieces on their way to peers.",
                counters.uploadsRunning),
            MetricFamily(
                "hawker_blob_mismatches_total", .counter,
                "Blobs that did not match their digest when they were whole, and were fetched again.",
                node.counters.mismatches),
        ]
    }

    private func grants(_ counters: SwarmCounters) -> MetricFamily {
        var grants = MetricFamily(
            "hawker_grants_total", .counter,
            "Requests to read from a registry on behalf of all: answered by this node as keeper, or made as reader.")
        grants.add(counters.grantsGiven, [("role", "keeper"), ("answer", "granted")])
        grants.add(counters.grantsDenied, [("role", "keeper"), ("answer", "refused")])
        grants.add(counters.grantsReceived, [("role", "reader"), ("answer", "granted")])
        grants.add(counters.grantsRefused, [("role", "reader"), ("answer", "refused")])
        return grants
    }

    private func downloads() -> MetricFamily {
        var downloads = MetricFamily("hawker_downloads_total", .counter, "Fetches of blobs, by how they ended.")
        downloads.add(node.counters.downloads["finished"] ?? 0, [("outcome", "finished")])
        for (outcome, count) in node.counters.downloads.sorted(by: { $0.key < $1.key }) where outcome != "finished" {
            downloads.add(count, [("outcome", outcome)])
        }
        return downloads
    }
}
