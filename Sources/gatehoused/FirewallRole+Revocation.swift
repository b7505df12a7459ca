import Ruleset

/// What is under way goes on behind rules about connections that exist, whatever becomes of the rule that let it begin: so it is ended
/// here. What no rule ever let begin, since it was there before there were any, goes on.
extension FirewallRole {
    /// Ends what the rules let begin that held until now, and `plan` does not: what others have begun with this machine, and what the
    /// machine itself has. Of both what a blocklist of networks refuses, whatever let it begin; what passes through is `RoutedFlows`'.
    ///
    /// - Parameters:
    ///   - plan: is in force, and on no trial.
    ///   - former: the plan that was in force right before; nil: this role had none.
    func endRevoked(by plan: Plan, since former: Plan?) {
        let rules = rules(before: plan, since: former)
        // nil: nothing was filtered.
        let held = former.flatMap { $0.isEnforced ? $0.ruleset : nil }
        if !rules.isEmpty, held != plan.ruleset || !plan.earlier.isEmpty { endArrivals(by: plan, since: rules) }
        // They stay where devices come and go.
        guard held?.exits != plan.ruleset.exits || !plan.earlier.isEmpty,
            !rules.isEmpty || !plan.ruleset.networkSets.isEmpty
        else { return }
        OwnFlows(addresses: plan.addresses, log: log).end("what this machine began and may begin no longer") {
            packet, cookie in
            let judgement = plan.ruleset.verdict(of: packet, among: elements)
            if judgement.isAccepted { return false }
            return judgement.asksForNetworks || rules.contains { $0.letBegin(packet, cookie, among: elements) }
        }
    }

    /// The rules by which something may have begun that nobody has judged yet. Of a trial nothing is ended while it lasts, so both of its
    /// parts are among them, and the rules that held before it.
    private func rules(before plan: Plan, since former: Plan?) -> [FormerRules] {
        func rules(_ plan: Plan) -> FormerRules {
            FormerRules(ruleset: plan.ruleset, listenerPorts: plan.listenerPorts)
        }
        var all = settled.map { [rules($0)] } ?? []
        if let former, former.isEnforced, former.ruleset.isTrial {
            var tried = rules(former)
            tried.older = knownBeforeTrial
            all.append(tried)
            // The role before this one knew the rules before the trial.
            if settled == nil, former.fallsBackToRules {
                tried = rules(former)
                tried.isTimeUp = true
                all.append(tried)
            }
        }
        all += plan.earlier.map { FormerRules(ruleset: $0, listenerPorts: plan.listenerPorts) }
        return all
    }

    /// Nothing is said of what is under way with an address that was taken from the machine: it may come back. Nor of what a listener
    /// let in that is gone: its sessions are the relay's to end, at once where the policy has it no longer, and in their time where the
    /// daemon stops.
    private func endArrivals(by plan: Plan, since rules: [FormerRules]) {
        arrivals.end("what is no longer let in") { packet, cookie in
            guard plan.addresses.contains(packet.destination) else { return false }
            let judgement = plan.ruleset.verdict(of: packet, among: elements)
            if judgement.isAccepted { return false }
            return rules.contains { rules in
                let isForListener =
                    switch packet.content {
                    case .tcp(let port), .udp(let port): rules.listenerPorts.contains(port)
                    default: false
                    }
                return (!isForListener || judgement.asksForNetworks)
                    && rules.letBegin(packet, cookie, among: elements)
            }
        }
    }
}
