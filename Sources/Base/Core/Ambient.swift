import Foundation
import Synchronization

/// The two things a component may not reach for by itself: what time it is, and chance. Injected so that tests decide both.
public struct Ambient: Sendable {
    /// The wall clock.
    public var now: @Sendable () -> Timestamp
    /// 64 random bits.
    public var randomBits: @Sendable () -> UInt64

    public init(now: @escaping @Sendable () -> Timestamp, randomBits: @escaping @Sendable () -> UInt64) {
        self.now = now
        self.randomBits = randomBits
    }

    /// The system's clock and random numbers.
    public static let live = Ambient(
        now: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
        },
        randomBits: {
            var generator = SystemRandomNumberGenerator()
            return generator.next()
        })

    /// A clock that starts at `start` and moves only by `step` milliseconds at each reading, and seeded chance.
    public static func fixed(
        start: Timestamp = Timestamp(milliseconds: 1_700_000_000_000), step: Int64 = 1, seed: UInt64 = 1
    ) -> Ambient {
        let clock = Mutex(start.milliseconds)
        let generator = Mutex(SeededGenerator(seed: seed))
        return Ambient(
            now: {
                clock.withLock { reading in
                    defer { reading += step }
                    return Timestamp(milliseconds: reading)
                }
            },
            randomBits: { generator.withLock { $0.next() } })
    }

    /// A new identifier of 32 hexadecimal digits, as MLflow's clients expect of a run: 12 digits of time, 20 of chance.
    /// Identifiers made later sort later, so that tables keyed by them grow at their end.
    public func newID() -> String {
        let high = UInt64(bitPattern: now().milliseconds) << 16 | (randomBits() & 0xFFFF)
        return hex(high) + hex(randomBits())
    }

    private func hex(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }
}

/// SplitMix64: reproducible, fast, and good enough to sample rows and hyperparameters. Not for secrets.
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (2014).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number in 0 ..< 1, from the upper 53 bits.
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
