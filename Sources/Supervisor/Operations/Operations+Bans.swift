import Admin
import Policy

extension Operations {
    static let bans: [Method<Gateway>] = [
        Method(ListBans.self) { gateway, _, _ in await gateway.banReport() },
        Method(AddBan.self) { gateway, call, caller in
            AddBan.Reply(source: try await gateway.ban(call, by: caller).source)
        },
        Method(RemoveBan.self) { gateway, call, caller in
            RemoveBan.Reply(source: try await gateway.unban(call.source, by: caller))
        },
        Method(SetBanTerms.self) { gateway, call, caller in
            var shown = gateway.policy.bans
            call.change(&shown)
            return try await gateway.apply(by: caller, "ban set: \(shown)") { policy throws(Refusal) in
                var terms = policy.bans
                call.change(&terms)
                try policy.set(terms)
            }
        },
        Method(SpareNetwork.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "ban spare \(call.network)") { policy throws(Refusal) in
                try policy.spare(call.network)
            }
        },
        Method(UnspareNetwork.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "ban unspare \(call.network)") { policy throws(Refusal) in
                try policy.unspare(call.network)
            }
        },
    ]
}
