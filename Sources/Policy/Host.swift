package import Address

/// Where a client wants to go, as it named it: an address, or a name that the resolver may be asked for.
///
/// Every spelling of an address ends as an address, or nowhere. `2130706433`, `0x7f.1`, `0177.0.0.1` and `127.1` are all
/// 127.0.0.1 to some resolver (inet_aton(3)), so a name that ends in a number is never looked up
/// (RFC 6943 §3.1.1; the rule is the "ends in a number" check of the URL standard).
package enum Host: Hashable, Sendable {
    case address(IPAddress)
    /// Lower case, without a trailing dot, at most 253 bytes of letters, digits, hyphens, underscores and dots.
    case name(String)

    package init(_ text: String) throws(Refusal) {
        var name = Array(text.utf8)
        if name.contains(UInt8(ascii: ":")) {
            guard let address = IPAddress(utf8: name) else { throw Self.malformed(text, "no IPv6 address") }
            self = .address(address)
            return
        }
        if name.count > 1, name.last == UInt8(ascii: ".") { name.removeLast() }
        guard (1...253).contains(name.count) else { throw Self.malformed(text, "empty or longer than 253 bytes") }
        var labelStart = 0
        var areLabelsWell = true
        for index in name.indices {
            guard name[index].isHostNameByte else {
                throw Self.malformed(text, "not made of letters, digits, hyphens and dots alone")
            }
            if (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(name[index]) { name[index] |= 0x20 }
            guard name[index] == UInt8(ascii: ".") else { continue }
            areLabelsWell = areLabelsWell && (1...63).contains(index - labelStart)
            labelStart = index + 1
        }
        guard areLabelsWell, (1...63).contains(name.count - labelStart) else {
            throw Self.malformed(text, "no name: a part between dots is empty or longer than 63 bytes")
        }
        if Self.isNumber(name[labelStart...]) {
            guard let address = IPAddress(utf8: name) else {
                throw Self.malformed(text, "an ambiguous spelling of an IPv4 address; write four decimal numbers")
            }
            self = .address(address)
        } else {
            self = .name(String(decoding: name, as: UTF8.self))
        }
    }

    /// Decimal digits, or 0x and hexadecimal ones (which may be none).
    private static func isNumber(_ label: ArraySlice<UInt8>) -> Bool {
        if label.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) { return true }
        return label.starts(with: "0x".utf8)
            && label.dropFirst(2).allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    private static func malformed(_ text: String, _ what: String) -> Refusal {
        // What a client sent may hold anything; a log line or an answer gets a short printable form of it.
        let shown = String(
            String.UnicodeScalarView(text.unicodeScalars.prefix(64).map { $0.isVisibleASCII ? $0 : "?" }))
        return Refusal("the host \"\(shown)\" is \(what)")
    }
}

extension Host: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Host: CustomStringConvertible {
    package var description: String {
        switch self {
        case .address(let address): "\(address)"
        case .name(let name): name
        }
    }
}

extension UInt8 {
    fileprivate var isHostNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}

extension Unicode.Scalar {
    fileprivate var isVisibleASCII: Bool { (0x21...0x7e).contains(value) }
}
