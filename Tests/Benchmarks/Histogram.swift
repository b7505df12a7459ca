/// Counts durations in buckets whose width grows with the value: each power of two is cut into 64, so a percentile is at
/// most 1/64 too high. Recording never allocates, and threads' histograms add up.
package struct Histogram: Sendable {
    private static let precision = 6
    private var buckets = [UInt64](repeating: 0, count: (64 - precision + 1) << precision)
    package private(set) var count: UInt64 = 0

    package init() {}

    @inline(__always)
    package mutating func record(_ value: UInt64) {
        buckets[Self.bucket(of: value)] += 1
        count += 1
    }

    package mutating func add(_ other: Histogram) {
        for index in buckets.indices { buckets[index] += other.buckets[index] }
        count += other.count
    }

    /// The smallest bucket bound that at least `share` (0...1) of the values do not exceed; 0 when nothing was recorded.
    package func percentile(_ share: Double) -> UInt64 {
        let rank = max(1, UInt64((share * Double(count)).rounded(.up)))
        var seen: UInt64 = 0
        for (index, amount) in buckets.enumerated() {
            seen += amount
            if seen >= rank { return Self.upperBound(of: index) }
        }
        return 0
    }

    private static func bucket(of value: UInt64) -> Int {
        guard value >= 1 << precision else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - precision
        return (shift << precision) + Int(value >> UInt64(shift))
    }

    private static func upperBound(of bucket: Int) -> UInt64 {
        guard bucket >= 2 << precision else { return UInt64(bucket) }
        let shift = UInt64(bucket >> precision - 1)
        let mantissa = UInt64(bucket) - shift << UInt64(precision)
        return (mantissa + 1) << shift &- 1
    }
}
