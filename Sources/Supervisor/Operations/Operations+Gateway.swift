import Address
import Admin
import Machine
import Policy
import Reactor

extension Operations {
    static let gateway: [Method<Gateway>] = [
        Method(GetVersion.self) { _, _, _ in GetVersion.Reply() },
        Method(GetStatus.self) { gateway, _, caller in
            let status = await gateway.status()
            return caller.isOperator ? status : status.withoutNames
        },
        Method(GetClientSetup.self) { gateway, _, _ in GetClientSetup.Reply(offers: gateway.offers) },
        Method(Setup.self) { gateway, call, caller in
            var applied = try await gateway.apply(by: caller, call.summary) { policy throws(Refusal) in
                try policy.setup(
                    lan: call.home, wan: call.internet ?? gateway.wayOut(besides: call.home, policy),
                    allowSSH: call.allowSSH, address: call.address, serves: call.serve, isForced: call.force ?? false,
                    surroundings: gateway.surroundings)
                for source in call.sshSources ?? [] { try gateway.admitSSH(from: source, &policy) }
            }
            if let imposed = gateway.options.firewall, imposed.mode != gateway.policy.firewall {
                applied.warnings.append(
                    "nothing is filtered: gatehoused runs with --firewall \(imposed.rawValue); start it without the option"
                )
            }
            return applied
        },
    ]
}

extension Setup {
    /// As it stands in the history: the command with all its options.
    fileprivate var summary: String {
        let options = [
            "--home \(home)", internet.map { "--internet \($0)" }, allowSSH ? "--allow-ssh" : nil,
            address.map { "--address \($0)" }, serve.map { $0 ? "--serve" : "--no-serve" },
            force == true ? "--force" : nil,
        ]
        let sources = sshSources?.map { " --ssh-from \($0)" } ?? []
        return "setup " + options.compactMap(\.self).joined(separator: " ") + sources.joined()
    }
}

extension Gateway {
    /// The interface with the default route, where nothing is known of the internet's yet; nil: it is known, or there is no
    /// other interface than `home`.
    fileprivate func wayOut(besides home: String, _ policy: Policy) -> String? {
        guard policy.wan.isEmpty else { return nil }
        return surroundings.candidates.first { $0.hasDefaultRoute && $0.name != home }?.name
    }

    /// Lets SSH in from these addresses, on the side where they are. Where it is let in already, nothing is added.
    fileprivate func admitSSH(from source: Network, _ policy: inout Policy) throws(Refusal) {
        guard !policy.openings.contains(where: { $0.services == [.ssh] && $0.source == source }) else { return }
        let zone = Route.interface(towards: source.base).flatMap(policy.zone(of:))
        let names = policy.openings.map(\.name)
        let name = ["ssh"] + (2...99).map { "ssh-\($0)" }
        guard let free = name.first(where: { !names.contains($0) }) else { return }
        try policy.open(
            Opening(name: free, .ssh, from: zone.map { .zone($0.name) } ?? .anywhere, source: source),
            in: surroundings)
    }
}

extension Gateway {
    func status() async -> Status {
        let uptime = ContinuousClock.now - startedAt
        // First: what is told of the kernel comes from this look.
        let firewall = FirewallStatus(mode: firewallMode, door: await door.state(firewallMode))
        let warnings = self.warnings
        return Status(
            revision: revision.id, uptime: Int(uptime.components.seconds),
            roles: processes.map {
                RoleStatus(name: $0.role.name, pid: Int($0.pid), state: $0.state.rawValue, restarts: $0.restarts)
            } + companionStatus,
            listeners: (policy.listeners + policy.derivedListeners(in: surroundings).filter { $0 != .forRelays })
                .map(status),
            firewall: firewall, users: policy.users.count, devices: surroundings.household.members.count,
            newDevices: newDevices, forwards: policy.forwards, bans: bans.inForce(at: now).count,
            warnings: warnings,
            worst: worstFinding(firewall.door, besides: warnings))
    }

    /// dnsmasq beside the roles, where somebody is served.
    private var companionStatus: [RoleStatus] {
        guard companion.wanted != nil else { return [] }
        return [
            RoleStatus(
                name: Companion.name, pid: Int(companion.pid), state: companion.state.rawValue,
                restarts: companion.restarts.count)
        ]
    }

    /// The listeners as the home's devices reach them.
    fileprivate var offers: [Premises.Offer] {
        var open = policy
        open.listeners = policy.listeners.filter { sockets[$0] != nil }
        return Premises(open, surroundings: surroundings).offers()
    }

    private func status(of listener: Listener) -> ListenerStatus {
        var status = counted(listener)
        // As the ruleset has it.
        if let interfaces = policy.interfaces(of: listener, in: surroundings) {
            status.interface = interfaces.isEmpty ? "none" : interfaces.joined(separator: ",")
        }
        return status
    }

    private func counted(_ listener: Listener) -> ListenerStatus {
        guard let entry = sockets[listener],
            let process = processes.first(where: { $0.role == listener.role })
        else { return ListenerStatus(listener) }
        let count = process.counters.read(entry.account)
        return ListenerStatus(
            listener, sessions: count.active, sessionsTotal: Int(clamping: count.sessions),
            bytesIn: Int(clamping: count.sent), bytesOut: Int(clamping: count.received))
    }

    /// What the operator should look at.
    var warnings: [String] {
        var warnings = missing.map { "\($0.listener.kind) \($0.listener.endpoint) is not open: \($0.reason)" }
        var open = policy
        open.listeners.removeAll { listener in missing.contains { $0.listener == listener } }
        open.firewall = firewallMode
        warnings += open.warnings(in: surroundings, known: hardware)
        if let complaint { warnings.append("the last reload failed: \(complaint)") }
        if let loss = door.lastLoss { warnings.append(loss) }
        warnings += door.foreign
        warnings += suspicions.warnings(at: .now) + householdWarnings
        warnings += ground.faults + timekeeper.warnings
        if let recovery = backups.recovery { warnings.append("\(recovery)") }
        if let failure = backups.failure { warnings.append("\(failure)") }
        if let copyFailure { warnings.append("\(copyFailure)") }
        if let firewallFailure { warnings.append("the firewall is not in force: \(firewallFailure)") }
        if ledger.overflows > 0 {
            warnings.append(
                "limits did not hold for \(ledger.overflows) sessions: there were too many clients at once to count them"
            )
        }
        for process in processes where process.isCrashLooping {
            warnings.append("the \(process.role.name) role keeps failing: it \(process.lastEnd)")
        }
        if policy.users.isEmpty, policy.listeners.contains(where: { $0.authentication == .required }) {
            warnings.append("a listener asks for a password and nobody has one; `gatehousectl user add NAME`")
        }
        if !policy.listeners.contains(where: { $0.authentication == .required }) {
            // Without a listener that asks for a password, these never match.
            warnings += policy.rules.filter { $0.user != nil }.map {
                "rule \($0.id) is about a user, but no listener asks for a password; `gatehousectl listener set` can make "
                    + "one ask"
            }
            warnings += policy.limits.filter(\.subject.isUser).map {
                "the limit for \($0.subject) is about users, but no listener asks for a password; `gatehousectl listener "
                    + "set` can make one ask"
            }
        }
        return warnings + nameWarnings + certificateWarnings + serviceWarnings + prefixWarnings
    }
}

extension Limit.Subject {
    fileprivate var isUser: Bool {
        switch self {
        case .eachUser, .user: true
        case .eachClient, .client, .device: false
        }
    }
}
