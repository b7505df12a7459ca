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
    private(set) var connection = ConnectionOptions()

    init(bytes: [UInt8], entries: [Entry]) throws(HTTPError) {
        self.bytes = bytes
        self.entries = entries
        if contains(.connection) { connection = try ConnectionOptions(of: self) }
    }

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
