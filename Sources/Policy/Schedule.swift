import Address

/// The hours of the week, by the clock on the wall, in which a device is allowed. It holds exactly while that clock shows one of
/// them: an hour that daylight saving leaves out is not there, and one that it repeats is there twice.
package struct Schedule: Hashable, Sendable {
    package enum Day: Int, CaseIterable, Sendable {
        case monday, tuesday, wednesday, thursday, friday, saturday, sunday

        /// `mon` to `sun`.
        fileprivate var name: String { String("\(self)".prefix(3)) }
    }

    /// The same hours on each of some days that follow one another.
    package struct Hours: Hashable, Sendable {
        package var first: Day
        /// Before `first` in the week: the days go on over its end, as `sat-mon` does.
        package var last: Day
        /// Minutes since midnight, 0 to 1439.
        package var start: Int
        /// Minutes since midnight, to 1440. Not after `start`: on the day after.
        package var end: Int

        package init(_ first: Day, _ last: Day, from start: Int, to end: Int) {
            self.first = first
            self.last = last
            self.start = start
            self.end = end
        }

        /// Whether they begin on `day`.
        fileprivate func begin(on day: Day) -> Bool {
            first.rawValue <= last.rawValue
                ? (first.rawValue...last.rawValue).contains(day.rawValue)
                : day.rawValue >= first.rawValue || day.rawValue <= last.rawValue
        }
    }

    /// One at least.
    package var hours: [Hours]

    package init(_ hours: [Hours]) {
        self.hours = hours
    }
}

extension Schedule {
    /// Whether the device is allowed at `instant` (seconds since 1970).
    package func allows(at instant: Int, on clock: LocalClock) -> Bool {
        !spans(within: instant..<instant + 1, on: clock).isEmpty
    }

    /// When the device is allowed within `range` (seconds since 1970): in order, none touching the next.
    package func spans(within range: Range<Int>, on clock: LocalClock) -> [Range<Int>] {
        var spans: [Range<Int>] = []
        for part in clock.parts(of: range) where !part.range.isEmpty {
            let wall = part.range.lowerBound + part.offset..<part.range.upperBound + part.offset
            // Hours that go over midnight may have begun the day before.
            for day in Self.day(of: wall.lowerBound) - 1...Self.day(of: wall.upperBound - 1) {
                spans += hours.filter { $0.begin(on: Self.weekday(of: day)) }.map { hours in
                    let end = hours.end + (hours.end <= hours.start ? Self.minutesOfDay : 0)
                    let whole = day * 86_400 + hours.start * 60..<day * 86_400 + end * 60
                    let seen = whole.clamped(to: wall)
                    return seen.lowerBound - part.offset..<seen.upperBound - part.offset
                }
            }
        }
        return Self.merged(spans)
    }

    private static func merged(_ spans: [Range<Int>]) -> [Range<Int>] {
        var merged: [Range<Int>] = []
        for span in spans.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, span.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, span.upperBound)
            } else {
                merged.append(span)
            }
        }
        return merged
    }

    fileprivate static let minutesOfDay = 1440

    /// Days since 1970-01-01, for times before it as well.
    private static func day(of seconds: Int) -> Int {
        let (day, rest) = seconds.quotientAndRemainder(dividingBy: 86_400)
        return rest < 0 ? day - 1 : day
    }

    /// 1970-01-01 was a Thursday.
    private static func weekday(of day: Int) -> Day { Day(rawValue: ((day + 3) % 7 + 7) % 7)! }
}

extension Schedule: CustomStringConvertible, LosslessStringConvertible, Codable {
    /// `mon-fri 07:00-21:00,sat-sun 09:00-22:00`, hours that end on the day after as `fri 18:00-01:00`, a whole day as
    /// `sun 00:00-24:00`.
    ///
    /// - Throws: what of it cannot be read.
    package init(parsing text: String) throws(Refusal) {
        var hours: [Hours] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            hours.append(try Self.hours(String(part.drop { $0 == " " })))
        }
        guard hours.count <= Self.most else {
            throw Refusal("a schedule has \(Self.most) parts at most, and this one has \(hours.count)")
        }
        self.hours = hours
    }

    package init?(_ description: String) {
        do throws(Refusal) { try self.init(parsing: description) } catch { return nil }
    }

    package var description: String { hours.map(\.description).joined(separator: ",") }

    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }

    private static let most = 64

    private static func hours(_ text: String) throws(Refusal) -> Hours {
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count == 2 else {
            throw Refusal(
                "\(text.isEmpty ? "an empty part" : text) says not when: write days and hours, like `mon-fri 07:00-21:00`, with commas "
                    + "between several")
        }
        let days = words[0].split(separator: "-", omittingEmptySubsequences: false)
        guard let first = days.first.flatMap(Day.init), let last = days.last.flatMap(Day.init), days.count <= 2 else {
            throw Refusal("\(words[0]) are no days: write one like `sat`, or two like `mon-fri`")
        }
        let times = words[1].split(separator: "-", omittingEmptySubsequences: false)
        guard times.count == 2, let start = minutes(times[0]), let end = minutes(times[1]), start < minutesOfDay else {
            throw Refusal("\(words[1]) are no hours: write two times from 00:00 to 24:00, like `07:00-21:00`")
        }
        guard start != end else {
            throw Refusal("\(words[1]) is no time at all; a whole day is `00:00-24:00`")
        }
        return Hours(first, last, from: start, to: end)
    }

    private static func minutes(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy(isDigit) }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60
        else { return nil }
        let minutes = hour * 60 + minute
        return minutes <= minutesOfDay ? minutes : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}

extension Schedule.Day {
    fileprivate init?(_ text: Substring) {
        guard let day = Self.allCases.first(where: { $0.name == text }) else { return nil }
        self = day
    }
}

extension Schedule.Hours: CustomStringConvertible {
    package var description: String {
        let days = first == last ? first.name : "\(first.name)-\(last.name)"
        return "\(days) \(Self.time(start))-\(Self.time(end))"
    }

    private static func time(_ minutes: Int) -> String {
        [minutes / 60, minutes % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }
}
