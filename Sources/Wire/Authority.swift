/// Host and port: the target of CONNECT, `host:port` and nothing else (RFC 9110 §9.3.6, RFC 9112 §3.2.3), or where an http URI
/// leads, whose port may be left out (RFC 3986 §3.2, RFC 9110 §4.2.1).
package struct Authority: Hashable, Sendable {
    /// A name or an IPv4 address as written; or what stood between brackets.
    package let host: String
    /// Whether the host stood in brackets, so that it can only be an IPv6 address.
    package let isBracketed: Bool
    /// 1…65535.
    package let port: UInt16

    /// The target of CONNECT.
    package init(_ target: ArraySlice<UInt8>) throws(HTTPError) {
        try self.init(target, defaultPort: nil)
    }

    /// User information, zone ids (RFC 6874), percent-encoding and ports with a sign or a leading zero are refused.
    ///
    /// - Parameter defaultPort: that of a URI without one; nil: there has to be one.
    init(_ bytes: ArraySlice<UInt8>, defaultPort: UInt16?) throws(HTTPError) {
        var colon = bytes.lastIndex(of: ASCII.colon) ?? bytes.endIndex
        // Colons within brackets are the address's.
        if let bracket = bytes.lastIndex(of: UInt8(ascii: "]")), bracket > colon { colon = bytes.endIndex }
        if let defaultPort, bytes.endIndex - colon <= 1 {
            port = defaultPort
        } else if colon < bytes.endIndex, let port = Self.port(bytes[(colon + 1)...]) {
            self.port = port
        } else {
            throw .malformed(
                defaultPort == nil
                    ? "the target of CONNECT is to be host:port with a port from 1 to 65535"
                    : "the port in the target is not a number from 1 to 65535")
        }
        var host = bytes[..<colon]
        isBracketed = host.first == UInt8(ascii: "[")
        if isBracketed {
            guard host.last == UInt8(ascii: "]"), host.count > 2 else {
                throw .malformed("the bracket around the IPv6 address is not closed")
            }
            host = host.dropFirst().dropLast()
            guard !host.contains(UInt8(ascii: "%")) else {
                throw .malformed("an address with a zone id has no meaning beyond its own machine")
            }
            guard host.allSatisfy(\.isAddressByte) else {
                throw .malformed("what stands in brackets is no IPv6 address")
            }
        } else {
            guard !host.isEmpty, host.allSatisfy(\.isNameByte) else {
                throw .malformed("the target is to name a host, and an IPv6 address in brackets")
            }
        }
        self.host = String(decoding: host, as: UTF8.self)
    }

    private static func port(_ digits: ArraySlice<UInt8>) -> UInt16? {
        guard (1...5).contains(digits.count), digits.first != UInt8(ascii: "0"), digits.allSatisfy(\.isDigit) else {
            return nil
        }
        return UInt16(exactly: digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) })
    }
}

extension Span<UInt8> {
    /// Whether it is what Host may say: a host and perhaps a port, or nothing (RFC 9110 §7.2, RFC 3986 §3.2). It need not lead
    /// anywhere.
    func isHost(in range: Range<Int>) -> Bool {
        var index = range.lowerBound
        let end = range.upperBound
        if index < end, self[index] == UInt8(ascii: "[") {
            let start = index + 1
            index = start
            while index < end, self[index].isAddressByte { index += 1 }
            guard index > start, index < end, self[index] == UInt8(ascii: "]") else { return false }
            index += 1
        } else {
            while index < end, self[index].isRegisteredNameByte {
                if self[index] == UInt8(ascii: "%") {
                    guard index + 2 < end, self[index + 1].hexValue != nil, self[index + 2].hexValue != nil else {
                        return false
                    }
                }
                index += 1
            }
        }
        if index < end, self[index] == ASCII.colon {
            index += 1
            while index < end, self[index].isDigit { index += 1 }
        }
        return index == end
    }
}

extension UInt8 {
    /// Whether the byte may stand in a reg-name, the sign of percent-encoding included (RFC 3986 §3.2.2).
    fileprivate var isRegisteredNameByte: Bool {
        switch self {
        case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"),
            UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","),
            UInt8(ascii: ";"), UInt8(ascii: "="), UInt8(ascii: "~"):
            true
        default: isNameByte
        }
    }

    /// Whether the byte may stand in an IPv6 address.
    fileprivate var isAddressByte: Bool { hexValue != nil || self == ASCII.colon || self == UInt8(ascii: ".") }

    /// What a host name in the DNS can be written with; narrower than reg-name (RFC 3986 §3.2.2).
    fileprivate var isNameByte: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
