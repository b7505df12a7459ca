import Admin
import Logging
import Policy

extension Operations {
    static let certificates: [Method<Gateway>] = [
        Method(GetCertificate.self) { gateway, _, _ in
            // Also a certificate that no listener shows yet. Nothing is issued and nothing is written: to look changes nothing.
            try gateway.certificates.load()
            return try gateway.certificateReport()
        },
        Method(GetAuthority.self) { gateway, _, _ in
            GetAuthority.Reply(certificate: try gateway.certificates.exportAuthority(at: gateway.now))
        },
        Method(UseCertificate.self) { gateway, call, caller in
            switch (call.certificate, call.key) {
            case (let certificate?, let key?):
                try gateway.certificates.use(ServerIdentity(certificates: certificate, key: key), at: gateway.now)
                return try await gateway.show("another certificate", by: caller)
            case (nil, nil):
                try gateway.certificates.useOwn(for: gateway.names(for: gateway.policy), at: gateway.now)
                return try await gateway.show("the gateway's own certificate", by: caller)
            default:
                throw Refusal("a certificate comes with its key; give both, or neither to go back to the gateway's own")
            }
        },
        Method(RenewCertificate.self) { gateway, call, caller in
            if gateway.certificates.facts != nil, !gateway.certificates.isOwn {
                throw Refusal(
                    "the certificate in force was brought with `tls use` and cannot be renewed here; bring the next one, "
                        + "or go back to the gateway's own with `gatehousectl tls use --own`")
            }
            guard let names = gateway.names(for: gateway.policy) else {
                throw Refusal(
                    "there is no https listener to renew a certificate for; `gatehousectl listener add https`")
            }
            if call.authority {
                try gateway.certificates.replaceAuthority(for: names, at: gateway.now)
                return try await gateway.show("another authority and a new certificate", by: caller)
            }
            try gateway.certificates.renew(for: names, at: gateway.now)
            return try await gateway.show("a new certificate", by: caller)
        },
    ]
}

extension Gateway {
    /// Hands the certificate in force to the http role. Sessions that are open go on with the one that they began with.
    fileprivate func show(_ what: String, by caller: Caller) async throws(Refusal) -> CertificateReport {
        log.notice("https listeners are to show \(what)", metadata: ["author": "\(caller.author.name)"])
        if let failure = await reload() {
            throw Refusal(
                "\(what) is there, but the https listeners do not show it yet, which is tried again: \(failure)")
        }
        return try certificateReport()
    }

    fileprivate func certificateReport() throws(Refusal) -> CertificateReport {
        if let identityFailure, certificates.facts == nil { throw identityFailure }
        return CertificateReport(
            certificate: certificates.facts, isOwn: certificates.isOwn, authority: try certificates.authorityFacts())
    }
}
