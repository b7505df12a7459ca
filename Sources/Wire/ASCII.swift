// The byte classes of HTTP/1.1 (RFC 9110 §5.6, RFC 9112 §2) and comparison by ASCII case.

enum ASCII {
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")
}

extension UInt8 {
    /// tchar (RFC 9110 §5.6.2).
    var isTokenByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Whether the byte may stand in a head, beside CR and LF: no NUL, no other control character (RFC 9110 §5.5).
    var isHeadByte: Bool { self >= 0x20 && self != 0x7f || self == ASCII.tab }

    var isVisible: Bool { (0x21...0x7e).contains(self) }

    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    var isOptionalWhitespace: Bool { self == ASCII.space || self == ASCII.tab }

    var lowercased: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }
}

/// Whether two runs of ASCII are the same but for case; other bytes are compared as they are.
func equalsIgnoringCase(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { $0.lowercased == $1.lowercased }
}

/// `range` without spaces and tabs at its ends (OWS, RFC 9110 §5.6.3).
func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var slice = bytes
    while let first = slice.first, first.isOptionalWhitespace { slice.removeFirst() }
    while let last = slice.last, last.isOptionalWhitespace { slice.removeLast() }
    return slice
}
