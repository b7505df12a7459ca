/// A network in CIDR notation: `192.168.1.0/24`, `fe80::/10`; a bare address is a network of one.
package struct Network: Hashable, Sendable {
    /// The first address; the bits below the prefix are zero.
    package let base: IPAddress
    /// 0…32 (IPv4) or 0…128 (IPv6).
    package let prefix: Int

    /// Host bits of `address` are cleared. `prefix` is clamped to the family's range.
    package init(_ address: IPAddress, prefix: Int) {
        switch address {
        case .v4(let bits):
            self.prefix = min(max(prefix, 0), 32)
            base = .v4(self.prefix == 0 ? 0 : bits & (UInt32.max << UInt32(32 - self.prefix)))
        case .v6(let bits):
            self.prefix = min(max(prefix, 0), 128)
            base = .v6(self.prefix == 0 ? 0 : bits & (UInt128.max << UInt128(128 - self.prefix)))
        }
    }

    package func contains(_ other: Network) -> Bool { prefix <= other.prefix && contains(other.base) }

    /// Whether an address is in both.
    package func overlaps(_ other: Network) -> Bool { contains(other) || other.contains(self) }

    /// Families never match one another: a v4-mapped address is to be unmapped by the caller.
    package func contains(_ address: IPAddress) -> Bool {
        switch (base, address) {
        case (.v4(let base), .v4(let bits)): prefix == 0 || (base ^ bits) >> UInt32(32 - prefix) == 0
        case (.v6(let base), .v6(let bits)): prefix == 0 || (base ^ bits) >> UInt128(128 - prefix) == 0
        default: false
        }
    }
}

extension Network: CustomStringConvertible, LosslessStringConvertible {
    /// `ADDRESS/PREFIX`, or an address alone. Host bits that are set are an error: whoever writes 10.0.0.1/8 meant one of
    /// two things.
    package init?(_ description: String) { self.init(utf8: Array(description.utf8)[...]) }

    /// Not generic, as `IPAddress.init(utf8:)`: lists have a hundred thousand.
    package init?(utf8 text: ArraySlice<UInt8>) {
        let slash = text.firstIndex(of: UInt8(ascii: "/"))
        guard let address = IPAddress(utf8: Array(text[..<(slash ?? text.endIndex)])) else { return nil }
        let width = if case .v4 = address { 32 } else { 128 }
        guard let slash else {
            self.init(address, prefix: width)
            return
        }
        guard let prefix = parseDecimal(Substring(decoding: text[(slash + 1)...], as: UTF8.self), maximum: width) else {
            return nil
        }
        self.init(address, prefix: prefix)
        guard base == address else { return nil }
    }

    package var description: String { "\(base)/\(prefix)" }
}

extension Network: Codable {
    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
