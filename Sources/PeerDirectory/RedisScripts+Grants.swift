import OCIModel
import PieceModel

/// Grants of one blob, each script one atomic step by the server's clock.
///
/// Keys, `PREFIX` being `{hawker:CLUSTER:SHA256:BYTES}:`
/// - `PREFIX grants`: hash of a grant's first piece to `END READ UNTIL READ_AT HOLDER`; `END` is one past the last
///   piece, `READ` 0 or 1, times are milliseconds
/// - `PREFIX takers`: sorted set of the names of those who asked lately by when they did
/// - `PREFIX counts`: hash of names to the grants they were given
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
          local last, read, untill, read_at, holder = raw[index + 1]:match('^(%d+) (%d) (%d+) (%d+) (.+)$')
          if not last or tonumber(untill) <= now then
            redis.call('HDEL', KEYS[1], raw[index])
          else
            grants[#grants + 1] = {
              first = tonumber(raw[index]), last = tonumber(last), read = read == '1',
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
        local function put(first, last, read, lasting, holder)
          redis.call('HSET', KEYS[1], string.format('%d', first),
            string.format('%d %d %d %d %s', last, read and 1 or 0, now + lasting, now, holder))
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
    /// retry, then the wanted runs, each as its first piece and one past its last. Answer: 1, first piece, one past
    /// the last; or 0 and the milliseconds to wait.
    static let ask =
        prelude + """
            local asker, count, least = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
            redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 5000)
            redis.call('ZADD', KEYS[2], now, asker)
            local takers = redis.call('ZCARD', KEYS[2])
            local refusal = {0, math.min(2000, 100 + 25 * takers)}
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
            keep()
            if own >= 2 or (own == 0 and others >= tonumber(ARGV[5])) then return refusal end
            if ARGV[7] == '1' then
              drop(function(grant)
                if not grant.read or grant.read_at + tonumber(ARGV[6]) > now then return false end
                for index = 8, #ARGV, 2 do
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
            for index = 8, #ARGV, 2 do
              local to = tonumber(ARGV[index + 1])
              local first, last = free(tonumber(ARGV[index]), to)
              if first < to then
                last = math.min(last, first + share)
                put(first, last, false, tonumber(ARGV[4]), asker)
                redis.call('HINCRBY', KEYS[3], asker, 1)
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
              if grant.holder == holder and not grant.read then put(grant.first, grant.last, false, silence, holder) end
            end
            local function claim(from, to, read, lasting)
              while from < to do
                local start, stop = free(from, to)
                if start < to then put(start, stop, read, lasting, holder) end
                from = stop
              end
            end
            claim(first, middle, true, hold)
            if ARGV[5] ~= '1' then claim(middle, last, false, silence) end
            keep()
            return redis.call('HLEN', KEYS[1])
            """

    static func keys(cluster: String, _ subject: GrantSubject) -> [String] {
        ["grants", "takers", "counts"].map {
            "{hawker:\(cluster):\(subject.blob.hex):\(subject.layout.blobBytes)}:\($0)"
        }
    }
}
