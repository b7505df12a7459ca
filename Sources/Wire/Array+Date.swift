extension [UInt8] {
    /// A moment as a field of HTTP says it, `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate, RFC 9110 §5.6.7).
    ///
    /// - Parameter seconds: since 1970, and before the year 10000.
    mutating func append(date seconds: Int) {
        let (day, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        // Years that begin with March have their leap day last. Counted are days from 0000-03-01, in eras of 400 years.
        let (era, dayOfEra) = (day + 719_468).quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let year = 400 * era + yearOfEra + (month < 10 ? 0 : 1)
        // 1970 began with a Thursday.
        append(letters: "ThuFriSatSunMonTueWed", at: day % 7)
        append(contentsOf: ", ".utf8)
        append(digits: dayOfYear - (153 * month + 2) / 5 + 1)
        append(ASCII.space)
        append(letters: "MarAprMayJunJulAugSepOctNovDecJanFeb", at: month)
        append(ASCII.space)
        append(digits: year / 100)
        append(digits: year % 100)
        append(ASCII.space)
        append(digits: second / 3600)
        append(ASCII.colon)
        append(digits: second / 60 % 60)
        append(ASCII.colon)
        append(digits: second % 60)
        append(contentsOf: " GMT".utf8)
    }

    /// Three letters from `names`, which have three each.
    private mutating func append(letters names: StaticString, at index: Int) {
        append(contentsOf: UnsafeBufferPointer(start: names.utf8Start + 3 * index, count: 3))
    }

    private mutating func append(digits number: Int) {
        append(UInt8(ascii: "0") + UInt8(number / 10))
        append(UInt8(ascii: "0") + UInt8(number % 10))
    }
}
