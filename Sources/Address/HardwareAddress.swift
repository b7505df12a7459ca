/// The address of an Ethernet or Wi-Fi device: `52:54:00:12:34:56`.
package struct HardwareAddress: Hashable, Sendable {
    /// The first byte is the highest of six. A home may have a thousand devices, each of which is looked for among all.
    private let bits: UInt64

    /// nil if there are not six bytes, or if they are all zero, as the loopback interface has them.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 6, bytes.contains(where: { $0 != 0 }) else { return nil }
        bits = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// In the order in which they are written; six.
    package var bytes: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: bits >> (40 - 8 * $0)) } }

    /// Of many devices at once; none sends from it (IEEE 802-2014 §8.2.2, the I/G bit).
    package var isGroup: Bool { bits >> 40 & 0x01 != 0 }

    /// Made up by the device, which may take another one tomorrow; no maker has given it (IEEE 802-2014 §8.2, the U/L bit).
    package var isRandomised: Bool { bits >> 40 & 0x02 != 0 }
}

extension HardwareAddress: Comparable {
    /// In the order of their texts.
    package static func < (left: HardwareAddress, right: HardwareAddress) -> Bool { left.bits < right.bits }
}

extension HardwareAddress: CustomStringConvertible, LosslessStringConvertible, Codable {
    /// Six pairs of hexadecimal digits with colons between them, in either case; printed in lower case.
    package init?(_ description: String) {
        let parts = description.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { part -> UInt8? in
            guard part.utf8.count == 2, part.utf8.allSatisfy(isHexadecimal) else { return nil }
            return UInt8(part, radix: 16)
        }
        guard bytes.count == parts.count else { return nil }
        self.init(bytes: bytes)
    }

    package var description: String {
        String(unsafeUninitializedCapacity: 17) { text in
            for place in 0..<17 {
                let digit = UInt8(truncatingIfNeeded: bits >> (44 - 4 * UInt64(place / 3 * 2 + place % 3))) & 0xf
                text[place] =
                    place % 3 == 2
                    ? UInt8(ascii: ":") : digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
            }
            return 17
        }
    }

    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
