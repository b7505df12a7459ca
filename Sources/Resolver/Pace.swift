import Reactor

/// How fast each client asks: so many questions in a second, of which a second's worth may come at once (GCRA, ITU-T I.371).
/// Confined to its reactor's thread.
struct Pace {
    private struct Course {
        /// Nanoseconds of CLOCK_MONOTONIC by which what was asked so far would have been asked at the allowed rate.
        var end: UInt64
        /// Nanoseconds between two questions at that rate, 0 where there is no bound; nil: to be found out.
        var interval: UInt64?
    }

    private var courses: [Visitor.Payer: Course] = [:]
    private var nextSweep: UInt64 = 0

    /// Clients of which is known how fast they ask. One for which there is no more room is not held to its rate: a flood of invented
    /// sources must not keep those that are real from their answers.
    private static let capacity = 16_384
    private static let second: UInt64 = 1_000_000_000

    /// Whether one more question is within the rate, in which case it counts.
    mutating func admits(_ payer: Visitor.Payer, at now: UInt64, atMost perSecond: () -> Int?) -> Bool {
        var course = courses[payer] ?? Course(end: now)
        let interval: UInt64
        if let known = course.interval {
            interval = known
        } else {
            interval = perSecond().map { Self.second / UInt64(min(max($0, 1), 1_000_000)) } ?? 0
            if courses[payer] == nil, !hasRoom(at: now) { return true }
            course.interval = interval
        }
        let end = max(course.end, now) + interval
        let isWithin = end - now <= Self.second
        if isWithin { course.end = end }
        courses[payer] = course
        return isWithin
    }

    /// Other rates hold from now on.
    mutating func changeRates() {
        for payer in courses.keys { courses[payer]!.interval = nil }
    }

    private mutating func hasRoom(at now: UInt64) -> Bool {
        if courses.count < Self.capacity { return true }
        guard now >= nextSweep else { return false }
        nextSweep = now + Self.second
        courses = courses.filter { $1.end > now }
        return courses.count < Self.capacity
    }
}
