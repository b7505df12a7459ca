internal import Address
internal import Glibc
internal import Policy
internal import Ruleset

/// One step of the kernel's nf_tables machine. All of them work on register 1, unless they say so; the verdict has a register of
/// its own.
///
/// A rule that was sent and a rule that was read back are equal when their instructions are, which leaves out what the
/// kernel chose or counts: handles, the names of anonymous sets, the values of counters.
enum Instruction: Hashable, Sendable {
    case meta(Meta)
    case connection(Connection)
    /// The port that the connection's first packet was for.
    case soughtPort
    case payload(base: Base, offset: UInt32, length: UInt32)
    /// The same into another register than the first.
    case partOfKey(base: Base, offset: UInt32, length: UInt32, register: UInt32)
    /// register 2 = the hardware address of whoever sent the packet.
    case senderHardware
    /// Numbers that the kernel has in the machine's byte order are compared in the network's.
    case toNetworkOrder(length: UInt32)
    case load([UInt8], Register)
    /// register = register & mask
    case mask([UInt8])
    /// register = register | bits
    case set([UInt8])
    case compare(Comparison, [UInt8])
    /// Whether the socket that would receive the packet is bound to every address: 1, else 0; the rule ends without one.
    case socketWildcard
    /// Whether an answer to the packet's source would leave by the interface that it came in by: 1, else 0.
    case sourceRoute
    /// What kind of address the destination is to this machine: `enum rtn_type` of rtnetlink(7).
    case destinationKind
    /// The largest segment that the way to the packet's destination, and the one back to its source, take.
    case segmentSize
    /// The packet's own word on it becomes the register's, if that is less.
    case writeSegmentSize
    /// The register is one of these, each `elements[i].count` bytes; ascending.
    case lookup(KeyType, elements: [[UInt8]])
    /// The verdict that is given for the register; none if it is not among the elements.
    case choose(KeyType, elements: [Choice])
    /// The register is in the set of this name.
    case lookUpSet(String)
    /// The same as `choose`, by a map with a name of its own.
    case chooseByMap(String)
    /// register = what the map has for registers 1 and 2; the rule ends if that is nothing.
    case lookUpValue(String)
    case setConnectionMark
    case setMark
    /// The packet counts for the source in the register; the rule ends if that is over its rate, or if it is not (`isOver`).
    case update(meter: String, perSecond: UInt64, burst: UInt32, isOver: Bool)
    case counter
    /// The destination becomes register 1, and the port register 2.
    case translateDestination(Match.Family, setsPort: Bool)
    case redirect
    case masquerade
    /// The packet is told of to whoever listens to the group.
    case note(UInt16, prefix: String?)
    case refuse(Ruleset.Refusal)
    case verdict(Ruleset.Verdict)
    /// Read from the kernel and none of ours, in libnftnl's notation.
    case foreign(String)

    struct Choice: Hashable, Sendable {
        var key: [UInt8]
        var verdict: Ruleset.Verdict
    }

    /// With the numbers of `enum nft_meta_keys` (linux/netfilter/nf_tables.h).
    enum Meta: UInt32, Sendable {
        case iifname = 6
        case oifname = 7
        case iiftype = 8
        case skuid = 10
        case nfproto = 15
        case l4proto = 16
        case time = 30
    }

    /// With the numbers of `enum nft_ct_keys`.
    enum Connection: UInt32, Sendable {
        case state = 0
        case status = 2
        case mark = 3
    }

    /// With the numbers of `enum nft_registers`.
    enum Register: UInt32, Sendable {
        case first = 1
        case second = 2
    }

    /// With the numbers of `enum nft_payload_bases`.
    enum Base: UInt32, Sendable {
        case network = 1
        case transport = 2
    }

    /// With the numbers of `enum nft_cmp_ops`.
    enum Comparison: UInt32, Sendable {
        case eq = 0
        case neq = 1
        case lt = 2
        case lte = 3
        case gte = 5
    }

    /// What a set's key means: `enum datatypes` of nft's include/datatype.h, which the kernel only keeps for whoever
    /// lists the table. Of a key of several parts each has 6 bits of the number.
    struct KeyType: RawRepresentable, Hashable, Sendable {
        let rawValue: UInt32

        static let protocolFamily = KeyType(rawValue: 2)
        static let ipv4Address = KeyType(rawValue: 7)
        static let ipv6Address = KeyType(rawValue: 8)
        static let hardwareAddress = KeyType(rawValue: 9)
        static let port = KeyType(rawValue: 13)
        static let icmpType = KeyType(rawValue: 14)
        static let mark = KeyType(rawValue: 19)
        static let connectionState = KeyType(rawValue: 26)
        static let icmpv6Type = KeyType(rawValue: 29)
        static let interfaceName = KeyType(rawValue: 41)
        static let sender = KeyType([interfaceName, hardwareAddress])

        init(rawValue: UInt32) { self.rawValue = rawValue }

        init(_ parts: [KeyType]) { rawValue = parts.reduce(0) { $0 << 6 | $1.rawValue } }
    }
}

extension Ruleset.Rule {
    /// What the kernel runs for the rule. Equal to what `nft --debug=netlink` shows for its description.
    var instructions: [Instruction] {
        var compiler = Compiler()
        for match in matches { compiler.compile(match) }
        if isCounted { compiler.instructions.append(.counter) }
        switch decision {
        case .verdict(let verdict): compiler.instructions.append(.verdict(verdict))
        case .byState(let verdicts):
            let elements = verdicts.sorted { $0.key < $1.key }.map {
                Instruction.Choice(key: bytes($0.key.rawValue), verdict: $0.value)
            }
            compiler.instructions += [.connection(.state), .choose(.connectionState, elements: elements)]
        case .byMap(let name): compiler.instructions += [.meta(.nfproto), .chooseByMap(name)]
        case .byDevice(let name): compiler.instructions += Compiler.device + [.chooseByMap(name)]
        case .byMark(let name):
            compiler.instructions += [.connection(.mark), .mask(markBits), .chooseByMap(name)]
        case .byDestination(let family, let name):
            compiler.compile(addressOf: family, offsets: (v4: 16, v6: 24), map: name)
        case .bySource(let family, let name):
            compiler.compile(addressOf: family, offsets: (v4: 12, v6: 8), map: name)
        case .byInput(let verdicts):
            compiler.instructions += [.meta(.iifname), .choose(.interfaceName, elements: choices(verdicts))]
        case .byOutput(let verdicts):
            compiler.instructions += [.meta(.oifname), .choose(.interfaceName, elements: choices(verdicts))]
        case .identify(let name):
            // A line without hardware addresses has no header to read them from.
            compiler.instructions += [
                .meta(.iiftype), .compare(.eq, bytes(ethernet)), .meta(.iifname), .senderHardware,
                .lookUpValue(name), .setConnectionMark,
            ]
        case .assign(let number): compiler.instructions += [.load(bytes(UInt32(number)), .first), .setConnectionMark]
        case .noteHours:
            compiler.instructions += [
                .connection(.mark), .set(bytes(Ruleset.towardsHours)), .setConnectionMark,
            ]
        case .tell: compiler.instructions += Compiler.device + [.setMark]
        case .clampSegments:
            compiler.instructions += [.segmentSize, .toNetworkOrder(length: 2), .writeSegmentSize]
        case .note(let notice, let reason): compiler.instructions.append(.note(notice.rawValue, prefix: reason))
        case .refuse(let refusal): compiler.instructions.append(.refuse(refusal))
        case .forward(let address, let port):
            let (family, target): (Match.Family, [UInt8]) =
                switch address {
                case .v4(let bits): (.ipv4, bytes(bits.bigEndian))
                case .v6(let bits): (.ipv6, bytes(bits.bigEndian))
                }
            compiler.instructions.append(.load(target, .first))
            if let port { compiler.instructions.append(.load(bytes(port.bigEndian), .second)) }
            compiler.instructions.append(.translateDestination(family, setsPort: port != nil))
        case .redirect: compiler.instructions.append(.redirect)
        case .masquerade: compiler.instructions.append(.masquerade)
        }
        return compiler.instructions
    }
}

private func choices(_ verdicts: [String: Ruleset.Verdict]) -> [Instruction.Choice] {
    canonical(Array(verdicts.keys)).compactMap { name in
        verdicts[name].map { Instruction.Choice(key: interfaceKey(name), verdict: $0) }
    }
}

/// The number of a connection's device, in the lower half of its mark.
private let deviceBits = bytes(UInt32(0xffff))
private let markBits = bytes(UInt32(0xffff) | Ruleset.towardsHours)
/// ARPHRD_ETHER of linux/if_arp.h.
private let ethernet: UInt16 = 1
/// IPS_CONFIRMED and IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h.
private let confirmed: UInt32 = 1 << 3
private let destinationTranslated: UInt32 = 1 << 5
/// RTN_LOCAL of linux/rtnetlink.h.
private let localAddress: UInt32 = 2

/// In a table of family inet a header field may only be read once the rule knows whose header it is; each such check is
/// made once for a rule.
private struct Compiler {
    var instructions: [Instruction] = []
    private var family: Match.Family?
    private var transport: UInt8?

    mutating func compile(_ match: Match) {
        switch match {
        case .inputInterface(let names):
            instructions.append(.meta(.iifname))
            isOne(of: canonical(names).map(interfaceKey), .interfaceName)
        case .outputInterface(let names):
            instructions.append(.meta(.oifname))
            isOne(of: canonical(names).map(interfaceKey), .interfaceName)
        case .translated:
            instructions += [
                .connection(.status), .mask(bytes(destinationTranslated)), .compare(.neq, [0, 0, 0, 0]),
            ]
        case .unconfirmed:
            instructions += [.connection(.status), .mask(bytes(confirmed)), .compare(.eq, [0, 0, 0, 0])]
        case .soughtPort(let port):
            instructions += [.soughtPort, .compare(.eq, [UInt8(port >> 8), UInt8(port & 0xff)])]
        case .device(let number): instructions += Self.device + [.compare(.eq, bytes(UInt32(number)))]
        case .user(let number): instructions += [.meta(.skuid), .compare(.eq, bytes(number))]
        case .forgedSource: instructions += [.sourceRoute, .compare(.eq, [0, 0, 0, 0])]
        case .ownDestination: instructions += [.destinationKind, .compare(.eq, bytes(localAddress))]
        case .foreignDestination: instructions += [.destinationKind, .compare(.neq, bytes(localAddress))]
        case .handshake:
            require(transport: UInt8(IPPROTO_TCP))
            // SYN alone of FIN, SYN and RST.
            instructions += [.payload(base: .transport, offset: 13, length: 1), .mask([7]), .compare(.eq, [2])]
        case .time(let range):
            instructions += [
                .meta(.time), .toNetworkOrder(length: 8), .compare(.gte, nanoseconds(range.lowerBound)),
                .compare(.lte, nanoseconds(range.upperBound)),
            ]
        case .before(let end):
            instructions += [.meta(.time), .toNetworkOrder(length: 8), .compare(.lt, nanoseconds(end))]
        case .connection(let states):
            instructions += [
                .connection(.state), .mask(bytes(states.rawValue)), .compare(.neq, [0, 0, 0, 0]),
            ]
        case .family(let family): require(family)
        // Offsets of RFC 791 §3.1 and RFC 8200 §3.
        case .source(let network): compile(network, offsets: (v4: 12, v6: 8))
        case .destination(let network): compile(network, offsets: (v4: 16, v6: 24))
        case .among(let set): compile(set)
        case .sourceAmong(let set): compile(set, offsets: (v4: 12, v6: 8))
        case .destinationAmong(let set): compile(set, offsets: (v4: 16, v6: 24))
        case .hopLimit(let limit):
            require(.ipv6)
            instructions += [.payload(base: .network, offset: 7, length: 1), .compare(.eq, [limit])]
        case .destinationPort(let kind, let port):
            require(transport: kind == .tcp ? UInt8(IPPROTO_TCP) : UInt8(IPPROTO_UDP))
            instructions += [
                .payload(base: .transport, offset: 2, length: 2),
                .compare(.eq, [UInt8(port >> 8), UInt8(port & 0xff)]),
            ]
        case .destinationPorts(let kind, let ports):
            guard ports.lower < ports.upper else { return compile(.destinationPort(kind, ports.lower)) }
            require(transport: kind == .tcp ? UInt8(IPPROTO_TCP) : UInt8(IPPROTO_UDP))
            instructions += [
                .payload(base: .transport, offset: 2, length: 2), .compare(.gte, bytes(ports.lower.bigEndian)),
                .compare(.lte, bytes(ports.upper.bigEndian)),
            ]
        case .transport(let number): require(transport: number.number)
        case .withinRate(let rate): compile(rate, isOver: false)
        case .beyondRate(let rate): compile(rate, isOver: true)
        case .boundSocket:
            instructions += [.socketWildcard, .compare(.eq, [0])]
        case .icmp(let types):
            require(.ipv4)
            require(transport: UInt8(IPPROTO_ICMP))
            instructions.append(.payload(base: .transport, offset: 0, length: 1))
            isOne(of: Set(types).sorted().map { [$0.rawValue] }, .icmpType)
        case .icmpv6(let types):
            require(.ipv6)
            require(transport: UInt8(IPPROTO_ICMPV6))
            instructions.append(.payload(base: .transport, offset: 0, length: 1))
            isOne(of: Set(types).sorted().map { [$0.rawValue] }, .icmpv6Type)
        }
    }

    mutating func compile(addressOf family: Match.Family, offsets: (v4: UInt32, v6: UInt32), map: String) {
        require(family)
        let (offset, length): (UInt32, UInt32) = family == .ipv4 ? (offsets.v4, 4) : (offsets.v6, 16)
        instructions += [.payload(base: .network, offset: offset, length: length), .chooseByMap(map)]
    }

    static let device: [Instruction] = [.connection(.mark), .mask(deviceBits)]

    private mutating func compile(_ rate: Match.SourceRate, isOver: Bool) {
        require(rate.family)
        // Offsets of RFC 791 §3.1 and RFC 8200 §3.
        switch rate.family {
        case .ipv4: instructions.append(.payload(base: .network, offset: 12, length: 4))
        case .ipv6:
            instructions.append(.payload(base: .network, offset: 8, length: 16))
            instructions.append(.mask((0..<16).map { $0 < 8 ? 0xff : 0 }))
        }
        instructions.append(
            .update(
                meter: rate.meter, perSecond: UInt64(rate.perSecond), burst: rate.burst, isOver: isOver))
    }

    private mutating func compile(_ set: NetworkSet, offsets: (v4: UInt32, v6: UInt32)) {
        require(set.family)
        let (offset, length): (UInt32, UInt32) = set.family == .ipv4 ? (offsets.v4, 4) : (offsets.v6, 16)
        instructions += [.payload(base: .network, offset: offset, length: length), .lookUpSet(set.name)]
    }

    /// Parts after the first have registers of their own, in words of 32 bits, of which the first register has the first four
    /// (`nft_parse_register` of net/netfilter/nf_tables_api.c).
    private mutating func compile(_ set: LiveSet) {
        require(set.family)
        let addressLength: UInt32 = set.family == .ipv4 ? 4 : 16
        var word: UInt32 = 0
        for case .destinationPort(let transport) in set.fields {
            require(transport: UInt8(transport == .tcp ? IPPROTO_TCP : IPPROTO_UDP))
        }
        for field in set.fields {
            let (base, offset, length): (Instruction.Base, UInt32, UInt32) =
                switch field {
                case .source, .sourceNetwork: (.network, set.family == .ipv4 ? 12 : 8, addressLength)
                case .destination: (.network, set.family == .ipv4 ? 16 : 24, addressLength)
                case .destinationPort: (.transport, 2, 2)
                }
            if word == 0 {
                instructions.append(.payload(base: base, offset: offset, length: length))
            } else {
                let register = word % 4 == 0 ? 1 + word / 4 : 8 + word
                instructions.append(.partOfKey(base: base, offset: offset, length: length, register: register))
            }
            if field == .sourceNetwork, set.family == .ipv6 {
                instructions.append(.mask((0..<16).map { $0 < 8 ? 0xff : 0 }))
            }
            word += (length + 3) / 4
        }
        instructions.append(.lookUpSet(set.name))
    }

    private mutating func compile(_ network: Network, offsets: (v4: UInt32, v6: UInt32)) {
        let address: [UInt8]
        let offset: UInt32
        switch network.base {
        case .v4(let bits): (address, offset) = (bytes(bits.bigEndian), offsets.v4)
        case .v6(let bits): (address, offset) = (bytes(bits.bigEndian), offsets.v6)
        }
        require(address.count == 4 ? .ipv4 : .ipv6)
        if network.prefix == 0 { return }
        let isAligned = network.prefix % 8 == 0
        let length = isAligned ? network.prefix / 8 : address.count
        instructions.append(.payload(base: .network, offset: offset, length: UInt32(length)))
        if !isAligned {
            instructions.append(.mask((0..<length).map { ~UInt8(0xff >> min(max(network.prefix - 8 * $0, 0), 8)) }))
        }
        instructions.append(.compare(.eq, Array(address[..<length])))
    }

    private mutating func isOne(of keys: [[UInt8]], _ type: Instruction.KeyType) {
        instructions.append(keys.count == 1 ? .compare(.eq, keys[0]) : .lookup(type, elements: keys))
    }

    private mutating func require(_ family: Match.Family) {
        guard self.family != family else { return }
        self.family = family
        instructions += [.meta(.nfproto), .compare(.eq, [family.rawValue])]
    }

    private mutating func require(transport: UInt8) {
        guard self.transport != transport else { return }
        self.transport = transport
        instructions += [.meta(.l4proto), .compare(.eq, [transport])]
    }
}

/// An interface's name as the kernel loads it: 16 bytes (IFNAMSIZ), filled with zeros. A longer name fills all of them and
/// so equals none that an interface can have.
func interfaceKey(_ name: String) -> [UInt8] {
    let letters = Array(name.utf8.prefix(16))
    return letters + Array(repeating: 0, count: 16 - letters.count)
}

/// Of the kernel's clock, in the network's byte order.
private func nanoseconds(_ seconds: Int) -> [UInt8] {
    bytes((UInt64(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000).partialValue).bigEndian)
}

private func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value) { Array($0) }
}

/// The notation of `nft --debug=netlink`.
extension Instruction: CustomStringConvertible {
    var description: String {
        switch self {
        case .meta(let key): "[ meta load \(key) => reg 1 ]"
        case .connection(let key): "[ ct load \(key) => reg 1 ]"
        case .soughtPort: "[ ct load proto_dst => reg 1 , dir original ]"
        case .senderHardware: "[ payload load 6b @ link header + 6 => reg 2 ]"
        case .toNetworkOrder(let length): "[ byteorder reg 1 = hton(reg 1, \(length), \(length)) ]"
        case .load(let value, let register): "[ immediate reg \(register.rawValue) \(words(value)) ]"
        case .sourceRoute: "[ fib saddr . iif oif present => reg 1 ]"
        case .destinationKind: "[ fib daddr type => reg 1 ]"
        case .segmentSize: "[ rt load tcpmss => reg 1 ]"
        case .writeSegmentSize: "[ exthdr write tcpopt reg 1 => 2b @ 2 + 2 ]"
        case .payload(let base, let offset, let length):
            "[ payload load \(length)b @ \(base) header + \(offset) => reg 1 ]"
        case .partOfKey(let base, let offset, let length, let register):
            "[ payload load \(length)b @ \(base) header + \(offset) => reg \(register) ]"
        case .mask(let mask):
            "[ bitwise reg 1 = ( reg 1 & \(words(mask)) ) ^ \(words(mask.map { _ in 0 })) ]"
        case .set(let bits): "[ bitwise reg 1 = ( reg 1 & \(words(bits.map { ~$0 })) ) ^ \(words(bits)) ]"
        case .compare(let comparison, let value): "[ cmp \(comparison) reg 1 \(words(value)) ]"
        case .socketWildcard: "[ socket load wildcard => reg 1 ]"
        case .lookup(_, let elements): "[ lookup reg 1 set { \(elements.map(words).joined(separator: ", ")) } ]"
        case .choose(_, let elements):
            "[ lookup reg 1 set { \(elements.map { "\(words($0.key)) : \($0.verdict.traced)" }.joined(separator: ", ")) } dreg 0 ]"
        case .lookUpSet(let name): "[ lookup reg 1 set \(name) ]"
        case .chooseByMap(let name): "[ lookup reg 1 set \(name) dreg 0 ]"
        case .lookUpValue(let name): "[ lookup reg 1 set \(name) dreg 1 ]"
        case .setConnectionMark: "[ ct set mark with reg 1 ]"
        case .setMark: "[ meta set mark with reg 1 ]"
        case .update(let meter, let perSecond, let burst, let isOver):
            "[ dynset update reg_key 1 set \(meter) expr "
                + "[ limit rate \(perSecond)/second burst \(burst) type packets flags 0x\(isOver ? 1 : 0) ] ]"
        case .translateDestination(let family, let setsPort):
            "[ nat dnat \(family == .ipv4 ? "ip" : "ip6") addr_min reg 1 \(setsPort ? "proto_min reg 2 flags 0x2 " : "")]"
        case .redirect: "[ redir ]"
        case .masquerade: "[ masq ]"
        case .note(let group, let prefix):
            "[ log \(prefix.map { "prefix \($0) " } ?? "")group \(group) snaplen 0 qthreshold 0 ]"
        case .refuse(.reset): "[ reject type 1 code 0 ]"
        case .refuse(.prohibited): "[ reject type 2 code 3 ]"
        case .counter: "[ counter ]"
        case .verdict(let verdict): "[ immediate reg 0 \(verdict.traced) ]"
        case .foreign(let text): text
        }
    }
}

extension Ruleset.Verdict {
    fileprivate var traced: String {
        switch self {
        case .jump(let chain): "jump -> \(chain)"
        case .goto(let chain): "goto -> \(chain)"
        default: description
        }
    }
}

/// libnftnl prints a register as words in the machine's byte order.
private func words(_ value: [UInt8]) -> String {
    stride(from: 0, to: value.count, by: 4).map { start in
        let word = value[start..<min(start + 4, value.count)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let digits = String(word, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }.joined(separator: " ")
}
