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
                guard sets.contains(change.set), case .comes(let milliseconds?) = change.kind, milliseconds > passed
                else { return nil }
                return LiveChange(change.key, in: change.set, .comes(milliseconds: milliseconds - passed))
            })
    }

    private var namedSets: [LiveSet] {
        policy.rules.filter { $0.domain != nil && $0.user == nil }.flatMap { rule in
            [Match.Family.ipv4, .ipv6].map { Ruleset.addresses(ofRule: rule.id, $0) }
        }
    }

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
        let ruled = policy.rules.filter { $0.domain != nil && $0.user == nil }
        let (rules, holds) = (Set(ruled.map(\.id)), Set(ruled.filter { $0.origin == .hold }.map(\.id)))
        let changes = tellings.prefix(256).compactMap { telling -> LiveChange? in
            guard rules.contains(telling.rule), telling.seconds > 0 else { return nil }
            let set = Ruleset.addresses(ofRule: telling.rule, telling.address.isIPv6 ? .ipv6 : .ipv4)
            let key = LiveKey([.address(telling.address)])
            // The kernel would refuse all that is to come with it.
            guard door.elements.hasRoom(for: key, in: set, sparing: 256) else {
                note(fullRule: telling.rule)
                return nil
            }
            let least = holds.contains(telling.rule) ? Self.secondsOfHeldName : 0
            return LiveChange(
                key, in: set.name, .comes(milliseconds: max(least, min(telling.seconds, 7 * 86_400)) * 1000))
        }
        if !changes.isEmpty, names.unkept == nil { names.unkept = .now }
        do throws(Refusal) {
            try await door.change(changes)
        } catch {
            log.warning("the kernel was not told of the addresses of a domain that a rule names: \(error)")
        }
        guard let process = fleet.relays.first(where: { $0.role == role }), process.hasBegun else { return }
        do throws(Refusal) { try await process.order(.confirm(serial)) } catch { log.debug("\(error)") }
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
