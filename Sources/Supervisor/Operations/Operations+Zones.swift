import Admin
import Policy

extension Operations {
    static let zones: [Method<Gateway>] = [
        Method(ListZones.self) { gateway, _, _ in ListZones.Reply(gateway.policy, in: gateway.surroundings) },
        Method(AddZone.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "zone add \(call.zone)") { policy throws(Refusal) in
                try policy.add(call.zone, in: gateway.surroundings)
            }
        },
        Method(SetZone.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "zone set \(call.zone)") { policy throws(Refusal) in
                try policy.setZone(
                    named: call.zone.name, interfaces: call.zone.interfaces, in: gateway.surroundings)
            }
        },
        Method(RemoveZone.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "zone remove \(call.name)") { policy throws(Refusal) in
                try policy.removeZone(named: call.name, in: gateway.surroundings)
            }
        },
    ]
}
