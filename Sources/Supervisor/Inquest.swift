import Address
import Admin
import Machine
import Policy
import Ruleset

/// Follows what somebody sends to somewhere through the gateway, asking at each place the code that decides about real packets
/// and sessions there. A pure function of what was read before.
struct Inquest {
    let policy: Policy
    let surroundings: Surroundings
    /// What the kernel holds; nil: nothing of ours.
    let ruleset: Ruleset?
    let door: DoorState
    /// What the kernel's live sets hold.
    var elements = LiveElements.none
    /// Seconds since 1970.
    let now: Int
    /// What else filters packets here, a sentence each.
    let others: [String]
    /// What other tables lead on elsewhere.
    let published: [PublishedPort]
    /// The chains of other tables at which packets may end.
    let strict: [StrictChain]
    /// The interface by which packets leave for an address; nil: there is no way.
    let way: (IPAddress) -> String?
    /// Whether the kernel passes on what comes in by an interface, of IPv6 or of IPv4.
    let isPassedOn: (_ interface: String, _ isIPv6: Bool) -> Bool
    /// The blocklists that a name is on.
    let lists: (String) -> [Blocklist]
    /// The revision that made something as it is; nil: none did, or it cannot be told.
    let origin: (Thing) -> Int?

    /// What a revision may have made.
    enum Thing {
        case zone(String)
        case device(HardwareAddress)
        case rule(Int)
        case opening(String)
        case forward(String)
        case passage(String)
        case listener(Endpoint)
        case limit(String)
        case blocklist(String)
        case exit(String)
        case firewall, defaultAction, egress
    }

    /// Who sends.
    struct Source {
        var addresses: [IPAddress]
        var interface: String
        var member: Household.Member?
    }

    /// Where to.
    struct Destination {
        var host: Host?
        var addresses: [IPAddress]
        var member: Household.Member?
        var port: UInt16
        var transport: Opening.Transport
    }

    /// A program of this machine itself.
    struct Program {
        /// The name of its account, and the number.
        var user: String
        var number: UInt32
    }

    private typealias Steps = [Step]

    /// A way there.
    private struct Course {
        var steps: Steps
        /// How it gets there.
        var word = ""
        /// The chains of other tables that are asked on the way.
        var doubts: [StrictChain] = []
    }

    func answer(_ program: Program, _ destination: Destination) -> Explain.Reply {
        var steps: Steps = [Step("account", .tells, "a program of \(program.user), on the gateway itself")]
        func stopped(_ step: Step) -> Explain.Reply {
            Explain.Reply(steps: steps + [step], isReached: false, verdict: "not reached: \(step.text)")
        }
        guard let address = destination.addresses.first else {
            return stopped(Step("address", .stops, "no address is known for the destination"))
        }
        if case .name(let name)? = destination.host {
            steps.append(Step("name", .goesOn, "\(name) is \(address), by the gateway's own name servers"))
        }
        guard surroundings.interface(holding: address) == nil else {
            return Explain.Reply(steps: steps, isReached: true, verdict: "reached at the gateway itself")
        }
        guard let output = way(address) else {
            return stopped(Step("route", .stops, "there is no route to \(address)"))
        }
        let own = surroundings.interface(named: output)?.addresses.first { $0.address.isIPv6 == address.isIPv6 }
        var packet = Packet(
            hook: .output, interface: "", source: own?.address ?? (address.isIPv6 ? .v6(0) : .v4(0)),
            destination: address,
            content: destination.transport == .tcp ? .tcp(destination.port) : .udp(destination.port))
        (packet.output, packet.user, packet.time) = (output, program.number, now)
        let step = rulesetStep(packet, "from the gateway itself by \(output)")
        if step.outcome == .stops { return stopped(step) }
        steps += [step] + others.map { Step("other tables", .tells, $0) }
        let doubts = strict.asked(at: [.output, .postrouting], about: packet.family)
        return Explain.Reply(
            steps: steps, isReached: true, verdict: "reached directly\(doubts.reservation)", unless: doubts.map(\.name))
    }

    func answer(_ source: Source, _ destination: Destination) -> Explain.Reply {
        guard case .name(let name)? = destination.host, policy.zone(of: source.interface)?.answersNames == true else {
            return follow(source, destination)
        }
        // The names role has the kernel know the addresses before the device does.
        var told = self
        for rule in policy.rules where rule.user == nil && rule.isAbout(name) {
            for address in destination.addresses {
                let set = Ruleset.addresses(ofRule: rule.id, address.isIPv6 ? .ipv6 : .ipv4)
                told.elements.insert(LiveKey([.address(address)]), in: set.name)
            }
        }
        return told.follow(source, destination)
    }

    private func follow(_ source: Source, _ destination: Destination) -> Explain.Reply {
        var steps: Steps = [zoneStep(source)]
        let zone = policy.zone(of: source.interface)
        if let step = deviceStep(source, zone) { steps.append(step) }
        if let step = nameStep(source, destination, zone) {
            steps.append(step)
            if step.outcome == .stops {
                return Explain.Reply(steps: steps, isReached: false, verdict: "not reached: \(step.text)")
            }
        }
        guard let pair = pair(source, destination) else {
            let text =
                destination.addresses.isEmpty
                ? "no address is known for the destination" : "the source has no address of the destination's kind"
            steps.append(Step("address", .stops, text))
            return Explain.Reply(steps: steps, isReached: false, verdict: "not reached: \(text)")
        }
        let isHere = surroundings.interface(holding: pair.to) != nil
        var ways: [Course] = []
        var obstacle: String?
        let direct = isHere ? input(source, destination, pair) : forward(source, destination, pair)
        steps += direct.steps
        if let stop = direct.steps.last(where: { $0.outcome == .stops }) {
            obstacle = stop.text
        } else {
            ways.append(direct)
        }
        if !isHere, destination.transport == .tcp, zone != nil, zone?.name != Zone.internet {
            let proxied = proxy(source, destination, pair)
            steps += proxied.steps
            let stop = proxied.steps.last { $0.outcome == .stops }
            if stop == nil { ways.append(proxied) }
            // Where the proxies are the way that is meant, they are what it comes to grief at.
            if let stop, let zone, policy.way(of: source.member?.hardware, in: zone) == .proxy { obstacle = stop.text }
        }
        steps += others.map { Step("other tables", .tells, $0) }
        guard !ways.isEmpty else {
            return Explain.Reply(
                steps: steps, isReached: false, verdict: "not reached: \(obstacle ?? "there is no way")")
        }
        let words = ways.map { $0.word + $0.doubts.reservation }
        // One way is enough.
        let doubts = ways.contains { $0.doubts.isEmpty } ? [] : ways.flatMap(\.doubts).map(\.name)
        return Explain.Reply(
            steps: steps, isReached: true, verdict: "reached \(words.joined(separator: ", and "))",
            unless: Set(doubts).sorted())
    }

    // MARK: - Who asks

    private func zoneStep(_ source: Source) -> Step {
        let shown = source.addresses.map(\.description).joined(separator: " ")
        guard let zone = policy.zone(of: source.interface) else {
            return Step("zone", .tells, "\(shown) is behind \(source.interface), which is in no zone")
        }
        return Step(
            "zone", .tells, "\(shown) is behind \(source.interface), in the zone \(zone.name)",
            revision: origin(.zone(zone.name)))
    }

    private func deviceStep(_ source: Source, _ zone: Zone?) -> Step? {
        guard let zone, zone.name != Zone.internet else { return nil }
        let way = policy.way(of: source.member?.hardware, in: zone)
        guard let member = source.member else {
            return Step(
                "device", .tells, "no device is known there; those that nobody knows are \(way)",
                revision: origin(.zone(zone.name)))
        }
        let name = policy.deviceNames(in: surroundings.household)[member.number] ?? "\(member.hardware)"
        let revision = policy.device(with: member.hardware) == nil ? nil : origin(.device(member.hardware))
        if let stop = policy.stop(of: member.hardware, in: zone, at: now, on: surroundings.clock) {
            return Step("device", .tells, "\(name) \(stop)", revision: revision ?? origin(.zone(zone.name)))
        }
        return Step(
            "device", .tells, "\(name) (\(member.hardware)) is \(way)", revision: revision ?? origin(.zone(zone.name)))
    }

    private func client(_ source: Source, _ address: IPAddress, _ listener: Listener) -> Access.Client {
        Access.Client(
            listener: listener.endpoint, kind: listener.kind, address: address, user: listener.users.first,
            device: source.member?.number ?? 0)
    }

    // MARK: - Names

    private func nameStep(_ source: Source, _ destination: Destination, _ zone: Zone?) -> Step? {
        guard case .name(let name)? = destination.host else { return nil }
        let shown = destination.addresses.map(\.description).joined(separator: " ")
        let answers = zone?.answersNames ?? false
        let device = source.member.flatMap { policy.device(with: $0.hardware) }
        let own = lists(name).filter { list in
            list.zone == nil && list.device == nil || list.zone != nil && list.zone == zone?.name
                || list.device != nil && list.device == device?.name
        }
        if let list = own.first, answers || zone?.name != Zone.internet {
            return Step(
                "name", .stops, "\(name) is on the blocklist \(list.name), and is not told",
                revision: origin(.blocklist(list.name)))
        }
        let client = source.addresses.first ?? .v4(0)
        let names = policy.deviceNames(in: surroundings.household)
        if answers, let zone, policy.way(of: source.member?.hardware, in: zone) != .proxy,
            let rule = policy.ruleAgainst(name: name, from: client, device: source.member.flatMap { names[$0.number] })
        {
            return Step(
                "name", .stops, "\(name) is denied by rule \(rule), and is not told", revision: origin(.rule(rule)))
        }
        guard !destination.addresses.isEmpty else {
            return Step("name", .stops, "\(name) has no address, or nobody answers for it")
        }
        return Step("name", .goesOn, "\(name) is \(shown)" + (answers ? ", answered by the gateway" : ""))
    }

    // MARK: - Addresses

    /// The first pair of addresses of one family.
    private func pair(_ source: Source, _ destination: Destination) -> (from: IPAddress, to: IPAddress)? {
        for to in destination.addresses {
            if let from = source.addresses.first(where: { $0.isIPv6 == to.isIPv6 }) { return (from, to) }
        }
        return nil
    }

    private func packet(_ source: Source, _ destination: Destination, _ pair: (from: IPAddress, to: IPAddress))
        -> Packet
    {
        let port = destination.port
        var packet = Packet(
            interface: source.interface, source: pair.from, destination: pair.to,
            content: destination.transport == .tcp ? .tcp(port) : .udp(port))
        packet.hardware = source.member?.hardware
        packet.time = now
        return packet
    }

    // MARK: - To the gateway itself

    private func input(
        _ source: Source, _ destination: Destination, _ pair: (from: IPAddress, to: IPAddress)
    ) -> Course {
        var packet = packet(source, destination, pair)
        /// A door leads on to a device, and another table to a container.
        func leadOn(to address: IPAddress, _ port: UInt16?, by what: String, _ revision: Int?) -> Course {
            var inner = destination
            inner.addresses = [address]
            inner.port = port ?? destination.port
            let door = Step(
                "NAT", .goesOn, "it is led on to \(Endpoint(address: address, port: inner.port)) by \(what)",
                revision: revision)
            var course = forward(source, inner, (pair.from, address), soughtPort: destination.port)
            course.steps.insert(door, at: 0)
            return course
        }
        if let ruleset, let rule = ruleset.translation(of: packet, at: .prerouting),
            case .forward(let address, let port) = rule.decision
        {
            let name = policy.forwards.first { $0.ruleName == rule.comment }?.name
            return leadOn(to: address, port, by: rule.comment ?? "a door", name.flatMap { origin(.forward($0)) })
        }
        if let port = published.first(where: { $0.takes(packet.content, to: pair.to, by: source.interface) }),
            port.isSure, surroundings.interface(holding: port.destination) == nil
        {
            return leadOn(to: port.destination, port.port, by: port.holder, nil)
        }
        packet.hasBoundSocket = policy.allListeners(in: surroundings).contains {
            $0.endpoint.address == pair.to && $0.endpoint.port == destination.port
        }
        return Course(
            steps: [rulesetStep(packet, "to the gateway itself")], word: "at the gateway itself",
            doubts: strict.asked(at: [.prerouting, .input], about: packet.family))
    }

    // MARK: - Past the gateway

    /// - Parameter soughtPort: the one that it was for before it was led on; nil: it was not.
    private func forward(
        _ source: Source, _ destination: Destination, _ pair: (from: IPAddress, to: IPAddress),
        soughtPort: UInt16? = nil
    ) -> Course {
        let isTranslated = soughtPort != nil
        var packet = packet(source, destination, pair)
        var steps: Steps = []
        if !isTranslated, let ruleset, let rule = ruleset.translation(of: packet.leaving(by: "?"), at: .prerouting),
            case .redirect = rule.decision
        {
            return Course(
                steps: [Step("NAT", .goesOn, "the gateway answers in its place: \(rule.comment ?? "")")],
                word: "as the gateway answers in its place",
                doubts: strict.asked(at: [.prerouting, .input], about: packet.family))
        }
        guard let output = destination.member?.interface ?? way(pair.to) else {
            return Course(steps: [Step("route", .stops, "there is no route to \(pair.to)")])
        }
        if output == source.interface, !isTranslated {
            return Course(
                steps: [
                    Step("route", .tells, "\(pair.to) is on the same side: they reach each other without the gateway")
                ], word: "without the gateway")
        }
        let zone = policy.zone(of: output)
        steps.append(
            Step(
                "route", .goesOn, "it leaves by \(output)" + (zone.map { ", in the zone \($0.name)" } ?? ""),
                revision: zone.flatMap { origin(.zone($0.name)) }))
        guard isPassedOn(source.interface, pair.to.isIPv6) else {
            let text = "nothing is passed on that comes in by \(source.interface) (ip-sysctl, forwarding)"
            steps.append(Step("kernel", .stops, text, revision: origin(.firewall)))
            return Course(steps: steps)
        }
        packet.hook = .forward
        packet.output = output
        (packet.isTranslated, packet.soughtPort) = (isTranslated, soughtPort)
        if !isTranslated, let step = rulesStep(source, destination, pair, to: zone) { steps.append(step) }
        let step = rulesetStep(packet, "from \(source.interface) to \(output)")
        steps.append(step)
        guard step.outcome != .stops else { return Course(steps: steps) }
        if let ruleset, let rule = ruleset.translation(of: packet, at: .postrouting), case .masquerade = rule.decision {
            let own = surroundings.interface(named: output)?.addresses.first { !$0.address.isIPv6 }?.address
            steps.append(Step("NAT", .goesOn, "it goes out in the name of \(own.map { "\($0)" } ?? output)"))
        }
        return Course(
            steps: steps, word: "directly",
            doubts: strict.asked(at: [.prerouting, .forward, .postrouting], about: packet.family))
    }

    /// What the operator's rules say of what goes to the internet past the proxies. nil: they are not asked.
    private func rulesStep(
        _ source: Source, _ destination: Destination, _ pair: (from: IPAddress, to: IPAddress), to zone: Zone?
    ) -> Step? {
        guard zone?.name == Zone.internet, let home = policy.zone(of: source.interface), home.name != Zone.internet,
            policy.way(of: source.member?.hardware, in: home) == .routed
        else { return nil }
        let standings = policy.standings(in: surroundings, at: now)
        let (verdict, rule) = Access(policy, surroundings: surroundings, standings: standings).verdict(
            onRouted: pair.to, named: rules(naming: pair.to), port: destination.port,
            over: destination.transport.number, from: pair.from,
            device: source.member?.number ?? 0)
        switch verdict {
        case .allow: return Step("rules", .goesOn, allowance(rule), revision: rule.flatMap { origin(.rule($0)) })
        case .deny(let reason): return Step("rules", .tells, "\(reason)", revision: origin(of: reason))
        }
    }

    /// The rules about domains of which the kernel knows the address.
    private func rules(naming address: IPAddress) -> Set<Int> {
        let key = LiveKey([.address(address)])
        return Set(
            policy.rules.filter { rule in
                rule.domain != nil
                    && elements.contains(
                        key, in: Ruleset.addresses(ofRule: rule.id, address.isIPv6 ? .ipv6 : .ipv4).name)
            }.map(\.id))
    }

    private func allowance(_ rule: Int?) -> String { rule.map { "rule \($0) allows it" } ?? "no rule denies it" }

    private func origin(of reason: Access.Reason) -> Int? {
        switch reason {
        case .rule(let id): origin(.rule(id))
        case .noRule: origin(.defaultAction)
        default: nil
        }
    }

    private func rulesetStep(_ packet: Packet, _ what: String, at place: String = "ruleset") -> Step {
        guard let ruleset else {
            return Step(place, .goesOn, "nothing is filtered: \(door)", revision: origin(.firewall))
        }
        let judgement = ruleset.verdict(of: packet, among: elements)
        let rule = judgement.rule.map { $0.comment ?? "\($0)" } ?? "the policy of the chain"
        let chain = judgement.chain.map { " (chain \($0))" } ?? ""
        let revision = judgement.rule?.comment.flatMap(origin(ofRule:))
        return judgement.isAccepted
            ? Step(place, .goesOn, "\(what): let through by \"\(rule)\"\(chain)", revision: revision)
            : Step(place, .stops, "\(what): stopped by \"\(rule)\"\(chain)", revision: revision)
    }

    /// The revision behind a rule, by what the rule is called.
    private func origin(ofRule comment: String) -> Int? {
        if policy.openings.contains(where: { $0.name == comment }) { return origin(.opening(comment)) }
        if let forward = policy.forwards.first(where: { $0.ruleName == comment }) {
            return origin(.forward(forward.name))
        }
        if let list = policy.networkLists.first(where: { $0.ruleName == comment }) {
            return origin(.blocklist(list.name))
        }
        if let rule = policy.rules.first(where: { $0.ruleName == comment }) { return origin(.rule(rule.id)) }
        if comment == Rule.noneAllows { return origin(.defaultAction) }
        if let exit = policy.exits.first(where: { $0.ruleName == comment }) { return origin(.exit(exit.name)) }
        if [Egress.strict, Egress.noted].contains(comment) { return origin(.egress) }
        if policy.passages.contains(where: { "\($0.ends)" == comment }) { return origin(.passage(comment)) }
        if let listener = policy.listeners.first(where: { comment.hasPrefix("\($0.kind) \($0.endpoint)") }) {
            return origin(.listener(listener.endpoint))
        }
        return nil
    }

    // MARK: - Through a proxy

    /// How a source comes to a listener.
    private struct Approach {
        var listener: Listener
        /// The source, in the listener's family.
        var client: IPAddress
        /// What becomes of its first packet there.
        var step: Step
    }

    /// To the first listener that the source gets to, or else to the first that would be for it; nil: none is. Where none is of its
    /// family, a device goes there by another address of its own.
    private func approach(_ source: Source) -> Approach? {
        for addresses in [source.addresses, source.member?.addresses ?? []] {
            let approaches = policy.listeners.compactMap { approach(source, by: addresses, to: $0) }
            if let first = approaches.first { return approaches.first { $0.step.outcome != .stops } ?? first }
        }
        return nil
    }

    private func approach(_ source: Source, by addresses: [IPAddress], to listener: Listener) -> Approach? {
        let address = listener.endpoint.address.unmapped
        func ofItsFamily(_ addresses: [IPAddress]) -> [IPAddress] {
            addresses.filter { $0.isIPv6 == address.isIPv6 && $0.special != .linkLocal }
        }
        guard !address.isLoopback,
            [nil, source.interface].contains(policy.device(of: listener, in: surroundings))
        else { return nil }
        let held = surroundings.interface(named: source.interface)?.addresses.map(\.address) ?? []
        guard let client = ofItsFamily(addresses).first(where: listener.admits),
            let target = address.isUnspecified ? ofItsFamily(held).first : address
        else { return nil }
        var packet = Packet(
            interface: source.interface, source: client, destination: target, content: .tcp(listener.endpoint.port),
            hasBoundSocket: !address.isUnspecified)
        (packet.hardware, packet.time) = (source.member?.hardware, now)
        let step = rulesetStep(packet, "from \(client) to \(listener.kind) \(listener.endpoint)", at: "listener")
        return Approach(listener: listener, client: client, step: step)
    }

    private func proxy(
        _ source: Source, _ destination: Destination, _ pair: (from: IPAddress, to: IPAddress)
    ) -> Course {
        guard let approach = approach(source) else {
            return Course(steps: [Step("proxy", .stops, "no listener serves \(source.interface)")])
        }
        let listener = approach.listener
        let shown = "\(listener.kind) \(listener.endpoint)"
        var steps = [
            Step(
                "proxy", .tells,
                "\(shown) serves it" + (listener.authentication == .required ? ", with a password" : ""),
                revision: origin(.listener(listener.endpoint))), approach.step,
        ]
        guard approach.step.outcome != .stops else { return Course(steps: steps) }
        let standings = policy.standings(in: surroundings, at: now)
        let access = Access(policy, surroundings: surroundings, standings: standings)
        var client = client(source, approach.client, listener)
        if listener.authentication == .required, client.user == nil { client.user = policy.users.first?.name }
        let host = destination.host ?? .address(pair.to)
        switch access.verdict(on: pair.to, of: host, port: destination.port, over: destination.transport, for: client) {
        case .allow:
            let rule = policy.defaultAction == .allow ? "no rule denies it" : "a rule allows it"
            steps.append(Step("proxy rules", .goesOn, rule))
        case .deny(let reason):
            let isGuard: Bool =
                switch reason {
                case .rule, .noRule, .stopped, .listener: false
                default: true
                }
            steps.append(Step(isGuard ? "guard" : "proxy rules", .stops, "\(reason)", revision: origin(of: reason)))
            return Course(steps: steps)
        }
        if let ruleset, let output = way(pair.to) {
            // What the relay sends in the client's place.
            var packet = Packet(
                hook: .output, interface: "", source: pair.from, destination: pair.to, content: .tcp(destination.port))
            (packet.output, packet.user) = (output, surroundings.accounts.relays)
            let judgement = ruleset.verdict(of: packet, among: elements)
            if !judgement.isAccepted {
                let rule = judgement.rule?.comment ?? "the policy of the chain"
                steps.append(
                    Step(
                        "ruleset", .stops, "from the gateway itself: stopped by \"\(rule)\"",
                        revision: origin(ofRule: rule)))
                return Course(steps: steps)
            }
        }
        let limit = access.limits.limit(forClient: client.address, device: client.device)
        steps.append(Step("limit", .tells, "\(limit)", revision: origin(.limit("\(limit.subject)"))))
        let doubts =
            strict.asked(at: [.prerouting, .input], about: approach.client.isIPv6 ? .ipv6 : .ipv4)
            + strict.asked(at: [.output, .postrouting], about: pair.to.isIPv6 ? .ipv6 : .ipv4)
        return Course(steps: steps, word: "through \(shown)", doubts: doubts)
    }
}

extension Packet {
    /// As it would be passed on by that interface.
    fileprivate func leaving(by interface: String) -> Packet {
        var packet = self
        packet.output = interface
        return packet
    }
}
