import EventLoop
package import OCIModel
package import PieceExchange
package import PieceModel

/// The register of grants and holders, on the servers that the membership is on: each blob on one of them, of those
/// that answer the one whose address and the blob's digest make the highest number, so that all nodes choose the same.
///
/// All of it is soft state with a time to live: a server that forgets, or another that takes over, is told again by the
/// holders' reports. Nothing fails because of it: who has no answer asks the members.
extension RedisEngine {
    /// Each grant is a request to the registry, as `GrantBook` has it.
    private static let leastBytes = 256 << 10
    private static let grantsEach = 3
    /// Reports that a holder may be late by before others believe that it is lost.
    private static let reportsMissed: UInt64 = 2
    private static let holdersMillis = 86_400_000
    private static let holdersMax = 64

    /// Which of these pieces this node may read; `nil` when no server could be asked.
    package func ask(_ request: PeerMessage.GrantRequest) async -> GrantAnswer? {
        guard let layout = PieceLayout(blobBytes: request.blobBytes), !request.wanted.isEmpty,
            request.wanted.count <= PeerMessage.GrantRequest.runsMax
        else { return nil }
        let (wanted, limits) = (request.wanted.map(Self.range), options.grants)
        let arguments =
            [
                options.node.text, "\(layout.pieceCount)", "\(max(1, Self.leastBytes / layout.pieceBytes))",
                "\(limits.grantSilenceMillis)", "\(limits.originFetchersMax)", "\(limits.pieceDeadlineMillis)",
                request.isRetry ? "1" : "0", "\(Self.grantsEach)",
            ] + wanted.flatMap { ["\($0.lowerBound)", "\($0.upperBound)"] }
        let reply = await run(RedisScripts.ask, request.blob, bytes: request.blobBytes, arguments)
        guard case .array(let parts) = reply else { return nil }
        let numbers = parts.compactMap { $0.integer.flatMap { Int(exactly: $0) } }
        guard numbers.count == parts.count else { return nil }
        switch (numbers.first, numbers.count) {
        case (0, 2) where numbers[1] >= 0: return .refused(retryAfterMillis: UInt64(numbers[1]))
        case (1, 3) where numbers[1] < numbers[2]:
            let pieces = numbers[1]..<numbers[2]
            let isWanted = wanted.contains { $0.contains(pieces.lowerBound) && pieces.upperBound <= $0.upperBound }
            return isWanted ? .granted(pieces) : nil
        default: return nil
        }
    }

    /// A progress that is not heard is like a holder that is silent for a moment.
    package func tell(_ progress: PeerMessage.GrantProgress) async {
        let (pieces, limits) = (Self.range(progress.pieces), options.grants)
        let middle = min(pieces.lowerBound + Int(progress.read), pieces.upperBound)
        let arguments = [
            options.node.text, "\(pieces.lowerBound)", "\(middle)", "\(pieces.upperBound)",
            progress.isOver ? "1" : "0", "\(limits.grantSilenceMillis)", "\(limits.grantHoldMillis)",
        ]
        _ = await run(RedisScripts.report, progress.blob, bytes: progress.blobBytes, arguments)
    }

    /// Somebody's connection with the holder is gone, and perhaps the holder with all that it read.
    package func tellLost(_ holder: PeerName, of blob: Digest, bytes: Int64) async {
        let graceMillis = options.grants.grantReportMillis &* Self.reportsMissed
        _ = await run(RedisScripts.lost, blob, bytes: bytes, [holder.text, "\(graceMillis)"])
    }

    /// Notes that this node takes the blob; others that did within a day, not all of them if there are many.
    package func holders(of blob: Digest) async -> [PeerName] {
        let arguments = [options.node.text, "\(Self.holdersMillis)", "\(UInt32.random(in: 0...(.max)))"]
        let key = RedisScripts.holdersKey(cluster: options.cluster, blob)
        guard case .array(let names) = await run(RedisScripts.holders, [key], blob, arguments) else { return [] }
        return names.prefix(Self.holdersMax).compactMap { $0.text.flatMap { PeerName($0) } }
    }

    private static func range(_ run: PeerMessage.PieceRun) -> Range<Int> {
        Int(run.first)..<(Int(run.first) + Int(run.count))
    }

    private func run(_ script: String, _ blob: Digest, bytes: Int64, _ arguments: [String]) async -> RedisReply? {
        await run(script, RedisScripts.keys(cluster: options.cluster, blob, bytes: bytes), blob, arguments)
    }

    /// `nil` when no server could be asked.
    private func run(_ script: String, _ keys: [String], _ blob: Digest, _ arguments: [String]) async -> RedisReply? {
        let working = servers.filter(\.isWorking).map { (server: $0, weight: weight($0.address.endpoint, blob)) }
        guard let server = working.max(by: { $0.weight < $1.weight })?.server else { return nil }
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
