/// Attributes of a message (netlink(7), `struct nlattr`), by their number. There are few, so each is looked for anew.
struct NetlinkAttributes {
    private let bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// nil: there is none. If a kernel sent one twice, the first.
    subscript(number: UInt16) -> ArraySlice<UInt8>? {
        let range: Range<Int>? = bytes.withUnsafeBytes { bytes in
            var start = 0
            while start + 4 <= bytes.count {
                let length = Int(bytes.loadUnaligned(fromByteOffset: start, as: UInt16.self))
                guard length >= 4, start + length <= bytes.count else { return nil }
                // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
                if bytes.loadUnaligned(fromByteOffset: start + 2, as: UInt16.self) & 0x3fff == number {
                    return start + 4..<start + length
                }
                start += (length + 3) & ~3
            }
            return nil
        }
        return range.map { bytes[bytes.startIndex + $0.lowerBound..<bytes.startIndex + $0.upperBound] }
    }
}
