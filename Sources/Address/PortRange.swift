/// Ports from `lower` to `upper`, both included: `80`, `50000-50100`.
package struct PortRange: Hashable, Sendable {
    package let lower: UInt16
    package let upper: UInt16

    /// nil if `lower` is 0 or above `upper`.
    package init?(_ lower: UInt16, _ upper: UInt16) {
        guard lower > 0, lower <= upper else { return nil }
        self.lower = lower
        self.upper = upper
    }

    package func contains(_ port: UInt16) -> Bool { lower <= port && port <= upper }
}

extension PortRange: CustomStringConvertible, LosslessStringConvertible {
    /// `PORT` or `PORT-PORT`.
    package init?(_ description: String) {
        let parts = description.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard let lower = parsePort(parts[0]), let upper = parsePort(parts[parts.count - 1]) else { return nil }
        self.init(lower, upper)
    }

    package var description: String { lower == upper ? "\(lower)" : "\(lower)-\(upper)" }
}

extension PortRange: Codable {
    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}

/// 1…65535, decimal, no sign, no leading zero.
package func parsePort(_ text: some StringProtocol) -> UInt16? {
    guard let port = parseDecimal(text, maximum: 65535), port > 0 else { return nil }
    return UInt16(port)
}

package func parseDecimal(_ text: some StringProtocol, maximum: Int) -> Int? {
    let digits = text.utf8
    guard (1...5).contains(digits.count), digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
        digits.count == 1 || digits.first != UInt8(ascii: "0")
    else { return nil }
    let value = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    return value <= maximum ? value : nil
}
