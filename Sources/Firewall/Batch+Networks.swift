internal import Address
internal import CNetfilter
internal import Glibc
internal import Ruleset

extension Batch {
    /// Writes the messages without libnftnl's objects, of which each element would be half a kilobyte.
    mutating func addElements(of set: NetworkSet) {
        switch set.family {
        case .ipv4: add(set.ranges.ipv4, to: set.name)
        case .ipv6: add(set.ranges.ipv6, to: set.name)
        }
    }

    /// A range is two elements: its first address, and the one behind its last, which the kernel takes for the end (nft's
    /// `NFT_SET_ELEM_INTERVAL_END`). What goes up to the last address of all has no end.
    private mutating func add<Bits: FixedWidthInteger>(_ ranges: [ClosedRange<Bits>], to set: String) {
        var rest = ranges[...]
        // Two elements, each with a header, its key in one of its own, and the mark of an end.
        reserve(bytes: ranges.count * (2 * (8 + MemoryLayout<Bits>.size) + 8))
        while !rest.isEmpty {
            add(.addElements("the set \(set)"), NFT_MSG_NEWSETELEM, flags: NLM_F_CREATE) { header in
                mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), Ruleset.table)
                mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set)
                let list = mnl_attr_nest_start(header, UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue))
                while let range = rest.first, header.pointee.nlmsg_len < mostBytes {
                    put(range.lowerBound, isEnd: false, in: header)
                    if range.upperBound < .max { put(range.upperBound + 1, isEnd: true, in: header) }
                    rest = rest.dropFirst()
                }
                mnl_attr_nest_end(header, list)
            }
        }
    }
}

/// Of a message, so that its nested attribute stays below the 64 kB whose length it can tell.
private let mostBytes: UInt32 = 60_000

private func put(_ key: some FixedWidthInteger, isEnd: Bool, in header: UnsafeMutablePointer<nlmsghdr>) {
    let element = mnl_attr_nest_start(header, UInt16(NFTA_LIST_ELEM.rawValue))
    if isEnd {
        mnl_attr_put_u32(header, UInt16(NFTA_SET_ELEM_FLAGS.rawValue), NFT_SET_ELEM_INTERVAL_END.rawValue.bigEndian)
    }
    let data = mnl_attr_nest_start(header, UInt16(NFTA_SET_ELEM_KEY.rawValue))
    withUnsafeBytes(of: key.bigEndian) {
        mnl_attr_put(header, UInt16(NFTA_DATA_VALUE.rawValue), $0.count, $0.baseAddress)
    }
    mnl_attr_nest_end(header, data)
    mnl_attr_nest_end(header, element)
}
