internal import Address
internal import CNetfilter
internal import Policy
package import Ruleset

/// A rule of somebody else's nat chain, as far as it says what it leads on, and where to: by nf_tables' own expressions, or by those of
/// xtables, which iptables-nft hands to the kernel as they are.
struct ForeignTranslation {
    /// What is asked of a packet.
    struct Terms: Equatable {
        /// nil: any.
        var transport: Opening.Transport?
        /// nil: all.
        var ports: [PortRange]?
        var address: Network?
        var entrance: String?
        var exceptions: [String] = []
        /// Nothing is asked that is not told here.
        var isSure = true
        /// The family or the kind of the address is asked for: a port that is led on has it, not all that comes does.
        var isOfKind = false
        /// Nothing that has ports meets them.
        var isEmpty = false
    }

    enum End {
        /// What that chain returns goes on to the next rule, unless it went there for good (`goto`).
        case chain(String, isForGood: Bool)
        case destination(IPAddress, UInt16?)
        /// By the element of the map for the packet's port; perhaps its own port follows the address.
        case map(String, isIPv6: Bool, hasPort: Bool)
        /// What meets the rule goes on after the one that led to its chain.
        case returns
        /// What meets the rule is led nowhere, by whatever comes after it.
        case leaves
    }

    var terms = Terms()
    /// The set of the ports that are asked for; nil: `terms` has them.
    var portSet: String?
    /// nil: on to the next rule.
    var end: End?

    // MARK: - Expressions

    private enum Field: Equatable {
        case transport, entrance, port, kindOfAddress
        case address(isIPv6: Bool, prefix: Int)
        case other
    }

    private enum Content {
        case field(Field)
        case data([UInt8])
        /// What the map of that name has for the packet's port.
        case mapped(String)
    }

    init(_ rule: OpaquePointer, isIPv6: Bool) {
        guard let iterator = nftnl_expr_iter_create(rule) else { return }
        defer { nftnl_expr_iter_destroy(iterator) }
        var registers: [UInt32: Content] = [:]
        while let expression = nftnl_expr_iter_next(iterator) { read(expression, isIPv6: isIPv6, &registers) }
    }

    private mutating func read(_ expression: OpaquePointer, isIPv6: Bool, _ registers: inout [UInt32: Content]) {
        func isSet(_ attribute: Int) -> Bool { nftnl_expr_is_set(expression, UInt16(attribute)) }
        // libnftnl reads from nowhere what is not there.
        func number(_ attribute: Int) -> UInt32 {
            isSet(attribute) ? nftnl_expr_get_u32(expression, UInt16(attribute)) : 0
        }
        func name(_ attribute: Int) -> String? { text(nftnl_expr_get_str(expression, UInt16(attribute))) }
        func field(in register: UInt32) -> Field {
            if case .field(let field)? = registers[register] { field } else { .other }
        }
        switch name(NFTNL_EXPR_NAME) {
        case "counter", "log": break
        case "meta" where isSet(NFTNL_EXPR_META_DREG):
            let fields: [UInt32: Field] = [
                NFT_META_L4PROTO.rawValue: .transport, NFT_META_IIFNAME.rawValue: .entrance,
                NFT_META_NFPROTO.rawValue: .kindOfAddress,
            ]
            registers[number(NFTNL_EXPR_META_DREG)] = .field(fields[number(NFTNL_EXPR_META_KEY)] ?? .other)
        case "fib": registers[number(NFTNL_EXPR_FIB_DREG)] = .field(.kindOfAddress)
        case "payload":
            let place = (number(NFTNL_EXPR_PAYLOAD_BASE), number(NFTNL_EXPR_PAYLOAD_OFFSET))
            let length = number(NFTNL_EXPR_PAYLOAD_LEN)
            registers[number(NFTNL_EXPR_PAYLOAD_DREG)] = .field(Self.field(at: place, length, isIPv6: isIPv6))
        case "bitwise":
            var field = field(in: number(NFTNL_EXPR_BITWISE_SREG))
            if case .address(let isIPv6, _) = field {
                let ones = Instruction.data(expression, NFTNL_EXPR_BITWISE_MASK).map(\.nonzeroBitCount).reduce(0, +)
                field = .address(isIPv6: isIPv6, prefix: ones)
            } else {
                field = .other
            }
            registers[number(NFTNL_EXPR_BITWISE_DREG)] = .field(field)
        case "cmp":
            ask(
                field(in: number(NFTNL_EXPR_CMP_SREG)), number(NFTNL_EXPR_CMP_OP),
                Instruction.data(expression, NFTNL_EXPR_CMP_DATA))
        case "range"
        where number(NFTNL_EXPR_RANGE_OP) == NFT_RANGE_EQ.rawValue
            && field(in: number(NFTNL_EXPR_RANGE_SREG)) == .port:
            let ends = [NFTNL_EXPR_RANGE_FROM_DATA, NFTNL_EXPR_RANGE_TO_DATA].map {
                portNumber(Instruction.data(expression, $0))
            }
            narrow(to: [PortRange(ends[0], ends[1])].compactMap(\.self))
        // A map of verdicts is not read.
        case "lookup" where isSet(NFTNL_EXPR_LOOKUP_DREG) && number(NFTNL_EXPR_LOOKUP_DREG) == NFT_REG_VERDICT.rawValue:
            (terms.isSure, end) = (false, .leaves)
        case "lookup" where field(in: number(NFTNL_EXPR_LOOKUP_SREG)) == .port && number(NFTNL_EXPR_LOOKUP_FLAGS) == 0:
            guard let set = name(NFTNL_EXPR_LOOKUP_SET) else { break }
            if isSet(NFTNL_EXPR_LOOKUP_DREG) {
                registers[number(NFTNL_EXPR_LOOKUP_DREG)] = .mapped(set)
            } else {
                portSet = set
            }
        case "immediate" where number(NFTNL_EXPR_IMM_DREG) != NFT_REG_VERDICT.rawValue:
            registers[number(NFTNL_EXPR_IMM_DREG)] = .data(Instruction.data(expression, NFTNL_EXPR_IMM_DATA))
        case "immediate":
            let verdict = Int32(bitPattern: number(NFTNL_EXPR_IMM_VERDICT))
            end =
                name(NFTNL_EXPR_IMM_CHAIN).map { .chain($0, isForGood: verdict == NFT_GOTO.rawValue) }
                ?? (verdict == NFT_RETURN.rawValue ? .returns : .leaves)
        case "nat" where number(NFTNL_EXPR_NAT_TYPE) == NFT_NAT_DNAT.rawValue:
            let hasPort = isSet(NFTNL_EXPR_NAT_REG_PROTO_MIN)
            switch registers[number(NFTNL_EXPR_NAT_REG_ADDR_MIN)] {
            case .data(let bytes)? where isSet(NFTNL_EXPR_NAT_REG_ADDR_MIN):
                var port: UInt16?
                if hasPort, case .data(let bytes)? = registers[number(NFTNL_EXPR_NAT_REG_PROTO_MIN)] {
                    port = portNumber(bytes)
                }
                end = readAddress(bytes[...]).map { .destination($0, port) } ?? .leaves
            case .mapped(let map)?:
                let isIPv6 = number(NFTNL_EXPR_NAT_FAMILY) == Match.Family.ipv6.rawValue
                end = .map(map, isIPv6: isIPv6, hasPort: hasPort)
            default: end = .leaves
            }
        case "redir", "masq", "nat": end = .leaves
        case "match": ask(match: name(NFTNL_EXPR_MT_NAME), Instruction.data(expression, NFTNL_EXPR_MT_INFO))
        case "target":
            let info = Instruction.data(expression, NFTNL_EXPR_TG_INFO)
            switch name(NFTNL_EXPR_TG_NAME) {
            case "DNAT": end = destination(info, revision: number(NFTNL_EXPR_TG_REV), isIPv6: isIPv6) ?? .leaves
            case "REDIRECT", "MASQUERADE", "SNAT": end = .leaves
            default: break
            }
        default: terms.isSure = false
        }
    }

    /// Offsets of RFC 791 §3.1, RFC 8200 §3 and RFC 9293 §3.1.
    private static func field(at place: (base: UInt32, offset: UInt32), _ length: UInt32, isIPv6: Bool) -> Field {
        switch (place.base, place.offset, length) {
        case (NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, 2, 2): .port
        case (NFT_PAYLOAD_NETWORK_HEADER.rawValue, 9, 1) where !isIPv6: .transport
        case (NFT_PAYLOAD_NETWORK_HEADER.rawValue, 6, 1) where isIPv6: .transport
        case (NFT_PAYLOAD_NETWORK_HEADER.rawValue, 16, 1...4): .address(isIPv6: false, prefix: Int(length) * 8)
        case (NFT_PAYLOAD_NETWORK_HEADER.rawValue, 24, 1...16): .address(isIPv6: true, prefix: Int(length) * 8)
        default: .other
        }
    }

    private mutating func ask(_ field: Field, _ operation: UInt32, _ data: [UInt8]) {
        let isEqual = operation == NFT_CMP_EQ.rawValue
        switch field {
        case .kindOfAddress where isEqual: terms.isOfKind = true
        case .transport where isEqual:
            terms.transport = data.first == 6 ? .tcp : .udp
            if ![6, 17].contains(data.first) { terms.isEmpty = true }
        case .entrance:
            // Without the end of a C string it is the beginning of a name.
            let interface = String(decoding: data.prefix { $0 != 0 }, as: UTF8.self) + (data.contains(0) ? "" : "*")
            if isEqual { terms.entrance = interface } else { terms.exceptions.append(interface) }
        case .address(let isIPv6, let prefix) where isEqual:
            let bytes = data + [UInt8](repeating: 0, count: max(0, (isIPv6 ? 16 : 4) - data.count))
            terms.address = readAddress(bytes[...]).map { Network($0, prefix: prefix) }
        case .port:
            let port = portNumber(data)
            switch operation {
            case NFT_CMP_EQ.rawValue: narrow(to: [PortRange(port, port)].compactMap(\.self))
            case NFT_CMP_GTE.rawValue: narrow(to: [PortRange(max(1, port), .max)].compactMap(\.self))
            case NFT_CMP_LTE.rawValue: narrow(to: [PortRange(1, port)].compactMap(\.self))
            default: terms.isSure = false
            }
        default: terms.isSure = false
        }
    }

    mutating func narrow(to ports: [PortRange]) {
        terms.ports = terms.ports.map { $0.common(with: ports) } ?? ports
    }

    // MARK: - xtables

    /// `struct xt_tcp`, `xt_udp` and `xt_multiport_v1` of linux/netfilter; their ports are numbers of this machine.
    private mutating func ask(match: String?, _ info: [UInt8]) {
        func port(at offset: Int) -> UInt16 {
            info.withUnsafeBytes {
                offset + 2 <= $0.count ? $0.loadUnaligned(fromByteOffset: offset, as: UInt16.self) : 0
            }
        }
        switch match {
        case "comment": break
        case "addrtype": terms.isOfKind = true
        case "tcp", "udp":
            let isTCP = match == "tcp"
            guard info.count >= (isTCP ? 12 : 9) else {
                terms.isSure = false
                return
            }
            terms.transport = isTCP ? .tcp : .udp
            let inversions = info[isTCP ? 11 : 8]
            let isWhole =
                port(at: 0) == 0 && port(at: 2) == .max && inversions == 0
                && (!isTCP || info[8] == 0 && info[9] == 0)
            if !isWhole { terms.isSure = false }
            if inversions & 2 == 0, (port(at: 4), port(at: 6)) != (0, .max) {
                narrow(to: [PortRange(max(1, port(at: 4)), port(at: 6))].compactMap(\.self))
            }
        case "multiport":
            // Of destinations, and not inverted.
            guard info.count >= 48, info[0] == 1, info[47] == 0 else {
                terms.isSure = false
                return
            }
            var ranges: [PortRange] = []
            var index = 0
            while index < min(Int(info[1]), 15) {
                let isRange = info[32 + index] != 0 && index < 14
                let (lower, upper) = (port(at: 2 + 2 * index), port(at: 2 + 2 * (isRange ? index + 1 : index)))
                if let range = PortRange(lower, upper) { ranges.append(range) }
                index += isRange ? 2 : 1
            }
            narrow(to: ranges)
        default: terms.isSure = false
        }
    }

    /// `struct nf_nat_ipv4_multi_range_compat` in revision 0, and `nf_nat_range` with what came to it later, of
    /// linux/netfilter/nf_nat.h. nil: no address is given.
    private func destination(_ info: [UInt8], revision: UInt32, isIPv6: Bool) -> End? {
        let isOld = revision == 0 && !isIPv6
        let (flags, start, port) = isOld ? (4, 8, 16) : (0, 4, 36)
        guard info.count >= port + 2, info[flags] & 1 != 0,
            let address = readAddress(info[start..<start + (isIPv6 ? 16 : 4)])
        else { return nil }
        return .destination(address, info[flags] & 2 == 0 ? nil : portNumber(Array(info[port..<port + 2])))
    }
}

private func portNumber(_ bytes: [UInt8]) -> UInt16 { bytes.prefix(2).reduce(0) { $0 << 8 | UInt16($1) } }

private func readAddress(_ bytes: ArraySlice<UInt8>) -> IPAddress? {
    bytes.withUnsafeBytes { IPAddress(networkBytes: $0) }
}

extension [PortRange] {
    fileprivate func common(with others: [PortRange]) -> [PortRange] {
        flatMap { own in
            others.compactMap { PortRange(Swift.max(own.lower, $0.lower), Swift.min(own.upper, $0.upper)) }
        }
    }
}

extension ForeignTranslation.Terms {
    /// What meets both.
    fileprivate func joined(with other: Self) -> Self {
        var joined = self
        if let transport = other.transport {
            joined.isEmpty = joined.isEmpty || self.transport.map { $0 != transport } ?? false
            joined.transport = transport
        }
        if let ports = other.ports { joined.ports = self.ports.map { $0.common(with: ports) } ?? ports }
        joined.address = other.address ?? address
        joined.entrance = other.entrance ?? entrance
        joined.exceptions += other.exceptions
        // Of two that differ one is told.
        let isWhole = address ?? joined.address == joined.address && entrance ?? joined.entrance == joined.entrance
        joined.isSure = isSure && other.isSure && isWhole
        joined.isEmpty = joined.isEmpty || other.isEmpty || joined.ports?.isEmpty ?? false
        return joined
    }
}

extension Netlink {
    /// The ports that everybody else's tables lead on as packets come in, in the order of their rules.
    package mutating func publishedPorts(_ chains: [ForeignChain]) throws(FirewallError) -> [PublishedPort] {
        var ports: [PublishedPort] = []
        for base in chains where base.isNAT && base.hook == .prerouting {
            var rules = try readTranslations(of: base)
            for name in rules.keys {
                for index in rules[name, default: []].indices {
                    guard let set = rules[name]?[index].portSet else { continue }
                    let elements = try readElements(of: set, base)
                    if elements.contains(where: { !$0.isPort }) { rules[name]?[index].terms.isSure = false }
                    if elements.contains(where: { $0.ports == nil }) { continue }
                    rules[name]?[index].narrow(to: elements.compactMap(\.ports))
                }
            }
            var walk = TranslationWalk(rules: rules, base: base)
            walk.follow(base.name, .init(), depth: 0)
            for (terms, chain, end) in walk.found {
                switch end {
                case .destination(let address, let port):
                    ports += base.published(terms, by: chain, to: address, port)
                case .map(let map, let isIPv6, let hasPort):
                    let length = isIPv6 ? 16 : 4
                    for element in try readElements(of: map, base) {
                        guard let address = readAddress(element.data.prefix(length)) else { continue }
                        var terms = terms
                        if let key = element.ports { terms.ports = terms.ports.map { $0.common(with: [key]) } ?? [key] }
                        terms.isSure = terms.isSure && element.isPort
                        let port = hasPort ? portNumber(Array(element.data.dropFirst(length))) : nil
                        ports += base.published(terms, by: chain, to: address, port)
                    }
                case .chain, .returns, .leaves: break
                }
            }
        }
        var told: Set<PublishedPort> = []
        return ports.filter { told.insert($0).inserted }
    }

    /// The rules of a table by their chains.
    private mutating func readTranslations(
        of base: ForeignChain
    ) throws(FirewallError) -> [String: [ForeignTranslation]] {
        var rules: [String: [ForeignTranslation]] = [:]
        let place = [(UInt16(NFTA_RULE_TABLE.rawValue), base.table)]
        _ = try dump(NFT_MSG_GETRULE, "read the rules", family: base.number, attributes: place) { header in
            guard let object = nftnl_rule_alloc() else { return }
            defer { nftnl_rule_free(object) }
            guard nftnl_rule_nlmsg_parse(header, object) == 0,
                text(nftnl_rule_get_str(object, UInt16(NFTNL_RULE_TABLE.rawValue))) == base.table,
                let chain = text(nftnl_rule_get_str(object, UInt16(NFTNL_RULE_CHAIN.rawValue)))
            else { return }
            rules[chain, default: []].append(ForeignTranslation(object, isIPv6: base.family == "ip6"))
        }
        return rules
    }

    /// The elements of a set or a map of ports, ascending; last the one for all other ports.
    private mutating func readElements(
        of set: String, _ base: ForeignChain
    ) throws(FirewallError) -> [PortElement] {
        guard let object = nftnl_set_alloc() else { return [] }
        defer { nftnl_set_free(object) }
        let place = [
            (UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), base.table), (UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set),
        ]
        _ = try dump(NFT_MSG_GETSETELEM, "read the set \(set)", family: base.number, attributes: place) { header in
            _ = nftnl_set_elems_nlmsg_parse(header, object)
        }
        guard let iterator = nftnl_set_elems_iter_create(object) else { return [] }
        defer { nftnl_set_elems_iter_destroy(iterator) }
        var elements: [PortElement] = []
        var keys: [PortKey] = []
        while let element = nftnl_set_elems_iter_next(iterator) {
            func bytes(_ attribute: Int) -> [UInt8] {
                var length: UInt32 = 0
                guard let start = nftnl_set_elem_get(element, UInt16(attribute), &length) else { return [] }
                return Array(UnsafeRawBufferPointer(start: start, count: Int(length)))
            }
            let flags = UInt32(bytes(NFTNL_SET_ELEM_FLAGS).first ?? 0)
            let data = bytes(NFTNL_SET_ELEM_DATA)
            // `*` has no key.
            if flags & NFT_SET_ELEM_CATCHALL.rawValue != 0 {
                elements.append(PortElement(ports: nil, isPort: true, data: data))
                continue
            }
            let (key, last) = (bytes(NFTNL_SET_ELEM_KEY), bytes(NFTNL_SET_ELEM_KEY_END))
            keys.append(
                PortKey(
                    port: portNumber(key), last: last.isEmpty ? nil : portNumber(last), isPort: key.count == 2,
                    isEnd: flags & NFT_SET_ELEM_INTERVAL_END.rawValue != 0, data: data))
        }
        return keys.elements + elements
    }
}

/// What an element of a set or a map of ports has for its port.
private struct PortElement {
    /// nil: every port that no other element has.
    var ports: PortRange?
    /// Nothing else is asked than the port.
    var isPort: Bool
    /// What the map has for it.
    var data: [UInt8]
}

/// An element as the kernel has it.
private struct PortKey {
    var port: UInt16
    /// Where the range ends that begins with it, if the element says so.
    var last: UInt16?
    var isPort: Bool
    /// The range that the element before began ends before this one.
    var isEnd: Bool
    var data: [UInt8]
}

extension [PortKey] {
    fileprivate var elements: [PortElement] {
        let keys = sorted { ($0.port, $0.isEnd ? 0 : 1) < ($1.port, $1.isEnd ? 0 : 1) }
        // All ports are one range that nothing ends.
        let hasRanges = contains(where: \.isEnd) || map(\.port) == [0]
        return keys.indices.compactMap { index in
            let key = keys[index]
            guard !key.isEnd else { return nil }
            let next = hasRanges && index + 1 < keys.count ? keys[index + 1].port : nil
            let end = next.map { $0 > key.port ? $0 - 1 : key.port } ?? (hasRanges ? .max : key.last ?? key.port)
            return PortRange(Swift.max(1, key.port), end).map {
                PortElement(ports: $0, isPort: key.isPort, data: key.data)
            }
        }
    }
}

/// From a base chain to all that its rules lead on.
private struct TranslationWalk {
    let rules: [String: [ForeignTranslation]]
    let base: ForeignChain
    private(set) var found: [(terms: ForeignTranslation.Terms, chain: String, end: ForeignTranslation.End)] = []
    /// Chains may lead to one another in more ways than anybody could want to follow.
    private var steps = 100_000

    init(rules: [String: [ForeignTranslation]], base: ForeignChain) {
        self.rules = rules
        self.base = base
    }

    /// How much of what comes to a chain is led nowhere by it, nor by what comes after it.
    enum Departure {
        case none, some, all
    }

    @discardableResult
    mutating func follow(_ chain: String, _ terms: ForeignTranslation.Terms, depth: Int) -> Departure {
        var terms = terms
        var departure = Departure.none
        var returnsSome = false
        for rule in rules[chain] ?? [] where steps > 0 && depth <= 16 {
            steps -= 1
            let joined = terms.joined(with: rule.terms)
            guard !joined.isEmpty else { continue }
            var left = Departure.none
            var returns = false
            switch rule.end {
            case .chain(let next, let isForGood)?:
                left = follow(next, joined, depth: depth + 1)
                returns = isForGood && left != .all
            case .destination?, .map?: found.append((joined, chain, rule.end ?? .leaves))
            case .returns?: returns = true
            case .leaves?: left = .all
            case nil: break
            }
            let isForAll = rule.terms == .init()
            if left == .all, isForAll { return returnsSome ? .some : .all }
            if left != .none { departure = .some }
            if returns, isForAll { return departure }
            returnsSome = returnsSome || returns
            guard left != .none || returns else { continue }
            // As Docker has it of what comes from its own bridges.
            var others = rule.terms
            others.entrance = nil
            if left == .all || returns, let entrance = rule.terms.entrance, others == .init() {
                terms.exceptions.append(entrance)
            } else {
                terms.isSure = false
            }
        }
        return departure
    }
}

extension ForeignChain {
    fileprivate func published(
        _ terms: ForeignTranslation.Terms, by chain: String, to destination: IPAddress, _ port: UInt16?
    ) -> [PublishedPort] {
        let transports = terms.transport.map { [$0] } ?? Opening.Transport.allCases
        let ports = terms.ports ?? [PortRange(1, .max)].compactMap(\.self)
        return transports.flatMap { transport in
            ports.map {
                PublishedPort(
                    transport: transport, ports: $0, address: terms.address, entrance: terms.entrance,
                    exceptions: terms.exceptions, destination: destination, port: port,
                    holder: "\(title), chain \(chain)", program: program, isSure: terms.isSure)
            }
        }
    }
}
