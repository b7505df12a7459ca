/// The lines of a head and the fields in them, strictly (RFC 9112 §2 to §5): a line ends in CR LF and nothing else, no
/// folding, no control characters. Requests, responses and trailers share this grammar.
///
/// The reader remembers how far it got, so that a head that arrives byte by byte costs no more than one that arrives at once.
struct HTTPHeadLines: Sendable {
    private(set) var scanned = 0
    private(set) var lineStart = 0
    private(set) var entries: [HTTPFields.Entry] = []

    /// The next line, without its CR LF.
    ///
    /// - Parameter limit: where it has to end at the latest.
    /// - Returns: nil if it has not come whole, or is longer than that.
    mutating func nextLine(of input: borrowing Span<UInt8>, before limit: Int) throws(HTTPError) -> Range<Int>? {
        let end = min(input.count, limit)
        while scanned < end {
            let byte = input[scanned]
            if byte.isHeadByte {
                scanned += 1
            } else if byte == ASCII.carriageReturn {
                guard scanned + 1 < end else { return nil }
                guard input[scanned + 1] == ASCII.lineFeed else { throw .malformed("a CR stands alone") }
                let line = lineStart..<scanned
                scanned += 2
                lineStart = scanned
                return line
            } else {
                throw .malformed(
                    byte == ASCII.lineFeed ? "a line ends in LF without CR" : "the head has a control character")
            }
        }
        return nil
    }

    mutating func takeField(
        _ line: Range<Int>, of input: borrowing Span<UInt8>, limit: Int, isLenient: Bool = false
    ) throws(HTTPError) {
        guard entries.count < limit else { throw .tooManyFields(limit: limit) }
        if entries.isEmpty { entries.reserveCapacity(16) }
        entries.append(try Self.field(line, of: input, isLenient: isLenient))
    }

    /// - Parameter isLenient: space before the colon is accepted; it must not be passed on
    ///   (RFC 9112 §5.1: in responses only).
    static func field(
        _ line: Range<Int>, of input: borrowing Span<UInt8>, isLenient: Bool
    ) throws(HTTPError) -> HTTPFields.Entry {
        guard !line.isEmpty, !input[line.lowerBound].isOptionalWhitespace else {
            throw .malformed("a field is folded over two lines")
        }
        var index = line.lowerBound
        while index < line.upperBound, input[index].isTokenByte { index += 1 }
        let name = line.lowerBound..<index
        if isLenient {
            while index < line.upperBound, input[index].isOptionalWhitespace { index += 1 }
        }
        guard !name.isEmpty, index < line.upperBound, input[index] == ASCII.colon else {
            throw .malformed("a field is not a name directly followed by a colon")
        }
        var start = index + 1
        var end = line.upperBound
        while start < end, input[start].isOptionalWhitespace { start += 1 }
        while end > start, input[end - 1].isOptionalWhitespace { end -= 1 }
        return HTTPFields.Entry(name: name, value: start..<end, known: HTTPFieldName(name, of: input))
    }
}
