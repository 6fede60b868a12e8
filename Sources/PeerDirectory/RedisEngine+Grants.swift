import EventLoop
import OCIModel
import PieceModel

/// Grants on the same servers as the membership, each blob on one of them: of those that answer, the one whose
/// address and the blob's digest make the highest number, so that all nodes choose the same.
extension RedisEngine: GrantRegister {
    /// A grant is worth a request to the registry.
    private static let leastBytes = 256 << 10

    package func ask(_ question: GrantQuestion) async -> GrantAnswer {
        let (subject, terms) = (question.subject, options.terms)
        guard !question.wanted.isEmpty, question.wanted.count <= GrantQuestion.runsMax else {
            return .refused(retryAfterMillis: 1_000)
        }
        let arguments =
            [
                options.node.text, "\(subject.layout.pieceCount)",
                "\(max(1, Self.leastBytes / subject.layout.pieceBytes))", "\(terms.silenceMillis)",
                "\(terms.fetchersMax)", "\(terms.handOnMillis)", question.isRetry ? "1" : "0",
            ] + question.wanted.flatMap { ["\($0.lowerBound)", "\($0.upperBound)"] }
        guard case .array(let parts) = await run(RedisScripts.ask, subject, arguments) else { return .unheard }
        let numbers = parts.compactMap { $0.integer.flatMap { Int(exactly: $0) } }
        switch (numbers.first, numbers.count, parts.count) {
        case (0, 2, 2) where numbers[1] >= 0:
            return .refused(retryAfterMillis: UInt64(numbers[1]))
        case (1, 3, 3) where numbers[1] < numbers[2]:
            let pieces = numbers[1]..<numbers[2]
            return question.wanted.contains { $0.contains(pieces.lowerBound) && pieces.upperBound <= $0.upperBound }
                ? .granted(pieces) : .unheard
        default: return .unheard
        }
    }

    package func report(_ report: GrantReport) async {
        let middle = report.pieces.lowerBound + min(max(report.read, 0), report.pieces.count)
        let arguments = [
            options.node.text, "\(report.pieces.lowerBound)", "\(middle)", "\(report.pieces.upperBound)",
            report.isOver ? "1" : "0", "\(options.terms.silenceMillis)", "\(options.terms.holdMillis)",
        ]
        // A report that is lost is like a holder that was silent for a moment.
        _ = await run(RedisScripts.report, report.subject, arguments)
    }

    /// `nil` when no server could be asked.
    private func run(_ script: String, _ subject: GrantSubject, _ arguments: [String]) async -> RedisReply? {
        let ranked = servers.filter { $0.state == .working }
            .max { weight($0.address, subject.blob) < weight($1.address, subject.blob) }
        guard let server = ranked else { return nil }
        let keys = RedisScripts.keys(cluster: options.cluster, subject)
        let answer = await server.run(["EVAL", script, "\(keys.count)"] + keys + arguments)
        if case .success(let reply) = answer { return reply }
        return nil
    }

    /// FNV-1a over both, then one round of mixing, as its low bits alone are weak.
    private func weight(_ address: PeerEndpoint, _ blob: Digest) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in address.description.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for byte in blob.hex.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash = (hash ^ (hash >> 32)) &* 0xD6E8_FEB8_6659_FD93
        return hash ^ (hash >> 32)
    }
}
