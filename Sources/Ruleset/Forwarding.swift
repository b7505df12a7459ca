import Address
import Policy

// From what the operator wants to which packets pass through the box.
//
// A packet of a connection that exists meets as few rules as can be: whether its device is stopped, whether it tells how large
// segments may be, and that its connection was let in. All others are asked of first packets alone, by zone, so that their number
// grows with the zone and not with the house.

/// The part of a ruleset that passes packets on.
struct Forwarding {
    private let policy: Policy
    private let surroundings: Surroundings
    /// All zones but the internet that have an interface.
    let zones: [Zone]
    let roster: Roster
    private let internet: [String]
    private let blockade: Blockade
    private let doors: [DeviceDoor]
    /// By the devices' numbers: of those that are stopped, and of those that are not carried as is usual in their zone, by its name.
    private let stops: [UInt16: Ruleset.Verdict]
    private let operatorsRules: RoutedRules
    private let ways: [String: [UInt16: Ruleset.Verdict]]

    private typealias Rule = Ruleset.Rule
    private typealias Chain = Ruleset.Chain

    init(policy: Policy, surroundings: Surroundings, blockade: Blockade) {
        self.policy = policy
        self.surroundings = surroundings
        self.blockade = blockade
        internet = policy.wan
        zones = policy.zones.filter { $0.name != Zone.internet && !$0.interfaces.isEmpty }
        roster = Roster(zones, policy: policy, surroundings: surroundings)
        operatorsRules = RoutedRules(policy, roster, hasInternet: !internet.isEmpty)
        doors = policy.forwards.compactMap { [roster] forward in
            guard let device = policy.device(named: forward.device) else { return nil }
            let addresses = surroundings.household.member(device.hardware)?.addresses ?? []
            return DeviceDoor(
                forward: forward, ipv4: device.address ?? addresses.first { !$0.isIPv6 },
                ipv6: addresses.filter { $0.isIPv6 && $0.special != .linkLocal },
                number: roster.number(of: device.hardware))
        }
        isRouter = !zones.isEmpty && (!internet.isEmpty || !policy.passages.isEmpty)
        var stops: [UInt16: Ruleset.Verdict] = isRouter ? [Household.endedNumber: .goto(ended)] : [:]
        var ways: [String: [UInt16: Ruleset.Verdict]] = [:]
        for entry in roster.entries {
            let way = entry.zone.way(of: entry.device)
            if way == .blocked || entry.device?.pause == .forever {
                stops[entry.number] = .goto(stopped)
            } else if let device = entry.device, Self.isStoppedByTime(device) {
                stops[entry.number] = .jump(Self.hoursChain(of: device))
            }
            if way != entry.zone.way(of: nil) {
                ways[entry.zone.name, default: [:]][entry.number] = Self.verdict(for: way, in: entry.zone)
            }
        }
        (self.stops, self.ways) = (stops, ways)
    }

    /// Whether there is anything between which packets could pass.
    private let isRouter: Bool

    private var interfaces: [String] { zones.flatMap(\.interfaces) }

    // MARK: - Who it is

    var deviceMaps: [Ruleset.DeviceMap] {
        var maps: [Ruleset.DeviceMap] = []
        if !roster.entries.isEmpty { maps.append(.init(name: numbers, content: .numbers(roster.numbers))) }
        if !marks.isEmpty { maps.append(.init(name: stopped, content: .verdicts(marks))) }
        guard isRouter else { return maps }
        for family in [Match.Family.ipv4, .ipv6] {
            maps.append(.init(name: towards(family), content: .destinations(family, stoppedAddresses(family))))
        }
        for zone in zones {
            let ways = ways[zone.name] ?? [:]
            if !ways.isEmpty {
                let verdicts = Dictionary(uniqueKeysWithValues: ways.map { (UInt32($0), $1) })
                maps.append(.init(name: "ways_\(zone.name)", content: .verdicts(verdicts)))
            }
        }
        if !learners.isEmpty { maps.append(.init(name: learning, content: .verdicts(learners))) }
        return maps + operatorsRules.deviceMaps
    }

    /// `stops` by the marks of connections. One that is noted to lead to a device that the clock stops is asked more of (`between`),
    /// whichever began it; so all others are asked no more for it.
    private var marks: [UInt32: Ruleset.Verdict] {
        var marks = Dictionary(uniqueKeysWithValues: stops.map { (UInt32($0), $1) })
        guard isRouter else { return marks }
        for number in [0] + roster.entries.map(\.number) {
            marks[Ruleset.towardsHours | UInt32(number)] = .jump(between)
        }
        for (number, verdict) in stops {
            marks[Ruleset.towardsHours | UInt32(number)] =
                if case .jump(let hours) = verdict { .jump(Self.both(hours)) } else { verdict }
        }
        return marks
    }

    /// The rules that stand before all others of a hook, so that a device that is stopped gets nothing: of what it began, of what
    /// was begun towards it, and neither of what is under way.
    var stopRules: [Ruleset.Rule] {
        stops.isEmpty ? [] : [Rule(decision: .byMark(stopped), comment: "devices that are stopped")]
    }

    /// Of the packets of a device that is not in the roster: where new devices are to wait, they reach nothing of the box either.
    var waitRules: [Ruleset.Rule] {
        let interfaces = zones.filter { $0.way(of: nil) == .blocked }.flatMap(\.interfaces)
        guard !interfaces.isEmpty else { return [] }
        return [
            Rule([.inputInterface(interfaces), .device(0)], isCounted: true, .drop, comment: "new devices wait")
        ]
    }

    /// Of questions over TLS or QUIC that a served zone puts to the gateway itself, which has no answer to them: a device that tries
    /// this first goes on without it at once (RFC 7858 §3.1, RFC 9250).
    var nameRefusals: [Ruleset.Rule] {
        let interfaces = zones.filter { $0.service?.names == true }.flatMap(\.interfaces)
        guard !interfaces.isEmpty else { return [] }
        return [(Opening.Transport.tcp, Ruleset.Refusal.reset), (.udp, .prohibited)].map { transport, refusal in
            Rule(
                [.inputInterface(interfaces), .destinationPort(transport, 853)], isCounted: true,
                decision: .refuse(refusal), comment: "names over TLS")
        }
    }

    private static func isStoppedByTime(_ device: Device) -> Bool {
        if case .until? = device.pause { return true }
        return device.schedule != nil
    }

    /// Where the devices of `stops` are at present, so that nothing new is begun towards them either. An address that another device
    /// has as well is not theirs alone.
    private func stoppedAddresses(_ family: Match.Family) -> [IPAddress: Ruleset.Verdict] {
        let numbers = roster.numbers
        var (verdicts, others): ([IPAddress: Ruleset.Verdict], Set<IPAddress>) = ([:], [])
        for member in surroundings.household.members {
            let number = numbers[Ruleset.Sender(interface: member.interface, hardware: member.hardware)]
            let addresses = member.addresses.filter { $0.isIPv6 == (family == .ipv6) && $0.special != .linkLocal }
            if let verdict = number.flatMap({ stops[$0] }) {
                // What is begun towards a device within its hours is to end with them.
                let verdict: Ruleset.Verdict =
                    if case .jump(let hours) = verdict { .jump(Self.bound(hours)) } else { verdict }
                for address in addresses { verdicts[address] = verdict }
            } else {
                others.formUnion(addresses)
            }
        }
        return verdicts.filter { !others.contains($0.key) }
    }

    /// Drops the device's packets when it is paused or out of its hours, by the kernel's own clock. Empty: it never is.
    private func hours(of device: Device) -> [Ruleset.Rule] {
        var rules: [Ruleset.Rule] = []
        if case .until(let end)? = device.pause {
            rules.append(Rule([.before(end)], isCounted: true, .drop, comment: "\(device.name) is paused"))
        }
        if let schedule = device.schedule {
            // A week ahead; the supervisor writes them anew each day, and with nobody there to do it the device stays stopped.
            rules += schedule.spans(within: surroundings.clock.week, on: surroundings.clock).map {
                Rule([.time($0.lowerBound...$0.upperBound - 1)], .return)
            }
            rules.append(Rule([], isCounted: true, .drop, comment: "\(device.name) is out of its hours"))
        }
        return rules
    }

    /// A chain's name has no hyphen in it (nft(8)), and a device's may have.
    private static func hoursChain(of device: Device) -> String {
        "hours_" + device.hardware.description.filter { $0 != ":" }
    }

    /// Of what is begun towards a device that has hours, and of what a device that has hours began towards another one.
    private static func bound(_ hours: String) -> String { "towards_" + hours }
    private static func both(_ hours: String) -> String { "both_" + hours }

    private static func verdict(for way: Way, in zone: Zone) -> Ruleset.Verdict {
        switch way {
        case .routed: .goto("routed_\(zone.name)")
        case .proxy: .goto("proxied_\(zone.name)")
        case .blocked: .goto(stopped)
        }
    }

    // MARK: - Chains

    /// All but the base chain of the hook `forward`, whose rules are `rules`.
    var chains: [Ruleset.Chain] {
        var chains: [Chain] = []
        if !roster.entries.isEmpty { chains += identification }
        let verdicts = Set(stops.values).union(ways.values.flatMap(\.values))
        if verdicts.contains(.goto(stopped)) {
            chains.append(
                Chain(
                    name: stopped,
                    rules: [
                        Rule([], .jump(Ruleset.told)),
                        Rule([], isCounted: true, .drop, comment: "devices that are stopped"),
                    ]))
        }
        for device in policy.devices
        where Self.isStoppedByTime(device) && verdicts.contains(.jump(Self.hoursChain(of: device))) {
            let hours = Self.hoursChain(of: device)
            chains.append(Chain(name: hours, rules: self.hours(of: device)))
            guard isRouter else { continue }
            chains.append(
                Chain(name: Self.bound(hours), rules: [Rule([], .jump(hours)), Rule(decision: .noteHours)]))
            chains.append(Chain(name: Self.both(hours), rules: [Rule([], .jump(hours)), Rule([], .jump(between))]))
        }
        guard isRouter else { return chains }
        chains.append(
            Chain(
                name: between,
                rules: [
                    Rule(decision: .byDestination(.ipv4, towards(.ipv4))),
                    Rule(decision: .byDestination(.ipv6, towards(.ipv6))),
                    Rule(decision: .bySource(.ipv4, towards(.ipv4))),
                    Rule(decision: .bySource(.ipv6, towards(.ipv6))),
                ]))
        // Either end is told, as by the connection's other end.
        chains.append(
            Chain(
                name: ended,
                rules: [
                    Rule(
                        [.transport(.tcp)], isCounted: true, decision: .refuse(.reset),
                        comment: "connections that were ended"),
                    Rule([], isCounted: true, .drop, comment: "connections that were ended"),
                ]))
        if !learners.isEmpty {
            let tells = meters.map { meter in
                Rule(
                    [.withinRate(.init(meter: meter.name, family: meter.family, perSecond: 50, burst: 200))],
                    decision: .note(.visit))
            }
            chains.append(Chain(name: learning, rules: tells))
        }
        for zone in zones { chains += self.chains(from: zone) }
        for passage in passages { chains.append(chain(for: passage)) }
        chains += operatorsRules.chains(toInternet: beforeNetworks + afterNetworks)
        if !internet.isEmpty { chains += [fromInternet, toInternet] }
        if !doors.isEmpty { chains.append(Chain(name: forwards, rules: doors.flatMap(entrances))) }
        chains.append(Ruleset.refusal(refuse, for: "refused"))
        if !internet.isEmpty { chains += blockade.barriers.exit }
        return chains + translations
    }

    /// Of the hook `forward`.
    var rules: [Ruleset.Rule] {
        guard isRouter else { return [] }
        var origins: [String: Ruleset.Verdict] = [:]
        for zone in zones {
            for interface in zone.interfaces { origins[interface] = .goto("from_\(zone.name)") }
        }
        for interface in internet { origins[interface] = .goto("from_internet") }
        return stopRules + waitRules + [
            // Of the answer to a first packet as well, so before "answers".
            Rule([.handshake], decision: .clampSegments),
            Rule(decision: .byState([.established: .accept, .related: .accept]), comment: "answers"),
            // Of no connection, and so of no device that could be told: what only goes between neighbours (RFC 4861, RFC 2710).
            Rule([.connection(.untracked)], isCounted: true, .drop, comment: "of no connection"),
            Rule(decision: .byDestination(.ipv4, towards(.ipv4)), comment: "towards devices that are stopped"),
            Rule(decision: .byDestination(.ipv6, towards(.ipv6)), comment: "towards devices that are stopped"),
        ] + (learners.isEmpty ? [] : [Rule(decision: .byDevice(learning), comment: "devices that learn")])
            + [Rule(decision: .byInput(origins))]
    }

    /// By the devices' numbers: of those of which it is noted where they go. What they begin is let through as ever.
    private var learners: [UInt32: Ruleset.Verdict] {
        let hardware = Set(surroundings.household.learners)
        let numbers = roster.entries.filter { hardware.contains($0.hardware) }.map(\.number)
        return Dictionary(numbers.map { (UInt32($0), .jump(learning)) }) { first, _ in first }
    }

    var meters: [Ruleset.Meter] { isRouter && !learners.isEmpty ? [Self.learnIPv4, Self.learnIPv6] : [] }

    /// As many destinations are told at once: a device that tries all there are is none that could be held.
    private static let learnIPv4 = Ruleset.Meter(name: "learning_ipv4", family: .ipv4, size: 256, seconds: 60)
    private static let learnIPv6 = Ruleset.Meter(name: "learning_ipv6", family: .ipv6, size: 256, seconds: 60)

    /// The mark stays with the connection, so a device is looked for once; one that is not known, again and again.
    private var identification: [Ruleset.Chain] {
        var rules = [Rule(decision: .identify(numbers))]
        for door in doors where !internet.isEmpty {
            guard let number = door.number else { continue }
            // So that a device that is stopped does not even get what comes in before it said anything.
            var coming = [door.coming(by: fromOutside)]
            coming += door.ipv6.map { door.matches(of: $0, port: door.forward.port, from: internet) }
            // Of two doors with one port it is the first that leads on.
            rules += coming.compactMap(\.self).map { Rule([.device(0)] + $0, decision: .assign(number)) }
        }
        return [
            Chain(
                name: "prerouting", base: .init(hook: .prerouting, priority: -150, policy: .accept),
                rules: [Rule([.device(0)], .jump("identify"))]),
            Chain(name: "identify", rules: rules),
        ]
    }

    private func chains(from zone: Zone) -> [Ruleset.Chain] {
        let usual = zone.way(of: nil)
        let ways = ways[zone.name] ?? [:]
        var entrance = [Rule([.forgedSource], .goto(Ruleset.forgedBarrier.name))]
        if !ways.isEmpty || stops.contains(where: { stop in roster.entries.contains { $0.number == stop.key } }) {
            // Of no device either, and so carried in no device's way.
            entrance.append(Rule([.connection(.invalid)], isCounted: true, .drop, comment: "of no connection"))
        }
        if !ways.isEmpty { entrance.append(Rule(decision: .byDevice("ways_\(zone.name)"))) }
        if usual == .blocked {
            entrance.append(Rule([], isCounted: true, .drop, comment: "new devices wait"))
        } else {
            entrance.append(Rule([], Self.verdict(for: usual, in: zone)))
        }
        var chains = [Chain(name: "from_\(zone.name)", rules: entrance)]
        let verdicts = Set(ways.values).union([Self.verdict(for: usual, in: zone)])
        if verdicts.contains(Self.verdict(for: .routed, in: zone)) {
            var exits = passageExits(of: zone)
            for interface in zone.interfaces { exits[interface] = .accept }
            for interface in internet { exits[interface] = operatorsRules.isEmpty ? .goto(Self.toInternet) : nil }
            chains.append(
                Chain(
                    name: "routed_\(zone.name)",
                    rules: rulesTowardsInternet(of: zone) + operatorsRules.devicesDenials + forwardRules
                        + nameRules(of: zone) + [Rule(decision: .byOutput(exits)), Rule([], .goto(refuse))]))
            if !rulesTowardsInternet(of: zone).isEmpty {
                let passage = passages.first { $0.from == zone.name && $0.to == Zone.internet }
                chains.append(
                    Chain(
                        name: "ruled_\(zone.name)",
                        rules: nameRules(of: zone) + operatorsRules.exit(passage: passage.map(chainName))))
            }
        }
        if verdicts.contains(Self.verdict(for: .proxy, in: zone)) {
            let exits = passageExits(of: zone)
            chains.append(
                Chain(
                    name: "proxied_\(zone.name)",
                    rules: (exits.isEmpty ? [] : operatorsRules.devicesDenials + [Rule(decision: .byOutput(exits))])
                        + [Rule([], .goto(refuse))]))
        }
        return chains
    }

    /// Before all others of a zone that is routed: nothing but the operator's rules decides on what goes to the internet.
    private func rulesTowardsInternet(of zone: Zone) -> [Ruleset.Rule] {
        guard !operatorsRules.isEmpty, !internet.isEmpty else { return [] }
        let exits = internet.map { ($0, Ruleset.Verdict.goto("ruled_\(zone.name)")) }
        return [Rule(decision: .byOutput(Dictionary(exits) { first, _ in first }))]
    }

    private var forwardRules: [Ruleset.Rule] { doors.isEmpty ? [] : [Rule([], .jump(forwards))] }

    /// Questions for names that would go past the gateway, in a zone whose names it answers. Where it answers those to elsewhere,
    /// too, what comes here was under way before: a connection is translated as it begins, or never.
    private func nameRules(of zone: Zone) -> [Ruleset.Rule] {
        guard let service = zone.service, service.names, service.strayNames != .allowed else { return [] }
        return [53, 853].flatMap { (port: UInt16) in
            // TLS over TCP (RFC 7858), and QUIC or DTLS over UDP (RFC 9250).
            [Opening.Transport.tcp, .udp].map {
                Rule([.destinationPort($0, port)], .goto(refuse), comment: "name servers elsewhere")
            }
        }
    }

    /// Between zones that both have an interface.
    private var passages: [Passage] {
        policy.passages.filter { passage in
            zones.contains { $0.name == passage.from }
                && (passage.to == Zone.internet ? !internet.isEmpty : zones.contains { $0.name == passage.to })
        }
    }

    private func passageExits(of zone: Zone) -> [String: Ruleset.Verdict] {
        var exits: [String: Ruleset.Verdict] = [:]
        for passage in passages where passage.from == zone.name {
            for interface in policy.interfaces(of: passage.to) { exits[interface] = .goto(chainName(of: passage)) }
        }
        return exits
    }

    /// No zone's name has a stroke in it.
    private func chainName(of passage: Passage) -> String { "\(passage.from)/\(passage.to)" }

    private func chain(for passage: Passage) -> Ruleset.Chain {
        let verdict: Ruleset.Verdict = passage.to == Zone.internet ? .goto(Self.toInternet) : .accept
        let rules =
            passage.services.isEmpty
            ? [Rule([], isCounted: true, verdict, comment: "\(passage.ends)")]
            : passage.services.map { Rule([$0.match], isCounted: true, verdict, comment: "\(passage.ends)") }
        return Chain(name: chainName(of: passage), rules: rules + [Rule([], .goto(refuse))])
    }

    static let toInternet = "to_internet"

    private var toInternet: Ruleset.Chain {
        let networks = Network.private.map { Rule([.destination($0)], .goto(refuse), comment: "private networks") }
        return Chain(name: Self.toInternet, rules: beforeNetworks + networks + afterNetworks)
    }

    /// Of what goes to the internet, whatever network it is for.
    private var beforeNetworks: [Ruleset.Rule] {
        // The kernel translates no packet of which it does not know the connection.
        var rules = [
            Rule([.connection(.invalid)], isCounted: true, .drop, comment: "of no connection, and so not translated")
        ]
        // A box behind another router: what is beside that one is the internet's side, too.
        for network in policy.routersNetworks(in: surroundings) {
            rules.append(Rule([.destination(network)], isCounted: true, .accept, comment: "the router's own network"))
        }
        return rules + blockade.exit
    }

    private var afterNetworks: [Ruleset.Rule] {
        [
            Rule([.icmp([.echoRequest])], .goto(Ruleset.echo)),
            Rule([.icmpv6([.echoRequest])], .goto(Ruleset.echo)),
            Rule([], isCounted: true, .accept, comment: "to the internet"),
        ]
    }

    /// Whether something that the internet begins may get in.
    var isEntered: Bool { isRouter && !internet.isEmpty && !doors.isEmpty }

    /// What is asked of its source's rate, as of what comes to the box itself.
    private var beginnings: [Ruleset.Rule] {
        guard isEntered, policy.highestClientRate != nil else { return [] }
        return [[Match.transport(.tcp)], [.transport(.udp), .unconfirmed]].map { Rule($0, .jump(Ruleset.newcomers)) }
    }

    private var fromInternet: Ruleset.Chain {
        Chain(
            name: "from_internet",
            rules: blockade.entrance + (forwardRules.isEmpty ? [] : [Rule([], .jump(BanRules.banned))] + beginnings)
                + (doors.isEmpty ? [] : operatorsRules.internetsDenials) + forwardRules + [
                    // RFC 4890 §4.3.1: also where the kernel does not know what they are about.
                    Rule(
                        [
                            .outputInterface(interfaces),
                            .icmpv6([.destinationUnreachable, .packetTooBig, .timeExceeded, .parameterProblem]),
                        ], .accept, comment: "errors that IP needs"),
                    Rule([.outputInterface(interfaces), .icmpv6([.echoRequest])], .goto(Ruleset.echo)),
                    Rule([], .jump(Ruleset.told)),
                    Rule([], isCounted: true, .drop, comment: "unasked from the internet"),
                ])
    }

    // MARK: - Doors to devices

    /// What comes in by a door, on its way to the device.
    private func entrances(of door: DeviceDoor) -> [Ruleset.Rule] {
        let port = door.forward.port
        let ipv4 = door.ipv4.flatMap { door.matches(of: $0, port: door.forward.devicePort ?? port) }
        let ipv6 = door.ipv6.compactMap { door.matches(of: $0, port: port) }
        return ([ipv4.map { $0 + [.translated, .soughtPort(port)] }].compactMap(\.self) + ipv6).map {
            Rule($0, isCounted: true, .accept, comment: door.forward.ruleName)
        }
    }

    /// To the gateway itself, by any of the addresses that it has.
    private var fromOutside: [Match] { [.inputInterface(internet), .ownDestination] }

    private var translations: [Ruleset.Chain] {
        var destinations: [Ruleset.Rule] = []
        let own = surroundings.interfaces.filter { internet.contains($0.name) }.flatMap(\.addresses).map(\.address)
        // From the internet, whatever address its side of the box has at the moment; and from within, to that address, by which
        // the internet knows the door.
        let ways =
            (internet.isEmpty ? [] : [fromOutside])
            + own.filter { !$0.isIPv6 }.map { [.inputInterface(interfaces), .destination(Network($0, prefix: 32))] }
        for door in doors {
            guard let address = door.ipv4 else { continue }
            destinations += ways.compactMap { door.coming(by: $0) }.map {
                Rule(
                    $0, decision: .forward(address, door.forward.devicePort), comment: door.forward.ruleName)
            }
        }
        for zone in zones {
            guard let service = zone.service, service.names, service.strayNames == .answered else { continue }
            for transport in [Opening.Transport.udp, .tcp] {
                destinations.append(
                    Rule(
                        [.inputInterface(zone.interfaces), .destinationPort(transport, 53), .foreignDestination],
                        decision: .redirect, comment: "names are answered here"))
            }
        }
        var sources: [Ruleset.Rule] = []
        if !internet.isEmpty {
            sources.append(
                Rule(
                    [.inputInterface(interfaces), .outputInterface(internet), .family(.ipv4)], decision: .masquerade,
                    comment: "one address for all"))
        }
        if !doors.isEmpty {
            // Else the device would answer its neighbour past the gateway.
            for zone in zones {
                sources.append(
                    Rule(
                        [.inputInterface(zone.interfaces), .outputInterface(zone.interfaces), .translated],
                        decision: .masquerade, comment: "forwards from within"))
            }
        }
        var chains: [Chain] = []
        if !destinations.isEmpty {
            chains.append(
                Chain(
                    name: "dstnat", base: .init(kind: .nat, hook: .prerouting, priority: -100, policy: .accept),
                    rules: destinations))
        }
        if !sources.isEmpty {
            chains.append(
                Chain(
                    name: "srcnat", base: .init(kind: .nat, hook: .postrouting, priority: 100, policy: .accept),
                    rules: sources))
        }
        return chains
    }
}

extension Opening.Service {
    var match: Match {
        switch self {
        case .ports(let transport, let ports) where ports.lower == ports.upper:
            .destinationPort(transport, ports.lower)
        case .ports(let transport, let ports): .destinationPorts(transport, ports)
        case .other(let number): .transport(number)
        }
    }
}

private let numbers = "numbers"
private let ended = "ended"
/// A map and a chain.
private let stopped = "stopped"
private let between = "between"
/// A map and a chain.
private let learning = "learning"
private let forwards = "forwards"
/// Maps.
private func towards(_ family: Match.Family) -> String { "towards_\(family)" }
private let refuse = "refuse"
