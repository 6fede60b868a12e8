import OCIModel

/// Who took a blob: a sorted set of node names by when they did, of which the newest are kept, and all of which expires
/// when nobody took it for long. A hint: who is asked and has nothing says so.
extension RedisScripts {
    /// Notes that a node takes the blob, and names others. Arguments: its name, for how long that is remembered in
    /// milliseconds, a number that chooses where the list begins. Answer: names, at most 16.
    static let holders = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])) do
          redis.call('ZREM', KEYS[1], name)
        end
        redis.call('ZREM', KEYS[1], ARGV[1])
        local names = redis.call('ZRANGE', KEYS[1], 0, -1)
        local some = {}
        for step = 1, math.min(#names, 16) do some[step] = names[(ARGV[3] + step) % #names + 1] end
        for index = 1, #names - 63 do redis.call('ZREM', KEYS[1], names[index]) end
        redis.call('ZADD', KEYS[1], now, ARGV[1])
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return some
        """

    static func holdersKey(cluster: String, _ blob: Digest) -> String { "{hawker:\(cluster):\(blob.hex)}:holders" }
}
