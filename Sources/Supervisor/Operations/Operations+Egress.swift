import Admin
import Policy

extension Operations {
    static let egress: [Method<Gateway>] = [
        Method(GetEgress.self) { gateway, _, _ in
            await gateway.noteHeldDepartures()
            let counts = try? await gateway.door.report()?.counts
            let sightings = gateway.departures.all
            let users = Set(sightings.compactMap(\.departure.user)).sorted()
            return GetEgress.Reply(
                mode: gateway.policy.egress, exits: gateway.policy.exits,
                packets: counts.map { counts in
                    gateway.policy.exits.map { exit in
                        counts.filter { $0.rule == exit.ruleName }.reduce(0) { $0 &+ Int(clamping: $1.packets) }
                    }
                }, sightings: sightings,
                accounts: users.map { .init(number: $0, name: gateway.surroundings.accounts.name(of: $0)) })
        },
        Method(SetEgress.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "egress \(call.mode)") { policy throws(Refusal) in
                policy.egress = call.mode
            }
        },
        Method(AddExit.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "egress allow \(call.exit)") { policy throws(Refusal) in
                try policy.add(call.exit)
            }
        },
        Method(RemoveExit.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "egress remove \(call.name)") { policy throws(Refusal) in
                try policy.removeExit(named: call.name)
            }
        },
    ]
}

extension Gateway {
    /// What a kind of departure is begun again is told once a minute, and whoever asks is to be told of all.
    fileprivate func noteHeldDepartures() async {
        guard let role = fleet[.firewall], role.isRunning, let held = try? await role.heldDepartures() else { return }
        for kind in held { departures.note(kind, isRefused: policy.egress == .strict, at: now) }
    }
}
