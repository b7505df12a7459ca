import Admin
import Policy

extension Operations {
    static let limits: [Method<Gateway>] = [
        Method(ListLimits.self) { gateway, _, _ in
            ListLimits.Reply(limits: gateway.policy.limits, standard: .standard(in: gateway.surroundings))
        },
        Method(SetLimit.self) { gateway, call, caller in
            let summary = "limit set \(call.subject): \(call.details)"
            return try await gateway.apply(by: caller, summary) { policy throws(Refusal) in
                var subject = call.subject
                if case .device(let device) = subject, let name = try gateway.adopt(device, in: &policy) {
                    subject = .device(name)
                }
                var limit =
                    policy.limits.first { $0.subject == subject } ?? .initial(for: subject, in: gateway.surroundings)
                call.change(&limit)
                try policy.set(limit)
            }
        },
        Method(RemoveLimit.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "limit remove \(call.subject)") { policy throws(Refusal) in
                _ = try policy.removeLimit(for: call.subject)
            }
        },
    ]
}
