/// Reads a response's head as strictly as `HTTPRequestHeadParser` a request's, but for space before a colon, which a proxy has to
/// take away and not to refuse (RFC 9112 §5.1), and for a status line that ends with the code.
package struct HTTPResponseHeadParser: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Bytes of the whole head, the empty line included.
        package var head = 32 * 1024
        package var fields = 256

        package init() {}
    }

    private let limits: Limits
    private var lines = HTTPHeadLines()
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
            guard let line = try lines.nextLine(of: input, before: limits.head) else {
                if input.count > limits.head { throw .headTooLarge(limit: limits.head) }
                return .needMore
            }
            guard let statusLine else {
                statusLine = try parseStatusLine(line, of: input)
                continue
            }
            guard line.isEmpty else {
                try lines.takeField(line, of: input, limit: limits.fields, isLenient: true)
                continue
            }
            let consumed = lines.scanned
            let head = HTTPResponseHead(
                status: statusLine.status, reason: statusLine.reason, minorVersion: statusLine.minorVersion,
                fields: HTTPFields(bytes: input.bytes(0..<consumed), entries: lines.entries))
            self = HTTPResponseHeadParser(limits: limits)
            return .done(head, consumed: consumed)
        }
    }

    private func parseStatusLine(
        _ line: Range<Int>, of input: borrowing Span<UInt8>
    ) throws(HTTPError) -> StatusLine {
        let start = line.lowerBound
        guard line.count >= 12, let version = HTTPVersion(start..<(start + 8), of: input), version.major == 1,
            input[start + 8] == ASCII.space
        else { throw .malformed("it does not begin with a status line of HTTP/1") }
        var status = 0
        for index in (start + 9)..<(start + 12) {
            guard input[index].isDigit else { throw .malformed("the status is not a number of three digits") }
            status = status * 10 + Int(input[index] - UInt8(ascii: "0"))
        }
        guard status >= 100 else { throw .malformed("the status is not a number of three digits") }
        let end = start + 12
        guard line.count == 12 || input[end] == ASCII.space else {
            throw .malformed("the status is not a number of three digits")
        }
        return StatusLine(
            status: status, reason: min(end + 1, line.upperBound)..<line.upperBound,
            minorVersion: min(version.minor, 1))
    }
}
