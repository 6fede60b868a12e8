import OCIModel

/// Grants of one blob on a server: what `PieceExchange`'s `GrantBook` decides, each script one atomic step by the
/// server's clock. The suite of the registers holds the two to the same answers.
///
/// Keys, `PREFIX` being `{hawker:CLUSTER:SHA256:BYTES}:`
/// - `PREFIX grants`: hash of a grant's first piece to `END READ UNTIL READ_AT HOLDER`; `END` is one past the last
///   piece, `READ` 0 or 1, times are milliseconds
/// - `PREFIX takers`: sorted set of the names of those who asked lately by when they did
/// - `PREFIX counts`: hash of their names to the grants they have read
///
/// All of them expire two minutes after the last word.
extension RedisScripts {
    /// Reads the grants, sorted by their first piece, and drops those whose time is over.
    private static let prelude = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local grants = {}
        local raw = redis.call('HGETALL', KEYS[1])
        for index = 1, #raw, 2 do
          local last, read, till, read_at, holder = raw[index + 1]:match('^(%d+) (%d) (%d+) (%d+) (.+)$')
          if not last or tonumber(till) <= now then
            redis.call('HDEL', KEYS[1], raw[index])
          else
            grants[#grants + 1] = {
              first = tonumber(raw[index]), last = tonumber(last), read = read == '1', till = tonumber(till),
              read_at = tonumber(read_at), holder = holder,
            }
          end
        end
        table.sort(grants, function(left, right) return left.first < right.first end)
        local function drop(unwanted)
          local kept = {}
          for _, grant in ipairs(grants) do
            if unwanted(grant) then
              redis.call('HDEL', KEYS[1], string.format('%d', grant.first))
            else
              kept[#kept + 1] = grant
            end
          end
          grants = kept
        end
        local function put(grant)
          redis.call('HSET', KEYS[1], string.format('%d', grant.first), string.format('%d %d %d %d %s',
            grant.last, grant.read and 1 or 0, grant.till, grant.read_at, grant.holder))
        end
        local function free(from, to)
          for _, grant in ipairs(grants) do
            if grant.last > from then
              if grant.first > from then return from, math.min(to, grant.first) end
              from = grant.last
            end
          end
          return from, to
        end
        local function keep()
          for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 120000) end
        end

        """

    /// Arguments: asker, pieces of the blob, least pieces of a grant, silence, most fetchers, hand-on time, 1 for a
    /// retry, most grants of one holder, then the wanted runs, each as its first piece and one past its last. Answer:
    /// 1, first piece, one past the last; or 0 and the milliseconds to wait.
    static let ask =
        prelude + """
            local asker, count, least = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
            local own, others, holders = 0, 0, {}
            for _, grant in ipairs(grants) do
              if not grant.read then
                if grant.holder == asker then own = own + 1 end
                if not holders[grant.holder] then
                  holders[grant.holder] = true
                  others = others + 1
                end
              end
            end
            redis.call('ZADD', KEYS[2], now, asker)
            for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - 5000, 'LIMIT', 0, 1000)) do
              if not holders[name] then
                redis.call('ZREM', KEYS[2], name)
                redis.call('HDEL', KEYS[3], name)
              end
            end
            local takers = redis.call('ZCARD', KEYS[2])
            local refusal = {0, math.min(2000, 100 + 25 * takers)}
            keep()
            if own >= tonumber(ARGV[8]) or (own == 0 and others >= tonumber(ARGV[5])) then return refusal end
            if ARGV[7] == '1' then
              drop(function(grant)
                if not grant.read or grant.read_at + tonumber(ARGV[6]) > now then return false end
                for index = 9, #ARGV, 2 do
                  if grant.first < tonumber(ARGV[index + 1]) and tonumber(ARGV[index]) < grant.last then return true end
                end
                return false
              end)
            end
            local left = count
            for _, grant in ipairs(grants) do left = left - (grant.last - grant.first) end
            local share = math.max(least, math.floor(count / 64))
            if takers == 1 then
              share = share * 2 ^ math.min(tonumber(redis.call('HGET', KEYS[3], asker) or 0), 20)
            else
              share = math.max(least, math.min(share, math.floor(left / (4 * takers))))
            end
            for index = 9, #ARGV, 2 do
              local to = tonumber(ARGV[index + 1])
              local first, last = free(tonumber(ARGV[index]), to)
              if first < to then
                last = math.min(last, first + share)
                put({
                  first = first, last = last, read = false, till = now + tonumber(ARGV[4]), read_at = now,
                  holder = asker,
                })
                keep()
                return {1, first, last}
              end
            end
            return refusal
            """

    /// Arguments: holder, first piece, first that is not read yet, one past the last, 1 if it reads no more, silence,
    /// hold. Answer: how many grants there are.
    static let report =
        prelude + """
            local holder, first, middle, last = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
            local silence, hold = tonumber(ARGV[6]), tonumber(ARGV[7])
            drop(function(grant)
              return grant.holder == holder and not grant.read and grant.first < last and first < grant.last
            end)
            for _, grant in ipairs(grants) do
              if grant.holder == holder and not grant.read then
                grant.till = now + silence
                put(grant)
              end
            end
            local function claim(from, to, read, lasting)
              while from < to do
                local start, stop = free(from, to)
                if start < to then
                  put({
                    first = start, last = stop, read = read, till = now + lasting, read_at = now, holder = holder,
                  })
                end
                from = stop
              end
            end
            claim(first, middle, true, hold)
            if ARGV[5] ~= '1' then
              claim(middle, last, false, silence)
            elseif redis.call('ZSCORE', KEYS[2], holder) then
              redis.call('HINCRBY', KEYS[3], holder, 1)
            end
            keep()
            return redis.call('HLEN', KEYS[1])
            """

    /// Arguments: a holder whom somebody has lost, and how long it has to prove him wrong: by its reports, which renew
    /// what it reads; what it has read is then handed on, or is read again. Answer: how many grants it has.
    static let lost =
        prelude + """
            local found = 0
            for _, grant in ipairs(grants) do
              if grant.holder == ARGV[1] then
                found = found + 1
                grant.till = math.min(grant.till, now + tonumber(ARGV[2]))
                put(grant)
              end
            end
            return found
            """

    /// Who lies about a blob's size is kept apart.
    static func keys(cluster: String, _ blob: Digest, bytes: Int64) -> [String] {
        ["grants", "takers", "counts"].map { "{hawker:\(cluster):\(blob.hex):\(bytes)}:\($0)" }
    }
}
