/// The Basic scheme of Proxy-Authorization (RFC 7617).
package enum BasicCredentials {
    /// nil when the scheme is another, or what follows is not base64 of `name:password` without control characters.
    package static func parse(_ value: ArraySlice<UInt8>) -> Login? {
        let scheme = value.prefix { $0 != ASCII.space }
        guard equalsIgnoringCase(scheme, "basic".utf8) else { return nil }
        let encoded = value[scheme.endIndex...].drop { $0 == ASCII.space }
        guard !encoded.isEmpty, let decoded = decodeBase64(encoded), let colon = decoded.firstIndex(of: ASCII.colon),
            !decoded.contains(where: { $0 < 0x20 || $0 == 0x7f })
        else { return nil }
        return Login(name: Array(decoded[..<colon]), password: Array(decoded[(colon + 1)...]))
    }
}

/// RFC 4648 §4, strictly: padded, nothing outside the alphabet, unused bits zero (§3.5), so that each value has one spelling.
func decodeBase64(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    guard text.count.isMultiple(of: 4) else { return nil }
    let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    guard padding <= 2 else { return nil }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(text.count / 4 * 3)
    var pending: UInt32 = 0
    var bits: UInt32 = 0
    for byte in text.dropLast(padding) {
        guard let value = base64Value(byte) else { return nil }
        pending = pending << 6 | UInt32(value)
        bits += 6
        if bits >= 8 {
            bits -= 8
            decoded.append(UInt8(truncatingIfNeeded: pending >> bits))
            pending &= (1 << bits) - 1
        }
    }
    return pending == 0 ? decoded : nil
}

private func base64Value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
}
