internal import CNetfilter
internal import Glibc
internal import Ruleset

/// Messages that the kernel carries out together or not at all (nfnetlink batch), with what each was for.
struct Batch {
    private(set) var bytes: [UInt8] = []
    /// By sequence number: what the message is for.
    private(set) var steps: [Step] = []

    /// What one message is for, as an error names it.
    enum Step: Hashable, Sendable, CustomStringConvertible {
        case begin, end, addTable, deleteTable
        case addChain(String)
        case deleteChain(String)
        case addSet(String)
        case deleteSet(String)
        case addElements(String)
        case deleteElements(String)
        case deleteRules(String)
        case addRule(Ruleset.Rule, chain: String)

        /// The kernel has to look for a socket.
        var asksForSocket: Bool {
            if case .addRule(let rule, _) = self { rule.matches.contains(.boundSocket) } else { false }
        }

        /// The kernel has to tell of packets.
        var asksForPacketLog: Bool {
            if case .addRule(let rule, _) = self, case .note = rule.decision { true } else { false }
        }

        var description: String {
            switch self {
            case .begin: "begin a transaction"
            case .end: "end a transaction"
            case .addTable: "add table inet \(Ruleset.table)"
            case .deleteTable: "delete table inet \(Ruleset.table)"
            case .addChain(let name): "add chain \(name)"
            case .deleteChain(let name): "delete chain \(name)"
            case .addSet(let name): "add \(name)"
            case .deleteSet(let name): "delete set \(name)"
            case .addElements(let name): "add elements to \(name)"
            case .deleteElements(let name): "delete elements of \(name)"
            case .deleteRules(let name): "delete the rules of chain \(name)"
            case .addRule(let rule, let chain): "add to chain \(chain) the rule '\(rule)'"
            }
        }
    }
    /// libnftnl writes attributes without looking at the space that is left. One message of ours is at most a nested
    /// attribute of 64 kB and a few fields.
    private var scratch = [CChar](repeating: 0, count: 256 << 10)

    /// The kernel refuses the batch (ERESTART) when its ruleset is no longer of this generation.
    init(generation: UInt32) {
        let sequence = UInt32(steps.count)
        scratch.withUnsafeMutableBufferPointer { buffer in
            let header = nftnl_batch_begin(buffer.baseAddress, sequence)
            mnl_attr_put_u32(header, UInt16(NFNL_BATCH_GENID.rawValue), generation.bigEndian)
        }
        append(.begin)
    }

    /// Whether it asks the kernel for nothing: then there is nothing that the kernel could acknowledge.
    var isEmpty: Bool { steps.allSatisfy { $0 == .begin || $0 == .end } }

    /// To be called once, after the last message.
    mutating func end() {
        let sequence = UInt32(steps.count)
        scratch.withUnsafeMutableBufferPointer { _ = nftnl_batch_end($0.baseAddress, sequence) }
        append(.end)
    }

    /// `fill` adds the payload to the message.
    mutating func add(
        _ step: Step, _ type: nf_tables_msg_types, flags: CInt = 0,
        _ fill: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) {
        // The acknowledgement of every message is asked for: the last one proves that the kernel has come to the end.
        let sequence = UInt32(steps.count)
        scratch.withUnsafeMutableBufferPointer { buffer in
            let header = nftnl_nlmsg_build_hdr(
                buffer.baseAddress, UInt16(type.rawValue), UInt16(CNETFILTER_FAMILY_INET), UInt16(flags | NLM_F_ACK),
                sequence)
            if let header { fill(header) }
        }
        append(step)
    }

    /// Makes room for so many bytes more, which would be copied again and again while they grow.
    mutating func reserve(bytes count: Int) { bytes.reserveCapacity(bytes.count + count + scratch.count) }

    private mutating func append(_ step: Step) {
        scratch.withUnsafeBytes { buffer in
            let length = Int(buffer.load(as: nlmsghdr.self).nlmsg_len)
            bytes.append(contentsOf: buffer[..<length])
        }
        steps.append(step)
    }
}

extension Batch {
    /// The table is made anew, in one transaction: no packet ever meets a state in between.
    ///
    /// - Parameters:
    ///   - networks: the sets of networks that are to be there.
    ///   - exists: there is a table, which is deleted.
    ///   - flags: `enum nft_table_flags` for the new one.
    ///   - counters: with what the rules begin to count.
    ///   - elements: what the live sets hold from the beginning.
    mutating func replaceTable(
        with ruleset: Ruleset, networks: [NetworkSet] = [], exists: Bool, flags: UInt32 = 0,
        counters: CarriedCounters = CarriedCounters(), elements: LiveElements = .none
    ) {
        var counters = counters
        if exists { deleteTable() }
        addTable(flags: flags)
        // What is named must be there before a rule or an element names it.
        var sets: UInt32 = 0
        for set in networks {
            add(NamedSet(set), &sets)
            addElements(of: set)
        }
        for set in ruleset.liveSets {
            add(NamedSet(set), &sets)
            addElements(elements[set.name], to: set)
        }
        for meter in ruleset.meters { add(NamedSet(meter), &sets) }
        for map in ruleset.deviceMaps { add(NamedSet(map), &sets) }
        for map in ruleset.maps { add(NamedSet(map), &sets) }
        for chain in ruleset.chains { add(chain) }
        for map in ruleset.deviceMaps { addElements(of: map) }
        for map in ruleset.maps { addElements(of: map) }
        for chain in ruleset.chains {
            for rule in chain.rules { add(rule, to: chain, sets: &sets, counted: counters.take(for: rule, in: chain)) }
        }
    }

    mutating func deleteTable() {
        add(.deleteTable, NFT_MSG_DELTABLE) { header in
            mnl_attr_put_strz(header, UInt16(NFTA_TABLE_NAME.rawValue), Ruleset.table)
        }
    }

    mutating func emptyChain(_ name: String) {
        delete(.deleteRules(name), NFT_MSG_DELRULE, table: NFTA_RULE_TABLE.rawValue, NFTA_RULE_CHAIN.rawValue, name)
    }

    mutating func deleteChain(_ name: String) {
        delete(.deleteChain(name), NFT_MSG_DELCHAIN, table: NFTA_CHAIN_TABLE.rawValue, NFTA_CHAIN_NAME.rawValue, name)
    }

    mutating func deleteSet(_ name: String) {
        delete(.deleteSet(name), NFT_MSG_DELSET, table: NFTA_SET_TABLE.rawValue, NFTA_SET_NAME.rawValue, name)
    }

    /// - Parameters:
    ///   - table: the attribute that names the table.
    ///   - attribute: the one that names what goes.
    private mutating func delete(
        _ step: Step, _ type: nf_tables_msg_types, table: UInt32, _ attribute: UInt32, _ name: String
    ) {
        add(step, type) { header in
            mnl_attr_put_strz(header, UInt16(table), Ruleset.table)
            mnl_attr_put_strz(header, UInt16(attribute), name)
        }
    }

    private mutating func addTable(flags: UInt32) {
        add(.addTable, NFT_MSG_NEWTABLE, flags: NLM_F_CREATE) { header in
            mnl_attr_put_strz(header, UInt16(NFTA_TABLE_NAME.rawValue), Ruleset.table)
            mnl_attr_put_u32(header, UInt16(NFTA_TABLE_FLAGS.rawValue), flags.bigEndian)
        }
    }

    mutating func add(_ chain: Ruleset.Chain) {
        let object = nftnl_chain_alloc()
        defer { nftnl_chain_free(object) }
        nftnl_chain_set_str(object, UInt16(NFTNL_CHAIN_TABLE.rawValue), Ruleset.table)
        nftnl_chain_set_str(object, UInt16(NFTNL_CHAIN_NAME.rawValue), chain.name)
        if let base = chain.base {
            nftnl_chain_set_str(object, UInt16(NFTNL_CHAIN_TYPE.rawValue), base.kind.rawValue)
            nftnl_chain_set_u32(object, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue), base.hook.rawValue)
            nftnl_chain_set_s32(object, UInt16(NFTNL_CHAIN_PRIO.rawValue), base.priority)
            nftnl_chain_set_u32(object, UInt16(NFTNL_CHAIN_POLICY.rawValue), UInt32(base.policy.code))
        }
        add(.addChain(chain.name), NFT_MSG_NEWCHAIN, flags: NLM_F_CREATE) { header in
            nftnl_chain_nlmsg_build_payload(header, object)
        }
    }

    mutating func add(
        _ rule: Ruleset.Rule, to chain: Ruleset.Chain, sets: inout UInt32, counted: Counter?
    ) {
        let object = nftnl_rule_alloc()
        defer { nftnl_rule_free(object) }
        nftnl_rule_set_str(object, UInt16(NFTNL_RULE_TABLE.rawValue), Ruleset.table)
        nftnl_rule_set_str(object, UInt16(NFTNL_RULE_CHAIN.rawValue), chain.name)
        if let comment = rule.comment {
            let data = encodeComment(comment)
            nftnl_rule_set_data(object, UInt16(NFTNL_RULE_USERDATA.rawValue), data, UInt32(data.count))
        }
        let instructions = rule.instructions
        for instruction in instructions {
            switch instruction {
            case .lookup(let type, let elements):
                sets += 1
                addSet(sets, type, elements.map { ($0, nil) }, for: rule)
            case .choose(let type, let elements):
                sets += 1
                addSet(sets, type, elements.map { ($0.key, $0.verdict) }, for: rule)
            default: break
            }
            // The rule owns the expression from here on.
            if let expression = instruction.expression(set: sets, counted: counted) {
                nftnl_rule_add_expr(object, expression)
            }
        }
        add(.addRule(rule, chain: chain.name), NFT_MSG_NEWRULE, flags: NLM_F_CREATE | NLM_F_APPEND) {
            nftnl_rule_nlmsg_build_payload($0, object)
        }
    }

    /// A set or a map without a name of its own, which lives and dies with the rule that looks it up. Within the batch it
    /// is known by its number.
    private mutating func addSet(
        _ id: UInt32, _ type: Instruction.KeyType, _ elements: [(key: [UInt8], verdict: Ruleset.Verdict?)],
        for rule: Ruleset.Rule
    ) {
        let set = nftnl_set_alloc()
        defer { nftnl_set_free(set) }
        var flags = NFT_SET_ANONYMOUS.rawValue | NFT_SET_CONSTANT.rawValue
        if elements.contains(where: { $0.verdict != nil }) {
            flags |= NFT_SET_MAP.rawValue
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_DATA_TYPE.rawValue), CNETFILTER_DATA_VERDICT)
        }
        nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), anonymousSet)
        nftnl_set_set_u32(set, UInt16(NFTNL_SET_FLAGS.rawValue), flags)
        nftnl_set_set_u32(set, UInt16(NFTNL_SET_DESC_SIZE.rawValue), UInt32(elements.count))
        identify(set, id, type, keyLength: elements.first?.key.count ?? 0)
        for element in elements { add(element.key, element.verdict, to: set) }
        add(.addSet("a set for the rule '\(rule)'"), NFT_MSG_NEWSET, flags: NLM_F_CREATE) { header in
            nftnl_set_nlmsg_build_payload(header, set)
        }
        addElements(of: set, .addElements("the set for the rule '\(rule)'"))
    }

    mutating func add(_ named: NamedSet, _ sets: inout UInt32) {
        sets += 1
        let set = nftnl_set_alloc()
        defer { nftnl_set_free(set) }
        nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), named.name)
        nftnl_set_set_u32(set, UInt16(NFTNL_SET_FLAGS.rawValue), named.flags)
        if named.valueType != 0 { nftnl_set_set_u32(set, UInt16(NFTNL_SET_DATA_TYPE.rawValue), named.valueType) }
        if named.valueType == Instruction.KeyType.mark.rawValue {
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_DATA_LEN.rawValue), 4)
        }
        if named.size > 0 { nftnl_set_set_u32(set, UInt16(NFTNL_SET_DESC_SIZE.rawValue), named.size) }
        if named.milliseconds > 0 { nftnl_set_set_u64(set, UInt16(NFTNL_SET_TIMEOUT.rawValue), named.milliseconds) }
        identify(set, sets, named.type, keyLength: named.keyLength)
        if named.isCounted {
            // The set owns the counter from here on, of which each element gets one of its own.
            let counter = nftnl_expr_alloc("counter")
            nftnl_set_add_expr(set, counter)
        }
        add(.addSet("set \(named.name)"), NFT_MSG_NEWSET, flags: NLM_F_CREATE) { header in
            nftnl_set_nlmsg_build_payload(header, set)
        }
    }

    private mutating func addElements(of map: Ruleset.TimedMap) {
        let set = nftnl_set_alloc()
        defer { nftnl_set_free(set) }
        nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE.rawValue), Ruleset.table)
        nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), map.name)
        for family in [Match.Family.ipv4, .ipv6] {
            add([family.rawValue], map.verdict, milliseconds: UInt64(map.seconds) * 1000, to: set)
        }
        addElements(of: set, .addElements("map \(map.name)"))
    }

    private mutating func addElements(of map: Ruleset.DeviceMap) {
        let elements = map.elements
        if elements.isEmpty { return }
        write(elements, of: map.name, .addElements("map \(map.name)"), NFT_MSG_NEWSETELEM, flags: NLM_F_CREATE)
    }

    /// Adds elements to the map, or deletes them.
    mutating func write(
        _ elements: [DeviceElement], of map: String, _ step: Step, _ type: nf_tables_msg_types, flags: CInt
    ) {
        let set = nftnl_set_alloc()
        defer { nftnl_set_free(set) }
        nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE.rawValue), Ruleset.table)
        nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), map)
        for element in elements { add(element.key, element.verdict, number: element.number, to: set) }
        send(elementsOf: set, step, type, flags: flags)
    }

    private func identify(_ set: OpaquePointer?, _ id: UInt32, _ type: Instruction.KeyType, keyLength: Int) {
        nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE.rawValue), Ruleset.table)
        nftnl_set_set_u32(set, UInt16(NFTNL_SET_ID.rawValue), id)
        nftnl_set_set_u32(set, UInt16(NFTNL_SET_FAMILY.rawValue), UInt32(CNETFILTER_FAMILY_INET))
        nftnl_set_set_u32(set, UInt16(NFTNL_SET_KEY_TYPE.rawValue), type.rawValue)
        nftnl_set_set_u32(set, UInt16(NFTNL_SET_KEY_LEN.rawValue), UInt32(keyLength))
        // Without the key's byte order nft would list names backwards.
        let order = type.order
        nftnl_set_set_data(set, UInt16(NFTNL_SET_USERDATA.rawValue), order, UInt32(order.count))
    }

    private func add(
        _ key: [UInt8], _ verdict: Ruleset.Verdict?, number: [UInt8]? = nil, milliseconds: UInt64 = 0,
        to set: OpaquePointer?
    ) {
        let element = nftnl_set_elem_alloc()
        nftnl_set_elem_set(element, UInt16(NFTNL_SET_ELEM_KEY), key, UInt32(key.count))
        if let verdict {
            nftnl_set_elem_set_u32(element, UInt16(NFTNL_SET_ELEM_VERDICT), UInt32(bitPattern: verdict.code))
            if let chain = verdict.chain { nftnl_set_elem_set_str(element, UInt16(NFTNL_SET_ELEM_CHAIN), chain) }
        }
        if let number { nftnl_set_elem_set(element, UInt16(NFTNL_SET_ELEM_DATA), number, UInt32(number.count)) }
        if milliseconds > 0 { nftnl_set_elem_set_u64(element, UInt16(NFTNL_SET_ELEM_TIMEOUT), milliseconds) }
        nftnl_set_elem_add(set, element)
    }

    private mutating func addElements(of set: OpaquePointer?, _ step: Step) {
        send(elementsOf: set, step, NFT_MSG_NEWSETELEM, flags: NLM_F_CREATE)
    }

    /// As many elements to a message as a nested attribute (64 kB) holds.
    private mutating func send(
        elementsOf set: OpaquePointer?, _ step: Step, _ type: nf_tables_msg_types, flags: CInt
    ) {
        let elements = nftnl_set_elems_iter_create(set)
        defer { nftnl_set_elems_iter_destroy(elements) }
        var isComplete = false
        while !isComplete {
            add(step, type, flags: flags) { header in
                isComplete = nftnl_set_elems_nlmsg_build_payload_iter(header, elements) <= 0
            }
        }
    }
}

/// The kernel replaces %d by a number that is free.
private let anonymousSet = "__set%d"

/// libnftnl's user data: a type (NFTNL_UDATA_RULE_COMMENT is 0), a length, a NUL-terminated string.
private func encodeComment(_ comment: String) -> [UInt8] {
    [0, UInt8(comment.utf8.count + 1)] + comment.utf8 + [0]
}

extension Instruction.KeyType {
    /// NFTNL_UDATA_SET_KEYBYTEORDER (0), and of what a map of numbers gives NFTNL_UDATA_SET_DATABYTEORDER (1): with nft's
    /// BYTEORDER_HOST_ENDIAN (1) or BYTEORDER_BIG_ENDIAN (2), or 0 for a key of several parts, each of which has its own.
    fileprivate var order: [UInt8] {
        func attribute(_ number: UInt8, _ order: UInt32) -> [UInt8] {
            [number, 4] + withUnsafeBytes(of: order) { Array($0) }
        }
        return switch self {
        case .interfaceName, .connectionState, .protocolFamily, .mark: attribute(0, 1)
        case .ipv4Address, .ipv6Address, .icmpType, .icmpv6Type, .port: attribute(0, 2)
        case .sender: attribute(0, 0) + attribute(1, 1)
        default: attribute(0, 0)
        }
    }
}

extension Instruction {
    /// The instruction as libnftnl's object; the caller owns it. nil only for what was read and is not ours to write.
    fileprivate func expression(set: UInt32, counted: Counter?) -> OpaquePointer? {
        let register = Register.first.rawValue
        switch self {
        case .meta(let key):
            let expression = nftnl_expr_alloc("meta")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_META_KEY), key.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_META_DREG), register)
            return expression
        case .connection(let key):
            let expression = nftnl_expr_alloc("ct")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_CT_KEY), key.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_CT_DREG), register)
            return expression
        case .soughtPort:
            let expression = nftnl_expr_alloc("ct")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_CT_KEY), NFT_CT_PROTO_DST.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_CT_DREG), register)
            nftnl_expr_set_u8(expression, UInt16(NFTNL_EXPR_CT_DIR), originalDirection)
            return expression
        case .setConnectionMark:
            let expression = nftnl_expr_alloc("ct")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_CT_KEY), NFT_CT_MARK.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_CT_SREG), register)
            return expression
        case .setMark:
            let expression = nftnl_expr_alloc("meta")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_META_KEY), NFT_META_MARK.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_META_SREG), register)
            return expression
        case .senderHardware:
            let expression = nftnl_expr_alloc("payload")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_DREG), Register.second.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_BASE), NFT_PAYLOAD_LL_HEADER.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_OFFSET), 6)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_LEN), 6)
            return expression
        case .toNetworkOrder(let length):
            let expression = nftnl_expr_alloc("byteorder")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BYTEORDER_SREG), register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BYTEORDER_DREG), register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BYTEORDER_OP), NFT_BYTEORDER_HTON.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BYTEORDER_LEN), length)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BYTEORDER_SIZE), length)
            return expression
        case .load(let value, let register):
            let expression = nftnl_expr_alloc("immediate")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_IMM_DREG), register.rawValue)
            nftnl_expr_set(expression, UInt16(NFTNL_EXPR_IMM_DATA), value, UInt32(value.count))
            return expression
        case .sourceRoute, .destinationKind:
            let asksForSource = self == .sourceRoute
            let result = asksForSource ? NFT_FIB_RESULT_OIF : NFT_FIB_RESULT_ADDRTYPE
            let expression = nftnl_expr_alloc("fib")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_FIB_DREG), register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_FIB_RESULT), result.rawValue)
            nftnl_expr_set_u32(
                expression, UInt16(NFTNL_EXPR_FIB_FLAGS), asksForSource ? sourceRouteFlags : NFTA_FIB_F_DADDR.rawValue)
            return expression
        case .segmentSize:
            let expression = nftnl_expr_alloc("rt")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_RT_KEY), NFT_RT_TCPMSS.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_RT_DREG), register)
            return expression
        case .writeSegmentSize:
            let expression = nftnl_expr_alloc("exthdr")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_EXTHDR_SREG), register)
            nftnl_expr_set_u8(expression, UInt16(NFTNL_EXPR_EXTHDR_TYPE), maximumSegmentSize)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_EXTHDR_OFFSET), 2)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_EXTHDR_LEN), 2)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_EXTHDR_OP), NFT_EXTHDR_OP_TCPOPT.rawValue)
            return expression
        case .translateDestination(let family, let setsPort):
            let expression = nftnl_expr_alloc("nat")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_NAT_TYPE), NFT_NAT_DNAT.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_NAT_FAMILY), UInt32(family.rawValue))
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_NAT_REG_ADDR_MIN), register)
            if setsPort {
                nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_NAT_REG_PROTO_MIN), Register.second.rawValue)
            }
            return expression
        case .redirect:
            return nftnl_expr_alloc("redir")
        case .masquerade:
            return nftnl_expr_alloc("masq")
        case .note(let group, let prefix):
            let expression = nftnl_expr_alloc("log")
            if let prefix { nftnl_expr_set_str(expression, UInt16(NFTNL_EXPR_LOG_PREFIX), prefix) }
            nftnl_expr_set_u16(expression, UInt16(NFTNL_EXPR_LOG_GROUP), group)
            return expression
        case .refuse(let refusal):
            let expression = nftnl_expr_alloc("reject")
            let type = refusal == .reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH
            let code = refusal == .reset ? 0 : UInt8(NFT_REJECT_ICMPX_ADMIN_PROHIBITED.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_REJECT_TYPE), type.rawValue)
            nftnl_expr_set_u8(expression, UInt16(NFTNL_EXPR_REJECT_CODE), code)
            return expression
        case .payload(let base, let offset, let length):
            let expression = nftnl_expr_alloc("payload")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_DREG), register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_BASE), base.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_OFFSET), offset)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_LEN), length)
            return expression
        case .partOfKey(let base, let offset, let length, let register):
            let expression = nftnl_expr_alloc("payload")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_DREG), register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_BASE), base.rawValue)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_OFFSET), offset)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_PAYLOAD_LEN), length)
            return expression
        case .mask(let mask): return bitwise(mask, mask.map { _ in 0 })
        case .set(let bits): return bitwise(bits.map { ~$0 }, bits)
        case .compare(let comparison, let value):
            let expression = nftnl_expr_alloc("cmp")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_CMP_SREG), register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_CMP_OP), comparison.rawValue)
            nftnl_expr_set(expression, UInt16(NFTNL_EXPR_CMP_DATA), value, UInt32(value.count))
            return expression
        case .socketWildcard:
            let expression = nftnl_expr_alloc("socket")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_SOCKET_KEY), UInt32(NFT_SOCKET_WILDCARD.rawValue))
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_SOCKET_DREG), register)
            return expression
        case .lookup, .choose:
            let expression = nftnl_expr_alloc("lookup")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_LOOKUP_SREG), register)
            nftnl_expr_set_str(expression, UInt16(NFTNL_EXPR_LOOKUP_SET), anonymousSet)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_LOOKUP_SET_ID), set)
            if case .choose = self {
                nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_LOOKUP_DREG), UInt32(NFT_REG_VERDICT.rawValue))
            }
            return expression
        case .chooseByMap(let name):
            let expression = nftnl_expr_alloc("lookup")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_LOOKUP_SREG), register)
            nftnl_expr_set_str(expression, UInt16(NFTNL_EXPR_LOOKUP_SET), name)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_LOOKUP_DREG), UInt32(NFT_REG_VERDICT.rawValue))
            return expression
        case .lookUpSet(let name):
            let expression = nftnl_expr_alloc("lookup")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_LOOKUP_SREG), register)
            nftnl_expr_set_str(expression, UInt16(NFTNL_EXPR_LOOKUP_SET), name)
            return expression
        case .lookUpValue(let name):
            let expression = nftnl_expr_alloc("lookup")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_LOOKUP_SREG), register)
            nftnl_expr_set_str(expression, UInt16(NFTNL_EXPR_LOOKUP_SET), name)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_LOOKUP_DREG), register)
            return expression
        case .update(let meter, let perSecond, let burst, let isOver):
            let limit = nftnl_expr_alloc("limit")
            nftnl_expr_set_u64(limit, UInt16(NFTNL_EXPR_LIMIT_RATE), perSecond)
            // Per so many seconds.
            nftnl_expr_set_u64(limit, UInt16(NFTNL_EXPR_LIMIT_UNIT), 1)
            nftnl_expr_set_u32(limit, UInt16(NFTNL_EXPR_LIMIT_BURST), burst)
            nftnl_expr_set_u32(limit, UInt16(NFTNL_EXPR_LIMIT_TYPE), UInt32(NFT_LIMIT_PKTS.rawValue))
            if isOver { nftnl_expr_set_u32(limit, UInt16(NFTNL_EXPR_LIMIT_FLAGS), NFT_LIMIT_F_INV.rawValue) }
            let expression = nftnl_expr_alloc("dynset")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_DYNSET_SREG_KEY), register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_DYNSET_OP), UInt32(NFT_DYNSET_OP_UPDATE.rawValue))
            nftnl_expr_set_str(expression, UInt16(NFTNL_EXPR_DYNSET_SET_NAME), meter)
            // The update owns the limit from here on.
            nftnl_expr_set(expression, UInt16(NFTNL_EXPR_DYNSET_EXPR), UnsafeRawPointer(limit), 0)
            return expression
        case .counter:
            let expression = nftnl_expr_alloc("counter")
            if let counted {
                nftnl_expr_set_u64(expression, UInt16(NFTNL_EXPR_CTR_PACKETS), counted.packets)
                nftnl_expr_set_u64(expression, UInt16(NFTNL_EXPR_CTR_BYTES), counted.bytes)
            }
            return expression
        case .verdict(let verdict):
            let expression = nftnl_expr_alloc("immediate")
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_IMM_DREG), UInt32(NFT_REG_VERDICT.rawValue))
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_IMM_VERDICT), UInt32(bitPattern: verdict.code))
            if let chain = verdict.chain { nftnl_expr_set_str(expression, UInt16(NFTNL_EXPR_IMM_CHAIN), chain) }
            return expression
        case .foreign:
            return nil
        }
    }

    /// register = (register & mask) ^ bits
    private func bitwise(_ mask: [UInt8], _ bits: [UInt8]) -> OpaquePointer? {
        let expression = nftnl_expr_alloc("bitwise")
        nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BITWISE_SREG), Register.first.rawValue)
        nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BITWISE_DREG), Register.first.rawValue)
        nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BITWISE_LEN), UInt32(mask.count))
        nftnl_expr_set(expression, UInt16(NFTNL_EXPR_BITWISE_MASK), mask, UInt32(mask.count))
        nftnl_expr_set(expression, UInt16(NFTNL_EXPR_BITWISE_XOR), bits, UInt32(bits.count))
        return expression
    }
}

extension Ruleset.Verdict {
    /// NF_DROP and NF_ACCEPT (linux/netfilter.h), and `enum nft_verdicts`.
    var code: Int32 {
        switch self {
        case .drop: 0
        case .accept: 1
        case .jump: NFT_JUMP.rawValue
        case .goto: NFT_GOTO.rawValue
        case .return: NFT_RETURN.rawValue
        }
    }

    var chain: String? {
        switch self {
        case .jump(let chain), .goto(let chain): chain
        case .drop, .accept, .return: nil
        }
    }

    /// nil: another verdict, or a jump to nowhere.
    init?(code: Int32, chain: String?) {
        switch (code, chain) {
        case (0, _): self = .drop
        case (1, _): self = .accept
        case (NFT_JUMP.rawValue, let chain?): self = .jump(chain)
        case (NFT_GOTO.rawValue, let chain?): self = .goto(chain)
        case (NFT_RETURN.rawValue, _): self = .return
        default: return nil
        }
    }
}
