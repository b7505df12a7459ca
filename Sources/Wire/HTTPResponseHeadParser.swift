/// Reads a response's head as leniently as RFC 9112 lets a recipient: what is passed on of it is written anew, so that there is no second
/// way to read it. What is refused is named.
package struct HTTPResponseHeadParser: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Bytes of the whole head, the empty line included.
        package var head = 128 * 1024
        package var fields = 500

        package init() {}
    }

    /// Empty lines ahead of a response are left over from the one before.
    private static let mostEmptyLines = 8

    private let limits: Limits
    private var lines = HTTPHeadLines(isLenient: true)
    private var lineCount = 0
    private var statusLine: StatusLine?

    private struct StatusLine {
        let status: Int
        let reason: Range<Int>
        let minorVersion: Int
    }

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// `input` starts at the same byte in every call until a head is done; then the parser is ready for the next one.
    package mutating func parse(_ input: borrowing Span<UInt8>) throws(HTTPError) -> Parsed<HTTPResponseHead> {
        while true {
            let start = lines.lineStart
            do throws(HTTPError) {
                guard let line = try lines.nextLine(of: input, before: limits.head) else {
                    if input.count > limits.head { throw .headTooLarge(limit: limits.head) }
                    return .needMore
                }
                lineCount += 1
                guard try read(line, of: input) else { continue }
                return try finish(input)
            } catch {
                guard case .malformed(let what) = error, start < lines.scanned else { throw error }
                throw .malformed("line \(lineCount) of its head is \(input.quoted(start..<lines.scanned)): \(what)")
            }
        }
    }

    /// Reads one line; true when it was the empty one that ends the head.
    private mutating func read(_ line: Range<Int>, of input: borrowing Span<UInt8>) throws(HTTPError) -> Bool {
        guard statusLine != nil else {
            if line.isEmpty, lineCount <= Self.mostEmptyLines { return false }
            statusLine = try parseStatusLine(line, of: input)
            return false
        }
        if line.isEmpty { return true }
        try lines.takeField(line, of: input, limit: limits.fields)
        return false
    }

    private mutating func finish(_ input: borrowing Span<UInt8>) throws(HTTPError) -> Parsed<HTTPResponseHead> {
        // read() ends a head only after a status line.
        guard let statusLine else { return .needMore }
        let consumed = lines.scanned
        let head = HTTPResponseHead(
            status: statusLine.status, reason: statusLine.reason, minorVersion: statusLine.minorVersion,
            fields: try lines.fields(of: input))
        self = HTTPResponseHeadParser(limits: limits)
        return .done(head, consumed: consumed)
    }

    /// Words with blanks between them, however many (RFC 9112 §4); the version of a SHOUTcast server is ICY, and means HTTP/1.0.
    private func parseStatusLine(
        _ line: Range<Int>, of input: borrowing Span<UInt8>
    ) throws(HTTPError) -> StatusLine {
        let line = HTTPHeadLines.trimmed(line, of: input)
        var index = line.lowerBound
        while index < line.upperBound, !input[index].isBlank { index += 1 }
        let minorVersion: Int
        if let version = HTTPVersion(line.lowerBound..<index, of: input), version.major == 1 {
            minorVersion = min(version.minor, 1)
        } else if input.equals("icy", in: line.lowerBound..<index) {
            minorVersion = 0
        } else {
            throw .malformed("it does not begin with a status line of HTTP/1")
        }
        while index < line.upperBound, input[index].isBlank { index += 1 }
        let start = index
        var status = 0
        while index < line.upperBound, index - start < 3, input[index].isDigit {
            status = status * 10 + Int(input[index] - UInt8(ascii: "0"))
            index += 1
        }
        guard status >= 100, index == line.upperBound || input[index].isBlank else {
            throw .malformed("the status is not a number of three digits")
        }
        return StatusLine(
            status: status, reason: HTTPHeadLines.trimmed(index..<line.upperBound, of: input),
            minorVersion: minorVersion)
    }
}

extension Span<UInt8> {
    /// The bytes in `range` between quotation marks, for a person to read; not more than a line of them.
    func quoted(_ range: Range<Int>) -> String {
        var text = ""
        var range = range
        while let last = range.last, self[last] == ASCII.lineFeed || self[last] == ASCII.carriageReturn {
            range.removeLast()
        }
        for index in range.prefix(60) {
            let byte = self[index]
            text +=
                byte.isVisible || byte == ASCII.space ? String(UnicodeScalar(byte)) : "\\x\(String(byte, radix: 16))"
        }
        return "\"\(text)\(range.count > 60 ? "…" : "")\""
    }
}
