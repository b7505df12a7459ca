// How addresses are written and read: IPv4 as four decimal numbers, nothing else (octal, hexadecimal and short forms are
// refused, RFC 6943 §3.1.1); IPv6 by RFC 4291 §2.2, printed by RFC 5952; zone ids are refused.

extension IPAddress: CustomStringConvertible, LosslessStringConvertible {
    package init?(_ text: some StringProtocol) {
        self.init(utf8: Array(text.utf8))
    }

    package init?(_ description: String) {
        self.init(utf8: Array(description.utf8))
    }

    /// Not generic: each request asks, and a generic function is not specialised for another module.
    package init?(utf8 bytes: [UInt8]) {
        if bytes.contains(UInt8(ascii: ":")) {
            guard let bits = parseIPv6(bytes) else { return nil }
            self = .v6(bits)
        } else {
            guard let bits = parseIPv4(bytes) else { return nil }
            self = .v4(bits)
        }
    }

    package var description: String {
        switch self {
        case .v4(let bits): formatIPv4(bits)
        case .v6(let bits): formatIPv6(bits)
        }
    }
}

extension IPAddress: Codable {
    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}

private func parseIPv4(_ bytes: some Sequence<UInt8>) -> UInt32? {
    var bits: UInt32 = 0
    var (number, digits, dots) = (UInt32(0), 0, 0)
    for byte in bytes {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            guard digits == 0 || number > 0 else { return nil }
            number = number * 10 + UInt32(byte - UInt8(ascii: "0"))
            guard number <= 255 else { return nil }
            digits += 1
        case UInt8(ascii: "."):
            guard digits > 0, dots < 3 else { return nil }
            bits = bits << 8 | number
            (number, digits, dots) = (0, 0, dots + 1)
        default: return nil
        }
    }
    return digits > 0 && dots == 3 ? bits << 8 | number : nil
}

private func parseIPv6(_ bytes: [UInt8]) -> UInt128? {
    let colon = UInt8(ascii: ":")
    // Only the first "::" stands for a run of zeros; a second one is an error.
    var halves = [bytes[...]]
    if let gap = bytes.indices.dropLast().first(where: { bytes[$0] == colon && bytes[$0 + 1] == colon }) {
        halves = [bytes[..<gap], bytes[(gap + 2)...]]
    }
    var groups: [[UInt16]] = []
    for (position, half) in halves.enumerated() {
        guard !half.isEmpty else {
            groups.append([])
            continue
        }
        var numbers: [UInt16] = []
        let fields = half.split(separator: colon, omittingEmptySubsequences: false)
        for (index, field) in fields.enumerated() {
            if field.contains(UInt8(ascii: ".")) {
                // An embedded IPv4 address may only end the whole (RFC 4291 §2.2 form 3).
                guard index == fields.count - 1, position == halves.count - 1, let v4 = parseIPv4(field) else {
                    return nil
                }
                numbers += [UInt16(v4 >> 16), UInt16(v4 & 0xffff)]
            } else {
                guard (1...4).contains(field.count), field.allSatisfy(isHexadecimal),
                    let number = UInt16(String(decoding: field, as: UTF8.self), radix: 16)
                else { return nil }
                numbers.append(number)
            }
        }
        groups.append(numbers)
    }
    let given = groups.reduce(0) { $0 + $1.count }
    if groups.count == 1 {
        guard given == 8 else { return nil }
    } else {
        guard given <= 7 else { return nil }
        groups.insert(Array(repeating: 0, count: 8 - given), at: 1)
    }
    return groups.joined().reduce(0) { $0 << 16 | UInt128($1) }
}

func isHexadecimal(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
        UInt8(ascii: "A")...UInt8(ascii: "F"):
        true
    default: false
    }
}

private func formatIPv4(_ bits: UInt32) -> String {
    "\(bits >> 24).\(bits >> 16 & 0xff).\(bits >> 8 & 0xff).\(bits & 0xff)"
}

private func formatIPv6(_ bits: UInt128) -> String {
    // RFC 5952 §5: v4-mapped addresses in mixed notation.
    if bits >> 32 == 0xffff { return "::ffff:" + formatIPv4(UInt32(truncatingIfNeeded: bits)) }
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: bits >> UInt128(112 - 16 * $0)) }
    // RFC 5952 §4.2: the longest run of two zeros or more is shortened, the first one if two are as long.
    var longest = 0..<0
    var start = 0
    for index in 0...8 where index == 8 || groups[index] != 0 {
        if index - start > longest.count { longest = start..<index }
        start = index + 1
    }
    func joined(_ range: Range<Int>) -> String {
        groups[range].map { String($0, radix: 16) }.joined(separator: ":")
    }
    return longest.count < 2 ? joined(0..<8) : joined(0..<longest.lowerBound) + "::" + joined(longest.upperBound..<8)
}
