/// Addresses by the hundred thousand, as ranges that neither overlap nor touch, so that one is found by halving.
package struct AddressRanges: Sendable {
    /// Ascending.
    package private(set) var ipv4: [ClosedRange<UInt32>]
    package private(set) var ipv6: [ClosedRange<UInt128>]

    package static let none = AddressRanges([])

    package init(_ networks: some Sequence<Network>) {
        var (ipv4, ipv6): ([ClosedRange<UInt32>], [ClosedRange<UInt128>]) = ([], [])
        for network in networks {
            switch network.base {
            case .v4(let bits):
                ipv4.append(bits...bits | (network.prefix == 0 ? .max : ~(.max << (32 - network.prefix))))
            case .v6(let bits):
                ipv6.append(bits...bits | (network.prefix == 0 ? .max : ~(.max << (128 - network.prefix))))
            }
        }
        (self.ipv4, self.ipv6) = (Self.merged(ipv4), Self.merged(ipv6))
    }

    /// A network in each line; what is none is left out.
    package init(lines text: [UInt8]) {
        self.init(text.split(separator: UInt8(ascii: "\n")).lazy.compactMap { Network(utf8: $0) })
    }

    package func contains(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let bits): Self.contains(bits, ipv4)
        case .v6(let bits): Self.contains(bits, ipv6)
        }
    }

    private static func contains<Bits: FixedWidthInteger>(_ bits: Bits, _ ranges: [ClosedRange<Bits>]) -> Bool {
        // The last range that begins at `bits` or before is the only one that may have it.
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].lowerBound <= bits { low = middle + 1 } else { high = middle }
        }
        return low > 0 && ranges[low - 1].upperBound >= bits
    }

    private static func merged<Bits: FixedWidthInteger>(_ ranges: [ClosedRange<Bits>]) -> [ClosedRange<Bits>] {
        var result: [ClosedRange<Bits>] = []
        result.reserveCapacity(ranges.count)
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard let last = result.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1 else {
                result.append(range)
                continue
            }
            if range.upperBound > last.upperBound { result[result.count - 1] = last.lowerBound...range.upperBound }
        }
        return result
    }
}
