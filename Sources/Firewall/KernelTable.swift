internal import Address
internal import CNetfilter
internal import Glibc
internal import Ruleset

/// The table as the kernel holds it, or as a ruleset asks for it: what two of them have in common can be compared.
struct KernelTable: Equatable {
    /// `enum nft_table_flags`. A dormant one is not looked at by the kernel at all.
    var flags: UInt32 = 0
    var chains: [Chain] = []
    /// Sets and maps with names of their own. What meters, live sets and timed maps hold is state and is not compared, and what sets of
    /// networks hold follows from their names.
    var namedSets: [NamedSet] = []
    /// What the device maps hold, by name.
    var deviceMaps: [String: [DeviceElement]] = [:]

    struct Chain: Equatable {
        var name: String
        /// `type filter hook input priority 0; policy drop;`, or that it is no base chain.
        var role: String
        var rules: [Rule] = []
    }

    /// Two rules are equal whatever they have counted.
    struct Rule: Hashable {
        var instructions: [Instruction]
        var comment: String?
        /// nil: it is not counted, or was not read from the kernel.
        var counter: Counter?

        init(_ rule: Ruleset.Rule) {
            instructions = rule.instructions
            comment = rule.comment
        }

        static func == (left: Self, right: Self) -> Bool {
            left.instructions == right.instructions && left.comment == right.comment
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(instructions)
            hasher.combine(comment)
        }
    }

    init() {}

    /// - Parameter flags: with which the table is to be marked.
    init(_ ruleset: Ruleset, flags: UInt32) {
        self.flags = flags
        namedSets =
            ruleset.networkSets.map { NamedSet($0) } + ruleset.liveSets.map { NamedSet($0) }
            + ruleset.meters.map { NamedSet($0) }
            + ruleset.deviceMaps.map { NamedSet($0) }
            + ruleset.maps.map { NamedSet($0) }
        for map in ruleset.deviceMaps { deviceMaps[map.name] = map.elements }
        chains = ruleset.chains.map { chain in
            Chain(
                name: chain.name, role: chain.base.map { "\($0)" } ?? noBase,
                rules: chain.rules.map { Rule($0) })
        }
    }

    /// The first thing in which `self`, read from the kernel, is not `wanted`; nil if there is none.
    func difference(from wanted: KernelTable) -> String? {
        if flags & NFT_TABLE_F_DORMANT.rawValue != 0 { return "the table is dormant: none of its rules is in force" }
        // A table that is owned though nobody asked for it does what is wanted all the same.
        if wanted.flags & ~flags != 0 { return "the table has no owner" }
        if let set = namedSets.first(where: { !wanted.namedSets.contains($0) }) {
            return "the kernel has a set \(set.name) that is none of ours"
        }
        if let set = wanted.namedSets.first(where: { !namedSets.contains($0) }) {
            return "the kernel has no set \(set.name)"
        }
        for name in wanted.deviceMaps.keys.sorted() where deviceMaps[name] != wanted.deviceMaps[name] {
            return "the map \(name) has other elements than it is to have"
        }
        if let chain = chains.first(where: { chain in !wanted.chains.contains { $0.name == chain.name } }) {
            return "the kernel has a chain \(chain.name) that is none of ours"
        }
        for want in wanted.chains {
            guard let chain = chains.first(where: { $0.name == want.name }) else {
                return "the kernel has no chain \(want.name)"
            }
            if let detail = chain.difference(from: want) { return "chain \(want.name): \(detail)" }
        }
        return nil
    }
}

extension KernelTable.Chain {
    fileprivate func difference(from wanted: Self) -> String? {
        if role != wanted.role { return "the kernel has '\(role)' instead of '\(wanted.role)'" }
        for index in 0..<max(rules.count, wanted.rules.count) {
            let have = index < rules.count ? rules[index] : nil
            let want = index < wanted.rules.count ? wanted.rules[index] : nil
            if have == want { continue }
            if let comment = have?.comment, comment == want?.comment {
                return "rule \(index + 1): the kernel has another rule by the name of \"\(comment)\""
            }
            return
                "rule \(index + 1): the kernel has \(have?.shown ?? "nothing") instead of \(want?.shown ?? "nothing")"
        }
        return nil
    }
}

extension KernelTable.Rule: CustomStringConvertible {
    /// By its comment, as ours have one each; of a rule without one, as much of its instructions as a line can carry.
    var shown: String {
        if let comment { return "the rule \"\(comment.prefix(80))\"" }
        let whole = description
        return "'\(whole.count > 80 ? whole.prefix(80) + "…" : whole)'"
    }

    var description: String {
        instructions.map(\.description).joined(separator: " ") + (comment.map { " comment \"\($0)\"" } ?? "")
    }
}

/// What a chain is that no hook leads to.
private let noBase = "no base chain"

// MARK: - What libnftnl parsed

extension KernelTable.Chain {
    /// nil: a chain of another table.
    init?(_ object: OpaquePointer) {
        guard text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TABLE.rawValue))) == Ruleset.table,
            let name = text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_NAME.rawValue)))
        else { return nil }
        self.name = name
        guard nftnl_chain_is_set(object, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue)) else {
            role = noBase
            return
        }
        let kind = text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TYPE.rawValue))) ?? "?"
        let hook = nftnl_chain_get_u32(object, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue))
        let priority = nftnl_chain_get_s32(object, UInt16(NFTNL_CHAIN_PRIO.rawValue))
        let policy = Int32(bitPattern: nftnl_chain_get_u32(object, UInt16(NFTNL_CHAIN_POLICY.rawValue)))
        if let kind = Ruleset.Kind(rawValue: kind), let hook = Ruleset.Hook(rawValue: hook),
            let policy = Ruleset.Verdict(code: policy, chain: nil)
        {
            role = "\(Ruleset.Base(kind: kind, hook: hook, priority: priority, policy: policy))"
        } else {
            role = "type \(kind) hook number \(hook) priority \(priority); policy number \(policy);"
        }
    }
}

extension KernelTable.Rule {
    /// `sets`: the elements of the table's anonymous sets by name, and what kind of keys they are.
    init(_ object: OpaquePointer, sets: [String: Instruction]) {
        instructions = []
        if let iterator = nftnl_expr_iter_create(object) {
            defer { nftnl_expr_iter_destroy(iterator) }
            while let expression = nftnl_expr_iter_next(iterator) {
                let instruction = Instruction(expression, sets: sets)
                if case .counter = instruction {
                    counter = Counter(
                        packets: nftnl_expr_get_u64(expression, UInt16(NFTNL_EXPR_CTR_PACKETS)),
                        bytes: nftnl_expr_get_u64(expression, UInt16(NFTNL_EXPR_CTR_BYTES)))
                }
                instructions.append(instruction)
            }
        }
        var length: UInt32 = 0
        let data = nftnl_rule_get_data(object, UInt16(NFTNL_RULE_USERDATA.rawValue), &length)
        comment = data.flatMap { decodeComment(UnsafeRawBufferPointer(start: $0, count: Int(length))) }
    }
}

/// The first comment among the user data (type 0, length, NUL-terminated string); other types are skipped.
private func decodeComment(_ data: UnsafeRawBufferPointer) -> String? {
    var rest = data[...]
    while rest.count >= 2 {
        let (type, length) = (rest[rest.startIndex], Int(rest[rest.startIndex + 1]))
        let value = rest.dropFirst(2).prefix(length)
        if type == 0 { return String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }
        rest = rest.dropFirst(2 + length)
    }
    return nil
}

extension Instruction {
    fileprivate init(_ expression: OpaquePointer, sets: [String: Instruction]) {
        self = Instruction.known(expression, sets: sets) ?? .foreign(Instruction.printed(expression))
    }

    private static func known(_ expression: OpaquePointer, sets: [String: Instruction]) -> Instruction? {
        func number(_ attribute: Int) -> UInt32 { nftnl_expr_get_u32(expression, UInt16(attribute)) }
        func isFirst(_ attributes: Int...) -> Bool {
            attributes.allSatisfy { number($0) == UInt32(NFT_REG_1.rawValue) }
        }
        switch text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME))) {
        case "meta" where isFirst(NFTNL_EXPR_META_DREG):
            return Meta(rawValue: number(NFTNL_EXPR_META_KEY)).map { .meta($0) }
        case "meta" where isFirst(NFTNL_EXPR_META_SREG):
            return number(NFTNL_EXPR_META_KEY) == NFT_META_MARK.rawValue ? .setMark : nil
        case "ct" where isFirst(NFTNL_EXPR_CT_DREG) && nftnl_expr_is_set(expression, UInt16(NFTNL_EXPR_CT_DIR)):
            return number(NFTNL_EXPR_CT_KEY) == NFT_CT_PROTO_DST.rawValue
                && nftnl_expr_get_u8(expression, UInt16(NFTNL_EXPR_CT_DIR)) == originalDirection ? .soughtPort : nil
        case "ct" where isFirst(NFTNL_EXPR_CT_DREG):
            return Connection(rawValue: number(NFTNL_EXPR_CT_KEY)).map { .connection($0) }
        case "ct" where isFirst(NFTNL_EXPR_CT_SREG):
            return number(NFTNL_EXPR_CT_KEY) == NFT_CT_MARK.rawValue ? .setConnectionMark : nil
        case "payload" where !isFirst(NFTNL_EXPR_PAYLOAD_DREG):
            let (offset, length) = (number(NFTNL_EXPR_PAYLOAD_OFFSET), number(NFTNL_EXPR_PAYLOAD_LEN))
            let register = number(NFTNL_EXPR_PAYLOAD_DREG)
            if number(NFTNL_EXPR_PAYLOAD_BASE) == NFT_PAYLOAD_LL_HEADER.rawValue {
                return register == Register.second.rawValue && offset == 6 && length == 6 ? .senderHardware : nil
            }
            return Base(rawValue: number(NFTNL_EXPR_PAYLOAD_BASE)).map {
                .partOfKey(base: $0, offset: offset, length: length, register: register)
            }
        case "byteorder" where isFirst(NFTNL_EXPR_BYTEORDER_SREG, NFTNL_EXPR_BYTEORDER_DREG):
            let length = number(NFTNL_EXPR_BYTEORDER_LEN)
            return number(NFTNL_EXPR_BYTEORDER_OP) == NFT_BYTEORDER_HTON.rawValue
                && number(NFTNL_EXPR_BYTEORDER_SIZE) == length ? .toNetworkOrder(length: length) : nil
        case "fib" where isFirst(NFTNL_EXPR_FIB_DREG):
            return fib(result: number(NFTNL_EXPR_FIB_RESULT), flags: number(NFTNL_EXPR_FIB_FLAGS))
        case "rt" where isFirst(NFTNL_EXPR_RT_DREG):
            return number(NFTNL_EXPR_RT_KEY) == NFT_RT_TCPMSS.rawValue ? .segmentSize : nil
        case "exthdr" where isFirst(NFTNL_EXPR_EXTHDR_SREG):
            return number(NFTNL_EXPR_EXTHDR_OP) == NFT_EXTHDR_OP_TCPOPT.rawValue
                && nftnl_expr_get_u8(expression, UInt16(NFTNL_EXPR_EXTHDR_TYPE)) == maximumSegmentSize
                && number(NFTNL_EXPR_EXTHDR_OFFSET) == 2 && number(NFTNL_EXPR_EXTHDR_LEN) == 2
                ? .writeSegmentSize : nil
        case "nat" where isFirst(NFTNL_EXPR_NAT_REG_ADDR_MIN):
            return translation(expression)
        case "redir":
            return !nftnl_expr_is_set(expression, UInt16(NFTNL_EXPR_REDIR_REG_PROTO_MIN))
                && number(NFTNL_EXPR_REDIR_FLAGS) == 0 ? .redirect : nil
        case "masq":
            return !nftnl_expr_is_set(expression, UInt16(NFTNL_EXPR_MASQ_REG_PROTO_MIN))
                && number(NFTNL_EXPR_MASQ_FLAGS) == 0 ? .masquerade : nil
        case "log":
            let others = [NFTNL_EXPR_LOG_LEVEL, NFTNL_EXPR_LOG_FLAGS]
            // The kernel says 0 of what was not asked for.
            guard nftnl_expr_is_set(expression, UInt16(NFTNL_EXPR_LOG_GROUP)),
                !others.contains(where: { nftnl_expr_is_set(expression, UInt16($0)) }),
                number(NFTNL_EXPR_LOG_SNAPLEN) == 0,
                nftnl_expr_get_u16(expression, UInt16(NFTNL_EXPR_LOG_QTHRESHOLD)) == 0
            else { return nil }
            return .note(
                nftnl_expr_get_u16(expression, UInt16(NFTNL_EXPR_LOG_GROUP)),
                prefix: text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_LOG_PREFIX))))
        case "reject":
            let code = nftnl_expr_get_u8(expression, UInt16(NFTNL_EXPR_REJECT_CODE))
            switch number(NFTNL_EXPR_REJECT_TYPE) {
            case NFT_REJECT_TCP_RST.rawValue: return .refuse(.reset)
            case NFT_REJECT_ICMPX_UNREACH.rawValue where UInt32(code) == NFT_REJECT_ICMPX_ADMIN_PROHIBITED.rawValue:
                return .refuse(.prohibited)
            default: return nil
            }
        case "payload" where isFirst(NFTNL_EXPR_PAYLOAD_DREG):
            return Base(rawValue: number(NFTNL_EXPR_PAYLOAD_BASE)).map {
                .payload(base: $0, offset: number(NFTNL_EXPR_PAYLOAD_OFFSET), length: number(NFTNL_EXPR_PAYLOAD_LEN))
            }
        case "bitwise" where isFirst(NFTNL_EXPR_BITWISE_SREG, NFTNL_EXPR_BITWISE_DREG):
            guard number(NFTNL_EXPR_BITWISE_OP) == UInt32(CNETFILTER_BITWISE_BOOL) else { return nil }
            let (mask, bits) = (data(expression, NFTNL_EXPR_BITWISE_MASK), data(expression, NFTNL_EXPR_BITWISE_XOR))
            if bits.allSatisfy({ $0 == 0 }) { return .mask(mask) }
            return mask == bits.map { ~$0 } ? .set(bits) : nil
        case "cmp" where isFirst(NFTNL_EXPR_CMP_SREG):
            return Comparison(rawValue: number(NFTNL_EXPR_CMP_OP)).map {
                .compare($0, data(expression, NFTNL_EXPR_CMP_DATA))
            }
        case "socket" where isFirst(NFTNL_EXPR_SOCKET_DREG):
            return number(NFTNL_EXPR_SOCKET_KEY) == NFT_SOCKET_WILDCARD.rawValue ? .socketWildcard : nil
        case "lookup" where isFirst(NFTNL_EXPR_LOOKUP_SREG):
            // An inverted lookup is none of ours.
            let givesVerdict = nftnl_expr_is_set(expression, UInt16(NFTNL_EXPR_LOOKUP_DREG))
            guard number(NFTNL_EXPR_LOOKUP_FLAGS) == 0,
                let name = text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_LOOKUP_SET)))
            else { return nil }
            if givesVerdict, isFirst(NFTNL_EXPR_LOOKUP_DREG), sets[name] == nil { return .lookUpValue(name) }
            guard !givesVerdict || number(NFTNL_EXPR_LOOKUP_DREG) == NFT_REG_VERDICT.rawValue else { return nil }
            switch sets[name] {
            case .lookup(let type, let elements)? where !givesVerdict: return .lookup(type, elements: elements)
            case .choose(let type, let elements)? where givesVerdict: return .choose(type, elements: elements)
            case nil where givesVerdict: return .chooseByMap(name)
            case nil: return .lookUpSet(name)
            default: return nil
            }
        case "dynset" where isFirst(NFTNL_EXPR_DYNSET_SREG_KEY):
            return update(expression)
        case "counter":
            return .counter
        case "immediate" where number(NFTNL_EXPR_IMM_DREG) != NFT_REG_VERDICT.rawValue:
            return Register(rawValue: number(NFTNL_EXPR_IMM_DREG)).map {
                .load(data(expression, NFTNL_EXPR_IMM_DATA), $0)
            }
        case "immediate":
            let chain = text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_IMM_CHAIN)))
            let code = Int32(bitPattern: number(NFTNL_EXPR_IMM_VERDICT))
            return Ruleset.Verdict(code: code, chain: chain).map { .verdict($0) }
        default:
            return nil
        }
    }

    /// An update of a meter; nil: one with a timeout, a limit or anything else that ours has not.
    private static func update(_ expression: OpaquePointer) -> Instruction? {
        func has(_ attribute: Int) -> Bool { nftnl_expr_is_set(expression, UInt16(attribute)) }
        var length: UInt32 = 0
        guard nftnl_expr_get_u32(expression, UInt16(NFTNL_EXPR_DYNSET_OP)) == NFT_DYNSET_OP_UPDATE.rawValue,
            nftnl_expr_get_u64(expression, UInt16(NFTNL_EXPR_DYNSET_TIMEOUT)) == 0, !has(NFTNL_EXPR_DYNSET_SREG_DATA),
            let meter = text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_DYNSET_SET_NAME))),
            let limit = nftnl_expr_get(expression, UInt16(NFTNL_EXPR_DYNSET_EXPR), &length).map(OpaquePointer.init),
            text(nftnl_expr_get_str(limit, UInt16(NFTNL_EXPR_NAME))) == "limit",
            nftnl_expr_get_u64(limit, UInt16(NFTNL_EXPR_LIMIT_UNIT)) == 1,
            nftnl_expr_get_u32(limit, UInt16(NFTNL_EXPR_LIMIT_TYPE)) == NFT_LIMIT_PKTS.rawValue,
            case let flags = nftnl_expr_get_u32(limit, UInt16(NFTNL_EXPR_LIMIT_FLAGS)),
            flags & ~NFT_LIMIT_F_INV.rawValue == 0
        else { return nil }
        return .update(
            meter: meter, perSecond: nftnl_expr_get_u64(limit, UInt16(NFTNL_EXPR_LIMIT_RATE)),
            burst: nftnl_expr_get_u32(limit, UInt16(NFTNL_EXPR_LIMIT_BURST)), isOver: flags != 0)
    }

    private static func fib(result: UInt32, flags: UInt32) -> Instruction? {
        switch (result, flags) {
        case (NFT_FIB_RESULT_OIF.rawValue, sourceRouteFlags): .sourceRoute
        case (NFT_FIB_RESULT_ADDRTYPE.rawValue, NFTA_FIB_F_DADDR.rawValue): .destinationKind
        default: nil
        }
    }

    /// nil: one to a range, or of the source.
    private static func translation(_ expression: OpaquePointer) -> Instruction? {
        func number(_ attribute: Int) -> UInt32 { nftnl_expr_get_u32(expression, UInt16(attribute)) }
        func isSet(_ attribute: Int) -> Bool { nftnl_expr_is_set(expression, UInt16(attribute)) }
        // The kernel names the end of a range of one as well.
        func isRange(_ low: Int, _ high: Int) -> Bool { isSet(high) && number(high) != number(low) }
        let setsPort = isSet(NFTNL_EXPR_NAT_REG_PROTO_MIN)
        guard number(NFTNL_EXPR_NAT_TYPE) == NFT_NAT_DNAT.rawValue,
            let family = Match.Family(rawValue: UInt8(truncatingIfNeeded: number(NFTNL_EXPR_NAT_FAMILY))),
            !isRange(NFTNL_EXPR_NAT_REG_ADDR_MIN, NFTNL_EXPR_NAT_REG_ADDR_MAX),
            !setsPort
                || (number(NFTNL_EXPR_NAT_REG_PROTO_MIN) == Register.second.rawValue
                    && !isRange(NFTNL_EXPR_NAT_REG_PROTO_MIN, NFTNL_EXPR_NAT_REG_PROTO_MAX)),
            number(NFTNL_EXPR_NAT_FLAGS) & ~addressAndPort == 0
        else { return nil }
        return .translateDestination(family, setsPort: setsPort)
    }

    private static func printed(_ expression: OpaquePointer) -> String {
        let name = text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME))) ?? "unknown"
        var buffer = [CChar](repeating: 0, count: 512)
        let length = nftnl_expr_snprintf(&buffer, buffer.count, expression, UInt32(NFTNL_OUTPUT_DEFAULT.rawValue), 0)
        let shown = buffer.prefix(min(max(Int(length), 0), buffer.count - 1)).map { UInt8(bitPattern: $0) }
        return "[ \(name) \(String(decoding: shown, as: UTF8.self))]"
    }

    static func data(_ expression: OpaquePointer, _ attribute: Int) -> [UInt8] {
        var length: UInt32 = 0
        guard let start = nftnl_expr_get(expression, UInt16(attribute), &length) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(length)))
    }
}

/// `saddr . iif`, as a question whether there is a route.
let sourceRouteFlags = NFTA_FIB_F_SADDR.rawValue | NFTA_FIB_F_IIF.rawValue | NFTA_FIB_F_PRESENT.rawValue
/// The TCP option (RFC 9293 §3.7.1).
let maximumSegmentSize: UInt8 = 2
/// IP_CT_DIR_ORIGINAL of linux/netfilter/nf_conntrack_tuple_common.h.
let originalDirection: UInt8 = 0
/// NF_NAT_RANGE_MAP_IPS and NF_NAT_RANGE_PROTO_SPECIFIED of linux/netfilter/nf_nat.h, which the kernel adds by itself.
private let addressAndPort: UInt32 = 3

/// A set that the kernel named for us. nil: of another table, or one with a name of its own.
struct AnonymousSet {
    var name: String
    var type: Instruction.KeyType
    /// It gives a verdict for each of its elements.
    var isMap: Bool

    init?(_ object: OpaquePointer) {
        guard text(nftnl_set_get_str(object, UInt16(NFTNL_SET_TABLE.rawValue))) == Ruleset.table,
            nftnl_set_get_u32(object, UInt16(NFTNL_SET_FLAGS.rawValue)) & NFT_SET_ANONYMOUS.rawValue != 0,
            let name = text(nftnl_set_get_str(object, UInt16(NFTNL_SET_NAME.rawValue)))
        else { return nil }
        self.name = name
        type = Instruction.KeyType(rawValue: nftnl_set_get_u32(object, UInt16(NFTNL_SET_KEY_TYPE.rawValue)))
        isMap = nftnl_set_get_u32(object, UInt16(NFTNL_SET_FLAGS.rawValue)) & NFT_SET_MAP.rawValue != 0
    }

    /// As the instruction that looks it up.
    func lookup(elementsOf object: OpaquePointer) -> Instruction {
        var elements: [(key: [UInt8], verdict: Ruleset.Verdict?)] = []
        if let iterator = nftnl_set_elems_iter_create(object) {
            defer { nftnl_set_elems_iter_destroy(iterator) }
            while let element = nftnl_set_elems_iter_next(iterator) {
                var length: UInt32 = 0
                guard let key = nftnl_set_elem_get(element, UInt16(NFTNL_SET_ELEM_KEY), &length) else { continue }
                let bytes = Array(UnsafeRawBufferPointer(start: key, count: Int(length)))
                elements.append((bytes, isMap ? Self.verdict(of: element) : nil))
            }
        }
        // The kernel returns them in the order of its hash; ours is that of nft, the first byte being the lowest.
        elements.sort { $0.key.reversed().lexicographicallyPrecedes($1.key.reversed()) }
        guard isMap else { return .lookup(type, elements: elements.map(\.key)) }
        return .choose(
            type,
            elements: elements.compactMap { element in element.verdict.map { .init(key: element.key, verdict: $0) } })
    }

    static func verdict(of element: OpaquePointer) -> Ruleset.Verdict? {
        guard nftnl_set_elem_is_set(element, UInt16(NFTNL_SET_ELEM_VERDICT)) else { return nil }
        return Ruleset.Verdict(
            code: Int32(bitPattern: nftnl_set_elem_get_u32(element, UInt16(NFTNL_SET_ELEM_VERDICT))),
            chain: text(nftnl_set_elem_get_str(element, UInt16(NFTNL_SET_ELEM_CHAIN))))
    }
}

/// An element of a device map, as bytes.
struct DeviceElement: Hashable {
    var key: [UInt8]
    /// A number for a sender; nil: a verdict.
    var number: [UInt8]?
    /// nil: a number, or a verdict that is none of ours.
    var verdict: Ruleset.Verdict?

    static func sorted(_ elements: [DeviceElement]) -> [DeviceElement] {
        elements.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// Those of a map that was read.
    static func elements(of object: OpaquePointer) -> [DeviceElement] {
        var elements: [DeviceElement] = []
        guard let iterator = nftnl_set_elems_iter_create(object) else { return [] }
        defer { nftnl_set_elems_iter_destroy(iterator) }
        while let element = nftnl_set_elems_iter_next(iterator) {
            func bytes(_ attribute: Int) -> [UInt8]? {
                var length: UInt32 = 0
                guard nftnl_set_elem_is_set(element, UInt16(attribute)),
                    let start = nftnl_set_elem_get(element, UInt16(attribute), &length)
                else { return nil }
                return Array(UnsafeRawBufferPointer(start: start, count: Int(length)))
            }
            guard let key = bytes(NFTNL_SET_ELEM_KEY) else { continue }
            let isVerdict = nftnl_set_elem_is_set(element, UInt16(NFTNL_SET_ELEM_VERDICT))
            elements.append(
                DeviceElement(
                    key: key, number: isVerdict ? nil : bytes(NFTNL_SET_ELEM_DATA),
                    verdict: isVerdict ? AnonymousSet.verdict(of: element) : nil))
        }
        return sorted(elements)
    }
}

extension Ruleset.DeviceMap {
    /// In a fixed order, as the kernel has none.
    var elements: [DeviceElement] {
        func host(_ mark: UInt32) -> [UInt8] { withUnsafeBytes(of: mark) { Array($0) } }
        return switch content {
        case .numbers(let numbers):
            DeviceElement.sorted(
                numbers.map { sender, number in
                    // Each part of a key takes whole words.
                    DeviceElement(
                        key: interfaceKey(sender.interface) + sender.hardware.bytes + [0, 0],
                        number: host(UInt32(number)))
                })
        case .verdicts(let verdicts):
            DeviceElement.sorted(verdicts.map { DeviceElement(key: host($0.key), verdict: $0.value) })
        case .destinations(_, let verdicts):
            DeviceElement.sorted(verdicts.map { DeviceElement(key: $0.key.networkBytes, verdict: $0.value) })
        }
    }
}

/// A set or a map with a name of its own, as the kernel knows it: without its elements.
struct NamedSet: Equatable {
    var name: String
    /// `enum nft_set_flags`
    var flags: UInt32
    var type: Instruction.KeyType
    var keyLength: Int
    /// 0: no bound.
    var size: UInt32
    /// After which an element goes unless it says otherwise; 0: never.
    var milliseconds: UInt64

    /// What a map gives: `enum nft_data_types` for a verdict, else one of nft's types; 0: it is a set.
    var valueType: UInt32 = 0

    /// Each element counts what it matched.
    var isCounted = false

    /// It is one of the ruleset's `deviceMaps`, so that its elements are to be compared.
    var isDeviceMap: Bool { flags == NFT_SET_MAP.rawValue }
    /// It is one of the ruleset's `maps`, and so a trial's.
    var isTimedMap: Bool { flags == NFT_SET_MAP.rawValue | NFT_SET_TIMEOUT.rawValue }

    /// Its name says which networks it has.
    init(_ set: NetworkSet) {
        (name, flags) = (set.name, NFT_SET_INTERVAL.rawValue)
        (type, keyLength) = set.family == .ipv4 ? (.ipv4Address, 4) : (.ipv6Address, 16)
        (size, milliseconds) = (0, 0)
    }

    init(_ set: LiveSet) {
        (name, flags) = (set.name, NFT_SET_TIMEOUT.rawValue)
        (size, milliseconds, isCounted) = (set.size, 0, set.isCounted)
        let address: Instruction.KeyType = set.family == .ipv4 ? .ipv4Address : .ipv6Address
        let types: [Instruction.KeyType] = set.fields.map {
            if case .destinationPort = $0 { .port } else { address }
        }
        type = Instruction.KeyType(types)
        // Each part of several takes whole words.
        keyLength = types.reduce(0) { $0 + ($1 == .ipv6Address ? 16 : 4) }
    }

    init(_ meter: Ruleset.Meter) {
        name = meter.name
        flags = NFT_SET_EVAL.rawValue | NFT_SET_TIMEOUT.rawValue
        (type, keyLength) = meter.family == .ipv4 ? (.ipv4Address, 4) : (.ipv6Address, 16)
        size = meter.size
        milliseconds = UInt64(meter.seconds) * 1000
    }

    init(_ map: Ruleset.TimedMap) {
        name = map.name
        flags = NFT_SET_MAP.rawValue | NFT_SET_TIMEOUT.rawValue
        (type, keyLength, size, milliseconds) = (.protocolFamily, 1, 0, 0)
        valueType = CNETFILTER_DATA_VERDICT
    }

    init(_ map: Ruleset.DeviceMap) {
        name = map.name
        flags = NFT_SET_MAP.rawValue
        (size, milliseconds) = (map.size, 0)
        switch map.content {
        case .numbers: (type, keyLength, valueType) = (.sender, 24, Instruction.KeyType.mark.rawValue)
        case .verdicts: (type, keyLength, valueType) = (.mark, 4, CNETFILTER_DATA_VERDICT)
        case .destinations(.ipv4, _): (type, keyLength, valueType) = (.ipv4Address, 4, CNETFILTER_DATA_VERDICT)
        case .destinations(.ipv6, _): (type, keyLength, valueType) = (.ipv6Address, 16, CNETFILTER_DATA_VERDICT)
        }
    }

    init(_ object: OpaquePointer) {
        func number(_ attribute: nftnl_set_attr) -> UInt32 { nftnl_set_get_u32(object, UInt16(attribute.rawValue)) }
        name = text(nftnl_set_get_str(object, UInt16(NFTNL_SET_NAME.rawValue))) ?? "?"
        type = Instruction.KeyType(rawValue: number(NFTNL_SET_KEY_TYPE))
        flags = number(NFTNL_SET_FLAGS)
        keyLength = Int(number(NFTNL_SET_KEY_LEN))
        if flags & NFT_SET_MAP.rawValue != 0 { valueType = number(NFTNL_SET_DATA_TYPE) }
        size = number(NFTNL_SET_DESC_SIZE)
        milliseconds = nftnl_set_get_u64(object, UInt16(NFTNL_SET_TIMEOUT.rawValue))
        // Meters have a limit that comes with the rule, and no counter.
        isCounted =
            nftnl_set_is_set(object, UInt16(NFTNL_SET_EXPR.rawValue))
            || nftnl_set_is_set(object, UInt16(NFTNL_SET_EXPRESSIONS.rawValue))
    }
}

extension IPAddress {
    /// As it stands in a packet.
    var networkBytes: [UInt8] {
        switch self {
        case .v4(let bits): withUnsafeBytes(of: bits.bigEndian) { Array($0) }
        case .v6(let bits): withUnsafeBytes(of: bits.bigEndian) { Array($0) }
        }
    }
}

extension IPAddress {
    /// nil: neither 4 nor 16 bytes.
    init?(networkBytes bytes: UnsafeRawBufferPointer) {
        switch bytes.count {
        case 4: self = .v4(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        case 16: self = .v6(UInt128(bigEndian: bytes.loadUnaligned(as: UInt128.self)))
        default: return nil
        }
    }
}

func text(_ string: UnsafePointer<CChar>?) -> String? {
    string.map { String(cString: $0) }
}
