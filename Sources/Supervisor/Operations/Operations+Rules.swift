import Admin
import Policy
import Store

extension Operations {
    static let rules: [Method<Gateway>] = [
        Method(ListRules.self) { gateway, _, _ in
            ListRules.Reply(
                rules: gateway.policy.rules, defaultAction: gateway.policy.defaultAction,
                refusals: await gateway.refusalsByRules())
        },
        Method(AddRule.self) { gateway, call, caller in
            var id = 0
            var call = call
            let summary = "rule add \(call.rule(id: id))"
            let applied = try await gateway.apply(by: caller, summary) { policy throws(Refusal) in
                // The store's number: the policy alone does not know which ones removed rules had. A draft has
                // rules that the store does not know yet. Asked for when it is
                // this change's turn: two at once must not get the same.
                do throws(StoreError) {
                    id = max(try gateway.store.nextRuleID(), (policy.rules.map(\.id).max() ?? 0) + 1)
                } catch {
                    throw Refusal("\(error)")
                }
                call.device = try gateway.adopt(call.device, in: &policy)
                try policy.add(call.rule(id: id))
            }
            return AppliedRule(id: id, applied)
        },
        Method(RemoveRule.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "rule remove \(call.id)") { policy throws(Refusal) in
                _ = try policy.removeRule(call.id)
            }
        },
        Method(SetDefault.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "rule default \(call.action)") { policy throws(Refusal) in
                policy.defaultAction = call.action
            }
        },
    ]
}
