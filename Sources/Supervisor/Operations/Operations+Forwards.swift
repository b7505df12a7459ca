import Admin
import Policy

extension Operations {
    static let forwards: [Method<Gateway>] = [
        Method(ListForwards.self) { gateway, _, _ in
            let counts = (try? await gateway.door.report())?.counts ?? []
            return ListForwards.Reply(
                forwards: gateway.policy.forwards.map { forward in
                    let own = counts.filter { $0.rule == forward.ruleName }
                    return ForwardStatus(
                        forward, isReachable: !own.isEmpty,
                        packets: own.isEmpty ? nil : own.reduce(0) { $0 &+ Int(clamping: $1.packets) })
                })
        },
        Method(AddForward.self) { gateway, call, caller in
            var applied = try await gateway.apply(by: caller, "forward add \(call.forward)") {
                policy throws(Refusal) in
                var forward = call.forward
                forward.until = forward.until.map(gateway.timekeeper.adopt)
                // A device about which nothing was decided yet is one from now on.
                forward.device = try gateway.adopt(forward.device, in: &policy) ?? forward.device
                try policy.add(forward, in: gateway.surroundings)
            }
            let who = call.forward.source.map { "\($0)" } ?? "everybody"
            applied.warnings.append(
                "\(call.forward.device) is reachable from the internet at \(call.forward.transport) "
                    + "\(call.forward.port), by \(who)")
            return applied
        },
        Method(RemoveForward.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "forward remove \(call.name)") { policy throws(Refusal) in
                try policy.removeForward(named: call.name)
            }
        },
    ]
}
