/// Reads a request's head, strictly (RFC 9112 §2 to §5): a line ends in CR LF and nothing else, no folding, no space before
/// a colon, no control characters.
///
/// It remembers how far it got, so that a head that arrives byte by byte costs no more than one that arrives at once. Bytes
/// that can never become a request (TLS on the plain port, say) are refused as soon as they show.
package struct HTTPHeadParser: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Bytes of the whole head, the empty line included.
        package var head = 16 * 1024
        /// Bytes of the request target.
        package var target = 8 * 1024
        package var fields = 100
        package var method = 32

        package init() {}
    }

    private let limits: Limits
    private var scanned = 0
    private var lineStart = 0
    private var requestLine: RequestLine?
    private var entries: [HTTPFields.Entry] = []
    private var skippedEmptyLine = false

    private struct RequestLine {
        let method: String
        let target: String
        let minorVersion: Int
    }

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// `input` starts at the same byte in every call until a head is done; then the parser is ready for the next one.
    package mutating func parse(_ input: borrowing Span<UInt8>) throws(HTTPError) -> Parsed<HTTPRequestHead> {
        while scanned < input.count {
            guard scanned < limits.head else { throw tooLarge }
            let byte = input[scanned]
            scanned += 1
            if byte == ASCII.lineFeed {
                guard scanned - lineStart >= 2, input[scanned - 2] == ASCII.carriageReturn else {
                    throw .malformed("a line ends in LF without CR")
                }
                let line = lineStart..<(scanned - 2)
                lineStart = scanned
                if try take(line, of: input) { return try finish(input) }
            } else if scanned - lineStart >= 2, input[scanned - 2] == ASCII.carriageReturn {
                throw .malformed("a CR stands alone")
            } else if !byte.isHeadByte, byte != ASCII.carriageReturn {
                throw .malformed("the head has a control character")
            } else if requestLine == nil, scanned - lineStart > limits.method + limits.target + 16 {
                throw tooLarge
            }
        }
        return .needMore
    }

    private var tooLarge: HTTPError {
        requestLine == nil ? .targetTooLong(limit: limits.target) : .headTooLarge(limit: limits.head)
    }

    /// Takes one line without its CR LF; true when it was the empty one that ends the head.
    private mutating func take(_ line: Range<Int>, of input: borrowing Span<UInt8>) throws(HTTPError) -> Bool {
        guard requestLine != nil else {
            if line.isEmpty {
                // RFC 9112 §2.2: one empty line ahead of a request is to be ignored.
                guard !skippedEmptyLine else { throw .malformed("the request begins with empty lines") }
                skippedEmptyLine = true
                return false
            }
            requestLine = try parseRequestLine(line, of: input)
            return false
        }
        if line.isEmpty { return true }
        guard entries.count < limits.fields else { throw .tooManyFields(limit: limits.fields) }
        entries.append(try parseField(line, of: input))
        return false
    }

    private func parseRequestLine(
        _ line: Range<Int>, of input: borrowing Span<UInt8>
    ) throws(HTTPError) -> RequestLine {
        var index = line.lowerBound
        while index < line.upperBound, input[index].isTokenByte { index += 1 }
        let method = line.lowerBound..<index
        guard !method.isEmpty, index < line.upperBound, input[index] == ASCII.space else {
            throw .malformed("the request line does not begin with a method and one space")
        }
        guard method.count <= limits.method else { throw .methodTooLong(limit: limits.method) }
        index += 1
        let targetStart = index
        while index < line.upperBound, input[index].isVisible { index += 1 }
        let target = targetStart..<index
        guard !target.isEmpty, index < line.upperBound, input[index] == ASCII.space else {
            throw .malformed("the request line is not a method, a target and a version with one space between")
        }
        guard target.count <= limits.target else { throw .targetTooLong(limit: limits.target) }
        let version = input.bytes((index + 1)..<line.upperBound)
        guard version.count == 8, version.starts(with: "HTTP/".utf8), version[6] == UInt8(ascii: "."),
            version[5].isDigit, version[7].isDigit
        else { throw .malformed("the request line does not end in an HTTP version") }
        guard version[5] == UInt8(ascii: "1") else { throw .unsupportedVersion }
        return RequestLine(
            method: input.text(method), target: input.text(target),
            minorVersion: version[7] == UInt8(ascii: "0") ? 0 : 1)
    }

    private func parseField(
        _ line: Range<Int>, of input: borrowing Span<UInt8>
    ) throws(HTTPError) -> HTTPFields.Entry {
        guard !input[line.lowerBound].isOptionalWhitespace else {
            throw .malformed("a field is folded over two lines")
        }
        var index = line.lowerBound
        while index < line.upperBound, input[index].isTokenByte { index += 1 }
        guard index > line.lowerBound, index < line.upperBound, input[index] == ASCII.colon else {
            throw .malformed("a field is not a name directly followed by a colon")
        }
        var start = index + 1
        var end = line.upperBound
        while start < end, input[start].isOptionalWhitespace { start += 1 }
        while end > start, input[end - 1].isOptionalWhitespace { end -= 1 }
        return HTTPFields.Entry(name: line.lowerBound..<index, value: start..<end)
    }

    private mutating func finish(_ input: borrowing Span<UInt8>) throws(HTTPError) -> Parsed<HTTPRequestHead> {
        // take() ends a head only after a request line.
        guard let requestLine else { return .needMore }
        let head = HTTPRequestHead(
            method: requestLine.method, target: requestLine.target, minorVersion: requestLine.minorVersion,
            fields: HTTPFields(bytes: input.bytes(0..<scanned), entries: entries))
        // RFC 9112 §3.2: a server must refuse both.
        switch head.fields.values(of: "host").count {
        case 0 where head.minorVersion > 0: throw .malformed("an HTTP/1.1 request has no Host")
        case 0, 1: break
        default: throw .malformed("the request has more than one Host")
        }
        let consumed = scanned
        self = HTTPHeadParser(limits: limits)
        return .done(head, consumed: consumed)
    }
}
