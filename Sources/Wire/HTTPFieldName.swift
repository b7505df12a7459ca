/// The fields that mean something to a proxy. They are told apart once, while a head is read; every other field is the
/// business of the two ends.
enum HTTPFieldName: UInt8, Sendable {
    case other
    // About one connection, not about the message (RFC 9110 §7.6.1).
    case connection, keepAlive, proxyAuthorization, proxy, te, trailer, transferEncoding, upgrade
    // Framing and routing.
    case contentLength, host, maxForwards, expect
    case authorization, wwwAuthenticate, date
    // Fields that tell an origin about the clients of a proxy (RFC 9110 §7.6.3, RFC 7239).
    case via, forwarded, xForwardedFor

    init(_ name: Range<Int>, of input: borrowing Span<UInt8>) {
        func isCalled(_ text: StaticString) -> Bool { input.equals(text, in: name) }
        // The length alone tells most fields from all of these.
        self =
            switch name.count {
            case 2 where isCalled("te"): .te
            case 3 where isCalled("via"): .via
            case 4 where isCalled("host"): .host
            case 4 where isCalled("date"): .date
            case 6 where isCalled("expect"): .expect
            case 7 where isCalled("trailer"): .trailer
            case 7 where isCalled("upgrade"): .upgrade
            case 9 where isCalled("forwarded"): .forwarded
            case 10 where isCalled("connection"): .connection
            case 10 where isCalled("keep-alive"): .keepAlive
            case 12 where isCalled("max-forwards"): .maxForwards
            case 13 where isCalled("authorization"): .authorization
            case 14 where isCalled("content-length"): .contentLength
            case 15 where isCalled("x-forwarded-for"): .xForwardedFor
            case 16 where isCalled("www-authenticate"): .wwwAuthenticate
            case 17 where isCalled("transfer-encoding"): .transferEncoding
            case 19 where isCalled("proxy-authorization"): .proxyAuthorization
            case 6...:
                input.equals("proxy-", in: name.lowerBound..<(name.lowerBound + 6)) ? .proxy : .other
            default: .other
            }
    }

    /// Whether a trailer may not bring it: what has to do with framing, routing, authentication, how the content is to be
    /// read, or how the answer is to be treated has to be known before the content is (RFC 9110 §6.5.1).
    static func isForbiddenInTrailer(_ name: Range<Int>, of input: borrowing Span<UInt8>) -> Bool {
        guard HTTPFieldName(name, of: input) == .other else { return true }
        func begins(_ text: StaticString) -> Bool {
            name.count >= text.utf8CodeUnitCount
                && input.equals(text, in: name.lowerBound..<(name.lowerBound + text.utf8CodeUnitCount))
        }
        if begins("content-") || begins("if-") { return true }
        let names: [StaticString] = [
            "cookie", "set-cookie", "cache-control", "age", "expires", "location", "range", "retry-after", "vary",
        ]
        return names.contains { input.equals($0, in: name) }
    }
}

extension Span<UInt8> {
    /// Whether the bytes in `range` are `text`, which is in lower case, but for case.
    func equals(_ text: StaticString, in range: Range<Int>) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        let start = text.utf8Start
        for offset in 0..<range.count where self[range.lowerBound + offset].lowercased != start[offset] { return false }
        return true
    }
}
