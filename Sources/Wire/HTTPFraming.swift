/// Where a message's content ends (RFC 9112 §6.3).
package enum HTTPFraming: Hashable, Sendable {
    /// There is none, and no field that says so.
    case none
    case length(Int)
    case chunked
    /// With the connection: a response only.
    case untilClose
}

extension HTTPRequestHead {
    /// A request has one reading or none: a framing that two recipients could read in two ways is refused, since behind one
    /// of them another request could hide (RFC 9112 §11.2).
    package func framing() throws(HTTPError) -> HTTPFraming {
        guard fields.contains(.transferEncoding) else {
            guard let length = try fields.contentLength() else { return .none }
            return .length(length)
        }
        guard minorVersion >= 1 else { throw .malformed("an HTTP/1.0 request has a Transfer-Encoding") }
        guard !fields.contains(.contentLength) else {
            throw .malformed("the request has both a Content-Length and a Transfer-Encoding")
        }
        switch fields.coding {
        case .chunked: return .chunked
        case .chunkedOverOther: throw .unsupported("of transfer codings this proxy knows chunked only")
        case .other: throw .malformed("the Transfer-Encoding does not end in chunked")
        }
    }
}

extension HTTPResponseHead {
    /// How the content of the response to `request` ends, and whether that is certain: after a response that says two things
    /// nothing more is to be read from the connection.
    package func framing(answering request: HTTPRequestHead) throws(HTTPError) -> (HTTPFraming, isCertain: Bool) {
        if status < 200 || status == 204 || status == 304 || request.isMethod("HEAD") { return (.none, true) }
        guard fields.contains(.transferEncoding) else {
            guard let length = try fields.contentLength() else { return (.untilClose, true) }
            return (.length(length), true)
        }
        // "identity" is no coding, and nobody codes in chunks twice, however often it is said (RFC 9112 §6.1, §7).
        var codings: [String] = []
        fields.forEachMember(of: .transferEncoding) { codings.append(fields.text($0).lowercased()) }
        codings.removeAll { $0 == "identity" }
        // RFC 9112 §6.3: whatever Content-Length says.
        if codings.isEmpty { return (.untilClose, true) }
        guard codings.allSatisfy({ $0 == "chunked" }), fields.lastMember(of: .transferEncoding) == "chunked" else {
            throw .unsupported("its Transfer-Encoding is \(fields.quoted(.transferEncoding)), and not chunked alone")
        }
        // RFC 9112 §6.1, §6.3: chunked wins over a length and over the version, and the connection is closed after.
        return (.chunked, minorVersion >= 1 && codings.count == 1 && !fields.contains(.contentLength))
    }
}

extension HTTPFields {
    enum Coding {
        case chunked
        /// Chunked over some other coding: the end is certain, the content is not.
        case chunkedOverOther
        case other
    }

    /// What Transfer-Encoding says (RFC 9112 §6.1): a list of codings, chunked last and once.
    var coding: Coding {
        var count = 0
        var chunked = 0
        var endsInChunked = false
        forEachMember(of: .transferEncoding) { range in
            count += 1
            endsInChunked = equalsIgnoringCase(bytes[range], "chunked".utf8)
            if endsInChunked { chunked += 1 }
        }
        guard endsInChunked, chunked == 1 else { return .other }
        // An empty member ("chunked,") is allowed by the grammar of lists, and read in two ways in the field.
        guard count == 1 else { return .chunkedOverOther }
        let isPlain = self.count(of: .transferEncoding) == 1 && first(.transferEncoding)!.value.count == 7
        return isPlain ? .chunked : .other
    }

    /// nil if there is none. One value said more than once is one value (RFC 9110 §8.6).
    func contentLength() throws(HTTPError) -> Int? {
        guard contains(.contentLength) else { return nil }
        var length: Int?
        var isValid = true
        for entry in entries where entry.known == .contentLength {
            // An empty member of a list is no number, so neither is an empty value.
            for member in bytes[entry.value].split(separator: ASCII.comma, omittingEmptySubsequences: false) {
                let value = decimal(trimmed(member))
                if value == nil || length != nil && length != value { isValid = false }
                length = value
            }
        }
        guard isValid else { throw .malformed("the Content-Length is not one number: \(quoted(.contentLength))") }
        return length
    }

    fileprivate func lastMember(of known: HTTPFieldName) -> String? {
        var last: String?
        forEachMember(of: known) { last = text($0).lowercased() }
        return last
    }

    /// What all fields of this name say, for a person to read.
    fileprivate func quoted(_ known: HTTPFieldName) -> String {
        entries.filter { $0.known == known }.map { bytes.span.quoted($0.value) }.joined(separator: ", ")
    }
}

/// Digits and nothing else, below 10^18.
func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
    guard (1...18).contains(digits.count), digits.allSatisfy(\.isDigit) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
}
