/// The head of a request, its bytes kept once and as they came (RFC 9112 §2.1).
package struct HTTPRequestHead: Hashable, Sendable {
    let methodRange: Range<Int>
    let targetRange: Range<Int>
    /// Whether the target has bytes above 0x7f, which no target may have and some clients send.
    let isTargetRaw: Bool
    /// 0 or 1; a client that says HTTP/1.2 or above is served as 1.1 (RFC 9110 §2.5).
    package let minorVersion: Int
    package let fields: HTTPFields
}

extension HTTPRequestHead {
    /// The forms of a request's target (RFC 9112 §3.2).
    package enum Form: Sendable {
        case origin, absolute, authority, asterisk
    }

    /// As sent; methods are case-sensitive (RFC 9110 §9.1).
    package var method: String { fields.text(methodRange) }

    /// Visible ASCII: bytes above are percent-encoded (RFC 3986 §2.1).
    package var target: String {
        var text: [UInt8] = []
        text.append(target: targetRange, of: self)
        return String(decoding: text, as: UTF8.self)
    }

    package var targetBytes: ArraySlice<UInt8> { fields.bytes[targetRange] }

    package func isMethod(_ name: StaticString) -> Bool {
        methodRange.count == name.utf8CodeUnitCount
            && name.withUTF8Buffer { fields.bytes[methodRange].elementsEqual($0) }
    }

    package var form: Form {
        if isMethod("CONNECT") { return .authority }
        if fields.bytes[targetRange.lowerBound] == UInt8(ascii: "/") { return .origin }
        return targetRange.count == 1 && fields.bytes[targetRange.lowerBound] == UInt8(ascii: "*")
            ? .asterisk : .absolute
    }

    /// Whether the connection may stay (RFC 9112 §9.3): a proxy keeps none of an HTTP/1.0 client, whatever that asks for.
    package var isPersistent: Bool { minorVersion >= 1 && !fields.connection.closes }

    /// Whether the method promises that doing it twice is doing it once (RFC 9110 §9.2.2, and the registry of §16.1.1).
    package var isIdempotent: Bool {
        isMethod("GET") || isMethod("HEAD") || isMethod("OPTIONS") || isMethod("TRACE") || isMethod("PUT")
            || isMethod("DELETE") || isMethod("PROPFIND") || isMethod("REPORT") || isMethod("SEARCH")
            || isMethod("QUERY")
    }

    /// Whether the client waits for a 100 before it sends the content (RFC 9110 §10.1.1); a 1.0 client cannot.
    package var expectsContinue: Bool { minorVersion >= 1 && fields.lists("100-continue", in: .expect) }

    /// Whether the client asks for another protocol on this connection, of a kind that can be relayed: a tunnel to where the
    /// request leads. Not HTTP/2 in clear text: its requests would pass unseen, and RFC 9113 has given it up.
    package var asksForUpgrade: Bool {
        minorVersion >= 1 && fields.contains(.upgrade) && fields.connection.upgrades
            && !fields.lists("h2c", in: .upgrade)
    }

    /// How many proxies may still pass it on (RFC 9110 §7.6.2): nil if that is not said, or does not count for the method.
    package func forwardsLeft() throws(HTTPError) -> Int? {
        guard isMethod("TRACE") || isMethod("OPTIONS"), let entry = fields.first(.maxForwards) else { return nil }
        guard fields.count(of: .maxForwards) == 1, let count = decimal(fields.bytes[entry.value]) else {
            throw .malformed("Max-Forwards is not one number")
        }
        return count
    }
}
