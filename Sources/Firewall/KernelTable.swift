internal import CNetfilter
internal import Glibc
internal import Ruleset

/// The table as the kernel holds it, or as a ruleset asks for it: what two of them have in common can be compared.
struct KernelTable: Equatable {
    /// NFT_TABLE_F_DORMANT here means that the kernel looks at no chain of the table at all.
    var flags: UInt32 = 0
    var chains: [Chain] = []
    /// Sets with names of their own; a ruleset has none.
    var namedSets: [String] = []

    struct Chain: Equatable {
        var name: String
        /// `type filter hook input priority 0; policy drop;`, or that it is no base chain.
        var role: String
        var rules: [Rule] = []
    }

    struct Rule: Hashable {
        var instructions: [Instruction]
        var comment: String?
    }

    init() {}

    init(_ ruleset: Ruleset) {
        chains = ruleset.chains.map { chain in
            Chain(
                name: chain.name, role: role(hook: chain.hook.rawValue, priority: 0, policy: chain.policy.rawValue),
                rules: chain.rules.map { Rule(instructions: $0.instructions, comment: $0.comment) })
        }
    }

    /// The first thing in which `self`, read from the kernel, is not `wanted`; nil if there is none.
    func difference(from wanted: KernelTable) -> String? {
        if flags != wanted.flags {
            return flags & NFT_TABLE_F_DORMANT.rawValue != 0
                ? "the table is dormant: none of its rules is in force" : "the table has flags \(flags)"
        }
        if let name = namedSets.first(where: { !wanted.namedSets.contains($0) }) {
            return "the kernel has a set \(name) that is none of ours"
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
            let shown = have.map { "'\($0)'" } ?? "nothing"
            return "rule \(index + 1): the kernel has \(shown) instead of \(want.map { "'\($0)'" } ?? "nothing")"
        }
        return nil
    }
}

extension KernelTable.Rule: CustomStringConvertible {
    var description: String {
        instructions.map(\.description).joined(separator: " ") + (comment.map { " comment \"\($0)\"" } ?? "")
    }
}

private func role(hook: UInt32, priority: Int32, policy: UInt32) -> String {
    let hook = Ruleset.Hook(rawValue: hook).map { "\($0)" } ?? "number \(hook)"
    let policy = Ruleset.Verdict(rawValue: policy).map { "\($0)" } ?? "number \(policy)"
    return "type filter hook \(hook) priority \(priority); policy \(policy);"
}

// MARK: - What libnftnl parsed

extension KernelTable.Chain {
    /// nil: a chain of another table.
    init?(_ object: OpaquePointer) {
        guard text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TABLE.rawValue))) == Ruleset.table,
            let name = text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_NAME.rawValue)))
        else { return nil }
        self.name = name
        if nftnl_chain_is_set(object, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue)),
            text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TYPE.rawValue))) == "filter"
        {
            role = Firewall.role(
                hook: nftnl_chain_get_u32(object, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue)),
                priority: nftnl_chain_get_s32(object, UInt16(NFTNL_CHAIN_PRIO.rawValue)),
                policy: nftnl_chain_get_u32(object, UInt16(NFTNL_CHAIN_POLICY.rawValue)))
        } else {
            role = "no base chain of type filter"
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
                instructions.append(Instruction(expression, sets: sets))
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
        case "ct" where isFirst(NFTNL_EXPR_CT_DREG) && number(NFTNL_EXPR_CT_KEY) == NFT_CT_STATE.rawValue:
            return .connectionState
        case "payload" where isFirst(NFTNL_EXPR_PAYLOAD_DREG):
            return Base(rawValue: number(NFTNL_EXPR_PAYLOAD_BASE)).map {
                .payload(base: $0, offset: number(NFTNL_EXPR_PAYLOAD_OFFSET), length: number(NFTNL_EXPR_PAYLOAD_LEN))
            }
        case "bitwise" where isFirst(NFTNL_EXPR_BITWISE_SREG, NFTNL_EXPR_BITWISE_DREG):
            guard number(NFTNL_EXPR_BITWISE_OP) == UInt32(CNETFILTER_BITWISE_BOOL),
                data(expression, NFTNL_EXPR_BITWISE_XOR).allSatisfy({ $0 == 0 })
            else { return nil }
            return .mask(data(expression, NFTNL_EXPR_BITWISE_MASK))
        case "cmp" where isFirst(NFTNL_EXPR_CMP_SREG):
            return Comparison(rawValue: number(NFTNL_EXPR_CMP_OP)).map {
                .compare($0, data(expression, NFTNL_EXPR_CMP_DATA))
            }
        case "socket" where isFirst(NFTNL_EXPR_SOCKET_DREG):
            return number(NFTNL_EXPR_SOCKET_KEY) == NFT_SOCKET_WILDCARD.rawValue ? .socketWildcard : nil
        case "lookup" where isFirst(NFTNL_EXPR_LOOKUP_SREG):
            // An inverted lookup, or one that loads a value, is none of ours.
            guard number(NFTNL_EXPR_LOOKUP_FLAGS) == 0,
                !nftnl_expr_is_set(expression, UInt16(NFTNL_EXPR_LOOKUP_DREG)),
                let name = text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_LOOKUP_SET)))
            else { return nil }
            return sets[name]
        case "counter":
            return .counter
        case "immediate" where number(NFTNL_EXPR_IMM_DREG) == NFT_REG_VERDICT.rawValue:
            return Ruleset.Verdict(rawValue: number(NFTNL_EXPR_IMM_VERDICT)).map { .verdict($0) }
        default:
            return nil
        }
    }

    private static func printed(_ expression: OpaquePointer) -> String {
        let name = text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME))) ?? "unknown"
        var buffer = [CChar](repeating: 0, count: 512)
        let length = nftnl_expr_snprintf(&buffer, buffer.count, expression, UInt32(NFTNL_OUTPUT_DEFAULT.rawValue), 0)
        let shown = buffer.prefix(min(max(Int(length), 0), buffer.count - 1)).map { UInt8(bitPattern: $0) }
        return "[ \(name) \(String(decoding: shown, as: UTF8.self))]"
    }

    private static func data(_ expression: OpaquePointer, _ attribute: Int) -> [UInt8] {
        var length: UInt32 = 0
        guard let start = nftnl_expr_get(expression, UInt16(attribute), &length) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(length)))
    }
}

/// A set that the kernel named for us. nil: of another table, or one with a name of its own.
struct AnonymousSet {
    var name: String
    var type: Instruction.KeyType

    init?(_ object: OpaquePointer) {
        guard text(nftnl_set_get_str(object, UInt16(NFTNL_SET_TABLE.rawValue))) == Ruleset.table,
            nftnl_set_get_u32(object, UInt16(NFTNL_SET_FLAGS.rawValue)) & NFT_SET_ANONYMOUS.rawValue != 0,
            let name = text(nftnl_set_get_str(object, UInt16(NFTNL_SET_NAME.rawValue))),
            let type = Instruction.KeyType(rawValue: nftnl_set_get_u32(object, UInt16(NFTNL_SET_KEY_TYPE.rawValue)))
        else { return nil }
        self.name = name
        self.type = type
    }

    /// As the instruction that looks it up.
    func lookup(elementsOf object: OpaquePointer) -> Instruction {
        var elements: [[UInt8]] = []
        if let iterator = nftnl_set_elems_iter_create(object) {
            defer { nftnl_set_elems_iter_destroy(iterator) }
            while let element = nftnl_set_elems_iter_next(iterator) {
                var length: UInt32 = 0
                guard let key = nftnl_set_elem_get(element, UInt16(NFTNL_SET_ELEM_KEY), &length) else { continue }
                elements.append(Array(UnsafeRawBufferPointer(start: key, count: Int(length))))
            }
        }
        // The kernel returns them in the order of its hash; ours is that of nft, the first byte being the lowest.
        return .lookup(type, elements: elements.sorted { $0.reversed().lexicographicallyPrecedes($1.reversed()) })
    }
}

func text(_ string: UnsafePointer<CChar>?) -> String? {
    string.map { String(cString: $0) }
}
