import Admin
import Policy
import Ruleset
import Store

extension Operations {
    static let firewall: [Method<Gateway>] = [
        Method(GetFirewall.self) { gateway, _, _ in
            let report = try await gateway.door.report()
            // Between its start and the first ruleset.
            if report?.ruleset.isEmpty == true { throw Refusal("the firewall role is starting; try again") }
            return FirewallReport(
                mode: gateway.firewallMode, door: await gateway.door.state(gateway.firewallMode),
                ruleset: report?.ruleset ?? "",
                openings: gateway.policy.openings, zones: gateway.policy.zones)
        },
        Method(SetFirewallMode.self) { gateway, call, caller in
            try await gateway.setFirewall(call.mode, by: caller)
        },
        Method(ListDroppedPackets.self) { gateway, call, _ in
            let name = try gateway.deviceName(call.device)
            guard let role = gateway.fleet[.firewall], role.isRunning else {
                throw Refusal("the firewall role is starting; try again")
            }
            let all = try await role.droppedPackets().filter { name == nil || $0.device == name }
            let totals = name == nil ? gateway.stopped(by: try? await role.report()) : []
            return ListDroppedPackets.Reply(packets: all.suffix(max(0, call.limit ?? 100)), totals: totals)
        },
        Method(ListOpenings.self) { gateway, _, _ in
            let times = try gateway.read { () throws(StoreError) in try gateway.store.openingTimes() }
            let counts = (try? await gateway.door.report())?.counts ?? []
            return ListOpenings.Reply(
                openings: gateway.policy.openings.map { opening in
                    let own = counts.filter { $0.rule == opening.name }
                    return OpeningStatus(
                        opening, since: times[opening.name],
                        isOpenToInternet: gateway.policy.isOpenToInternet(opening),
                        packets: own.isEmpty ? nil : own.reduce(0) { $0 &+ Int(clamping: $1.packets) },
                        bytes: own.isEmpty ? nil : own.reduce(0) { $0 &+ Int(clamping: $1.bytes) })
                })
        },
        Method(Open.self) { gateway, call, caller in
            var applied = try await gateway.apply(by: caller, "firewall open \(call.opening)") {
                policy throws(Refusal) in
                var opening = call.opening
                opening.until = opening.until.map(gateway.timekeeper.adopt)
                try policy.open(opening, in: gateway.surroundings)
            }
            if let opening = gateway.policy.openings.first(where: { $0.name == call.opening.name }),
                opening.place != .anywhere || opening.source != nil, gateway.policy.isOpenToInternet(opening)
            {
                let who = opening.source.map { "\($0)" } ?? "everybody"
                applied.warnings.append("the opening \(opening.name) is reachable from the internet, by \(who)")
            }
            return applied
        },
        Method(Close.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "firewall close \(call.name)") { policy throws(Refusal) in
                _ = try policy.closeOpening(named: call.name)
            }
        },
    ]
}

extension Gateway {
    fileprivate func setFirewall(_ mode: FirewallMode, by caller: Caller) async throws(AdminError) -> Applied {
        // An import that leaves the mode as it is asks for nothing.
        let isAsBefore = caller.draft != nil && mode == policy.firewall
        if let imposed = options.firewall, imposed.mode != mode || imposed == .off, !isAsBefore {
            throw .refused(
                "gatehoused runs with --firewall \(imposed.rawValue); start it without the option to choose the mode here"
            )
        }
        if caller.draft != nil {
            return try await apply(by: caller, "") { policy throws(Refusal) in policy.firewall = mode }
        }
        // `observe` also removes a table that an earlier daemon left.
        if mode == .observe, caller.manner.dryRun != true { door.claim() }
        let applied = try await apply(by: caller, "firewall \(mode)") { policy throws(Refusal) in
            policy.firewall = mode
        }
        guard applied.changes.isEmpty, caller.manner.dryRun != true else { return applied }
        // In force already, but somebody may have taken it from the kernel, or left one there.
        if let failure = await reload() { throw .refused(failure.description) }
        return Applied(revision: applied.revision, changes: [], warnings: warnings)
    }
}

extension Gateway {
    /// What the rules that stop something have counted, most first.
    fileprivate func stopped(by report: Report?) -> [ListDroppedPackets.Total] {
        let reasons = Set(
            rules(of: policy)?.chains.flatMap(\.rules).filter(\.stops).compactMap(\.comment) ?? [])
        let counts = (report?.counts ?? []).filter { reasons.contains($0.rule) && $0.packets > 0 }
        return Dictionary(grouping: counts, by: \.rule).map { reason, counts in
            ListDroppedPackets.Total(reason: reason, packets: counts.reduce(0) { $0 &+ Int(clamping: $1.packets) })
        }.sorted { ($1.packets, $0.reason) < ($0.packets, $1.reason) }
    }
}
