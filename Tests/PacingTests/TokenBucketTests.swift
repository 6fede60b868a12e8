import Pacing
import TestSupport
import Testing

@Suite("a token bucket")
struct TokenBucketTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("is full at first, goes into debt, and opens when the debt is paid, to the nanosecond")
    func debt() {
        var bucket = TokenBucket(bytesPerSecond: 1_000, now: 0)
        #expect(bucket.burstBytes == 100)
        bucket.take(1_100, now: 0)
        // A thousand bytes are owed; open means that there is something.
        #expect(bucket.nanosecondsToWait(now: 0) == Self.second + 1)
        #expect(bucket.nanosecondsToWait(now: Self.second) == 1)
        #expect(bucket.nanosecondsToWait(now: Self.second + 1) == 0)
    }

    @Test("saves up no more than the burst")
    func burst() {
        var bucket = TokenBucket(bytesPerSecond: 1_000, now: 0)
        bucket.take(0, now: 1_000 * Self.second)
        bucket.take(100, now: 1_000 * Self.second)
        #expect(bucket.nanosecondsToWait(now: 1_000 * Self.second) == 1)
    }

    @Test("without a rate is always open; a rate of nothing is the least there is")
    func none() {
        var bucket = TokenBucket(bytesPerSecond: nil, now: 0)
        bucket.take(.max, now: 0)
        #expect(bucket.nanosecondsToWait(now: 0) == 0)
        bucket.setRate(0, now: 0)
        #expect(bucket.bytesPerSecond == 1)
        bucket.take(5, now: 0)
        #expect(bucket.nanosecondsToWait(now: 0) == 5 * Self.second + 1)
    }

    @Test("a new rate counts from then on, for the debt as well")
    func change() {
        var bucket = TokenBucket(bytesPerSecond: 100, now: 0)
        bucket.take(1_010, now: 0)
        #expect(bucket.nanosecondsToWait(now: 0) == 10 * Self.second + 1)
        bucket.setRate(1_000, now: 5 * Self.second)
        #expect(bucket.nanosecondsToWait(now: 5 * Self.second) == Self.second / 2 + 1)
        bucket.setRate(nil, now: 5 * Self.second)
        #expect(bucket.nanosecondsToWait(now: 5 * Self.second) == 0)
    }

    @Test("the largest numbers neither trap nor open it")
    func extremes() {
        var bucket = TokenBucket(bytesPerSecond: .max, now: 0)
        _ = bucket.nanosecondsToWait(now: .max)
        bucket.take(.max, now: 0)
        bucket.take(.max, now: .max)
        bucket.take(-1, now: .max)
        _ = bucket.nanosecondsToWait(now: .max)
        var slow = TokenBucket(bytesPerSecond: 1, now: 0)
        for _ in 0..<10 { slow.take(.max, now: 0) }
        #expect(slow.nanosecondsToWait(now: 0) == .max)
    }

    @Test("a clock that steps back gives nothing away")
    func clock() {
        var bucket = TokenBucket(bytesPerSecond: 1_000, now: 10 * Self.second)
        bucket.take(1_100, now: 10 * Self.second)
        bucket.take(0, now: 0)
        #expect(bucket.nanosecondsToWait(now: 10 * Self.second) == Self.second + 1)
    }

    @Test("over any stretch of time, what passes is the rate times the time, no matter how it is cut",
        arguments: UInt64(0)..<100)
    func arithmetic(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let rate = UInt64.random(in: 1...10_000_000_000, using: &generator)
        let largest = Int.random(in: 1...2_000_000, using: &generator)
        var now = UInt64.random(in: 0...(1 << 60), using: &generator)
        var bucket = TokenBucket(bytesPerSecond: rate, now: now)
        var takes: [(time: UInt64, bytes: Int)] = []
        for _ in 0..<300 {
            // A sender that always has something, and is woken late by up to a millisecond.
            now += bucket.nanosecondsToWait(now: now) + UInt64.random(in: 0...1_000_000, using: &generator)
            let bytes = Int.random(in: 0...largest, using: &generator)
            bucket.take(bytes, now: now)
            takes.append((now, bytes))
        }
        var sums: [Int] = [0]
        for take in takes { sums.append(sums[sums.count - 1] + take.bytes) }
        for first in stride(from: 0, to: takes.count, by: 7) {
            for last in first..<takes.count {
                let taken = Double(sums[last + 1] - sums[first])
                let allowed = Double(rate) * Double(takes[last].time - takes[first].time) / 1e9
                let most = allowed + Double(bucket.burstBytes) + Double(largest) + 2
                #expect(taken <= most * (1 + 1e-12), "seed \(seed), \(first) to \(last)")
            }
        }
        // Nor is any time lost: at the end it is open, or what was taken is what the time was worth.
        let worth = Double(rate) * Double(now - takes[0].time) / 1e9
        let late = Double(rate) * 0.001 * Double(takes.count)
        #expect(Double(sums[takes.count]) >= worth - late - 2, "seed \(seed)")
    }
}
