/// The head of a request, its bytes kept once and as they came (RFC 9112 §2.1).
package struct HTTPRequestHead: Hashable, Sendable {
    let methodRange: Range<Int>
    let targetRange: Range<Int>
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

    /// Visible ASCII.
    package var target: String { fields.text(targetRange) }

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
    package var isPersistent: Bool { minorVersion >= 1 && !fields.lists("close", in: .connection) }

    /// Whether the method promises that doing it twice is doing it once (RFC 9110 §9.2.2).
    package var isIdempotent: Bool {
        isMethod("GET") || isMethod("HEAD") || isMethod("OPTIONS") || isMethod("TRACE") || isMethod("PUT")
            || isMethod("DELETE")
    }

    /// Whether the client waits for a 100 before it sends the content (RFC 9110 §10.1.1); a 1.0 client cannot.
    package var expectsContinue: Bool { minorVersion >= 1 && fields.lists("100-continue", in: .expect) }

    /// Whether the client asks for another protocol on this connection, of a kind that can be relayed: a tunnel to where the
    /// request leads. Not HTTP/2 in clear text: its requests would pass unseen, and RFC 9113 has given it up.
    package var asksForUpgrade: Bool {
        minorVersion >= 1 && fields.contains(.upgrade) && fields.lists("upgrade", in: .connection)
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

/// The fields of a head in the order in which they came: one buffer and the places in it.
package struct HTTPFields: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        let name: Range<Int>
        let value: Range<Int>
        let known: HTTPFieldName
    }

    /// The whole head, its first line and the empty one included.
    let bytes: [UInt8]
    let entries: [Entry]

    package var count: Int { entries.count }

    package func name(at index: Int) -> ArraySlice<UInt8> { bytes[entries[index].name] }

    /// Without the white space around it.
    package func value(at index: Int) -> ArraySlice<UInt8> { bytes[entries[index].value] }

    /// The values of every field called `name`, whatever its case.
    package func values(of name: StaticString) -> [ArraySlice<UInt8>] {
        var found: [ArraySlice<UInt8>] = []
        for entry in entries where isName(entry, name) { found.append(bytes[entry.value]) }
        return found
    }

    private func isName(_ entry: Entry, _ name: StaticString) -> Bool {
        guard entry.name.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { equalsIgnoringCase(bytes[entry.name], $0) }
    }

    /// Whether a head says that what it asks for or brings is a login that counts for the connection, not for one request:
    /// NTLM and Negotiate (RFC 4559 §5), which no RFC allows and Windows speaks.
    package var authenticatesConnection: Bool {
        entries.contains { entry in
            guard entry.known == .authorization || entry.known == .wwwAuthenticate else { return false }
            let scheme = bytes[entry.value].prefix { $0.isTokenByte }
            return equalsIgnoringCase(scheme, "ntlm".utf8) || equalsIgnoringCase(scheme, "negotiate".utf8)
        }
    }

    // MARK: what the proxy knows

    func contains(_ known: HTTPFieldName) -> Bool { entries.contains { $0.known == known } }

    func first(_ known: HTTPFieldName) -> Entry? { entries.first { $0.known == known } }

    func count(of known: HTTPFieldName) -> Int { entries.reduce(0) { $1.known == known ? $0 + 1 : $0 } }

    /// The members of a comma-separated list that may be spread over several fields, empty ones left out (RFC 9110 §5.6.1).
    /// Not for fields whose members can be quoted strings.
    func forEachMember(of known: HTTPFieldName, _ body: (Range<Int>) -> Void) {
        for entry in entries where entry.known == known {
            var start = entry.value.lowerBound
            while start <= entry.value.upperBound {
                var end = start
                while end < entry.value.upperBound, bytes[end] != ASCII.comma { end += 1 }
                let member = trimmed(bytes[start..<end])
                if !member.isEmpty { body(member.startIndex..<member.endIndex) }
                start = end + 1
            }
        }
    }

    /// Whether a list has the member, whatever its case.
    func lists(_ member: StaticString, in known: HTTPFieldName) -> Bool {
        var isListed = false
        forEachMember(of: known) { range in
            guard range.count == member.utf8CodeUnitCount else { return }
            if member.withUTF8Buffer({ equalsIgnoringCase(bytes[range], $0) }) { isListed = true }
        }
        return isListed
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
}

/// Why a message is refused before its meaning was even looked at.
package enum HTTPError: Error, Hashable, Sendable {
    /// The bytes are no message; what is wrong, in words.
    case malformed(String)
    /// They are, but ask for what this proxy does not do; what, in words.
    case unsupported(String)
    case targetTooLong(limit: Int)
    case headTooLarge(limit: Int)
    case tooManyFields(limit: Int)
    case methodTooLong(limit: Int)
    case unsupportedVersion

    /// What a request with this mistake is answered with.
    package var status: HTTPStatus {
        switch self {
        case .malformed: .badRequest
        case .unsupported: .notImplemented
        case .targetTooLong: .uriTooLong
        case .headTooLarge, .tooManyFields: .headTooLarge
        case .methodTooLong: .notImplemented
        case .unsupportedVersion: .versionNotSupported
        }
    }

    /// One sentence for the body of the answer.
    package var reason: String {
        switch self {
        case .malformed(let what), .unsupported(let what): what
        case .targetTooLong(let limit): "the request target is longer than \(limit) bytes"
        case .headTooLarge(let limit): "the head is larger than \(limit) bytes"
        case .tooManyFields(let limit): "the head has more than \(limit) fields"
        case .methodTooLong(let limit): "the method is longer than \(limit) bytes"
        case .unsupportedVersion: "this proxy speaks HTTP/1.0 and HTTP/1.1"
        }
    }
}
