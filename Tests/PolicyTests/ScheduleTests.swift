import Glibc
import Policy
import Testing

@Suite("Schedules") struct ScheduleTests {
    /// Central Europe around both changes of 2026: at 01:00 UTC on 2026-03-29 to summer time, on 2026-10-25 back.
    private static let spring = 1_774_746_000
    private static let autumn = 1_792_890_000
    private static let berlin = LocalClock(
        offset: 3600, changes: [.init(time: spring, offset: 7200), .init(time: autumn, offset: 3600)])

    @Test(arguments: [
        "mon-fri 07:00-21:00,sat-sun 09:00-22:00", "sun 00:00-24:00", "fri 18:00-01:00", "sat-mon 10:30-10:31",
    ])
    func `A schedule is printed as it is written`(_ text: String) throws {
        #expect(try Schedule(parsing: text).description == text)
    }

    @Test(arguments: [
        ("", "an empty part"), ("mon", "mon says not when"), ("mon 07:00-21:00,", "an empty part"),
        ("mo 07:00-21:00", "mo are no days"), ("mon-tue-wed 07:00-21:00", "mon-tue-wed are no days"),
        ("mon 7:00-21:00", "7:00-21:00 are no hours"), ("mon 07:00-24:01", "07:00-24:01 are no hours"),
        ("mon 07:60-21:00", "07:60-21:00 are no hours"), ("mon 24:00-07:00", "24:00-07:00 are no hours"),
        ("mon 07:00", "07:00 are no hours"), ("mon 07:00-07:00", "07:00-07:00 is no time at all"),
        ("mon 07:00-21:00 daily", "mon 07:00-21:00 daily says not when"),
    ])
    func `What cannot be read of a schedule is named`(_ text: String, _ complaint: String) {
        let refusal = #expect(throws: Refusal.self) { try Schedule(parsing: text) }
        #expect(refusal?.description.hasPrefix(complaint) == true, "\(refusal?.description ?? "")")
        #expect(Schedule(text) == nil)
    }

    @Test func `The hour that spring leaves out is not there, and the one that autumn repeats is there twice`() {
        let night = Schedule("sun 01:30-02:30")!
        #expect(
            night.spans(within: Self.spring - 7200..<Self.spring + 7200, on: Self.berlin)
                == [Self.spring - 1800..<Self.spring])
        #expect(
            night.spans(within: Self.autumn - 7200..<Self.autumn + 7200, on: Self.berlin)
                == [Self.autumn - 5400..<Self.autumn - 1800, Self.autumn..<Self.autumn + 1800])
        let missing = Schedule("sun 02:00-03:00")!
        #expect(missing.spans(within: Self.spring - 7200..<Self.spring + 7200, on: Self.berlin).isEmpty)
    }

    @Test func `Hours over midnight belong to the day on which they begin`() {
        // 2026-11-27 is a Friday; the range begins within the hours.
        let friday = 1_795_737_600
        let evening = Schedule("fri 22:00-02:00")!
        #expect(
            evening.spans(within: friday..<friday + 7 * 86_400, on: .utc)
                == [friday + 22 * 3600..<friday + 26 * 3600])
        #expect(
            evening.spans(within: friday + 25 * 3600..<friday + 48 * 3600, on: .utc)
                == [friday + 25 * 3600..<friday + 26 * 3600])
        #expect(
            Schedule("fri-sat 22:00-24:00,sat 00:00-02:00")!.spans(within: friday..<friday + 30 * 3600, on: .utc).count
                == 1)
    }

    @Test func `A schedule holds exactly while the clock on the wall shows its hours, by the C library's word`() throws
    {
        setenv("TZ", "Europe/Berlin", 1)
        tzset()
        defer {
            unsetenv("TZ")
            tzset()
        }
        var probe = time_t(Self.spring)
        var parts = tm()
        localtime_r(&probe, &parts)
        try #require(parts.tm_gmtoff == 7200, "the time zones are not installed")
        var random = SystemRandomNumberGenerator()
        let days = Schedule.Day.allCases
        for _ in 0..<500 {
            let hours = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                let start = Int.random(in: 0...1439, using: &random)
                var end = Int.random(in: 1...1440, using: &random)
                if end == start { end = 1440 }
                return Schedule.Hours(
                    days.randomElement(using: &random)!, days.randomElement(using: &random)!, from: start, to: end)
            }
            let schedule = Schedule(hours)
            #expect(Schedule(schedule.description) == schedule)
            let middle = Bool.random(using: &random) ? Self.spring : Self.autumn
            let range = middle - 3 * 86_400..<middle + 4 * 86_400
            let spans = schedule.spans(within: range, on: Self.berlin)
            #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
            for _ in 0..<50 {
                // Half of the instants near the change, where it is difficult.
                let near = middle - 7200...middle + 7200
                let instant =
                    Bool.random(using: &random)
                    ? Int.random(in: range, using: &random) : Int.random(in: near, using: &random)
                let expected = Self.isShown(by: schedule, at: instant)
                #expect(schedule.allows(at: instant, on: Self.berlin) == expected, "\(schedule) at \(instant)")
                #expect(spans.contains { $0.contains(instant) } == expected, "\(schedule) at \(instant)")
            }
        }
    }

    /// Written another way than the schedule's own: from the parts that localtime(3) gives.
    private static func isShown(by schedule: Schedule, at instant: Int) -> Bool {
        var time = time_t(instant)
        var parts = tm()
        localtime_r(&time, &parts)
        let (today, minute) = ((Int(parts.tm_wday) + 6) % 7, Int(parts.tm_hour * 60 + parts.tm_min))
        return schedule.hours.contains { hours in
            let length = (hours.last.rawValue - hours.first.rawValue + 7) % 7
            let days = (0...length).map { (hours.first.rawValue + $0) % 7 }
            if hours.end > hours.start { return days.contains(today) && minute >= hours.start && minute < hours.end }
            return days.contains(today) && minute >= hours.start
                || days.contains((today + 6) % 7) && minute < hours.end
        }
    }
}
