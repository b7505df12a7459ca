import Admin
import Policy
import Reactor

extension Operations {
    static let gateway: [Method<Gateway>] = [
        Method(GetVersion.self) { _, _, _ in GetVersion.Reply() },
        Method(GetStatus.self) { gateway, _, caller in
            var status = await gateway.status()
            // Everybody may ask, and nobody but operators is told who the users are.
            if !caller.isOperator { status.warnings.removeAll(where: gateway.warningsWithNames.contains) }
            return status
        },
        Method(GetClientSetup.self) { gateway, _, _ in GetClientSetup.Reply(offers: gateway.offers) },
        Method(Setup.self) { gateway, call, caller in
            var applied = try await gateway.apply(by: caller, call.summary) { policy throws(Refusal) in
                try policy.setup(
                    lan: call.lan, wan: call.wan, allowSSH: call.allowSSH, surroundings: gateway.surroundings)
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
        "setup --lan \(lan)" + (wan.map { " --wan \($0)" } ?? "") + (allowSSH ? " --allow-ssh" : "")
    }
}

extension Gateway {
    func status() async -> Status {
        let uptime = ContinuousClock.now - startedAt
        return Status(
            revision: revision.id, uptime: Int(uptime.components.seconds),
            roles: processes.map {
                RoleStatus(name: $0.role.name, pid: Int($0.pid), state: $0.state.rawValue, restarts: $0.restarts)
            },
            listeners: policy.listeners.map(status),
            firewall: FirewallStatus(mode: firewallMode, door: await door.state(firewallMode)),
            users: policy.users.count,
            warnings: warnings)
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
        warnings += open.warnings(in: surroundings, known: hardware)
        if let complaint { warnings.append("the last reload failed: \(complaint)") }
        if let loss = door.lastLoss { warnings.append(loss) }
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
        }
        return warnings + warningsWithNames + certificateWarnings
    }

    /// Warnings that name users.
    fileprivate var warningsWithNames: [String] {
        guard !policy.listeners.contains(where: { $0.authentication == .required }) else { return [] }
        return policy.limits.filter(\.subject.isUser).map {
            "the limit for \($0.subject) is about users, but no listener asks for a password; `gatehousectl listener "
                + "set` can make one ask"
        }
    }
}

extension Limit.Subject {
    fileprivate var isUser: Bool {
        switch self {
        case .eachUser, .user: true
        case .eachClient, .client: false
        }
    }
}
