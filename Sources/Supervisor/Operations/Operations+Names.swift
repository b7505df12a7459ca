import Admin
import Policy

extension Operations {
    static let names: [Method<Gateway>] = [
        Method(ListTrustedDomains.self) { gateway, _, _ in
            ListTrustedDomains.Reply(domains: gateway.policy.trustedDomains)
        },
        Method(TrustDomain.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "name trust \(call.domain)") { policy throws(Refusal) in
                try policy.trust(domain: call.domain)
            }
        },
        Method(DistrustDomain.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "name distrust \(call.domain)") { policy throws(Refusal) in
                try policy.distrust(domain: call.domain)
            }
        },
    ]
}
