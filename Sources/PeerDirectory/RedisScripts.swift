/// The one thing that membership asks of a server: a script, so that it is atomic, one round trip, and timed by the
/// server's clock alone.
///
/// Keys, `PREFIX` being `{hawker:CLUSTER}:` (the braces keep them on one server of a Redis Cluster):
/// - `PREFIX members`: sorted set of node names by the millisecond at which they expire
/// - `PREFIX endpoints`: hash of node names to `host:port`
/// - `PREFIX version`: grows with each change of the two
///
/// All of them expire by themselves once no node has said anything for two lifetimes.
enum RedisScripts {
    /// Says that a node is there, removes who is not, and lists the others unless the caller knows them.
    ///
    /// Arguments: name, endpoint, lifetime in milliseconds, most endpoints to list, version known to the caller, a
    /// number that chooses the part of a list that is longer. Answer: version, members, then the endpoints; without
    /// these when the version is the caller's.
    static let heartbeat = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local changed = false
        for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)) do
          redis.call('ZREM', KEYS[1], name)
          redis.call('HDEL', KEYS[2], name)
          changed = true
        end
        if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
          redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
          changed = true
        end
        redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
        local version
        if changed then
          version = redis.call('INCR', KEYS[3])
        else
          version = tonumber(redis.call('GET', KEYS[3]) or 0)
        end
        for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3] * 2) end
        local count = redis.call('ZCARD', KEYS[1])
        local answer = {version, count}
        if version == tonumber(ARGV[5]) then return answer end
        local most = tonumber(ARGV[4])
        local first = count > most and ARGV[6] % count or 0
        local names = redis.call('ZRANGE', KEYS[1], first, first + most - 1)
        if #names < most and first > 0 then
          for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, most - #names - 1)) do
            names[#names + 1] = name
          end
        end
        for from = 1, #names, 500 do
          local some = {unpack(names, from, math.min(from + 499, #names))}
          for index, endpoint in ipairs(redis.call('HMGET', KEYS[2], unpack(some))) do
            if endpoint and some[index] ~= ARGV[1] then answer[#answer + 1] = endpoint end
          end
        end
        return answer
        """

    /// Says that a node goes. Argument: its name.
    static let leave = """
        local gone = redis.call('ZREM', KEYS[1], ARGV[1]) + redis.call('HDEL', KEYS[2], ARGV[1])
        if gone > 0 then redis.call('INCR', KEYS[3]) end
        return gone
        """

    /// `cluster` is spelled like a node's name, so it cannot leave the braces.
    static func keys(cluster: String) -> [String] {
        ["members", "endpoints", "version"].map { "{hawker:\(cluster)}:\($0)" }
    }
}
