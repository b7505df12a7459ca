internal import Address
internal import CNetfilter
internal import Glibc
internal import Ruleset

extension Batch {
    /// Adds the elements whose time is not up, for the time that is left of it. As many as there is room for: a set that is full
    /// takes nothing more, and the whole transaction would be refused for it.
    mutating func addElements(_ elements: [LiveKey: ContinuousClock.Instant?], to set: LiveSet) {
        let now = ContinuousClock.now
        let entries = elements.lazy.filter { $0.value.map { now < $0 } ?? true }.prefix(Int(set.size)).map {
            (key: $0.key, milliseconds: $0.value.map { UInt64(max(1, ($0 - now) / .milliseconds(1))) })
        }
        write(Array(entries), of: set.name, .addElements("the set \(set.name)"), NFT_MSG_NEWSETELEM, NLM_F_CREATE)
    }

    /// Elements come and go, each once. One that goes may have gone by itself, and one that comes may be there: so either is
    /// added first and then deleted, which is right in any case.
    ///
    /// - Parameter held: what the set has, as far as is known.
    mutating func change(
        _ changes: [LiveKey: LiveChange.Kind], of set: LiveSet, held: [LiveKey: ContinuousClock.Instant?]
    ) {
        typealias Entry = (key: LiveKey, milliseconds: UInt64?)
        var (former, coming): ([Entry], [Entry]) = ([], [])
        for (key, kind) in changes {
            switch kind {
            case .goes: former.append((key, nil))
            case .comes(let milliseconds):
                if held[key] != nil { former.append((key, nil)) }
                // To the kernel an element without time is one that stays.
                if milliseconds != 0 { coming.append((key, milliseconds.map { UInt64(max(1, $0)) })) }
            }
        }
        let step = Step.addElements("the set \(set.name)")
        write(former, of: set.name, step, NFT_MSG_NEWSETELEM, NLM_F_CREATE)
        write(former, of: set.name, .deleteElements("the set \(set.name)"), NFT_MSG_DELSETELEM, 0)
        write(coming, of: set.name, step, NFT_MSG_NEWSETELEM, NLM_F_CREATE)
    }

    /// The set loses all that it has.
    mutating func emptySet(_ name: String) {
        add(.deleteElements("the set \(name)"), NFT_MSG_DELSETELEM) { header in
            mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), Ruleset.table)
            mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), name)
        }
    }

    /// Writes the messages without libnftnl's objects, of which each element would be half a kilobyte.
    private mutating func write(
        _ entries: [(key: LiveKey, milliseconds: UInt64?)], of set: String, _ step: Step, _ type: nf_tables_msg_types,
        _ flags: CInt
    ) {
        var rest = entries[...]
        while !rest.isEmpty {
            add(step, type, flags: flags) { header in
                mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), Ruleset.table)
                mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set)
                let list = mnl_attr_nest_start(header, UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue))
                while let entry = rest.first, header.pointee.nlmsg_len < mostBytes {
                    let element = mnl_attr_nest_start(header, UInt16(NFTA_LIST_ELEM.rawValue))
                    let key = mnl_attr_nest_start(header, UInt16(NFTA_SET_ELEM_KEY.rawValue))
                    let bytes = entry.key.bytes
                    mnl_attr_put(header, UInt16(NFTA_DATA_VALUE.rawValue), bytes.count, bytes)
                    mnl_attr_nest_end(header, key)
                    if let milliseconds = entry.milliseconds {
                        mnl_attr_put_u64(
                            header, UInt16(NFTA_SET_ELEM_TIMEOUT.rawValue), min(milliseconds, longest).bigEndian)
                    }
                    mnl_attr_nest_end(header, element)
                    rest = rest.dropFirst()
                }
                mnl_attr_nest_end(header, list)
            }
        }
    }
}

/// Of a message, so that its nested attribute stays below the 64 kB whose length it can tell.
private let mostBytes: UInt32 = 60_000

/// Milliseconds: beyond 2^64 nanoseconds the kernel refuses the whole transaction (nf_msecs_to_jiffies64).
private let longest: UInt64 = 1 << 43

extension LiveKey {
    /// As the kernel knows it: a part of several takes whole words.
    var bytes: [UInt8] {
        parts.flatMap { part -> [UInt8] in
            switch part {
            case .address(let address): address.networkBytes
            case .port(let port): [UInt8(port >> 8), UInt8(port & 0xff)] + [0, 0]
            }
        }
    }
}
