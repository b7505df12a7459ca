import Admin
import Policy

extension Operations {
    static let limits: [Method<Gateway>] = [
        Method(ListLimits.self) { gateway, _, _ in ListLimits.Reply(limits: gateway.policy.limits) },
        Method(SetLimit.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "limit set \(call.limit)") { policy throws(Refusal) in
                try policy.set(call.limit)
            }
        },
        Method(RemoveLimit.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "limit remove \(call.subject)") { policy throws(Refusal) in
                _ = try policy.removeLimit(for: call.subject)
            }
        },
    ]
}
