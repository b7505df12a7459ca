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
            let summary = "zone set \(call.name): \(call.details(besides: "name"))"
            var applied = try await gateway.apply(by: caller, summary) { policy throws(Refusal) in
                try policy.changeZone(named: call.name, in: gateway.surroundings) { call.change(&$0) }
            }
            if gateway.policy.zone(named: call.name)?.service?.dhcp == true {
                applied.warnings += gateway.prefixWarnings
            }
            return applied
        },
        Method(RemoveZone.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "zone remove \(call.name)") { policy throws(Refusal) in
                try policy.removeZone(named: call.name, in: gateway.surroundings)
            }
        },
        Method(AllowPassage.self) { gateway, call, caller in
            let passage = Passage(from: call.from, to: call.to, services: call.services)
            return try await gateway.apply(by: caller, "zone allow \(passage)") { policy throws(Refusal) in
                try policy.allow(passage)
            }
        },
        Method(DenyPassage.self) { gateway, call, caller in
            let ends = Passage.Ends(from: call.from, to: call.to)
            return try await gateway.apply(by: caller, "zone deny \(ends)") { policy throws(Refusal) in
                try policy.deny(ends)
            }
        },
    ]
}
