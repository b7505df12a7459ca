/// The lines of a head and the fields in them (RFC 9112 §2 to §5). Strictly, as in requests and trailers: a line ends in CR LF and
/// nothing else, no folding, no control characters. Leniently, as in responses, which are written anew: whatever RFC 9112 lets a
/// recipient make sense of.
///
/// The reader remembers how far it got, so that a head that arrives byte by byte costs no more than one that arrives at once.
struct HTTPHeadLines: Sendable {
    private(set) var scanned = 0
    private(set) var lineStart = 0
    private(set) var entries: [HTTPFields.Entry] = []
    /// A field is folded, or there are control characters.
    private var isOdd = false
    private let isLenient: Bool

    init(isLenient: Bool = false) {
        self.isLenient = isLenient
    }

    /// The fields of a head that `scanned` bytes have.
    func fields(of input: borrowing Span<UInt8>) throws(HTTPError) -> HTTPFields {
        guard isOdd else { return try HTTPFields(bytes: input.bytes(0..<scanned), entries: entries) }
        // Where the first line has its parts, it keeps them.
        var bytes = input.bytes(0..<(entries.first?.name.lowerBound ?? scanned))
        for index in bytes.indices where !bytes[index].isHeadByte { bytes[index] = ASCII.space }
        var entries = entries
        for (index, entry) in entries.enumerated() {
            let start = bytes.count
            bytes += input.bytes(entry.name)
            let end = bytes.count
            bytes.append(evened: input.bytes(entry.value))
            entries[index] = HTTPFields.Entry(name: start..<end, value: end..<bytes.count, known: entry.known)
        }
        return try HTTPFields(bytes: bytes, entries: entries)
    }

    /// The next line, without its end.
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
                guard input[scanned + 1] == ASCII.lineFeed else {
                    guard isLenient else { throw .malformed("a CR stands alone") }
                    isOdd = true
                    scanned += 1
                    continue
                }
                scanned += 1
                return endLine(of: input)
            } else if isLenient, byte == ASCII.lineFeed {
                return endLine(of: input)
            } else if isLenient, lineStart > 0 {
                isOdd = true
                scanned += 1
            } else {
                // Bytes that begin so are no head at all, and more of them will not come.
                throw .malformed(
                    byte == ASCII.lineFeed ? "a line ends in LF without CR" : "the head has a control character")
            }
        }
        return nil
    }

    /// The line that ends in the LF at `scanned`, without any CR before that.
    private mutating func endLine(of input: borrowing Span<UInt8>) -> Range<Int> {
        var end = scanned
        while end > lineStart, input[end - 1] == ASCII.carriageReturn { end -= 1 }
        let line = lineStart..<end
        scanned += 1
        lineStart = scanned
        return line
    }

    mutating func takeField(
        _ line: Range<Int>, of input: borrowing Span<UInt8>, limit: Int
    ) throws(HTTPError) {
        if isLenient, !line.isEmpty, input[line.lowerBound].isBlank { return fold(line, of: input) }
        guard entries.count < limit else { throw .tooManyFields(limit: limit) }
        if entries.isEmpty { entries.reserveCapacity(16) }
        entries.append(try Self.field(line, of: input, isLenient: isLenient))
    }

    /// A line that goes on with the value before it (RFC 9112 §5.2). Before the first field it means nothing (§2.2).
    private mutating func fold(_ line: Range<Int>, of input: borrowing Span<UInt8>) {
        isOdd = true
        let more = Self.trimmed(line, of: input)
        guard let last = entries.last, !more.isEmpty else { return }
        let start = last.value.isEmpty ? more.lowerBound : last.value.lowerBound
        entries[entries.count - 1] = HTTPFields.Entry(
            name: last.name, value: start..<more.upperBound, known: last.known)
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
        return HTTPFields.Entry(
            name: name, value: trimmed((index + 1)..<line.upperBound, of: input), known: HTTPFieldName(name, of: input))
    }

    /// `range` without the blanks at its ends.
    static func trimmed(_ range: Range<Int>, of input: borrowing Span<UInt8>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, input[start].isBlank { start += 1 }
        while end > start, input[end - 1].isBlank { end -= 1 }
        return start..<end
    }
}

extension [UInt8] {
    /// A value in which a fold becomes one space (RFC 9112 §5.2), and so does every control character (RFC 9112 §2.2, RFC 9110 §5.5).
    fileprivate mutating func append(evened value: [UInt8]) {
        let start = count
        var isInFold = false
        for byte in value {
            if byte == ASCII.lineFeed {
                while count > start, self[count - 1].isBlank { removeLast() }
                append(ASCII.space)
                isInFold = true
            } else if !isInFold || !byte.isBlank {
                append(byte.isHeadByte ? byte : ASCII.space)
                isInFold = false
            }
        }
    }
}

extension UInt8 {
    /// Whether the byte is a space in the end: one, or a control character that a lenient recipient takes for one.
    var isBlank: Bool { self == ASCII.space || self <= 0x1f || self == 0x7f }
}
