import Address
import Logging
import Machine
import Policy
import Reactor
import Ruleset

/// Tells the relays of the box's name servers and hosts, within two seconds of a change.
extension Gateway {
    func followNames() async {
        while !isStopping {
            await reactor.sleep(for: .seconds(1))
            await lookAtNames()
            await giveNamesToAll()
            tellOfNames()
            // The more there are the less often.
            let count = namedSets.reduce(0) { $0 + door.elements[$1.name].count }
            if let since = names.unkept, .now - since > .seconds(count / 500) { keepNamedAddresses() }
        }
    }

    /// The next daemon is to know of other addresses than it would by now.
    func noteNamedAddresses() {
        if names.unkept == nil { names.unkept = .now }
    }

    /// The addresses of domains that rules name, for the next daemon: devices go on with what they were told.
    func keepNamedAddresses() {
        names.unkept = nil
        let sets = Set(namedSets.map(\.name))
        let kept = KeptAddresses(
            secondsSinceBoot: Self.secondsSinceBoot, changes: door.elements.changes.filter { sets.contains($0.set) })
        do throws(Errno) {
            try StateFile.write(Message.encode(kept), to: addressFile)
        } catch {
            log.warning("the next daemon will not know the addresses of domains that rules name: \(error)")
        }
    }

    func recallNamedAddresses() {
        guard let kept = StateFile.read(addressFile).flatMap({ Message.decode(KeptAddresses.self, from: $0) }) else {
            return
        }
        let sets = Set(namedSets.map(\.name))
        let passed = max(0, Self.secondsSinceBoot - kept.secondsSinceBoot) * 1000
        door.live.prepare(
            kept.changes.compactMap { change in
                guard sets.contains(change.set), case .comes(let milliseconds?) = change.kind else { return nil }
                return LiveChange(change.key, in: change.set, .comes(milliseconds: max(0, milliseconds - passed)))
            })
    }

    /// Of the policy in force, and of the one to which the next daemon would go back.
    private var namedSets: [LiveSet] {
        let numbers = Set((policy.addressRules + (trial?.former?.policy?.addressRules ?? [])).map(\.id))
        return numbers.sorted().flatMap { Ruleset.addresses(ofRule: $0) }
    }

    // MARK: another policy

    /// Before the kernel gets the ruleset of `target`: has its rules about domains know the addresses that are known of these. A device
    /// goes on with what it was told, whether or not it asks for the name again, and by whichever number a rule is known.
    ///
    /// - Returns: what is to be taken back if `target` is not put in force.
    func prepareNamedAddresses(of target: Policy, insteadOf former: Policy) -> [LiveChange] {
        var elements = door.elements
        var changes: [LiveChange] = []
        func add(_ more: [LiveChange]) {
            for change in more { elements.apply(change) }
            changes += more
        }
        let present = Dictionary(former.addressRules.map { ($0.id, $0.domain) }) { first, _ in first }
        for rule in target.addressRules where present[rule.id] != rule.domain {
            let known = former.addressRules.filter { other in
                rule.domain.map { other.domain?.isWithin($0) == true } ?? false
            }
            for family in [Match.Family.ipv4, .ipv6] {
                add(
                    elements.changes(
                        to: Ruleset.addresses(ofRule: rule.id, family),
                        from: known.map { Ruleset.addresses(ofRule: $0.id, family) }, sparing: Self.spareElements))
            }
        }
        for device in target.devices where target.isHeld(device.name) {
            let name = former.device(with: device.hardware)?.name
            // One that was held already has them by the rules of before.
            if let name, former.isHeld(name) { continue }
            for rule in target.domainsAllowed(toHeld: device.name) {
                guard let domain = rule.domain else { continue }
                let addresses = learnings.addresses(of: domain, for: device.hardware)
                add(
                    addresses.compactMap { address in
                        change(rule.id, address, seconds: Self.secondsOfHeldName, among: elements)
                    })
            }
        }
        door.live.prepare(changes)
        let sets = (target.addressRules + former.addressRules).flatMap { Ruleset.addresses(ofRule: $0.id) }
        door.live.forgetAddresses(besides: Set(sets.map(\.name)))
        return changes
    }

    /// `target` was not put in force, and its new numbers may be other rules'.
    func takeBack(namedAddresses changes: [LiveChange]) {
        let sets = Set(namedSets.map(\.name))
        door.live.prepare(
            changes.filter { !sets.contains($0.set) }.map { LiveChange($0.key, in: $0.set, .goes) })
    }

    /// By which a rule is about an address for so long at least; nil: it is already, or there is no room.
    private func change(_ rule: Int, _ address: IPAddress, seconds: Int, among elements: LiveElements) -> LiveChange? {
        let set = Ruleset.addresses(ofRule: rule, address.isIPv6 ? .ipv6 : .ipv4)
        let key = LiveKey([.address(address)])
        guard !elements.contains(key, in: set.name, for: .seconds(seconds)) else { return nil }
        // The kernel would refuse all that is to come with it.
        guard elements.hasRoom(for: key, in: set, sparing: Self.spareElements) else {
            note(fullRule: rule)
            return nil
        }
        return LiveChange(key, in: set.name, .comes(milliseconds: seconds * 1000))
    }

    private static let spareElements = 256
    /// For so long a held device goes where it found a domain last: some ask for a name once, and keep the address for much longer
    /// than it is good for.
    private static let secondsOfHeldName = 86_400

    private static var secondsSinceBoot: Int { Int(TrialClock.system.sinceBoot() / .seconds(1)) }
    /// Goes with the next boot, as the elements' clock does.
    private var addressFile: String { options.runtime + "/addresses" }

    func giveNamesToAll() async {
        for process in fleet.relays where process.hasBegun { await giveNames(to: process) }
    }

    func lookAtNames() async {
        do throws(Errno) {
            try await names.look()
        } catch {
            log.error("the names of hosts cannot be handed on: \(error)")
        }
    }

    /// Gives a relay the names; a process that does not take them is ended.
    func giveNames(to process: RoleProcess) async {
        let generation = process.generation
        let given = names.given[process.role].flatMap { $0.generation == generation ? $0 : nil }
        let servers = servers(for: process.role)
        let version = names.hostsVersion
        guard given?.servers != servers || given?.hostsVersion != version else { return }
        let isKnown = given?.hostsVersion == version || names.hosts < 0
        do throws(Refusal) {
            try await process.order(.names(servers), descriptors: isKnown ? [] : [names.hosts])
            names.given[process.role] = .init(generation: generation, servers: servers, hostsVersion: version)
        } catch {
            guard !isStopping else { return }
            log.error("\(error)")
            process.kill(generation)
        }
    }

    /// The relays ask the role for names while it answers anybody, so that one list and one cache hold for all ways.
    private func servers(for role: Role) -> NameServerList {
        if role != .names, policy.answersNames, sockets[.forRelays] != nil {
            return NameServerList(own: Listener.forRelays.endpoint.address)
        }
        var servers = names.servers
        servers.servers.removeAll { reason(against: $0) != nil }
        return servers
    }

    /// Why a server is not asked; nil: it is.
    private func reason(against server: NameServerList.Server) -> String? {
        if server.zone != nil, server.index == 0 { return "is behind an interface that is not there" }
        let endpoint = Endpoint(address: server.address, port: 53)
        guard policy.isOwnListener(endpoint, in: surroundings) else { return nil }
        return "is a listener of this gateway, which would ask itself"
    }

    /// Warnings about the name servers; empty: all is well.
    var nameWarnings: [String] {
        let servers = names.servers.servers
        var warnings = servers.compactMap { server in
            reason(against: server).map { "the name server \(server) of /etc/resolv.conf is not asked: it \($0)" }
        }
        guard servers.count > warnings.count else {
            return warnings + ["there is no name server, so that no name is found: see /etc/resolv.conf"]
        }
        let silences = fleet.relays.compactMap(\.counters.nameServersSilence)
        if !silences.isEmpty {
            let list = servers.filter { reason(against: $0) == nil }.map(\.description).joined(separator: ", ")
            warnings.append("no name server answers, so that names are not found: \(list)")
        }
        return warnings
    }

    /// Has the kernel's rules about domains know addresses that the names role is about to tell.
    func admit(_ tellings: [NameTelling], _ serial: Int, for role: Role) async {
        let rules = Set(policy.addressRules.map(\.id))
        let heldDevices = Set(policy.rules.compactMap(\.device)).filter(policy.isHeld)
        let ofHeld = Set(heldDevices.flatMap { policy.domainsAllowed(toHeld: $0).map(\.id) })
        let elements = door.elements
        let changes = tellings.prefix(256).compactMap { telling -> LiveChange? in
            guard rules.contains(telling.rule), telling.seconds > 0 else { return nil }
            let least = ofHeld.contains(telling.rule) ? Self.secondsOfHeldName : 0
            return change(
                telling.rule, telling.address, seconds: max(least, min(telling.seconds, 7 * 86_400)), among: elements)
        }
        do throws(Refusal) {
            if !changes.isEmpty {
                noteNamedAddresses()
                try await door.change(changes)
            }
        } catch {
            log.warning("the kernel was not told of the addresses of a domain that a rule names: \(error)")
        }
        guard let process = fleet.relays.first(where: { $0.role == role }), process.hasBegun else { return }
        do throws(Refusal) { try await process.order(.confirm(serial)) } catch { log.debug("\(error)") }
    }

    /// Tells who asks for what a rule denies.
    func note(_ denial: NameDenial) {
        guard let domain = policy.rules.first(where: { $0.id == denial.rule })?.domain else { return }
        let household = surroundings.household
        // Where nothing is enforced the kernel marks nobody.
        let member =
            denial.member != 0
            ? denial.member : household.members.first { $0.addresses.contains(denial.client) }?.number
        let device = member.flatMap { policy.deviceNames(in: household)[$0] }
        let text: String
        switch denials.note(device: device ?? "\(denial.client.site)", domain: domain, at: .now) {
        case .denial:
            let name = denial.name.prefix(255)
            text = "\(device ?? "\(denial.client)") asked for \(name), which rule \(denial.rule) denies"
        case .more: text = "more devices than are told ask for names that rules deny"
        case nil: return
        }
        log.notice("\(text)")
        tell(.name, text)
    }

    private func note(fullRule rule: Int) {
        guard !names.fullRules.contains(rule) else { return }
        names.fullRules.insert(rule)
        log.warning(
            "rule \(rule) is about a domain with more addresses than the kernel has room for; the proxies know it by its name all the same"
        )
    }

    /// Logs warnings that are new, and the end of them.
    private func tellOfNames() {
        let warnings = nameWarnings
        for warning in warnings where !names.told.contains(warning) { log.warning("\(warning)") }
        if warnings.isEmpty, !names.told.isEmpty { log.notice("the name servers are well again") }
        names.told = warnings
    }
}

/// What live sets of domains hold, and when that was.
private struct KeptAddresses: Codable {
    var secondsSinceBoot: Int
    var changes: [LiveChange]
}
