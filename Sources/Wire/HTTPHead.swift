/// The head of a request, its bytes kept once and as they came (RFC 9112 §2.1).
package struct HTTPRequestHead: Hashable, Sendable {
    /// As sent; methods are case-sensitive (RFC 9110 §9.1).
    package let method: String
    /// Visible ASCII, in whichever of the four forms of RFC 9112 §3.2.
    package let target: String
    /// 0 or 1; a client that says HTTP/1.2 or above is served as 1.1 (RFC 9110 §2.5).
    package let minorVersion: Int
    package let fields: HTTPFields
}

extension HTTPRequestHead {
    /// Whether the client expects the connection to stay (RFC 9112 §9.3).
    package var isPersistent: Bool {
        let options = fields.elements(of: "connection")
        if options.contains(where: { equalsIgnoringCase($0, "close".utf8) }) { return false }
        return minorVersion >= 1 || options.contains { equalsIgnoringCase($0, "keep-alive".utf8) }
    }
}

/// The fields of a head in the order in which they came: one buffer and the places in it.
package struct HTTPFields: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        let name: Range<Int>
        let value: Range<Int>
    }

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

    package func contains(_ name: StaticString) -> Bool { entries.contains { isName($0, name) } }

    /// The members of a comma-separated list that may be spread over several fields, empty ones left out
    /// (RFC 9110 §5.6.1). Not for fields whose members can be quoted strings.
    package func elements(of name: StaticString) -> [ArraySlice<UInt8>] {
        values(of: name).flatMap { $0.split(separator: ASCII.comma).map(trimmed).filter { !$0.isEmpty } }
    }

    private func isName(_ entry: Entry, _ name: StaticString) -> Bool {
        guard entry.name.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { equalsIgnoringCase(bytes[entry.name], $0) }
    }
}

/// Why a request is refused before its meaning was even looked at.
package enum HTTPError: Error, Hashable, Sendable {
    /// The bytes are no request; what is wrong, in words.
    case malformed(String)
    case targetTooLong(limit: Int)
    case headTooLarge(limit: Int)
    case tooManyFields(limit: Int)
    case methodTooLong(limit: Int)
    case unsupportedVersion

    package var status: HTTPStatus {
        switch self {
        case .malformed: .badRequest
        case .targetTooLong: .uriTooLong
        case .headTooLarge, .tooManyFields: .headTooLarge
        case .methodTooLong: .notImplemented
        case .unsupportedVersion: .versionNotSupported
        }
    }

    /// One sentence for the body of the answer.
    package var reason: String {
        switch self {
        case .malformed(let what): what
        case .targetTooLong(let limit): "the request target is longer than \(limit) bytes"
        case .headTooLarge(let limit): "the request's head is larger than \(limit) bytes"
        case .tooManyFields(let limit): "the request has more than \(limit) fields"
        case .methodTooLong(let limit): "the method is longer than \(limit) bytes"
        case .unsupportedVersion: "this proxy speaks HTTP/1.0 and HTTP/1.1"
        }
    }
}
