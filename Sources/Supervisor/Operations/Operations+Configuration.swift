import Admin
import Policy
import Store

extension Operations {
    static let configuration: [Method<Gateway>] = [
        Method(GetPolicy.self) { gateway, call, _ in
            var policy = gateway.policy
            if call.secrets != true {
                for index in policy.users.indices { policy.users[index].passwordHash = "" }
            }
            return GetPolicy.Reply(policy: policy)
        },
        Method(ListBlockedNames.self) { gateway, call, _ in
            guard let list = gateway.policy.blocklists.first(where: { $0.name == call.blocklist }) else {
                throw AdminError.notFound("there is no blocklist \(call.blocklist)")
            }
            return ListBlockedNames.Reply(
                names: gateway.lists.names(of: list, from: max(call.start, 0), atMost: 4000))
        },
        Method(Import.self) { gateway, call, caller in
            let draft = gateway.openDraft()
            defer { gateway.closeDraft(draft) }
            var refusals: [Import.Refused] = []
            for step in call.steps {
                do throws(AdminError) {
                    try await Operations.carryOut(step, by: caller, on: gateway, draft: draft)
                } catch {
                    refusals.append(Import.Refused(line: step.line, reason: error.reason))
                }
            }
            guard refusals.isEmpty, let made = gateway.drafts[draft] else {
                return Imported(Applied(revision: gateway.revision.id, changes: []), refusals: refusals)
            }
            let summary = "import of \(call.steps.count) line\(call.steps.count == 1 ? "" : "s")"
            let applied = try await gateway.apply(by: caller, summary) { policy throws(Refusal) in
                do throws(StoreError) {
                    policy = made.keepingRuleNumbers(of: policy, next: try gateway.store.nextRuleID())
                } catch {
                    throw Refusal("\(error)")
                }
            }
            return Imported(applied)
        },
    ]

    /// The calls that make something and do nothing beside.
    private static let steps: Set<String> = [
        AddZone.name, SetZone.name, AllowPassage.name, SetDevice.name, AddUser.name, AddListener.name,
        ChangeListener.name, AddRule.name, SetDefault.name, SetLimit.name, Open.name, AddForward.name,
        AddBlocklist.name, TrustDomain.name, SetBanTerms.name, SpareNetwork.name, SetSessionLogging.name,
        SetFirewallMode.name, SetEgress.name, AddExit.name,
    ]

    private static func carryOut(
        _ step: Import.Step, by caller: Caller, on gateway: isolated Gateway, draft: Int
    ) async throws(AdminError) {
        guard steps.contains(step.method), let method = all.first(where: { $0.call.name == step.method }) else {
            throw .refused("\(step.method) makes nothing of a configuration")
        }
        var caller = caller
        caller.manner = Manner()
        caller.draft = draft
        try await method.carryOut(step.parameters, by: caller, on: gateway)
    }
}
