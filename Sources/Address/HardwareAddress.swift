/// The address of an Ethernet or Wi-Fi device: `52:54:00:12:34:56`.
package struct HardwareAddress: Hashable, Sendable {
    /// In the order in which they are written; six.
    package let bytes: [UInt8]

    /// nil if there are not six bytes, or if they are all zero, as the loopback interface has them.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 6, bytes.contains(where: { $0 != 0 }) else { return nil }
        self.bytes = bytes
    }

    /// Made up by the device, which may take another one tomorrow; no maker has given it (IEEE 802-2014 §8.2, the U/L bit).
    package var isRandomised: Bool { bytes[0] & 0x02 != 0 }
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
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
