/// How the clock on the wall is ahead of UTC where the machine stands, for a few days around now: what daylight saving does to
/// a time of day is a fact about the place, and no arithmetic tells it.
package struct LocalClock: Codable, Hashable, Sendable {
    /// From `time` on (seconds since 1970) the wall's clock is `offset` seconds ahead of UTC.
    package struct Change: Codable, Hashable, Sendable {
        package var time: Int
        package var offset: Int

        package init(time: Int, offset: Int) {
            self.time = time
            self.offset = offset
        }
    }

    /// The beginning of the day, UTC, on which the machine's clock was read, in seconds since 1970. What is written down ahead for
    /// the kernel begins here, and is written anew when another day has begun.
    package var day: Int
    /// Seconds ahead of UTC before the first change.
    package var offset: Int
    /// Ascending.
    package var changes: [Change]

    package static let utc = LocalClock(offset: 0)

    package init(day: Int = 0, offset: Int, changes: [Change] = []) {
        self.day = day
        self.offset = offset
        self.changes = changes
    }

    /// Seconds ahead of UTC at `time`.
    package func offset(at time: Int) -> Int { changes.last { $0.time <= time }?.offset ?? offset }

    /// The week ahead, for which the changes are known.
    package var week: Range<Int> { day..<day + 8 * 86_400 }

    /// `range` in parts in which the offset is one and the same.
    package func parts(of range: Range<Int>) -> [(range: Range<Int>, offset: Int)] {
        let inner = changes.map(\.time).filter { $0 > range.lowerBound && $0 < range.upperBound }
        let edges = [range.lowerBound] + inner + [range.upperBound]
        return zip(edges, edges.dropFirst()).map { start, end in (start..<end, offset(at: start)) }
    }
}
