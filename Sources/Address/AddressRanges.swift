/// Addresses by the hundred thousand, as ranges that neither overlap nor touch, so that one is found by halving.
package struct AddressRanges: Sendable {
    /// Ascending.
    package private(set) var ipv4: [ClosedRange<UInt32>]
    package private(set) var ipv6: [ClosedRange<UInt128>]

    package static let none = AddressRanges([])

    package init(_ networks: some Sequence<Network>) {
        (ipv4, ipv6) = ([], [])
        for network in networks { add(network) }
        Self.merge(&ipv4)
        Self.merge(&ipv6)
    }

    /// A network in each line; what is none is left out.
    package init(lines text: [UInt8]) {
        (ipv4, ipv6) = ([], [])
        for line in TextLines(text) {
            if let network = Network(utf8: line) { add(network) }
        }
        Self.merge(&ipv4)
        Self.merge(&ipv6)
    }

    private mutating func add(_ network: Network) {
        switch network.base {
        case .v4(let bits):
            ipv4.append(bits...bits | (network.prefix == 0 ? .max : ~(.max << (32 - network.prefix))))
        case .v6(let bits):
            ipv6.append(bits...bits | (network.prefix == 0 ? .max : ~(.max << (128 - network.prefix))))
        }
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

    /// In place: two copies of a long list are what a role would have to grow by.
    private static func merge<Bits: FixedWidthInteger>(_ ranges: inout [ClosedRange<Bits>]) {
        ranges.sort { $0.lowerBound < $1.lowerBound }
        var count = 0
        for index in ranges.indices {
            let range = ranges[index]
            guard count > 0,
                ranges[count - 1].upperBound == .max || range.lowerBound <= ranges[count - 1].upperBound + 1
            else {
                ranges[count] = range
                count += 1
                continue
            }
            let last = ranges[count - 1]
            if range.upperBound > last.upperBound { ranges[count - 1] = last.lowerBound...range.upperBound }
        }
        ranges.removeSubrange(count...)
    }
}
