package import Address
package import Policy

/// One condition of a rule, in the vocabulary of nft(8).
package enum Match: Hashable, Sendable {
    /// The packet came in on one of these. By name and not by index: the rule outlives an interface that is made anew.
    case inputInterface([String])
    /// The packet leaves by one of these.
    case outputInterface([String])
    case connection(ConnectionStates)
    /// The first packet's destination was another one, which a rule of a nat chain replaced.
    case translated
    /// No packet of the connection has been let in or through yet: it begins with this one. A second datagram to where nobody answers
    /// is of state `new` as well, and begins nothing.
    case unconfirmed
    /// The first packet was for this port, whatever a rule of a nat chain put in its place: the connection's own, so that it says
    /// by which of two doors a connection came in that lead to the same place.
    case soughtPort(UInt16)
    /// The connection belongs to the device of this number; 0: to none that is known.
    case device(UInt16)
    /// An answer to the packet's source would not leave by the interface by which the packet came in.
    case forgedSource
    /// The destination is an address of this machine's.
    case ownDestination
    case foreignDestination
    case family(Family)
    case source(Network)
    case destination(Network)
    /// The source is in one of the set's networks.
    case sourceAmong(NetworkSet)
    case destinationAmong(NetworkSet)
    /// The set has an element for the packet.
    case among(LiveSet)
    case destinationPort(Opening.Transport, UInt16)
    /// The destination's port is one of these.
    case destinationPorts(Opening.Transport, PortRange)
    /// The packet is of this protocol, which is neither TCP nor UDP.
    case transport(IPProtocol)
    /// A socket of this machine would receive the packet, and it is bound to the very address that the packet is for
    /// (`socket wildcard 0`, nft(8); Linux 5.11). So a port is open exactly as long as somebody is behind it.
    case boundSocket
    /// A program of the account of this number sends the packet; none does of what the kernel sends by itself.
    case user(UInt32)
    case icmp([ICMPType])
    case icmpv6([ICMPv6Type])
    /// 255 proves that no router has passed the packet on (RFC 4861 §7.1).
    case hopLimit(UInt8)
    /// The packet is of the rate's family, and its source has not used up what `SourceRate` gives to each.
    case withinRate(SourceRate)
    /// The packet is of the rate's family, and its source has used up what `SourceRate` gives to each. A source that finds no
    /// more room in the meter has not.
    case beyondRate(SourceRate)
    /// The packet begins a TCP connection or answers one that does: the two in which either end says how large segments may be.
    case handshake
    /// The machine's clock shows one of these seconds since 1970, UTC; 2262 is the last year that the kernel can tell.
    case time(ClosedRange<Int>)
    /// The machine's clock shows a time before that many seconds since 1970, UTC.
    case before(Int)

    /// So many packets a second from one source, and `burst` at once. An IPv6 source is its network of 64 bits, of which a
    /// host has as many addresses as it likes.
    package struct SourceRate: Hashable, Sendable {
        /// The meter (`Ruleset.Meter`) that remembers the sources.
        package var meter: String
        package var family: Family
        package var perSecond: UInt32
        package var burst: UInt32

        package init(meter: String, family: Family, perSecond: UInt32, burst: UInt32) {
            self.meter = meter
            self.family = family
            self.perSecond = perSecond
            self.burst = burst
        }
    }

    package struct ConnectionStates: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        // NF_CT_STATE_BIT of linux/netfilter/nf_conntrack_common.h
        package static let invalid = ConnectionStates(rawValue: 1 << 0)
        package static let established = ConnectionStates(rawValue: 1 << 1)
        package static let related = ConnectionStates(rawValue: 1 << 2)
        package static let new = ConnectionStates(rawValue: 1 << 3)
        /// Neighbour discovery and multicast listener discovery are never tracked.
        package static let untracked = ConnectionStates(rawValue: 1 << 6)
    }

    /// With the numbers of NFPROTO_IPV4 and NFPROTO_IPV6 (linux/netfilter.h).
    package enum Family: UInt8, Codable, Hashable, Sendable {
        case ipv4 = 2
        case ipv6 = 10
    }

    package enum ICMPType: UInt8, Hashable, Sendable, Comparable {
        case destinationUnreachable = 3
        case echoRequest = 8
        case timeExceeded = 11
        case parameterProblem = 12
    }

    package enum ICMPv6Type: UInt8, Hashable, Sendable, Comparable {
        case destinationUnreachable = 1
        case packetTooBig = 2
        case timeExceeded = 3
        case parameterProblem = 4
        case echoRequest = 128
        case listenerQuery = 130
        case listenerReport = 131
        case listenerDone = 132
        case routerSolicitation = 133
        case routerAdvertisement = 134
        case neighbourSolicitation = 135
        case neighbourAdvertisement = 136
        case listenerReport2 = 143
    }
}

extension RawRepresentable where RawValue == UInt8, Self: Comparable {
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension Match: CustomStringConvertible {
    package var description: String {
        switch self {
        case .inputInterface(let names): "iifname \(braced(canonical(names).map { "\"\($0)\"" }))"
        case .outputInterface(let names): "oifname \(braced(canonical(names).map { "\"\($0)\"" }))"
        case .connection(let states): "ct state \(states)"
        case .translated: "ct status dnat"
        case .unconfirmed: "ct status ! confirmed"
        case .soughtPort(let port): "ct original proto-dst \(port)"
        case .device(let number): "ct mark & 0x0000ffff == \(markText(number))"
        case .forgedSource: "fib saddr . iif oif missing"
        case .ownDestination: "fib daddr type local"
        case .foreignDestination: "fib daddr type != local"
        case .family(let family): "meta nfproto \(family)"
        case .source(let network): "\(network.protocolName) saddr \(network.notation)"
        case .destination(let network): "\(network.protocolName) daddr \(network.notation)"
        case .sourceAmong(let set): "\(set.family == .ipv4 ? "ip" : "ip6") saddr @\(set.name)"
        case .destinationAmong(let set): "\(set.family == .ipv4 ? "ip" : "ip6") daddr @\(set.name)"
        case .among(let set): set.question
        case .destinationPort(let transport, let port): "\(transport) dport \(port)"
        case .destinationPorts(let transport, let ports): "\(transport) dport \(ports)"
        case .transport(let number): "meta l4proto \(number)"
        case .boundSocket: "socket wildcard 0"
        case .user(let number): "meta skuid \(number)"
        case .icmp(let types): "icmp type \(braced(types.sorted().map(\.description)))"
        case .icmpv6(let types): "icmpv6 type \(braced(types.sorted().map(\.description)))"
        case .hopLimit(let limit): "ip6 hoplimit \(limit)"
        case .withinRate(let rate): rate.description(isOver: false)
        case .beyondRate(let rate): rate.description(isOver: true)
        case .handshake: "tcp flags syn / fin,syn,rst"
        case .time(let range): "meta time \"\(utc(range.lowerBound))\"-\"\(utc(range.upperBound))\""
        case .before(let end): "meta time < \"\(utc(end))\""
        }
    }
}

extension Match.SourceRate {
    fileprivate func description(isOver: Bool) -> String {
        let limit = "limit rate \(isOver ? "over " : "")\(perSecond)/second burst \(burst) packets"
        return "update @\(meter) { \(family.sourceText) \(limit) }"
    }
}

/// A device's number, or a whole mark, as nft prints it.
func markText(_ number: some UnsignedInteger) -> String {
    let digits = String(number, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}

/// `2026-11-29 15:00:00`, as nft prints a time where the time zone is UTC.
private func utc(_ seconds: Int) -> String {
    // The days of the civil calendar, counted from March so that the leap day is a year's last
    // (Howard Hinnant, chrono-compatible low-level date algorithms).
    let seconds = max(0, seconds)
    let days = seconds / 86400 + 719_468
    let (era, dayOfEra) = (days / 146_097, days % 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    let calendarMonth = month < 10 ? month + 3 : month - 9
    let year = yearOfEra + era * 400 + (calendarMonth <= 2 ? 1 : 0)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(year)-\(two(calendarMonth))-\(two(day)) "
        + "\(two(seconds / 3600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
}

extension Match.Family {
    /// The source as a meter keeps it.
    fileprivate var sourceText: String {
        switch self {
        case .ipv4: "ip saddr"
        case .ipv6: "ip6 saddr & ffff:ffff:ffff:ffff::"
        }
    }
}

private func braced(_ values: [String]) -> String {
    values.count == 1 ? values[0] : "{ \(values.joined(separator: ", ")) }"
}

/// Interface names without repetition, in nft's order: as numbers, of which the first letter is the lowest byte.
package func canonical(_ interfaces: [String]) -> [String] {
    func number(_ name: String) -> UInt128 {
        name.utf8.prefix(16).reversed().reduce(0) { $0 << 8 | UInt128($1) }
    }
    return Set(interfaces).sorted { number($0) < number($1) }
}

extension Network {
    fileprivate var protocolName: String {
        if case .v4 = base { "ip" } else { "ip6" }
    }

    /// As nft prints it: a single address without its prefix.
    fileprivate var notation: String {
        switch (base, prefix) {
        case (.v4, 32), (.v6, 128): "\(base)"
        default: "\(base)/\(prefix)"
        }
    }
}

extension Match.ConnectionStates: CustomStringConvertible {
    package var description: String {
        var names: [String] = []
        if contains(.invalid) { names.append("invalid") }
        if contains(.established) { names.append("established") }
        if contains(.related) { names.append("related") }
        if contains(.new) { names.append("new") }
        if contains(.untracked) { names.append("untracked") }
        return names.joined(separator: ",")
    }
}

extension Match.ICMPType: CustomStringConvertible {
    package var description: String {
        switch self {
        case .destinationUnreachable: "destination-unreachable"
        case .echoRequest: "echo-request"
        case .timeExceeded: "time-exceeded"
        case .parameterProblem: "parameter-problem"
        }
    }
}

extension Match.ICMPv6Type: CustomStringConvertible {
    package var description: String {
        switch self {
        case .destinationUnreachable: "destination-unreachable"
        case .packetTooBig: "packet-too-big"
        case .timeExceeded: "time-exceeded"
        case .parameterProblem: "parameter-problem"
        case .echoRequest: "echo-request"
        case .listenerQuery: "mld-listener-query"
        case .listenerReport: "mld-listener-report"
        case .listenerDone: "mld-listener-done"
        case .routerSolicitation: "nd-router-solicit"
        case .routerAdvertisement: "nd-router-advert"
        case .neighbourSolicitation: "nd-neighbor-solicit"
        case .neighbourAdvertisement: "nd-neighbor-advert"
        case .listenerReport2: "mld2-listener-report"
        }
    }
}
