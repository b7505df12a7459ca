import Machine
import Policy

extension LocalClock {
    /// The machine's own, from a day before `time` to what a schedule looks ahead.
    static func around(_ time: Int) -> LocalClock {
        // By days, so that it is the same value most of the time.
        let today = time / 86_400 * 86_400
        let range = today - 86_400..<today + 9 * 86_400
        let changes = LocalTime.changes(within: range).map { Change(time: $0.time, offset: $0.offset) }
        return LocalClock(day: today, offset: LocalTime.offset(at: range.lowerBound), changes: changes)
    }
}
