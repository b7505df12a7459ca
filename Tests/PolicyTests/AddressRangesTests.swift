import Address
import Testing

@Suite("Ranges of addresses")
struct AddressRangesTests {
    /// In a small space, so that networks overlap and touch; at either end of all addresses.
    @Test(
        "have the addresses of the networks that made them, and no others",
        arguments: [0, UInt32.max - 0x3ff] as [UInt32], 0..<20)
    func contain(_ start: UInt32, _ round: Int) {
        let networks = (0..<40).map { _ in
            Network(.v4(start + UInt32.random(in: 0...0x3ff)), prefix: Int.random(in: 24...32))
        }
        let ranges = AddressRanges(networks)
        for bits in start...(start + 0x3ff) {
            #expect(
                ranges.contains(.v4(bits)) == networks.contains { $0.contains(.v4(bits)) }, "\(bits) of \(networks)")
        }
        for (left, right) in zip(ranges.ipv4, ranges.ipv4.dropFirst()) {
            #expect(left.upperBound < right.lowerBound - 1, "\(networks)")
        }
    }

    @Test("reach up to the last address of either family, and keep the families apart")
    func ends() {
        let ranges = AddressRanges(lines: Array("255.255.255.0/24\n255.255.254.0/24\nffff::/16\nno network\n".utf8))
        #expect(ranges.ipv4 == [0xffff_fe00...UInt32.max] && ranges.ipv6.count == 1)
        #expect(ranges.contains(IPAddress("255.255.255.255")!) && !ranges.contains(IPAddress("255.255.253.255")!))
        #expect(ranges.contains(IPAddress("ffff:ffff::1")!) && !ranges.contains(IPAddress("::ffff:255.255.255.1")!))
        let everything = AddressRanges(lines: Array("0.0.0.0/0\n10.0.0.0/8\n".utf8))
        #expect(everything.ipv4 == [0...UInt32.max] && everything.ipv6.isEmpty)
        #expect(!AddressRanges.none.contains(IPAddress("0.0.0.0")!))
    }
}
