/// Addresses of one family from `lower` to `upper`, both included: `192.168.10.100-192.168.10.199`.
package struct AddressRange: Hashable, Sendable {
    package let lower: IPAddress
    package let upper: IPAddress

    /// nil if the two are of different families, or `lower` is above `upper`.
    package init?(_ lower: IPAddress, _ upper: IPAddress) {
        switch (lower, upper) {
        case (.v4(let first), .v4(let last)) where first <= last: break
        case (.v6(let first), .v6(let last)) where first <= last: break
        default: return nil
        }
        self.lower = lower
        self.upper = upper
    }

    package func contains(_ address: IPAddress) -> Bool {
        switch (lower, address, upper) {
        case (.v4(let first), .v4(let bits), .v4(let last)): first <= bits && bits <= last
        case (.v6(let first), .v6(let bits), .v6(let last)): first <= bits && bits <= last
        default: false
        }
    }

    package func overlaps(_ other: AddressRange) -> Bool { contains(other.lower) || other.contains(lower) }

    /// How many addresses there are; `Int.max` for more than that.
    package var count: Int {
        switch (lower, upper) {
        case (.v4(let first), .v4(let last)): Int(last - first) + 1
        case (.v6(let first), .v6(let last)): Int(exactly: last - first).map { $0 < .max ? $0 + 1 : $0 } ?? .max
        default: 0
        }
    }
}

extension AddressRange: CustomStringConvertible, LosslessStringConvertible {
    /// `ADDRESS-ADDRESS`.
    package init?(_ description: String) {
        let parts = description.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let lower = IPAddress(parts[0]), let upper = IPAddress(parts[1]) else { return nil }
        self.init(lower, upper)
    }

    package var description: String { "\(lower)-\(upper)" }
}

extension AddressRange: Codable {
    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
