import PieceExchange
import PieceModel

extension Report {
    /// The run on one line, for plots.
    var json: String {
        let (mean, most) = control
        let connections = takers.map(\.connectionsMost)
        let fields: [(String, String)] = [
            ("nodes", "\(settings.nodes)"), ("mebibytes", "\(settings.mebibytes)"), ("seed", "\(settings.seed)"),
            ("pieces", "\(simulation.layout.pieceCount)"), ("bound_seconds", "\(bound)"),
            ("makespan_seconds", "\(makespan)"), ("first_seconds", "\(ends.first ?? 0)"),
            ("origin_share", "\(originShare)"), ("origin_requests", "\(simulation.counts.originRequests)"),
            ("control_bytes_mean", "\(mean)"), ("control_bytes_most", "\(most)"),
            ("control_share_mean", "\(mean / settings.blobBytes)"),
            ("control_share_most", "\(most / settings.blobBytes)"), ("directory_grants_most", "\(directory.grants)"),
            ("directory_takers_most", "\(directory.takers)"), ("directory_bytes_most", "\(directory.bytes)"),
            ("connections_mean", "\(Double(connections.reduce(0, +)) / Double(max(1, connections.count)))"),
            ("connections_most", "\(connections.max() ?? 0)"), ("whole", "\(ends.count)"), ("failed", "\(failed)"),
            ("thrown_share", "\(thrownShare)"), ("unhurt_makespan_seconds", "\(unhurtMakespan)"),
            ("piece_seconds_median", "\(simulation.pieceTimes.quantile(0.5))"),
            ("piece_seconds_p99", "\(simulation.pieceTimes.quantile(0.99))"),
            ("piece_seconds_p999", "\(simulation.pieceTimes.quantile(0.999))"),
            ("piece_seconds_most", "\(simulation.pieceTimes.quantile(1))"),
            ("read_seconds_mean", "\(reads.mean)"), ("read_seconds_most", "\(reads.most)"),
            ("waiting", "\(waiting)"), ("wrong_blobs", "\(simulation.counts.wrongBlobs)"),
            ("trace", "\"\(String(simulation.trace, radix: 16))\""), ("events", "\(simulation.events)"),
            ("took_seconds", "\(took / .seconds(1))"), ("progress", "[\(progress)]"),
        ]
        return "{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    }

    /// Seconds, then the share of the blob that the last, the tenth percentile, the median, the ninetieth percentile
    /// and the first of the nodes have.
    private var progress: String {
        simulation.samples.map { sample in
            let shares = [sample.least, sample.tenth, sample.median, sample.ninetieth, sample.most]
            return "[" + ([sample.seconds] + shares).map { "\($0)" }.joined(separator: ", ") + "]"
        }.joined(separator: ", ")
    }
}
