import Address
import Admin
import Machine
import Policy
import Store

extension Operations {
    static let trial: [Method<Gateway>] = [
        Method(GetTrial.self) { gateway, _, _ in
            GetTrial.Reply(trial: gateway.trial?.report(at: gateway.clock.sinceBoot()))
        },
        Method(Confirm.self) { gateway, call, caller in
            let isProven = call.blind == true || Terminal.isConsole(ofProcess: caller.process)
            let revision = try await gateway.confirm(by: caller.author, isProven: isProven)
            return Confirm.Reply(revision: revision.id, warnings: gateway.warnings)
        },
        Method(Revert.self) { gateway, _, caller in
            let revision = try await gateway.revert(by: caller.author)
            return Revert.Reply(
                revision: revision.id,
                changes: try gateway.read { () throws(StoreError) in try gateway.store.changes(of: revision.id).lines },
                warnings: gateway.warnings)
        },
    ]

    static let machine: [Method<Gateway>] = [
        Method(GetMachine.self) { gateway, _, _ in
            let surroundings = gateway.surroundings
            let interfaces = surroundings.interfaces.map { interface in
                NetworkInterface(
                    name: interface.name,
                    addresses: interface.addresses.map(\.description),
                    hasCarrier: interface.hasCarrier, hasDefaultRoute: interface.hasDefaultRoute,
                    zone: gateway.policy.zone(of: interface.name)?.name)
            }
            return GetMachine.Reply(interfaces: interfaces, proposal: gateway.proposedSides)
        }
    ]
}

extension Gateway {
    /// As an earlier setup chose them, while the interfaces are there; else the likeliest.
    var proposedSides: Sides? {
        let names = surroundings.interfaces.map(\.name)
        if let home = policy.lan.first(where: names.contains) {
            return Sides(home: home, internet: policy.wan.first(where: names.contains))
        }
        return Sides.proposed(in: surroundings)
    }
}
