/// Reads a request's head, strictly (RFC 9112 §2 to §5). Bytes that can never become a request (TLS on the plain port, say)
/// are refused as soon as they show.
package struct HTTPRequestHeadParser: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Bytes of the whole head, the empty line included.
        package var head = 128 * 1024
        /// Bytes of the request target.
        package var target = 64 * 1024
        package var fields = 500
        package var method = 32

        package init() {}
    }

    private let limits: Limits
    private var lines = HTTPHeadLines()
    private var requestLine: RequestLine?
    private var skippedEmptyLine = false

    private struct RequestLine {
        let method: Range<Int>
        let target: Range<Int>
        let isTargetRaw: Bool
        let minorVersion: Int
    }

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// `input` starts at the same byte in every call until a head is done; then the parser is ready for the next one.
    package mutating func parse(_ input: borrowing Span<UInt8>) throws(HTTPError) -> Parsed<HTTPRequestHead> {
        while true {
            let bound = lineBound
            guard let line = try lines.nextLine(of: input, before: bound) else {
                if input.count > bound { throw tooLarge }
                return .needMore
            }
            if try read(line, of: input) { return try finish(input) }
        }
    }

    /// Where the line that is being read has to end.
    private var lineBound: Int {
        requestLine == nil ? min(limits.head, lines.lineStart + limits.method + limits.target + 16) : limits.head
    }

    private var tooLarge: HTTPError {
        requestLine == nil ? .targetTooLong(limit: limits.target) : .headTooLarge(limit: limits.head)
    }

    /// Reads one line; true when it was the empty one that ends the head.
    private mutating func read(_ line: Range<Int>, of input: borrowing Span<UInt8>) throws(HTTPError) -> Bool {
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
        try lines.takeField(line, of: input, limit: limits.fields)
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
        var everyBit: UInt8 = 0
        while index < line.upperBound, input[index].isVisible || input[index] >= 0x80 {
            everyBit |= input[index]
            index += 1
        }
        let target = targetStart..<index
        guard !target.isEmpty, index < line.upperBound, input[index] == ASCII.space else {
            throw .malformed("the request line is not a method, a target and a version with one space between")
        }
        guard target.count <= limits.target else { throw .targetTooLong(limit: limits.target) }
        guard let version = HTTPVersion((index + 1)..<line.upperBound, of: input) else {
            // There is a version behind a later space, so this one is a part of the target.
            let end = line.upperBound - 8
            guard end > index + 1, input[end - 1] == ASCII.space, HTTPVersion(end..<line.upperBound, of: input) != nil
            else { throw .malformed("the request line does not end in an HTTP version") }
            throw .malformed("the target has a space in it, which is to be percent-encoded: %20")
        }
        guard version.major == 1 else { throw .unsupportedVersion }
        return RequestLine(
            method: method, target: target, isTargetRaw: everyBit >= 0x80, minorVersion: min(version.minor, 1))
    }

    private mutating func finish(_ input: borrowing Span<UInt8>) throws(HTTPError) -> Parsed<HTTPRequestHead> {
        // read() ends a head only after a request line.
        guard let requestLine else { return .needMore }
        let consumed = lines.scanned
        let head = HTTPRequestHead(
            methodRange: requestLine.method, targetRange: requestLine.target, isTargetRaw: requestLine.isTargetRaw,
            minorVersion: requestLine.minorVersion,
            fields: try lines.fields(of: input))
        // RFC 9112 §3.2: a server must refuse all three. CONNECT says everything in its target, nothing of it is passed on, and clients
        // of the field leave Host out.
        switch head.fields.count(of: .host) {
        case 0 where head.minorVersion > 0 && !head.isMethod("CONNECT"):
            throw .malformed("an HTTP/1.1 request has no Host")
        case 0: break
        case 1:
            guard let host = head.fields.first(.host), input.isHost(in: host.value) else {
                throw .malformed("the Host is not a host, with a port or without")
            }
        default: throw .malformed("the request has more than one Host")
        }
        self = HTTPRequestHeadParser(limits: limits)
        return .done(head, consumed: consumed)
    }
}
