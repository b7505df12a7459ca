import Glibc

/// The clock on the wall (localtime(3)): how far it is ahead of UTC, which is the time zone's to say.
package enum LocalTime {
    /// From `time` on (seconds since 1970) it is `offset` seconds ahead of UTC.
    package struct Change: Hashable, Sendable {
        package let time: Int
        package let offset: Int
    }

    /// Seconds ahead of UTC at `time` (seconds since 1970).
    package static func offset(at time: Int) -> Int {
        var time = time_t(time)
        var parts = tm()
        guard localtime_r(&time, &parts) != nil else { return 0 }
        return parts.tm_gmtoff
    }

    /// Where the offset becomes another one within `range`: daylight saving, most often.
    package static func changes(within range: Range<Int>) -> [Change] {
        // localtime_r(3) may go by the time zone of the program's start.
        tzset()
        var changes: [Change] = []
        for day in stride(from: range.lowerBound, to: range.upperBound, by: 86_400) {
            var (low, high) = (day, min(day + 86_400, range.upperBound))
            let (before, after) = (offset(at: low), offset(at: high))
            guard before != after else { continue }
            while high - low > 1 {
                let middle = (low + high) / 2
                if offset(at: middle) == before { low = middle } else { high = middle }
            }
            changes.append(Change(time: high, offset: after))
        }
        return changes
    }
}
