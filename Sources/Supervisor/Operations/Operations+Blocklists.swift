import Address
import Admin
import Policy

extension Operations {
    static let blocklists: [Method<Gateway>] = [
        Method(BringNames.self) { gateway, call, _ in
            try bring { () throws(Refusal) in try gateway.lists.bring(call.names, to: call.batch) }
        },
        Method(BringNetworks.self) { gateway, call, _ in
            try bring { () throws(Refusal) in
                try gateway.lists.bring(networks: Array(call.networks.utf8), to: call.batch)
            }
        },
        Method(AddBlocklist.self) { gateway, call, caller in
            let audience = [
                call.zone.map { " --zone \($0)" }, call.device.map { " --device \($0)" },
                call.direction.map { " --direction \($0.rawValue)" },
            ]
            let summary = "blocklist add \(call.name)" + audience.compactMap(\.self).joined()
            let former = gateway.policy.blocklists.first { $0.name == call.name }
            let kept: (content: String, count: Int)
            do throws(Refusal) {
                kept = try gateway.lists.keep(
                    batch: call.batch, ofNetworks: call.direction != nil, former: former)
            } catch {
                throw AdminError.refused(error.description)
            }
            defer {
                let drafted = caller.draft.flatMap { gateway.drafts[$0]?.blocklists } ?? []
                if !(gateway.policy.blocklists + drafted).contains(where: { $0.content == kept.content }) {
                    gateway.lists.drop(kept.content)
                }
            }
            return try await gateway.apply(by: caller, summary) { policy throws(Refusal) in
                try policy.set(
                    Blocklist(
                        name: call.name, zone: call.zone, device: call.device, direction: call.direction,
                        count: kept.count, content: kept.content)
                )
            }
        },
        Method(ListBlocklists.self) { gateway, _, _ in
            let refusals = await gateway.refusals()
            let counts = gateway.policy.networkLists.isEmpty ? [] : (try? await gateway.door.report())?.counts ?? []
            return ListBlocklists.Reply(
                blocklists: gateway.policy.blocklists.map { list in
                    ListBlocklists.Blocklist(
                        name: list.name, zone: list.zone, device: list.device, direction: list.direction,
                        count: list.count,
                        refusals: list.direction == nil
                            ? refusals.filter { $0.list == list.name }.map { refusal in
                                BlocklistRefusals(device: gateway.nameOfMember(refusal.member), count: refusal.count)
                            }
                            : [
                                BlocklistRefusals(
                                    device: nil,
                                    count: counts.reduce(0) {
                                        $1.rule == list.ruleName ? $0 + Int(clamping: $1.packets) : $0
                                    })
                            ])
                })
        },
        Method(RemoveBlocklist.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "blocklist remove \(call.name)") { policy throws(Refusal) in
                try policy.removeBlocklist(named: call.name)
            }
        },
    ]

    private static func bring(
        _ part: () throws(Refusal) -> (batch: String, count: Int)
    ) throws(AdminError) -> BringNames.Reply {
        do throws(Refusal) {
            let result = try part()
            return BringNames.Reply(batch: result.batch, count: result.count)
        } catch {
            throw AdminError.refused(error.description)
        }
    }
}

extension Gateway {
    /// What the role for names has refused; nothing where it cannot be asked.
    fileprivate func refusals() async -> [NameRefusal] {
        do throws(Refusal) {
            return try await fleet[.names]?.nameRefusals() ?? []
        } catch {
            return []
        }
    }

    /// nil: nobody knows it any more.
    fileprivate func nameOfMember(_ number: UInt16) -> String? {
        policy.deviceNames(in: surroundings.household)[number]
    }
}
