/// HTTP-version (RFC 9112 §2.3).
struct HTTPVersion {
    let major: Int
    let minor: Int

    init?(_ range: Range<Int>, of input: borrowing Span<UInt8>) {
        guard range.count == 8 else { return nil }
        let start = range.lowerBound
        // Case-sensitive, unlike names of fields.
        let name: StaticString = "HTTP/"
        for offset in 0..<5 where input[start + offset] != name.utf8Start[offset] { return nil }
        guard input[start + 5].isDigit, input[start + 6] == UInt8(ascii: "."), input[start + 7].isDigit else {
            return nil
        }
        major = Int(input[start + 5] - UInt8(ascii: "0"))
        minor = Int(input[start + 7] - UInt8(ascii: "0"))
    }
}
