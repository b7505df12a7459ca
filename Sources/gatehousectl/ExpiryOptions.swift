import ArgumentParser
import Glibc
import Policy

/// When something ends by itself. Without one of them it does not.
struct ExpiryOptions: ParsableArguments {
    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("It ends by itself after this time: 90s, 30m, 2h or 7d.", valueName: "time"),
        transform: Span.parse)
    var span: Span?

    @Option(
        help: ArgumentHelp("It ends by itself at this time (UTC), like 2026-12-24T18:00:00Z.", valueName: "time"),
        transform: Instant.parse)
    var until: Instant?

    func validate() throws {
        guard span == nil || until == nil else { throw ValidationError("Give either --for or --until.") }
    }

    /// In seconds since 1970; nil: it does not end by itself.
    var end: Int? { until?.seconds ?? span.map { now() + $0.seconds } }
}

/// A point in time, written as RFC 3339 does it for UTC.
struct Instant: Hashable, Sendable, CustomStringConvertible {
    /// Since 1970.
    let seconds: Int

    private static let format = "%Y-%m-%dT%H:%M:%SZ"

    var description: String {
        var (time, parts) = (time_t(seconds), tm())
        gmtime_r(&time, &parts)
        let length = 40
        var text = [CChar](repeating: 0, count: length)
        strftime(&text, length, Self.format, &parts)
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    @Sendable static func parse(argument text: String) throws -> Instant {
        if let match = text.wholeMatch(of: #/(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})Z/#) {
            func number(_ part: Substring) -> Int32 { Int32(part) ?? 0 }
            var parts = tm()
            (parts.tm_year, parts.tm_mon) = (number(match.1) - 1900, number(match.2) - 1)
            (parts.tm_mday, parts.tm_hour) = (number(match.3), number(match.4))
            (parts.tm_min, parts.tm_sec) = (number(match.5), number(match.6))
            // What is the form of a time and none, like the 31st of April, does not come back as it was.
            let instant = Instant(seconds: timegm(&parts))
            if instant.description == text, instant.seconds >= 0 { return instant }
        }
        throw Refusal("write a time of UTC like 2026-12-24T18:00:00Z, or give --for 2h")
    }
}
