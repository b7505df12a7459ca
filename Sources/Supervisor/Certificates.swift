import Admin
import CLinux
import Glibc
import Logging
import Policy

// What the https listeners show: when there has to be something new, and what the operator can ask for.

extension Gateway {
    private var now: Int { time(nil) }

    private func names(for policy: Policy) -> CertificateNames? {
        policy.certificateNames(in: surroundings, host: hostName())
    }

    /// Sees to it that there is something to show for the https listeners of `target`. What stands in the way is noted and
    /// said once; every other listener goes on without it.
    func refreshIdentity(for target: Policy) {
        guard let names = names(for: target) else { return noteIdentity(failure: nil) }
        // The http role has no right to load the module, and will find it there.
        _ = linux_has_kernel_tls()
        do throws(Refusal) {
            identity = try certificates.identity(for: names, at: now)
            noteIdentity(failure: nil)
        } catch {
            // Better the one that is running out, or that lacks an address, than none.
            identity = certificates.identity ?? identity
            noteIdentity(failure: error)
        }
    }

    private func noteIdentity(failure: Refusal?) {
        if let failure, failure != identityFailure { log.error("https listeners have no new certificate: \(failure)") }
        identityFailure = failure
    }

    /// Whether the http role is to be given something else than it has. A failure is looked at again each time, since its
    /// remedy may be a file that was put back.
    func isIdentityStale() -> Bool {
        guard let names = names(for: policy) else { return false }
        if identityFailure != nil { refreshIdentity(for: policy) }
        guard identityFailure == nil else { return false }
        // Whoever asked for the certificate in the meantime has refreshed it, and given it to nobody.
        let isShown = processes.allSatisfy { $0.role != .http || !$0.isRunning || $0.identity == identity }
        return !isShown || certificates.isDue(for: names, at: now)
    }

    /// What the operator should know of it.
    var certificateWarnings: [String] {
        guard names(for: policy) != nil else { return [] }
        if let identityFailure { return ["https listeners have no new certificate: \(identityFailure)"] }
        guard !certificates.isOwn, let facts = certificates.facts, facts.notAfter - now < 21 * 86_400 else { return [] }
        let days = (facts.notAfter - now) / 86_400
        let end = facts.notAfter <= now ? "has ended" : "ends in \(days) day\(days == 1 ? "" : "s")"
        return ["the certificate of the https listeners \(end); bring the next one with `gatehousectl tls use`"]
    }
}

extension Gateway: CertificateHandler {
    func certificate() async throws(AdminError) -> CertificateReport {
        // Also what no listener shows yet.
        try carryOut { () throws(Refusal) in try certificates.load() }
        refreshIdentity(for: policy)
        return try report()
    }

    func authority() async throws(AdminError) -> String {
        try carryOut { () throws(Refusal) in try certificates.exportAuthority(at: now) }
    }

    func useCertificate(
        _ certificate: String?, key: String?, by author: Author
    ) async throws(AdminError) -> CertificateReport {
        switch (certificate, key) {
        case (let certificate?, let key?):
            let given = ServerIdentity(certificates: certificate, key: key)
            try carryOut { () throws(Refusal) in try certificates.use(given, at: now) }
        case (nil, nil):
            try carryOut { () throws(Refusal) in try certificates.useOwn(for: names(for: policy), at: now) }
        default:
            throw .refused("a certificate comes with its key; give both, or neither to go back to the gateway's own")
        }
        try await show(by: author, certificate == nil ? "the gateway's own certificate" : "another certificate")
        return try report()
    }

    func renewCertificate(authority: Bool, by author: Author) async throws(AdminError) -> CertificateReport {
        if certificates.facts != nil, !certificates.isOwn {
            throw .refused(
                "the certificate in force was brought with `tls use` and is nobody's here to renew; bring the next one, "
                    + "or go back to the gateway's own with `gatehousectl tls use --own`")
        }
        guard let names = names(for: policy) else {
            throw .refused("there is no https listener to renew a certificate for; `gatehousectl listener add https`")
        }
        try carryOut { () throws(Refusal) in
            if authority {
                try certificates.replaceAuthority(for: names, at: now)
            } else {
                try certificates.renew(for: names, at: now)
            }
        }
        try await show(by: author, authority ? "another authority and a new certificate" : "a new certificate")
        return try report()
    }

    /// Hands it to the http role. Sessions that are open go on with what they began with.
    private func show(by author: Author, _ what: String) async throws(AdminError) {
        log.notice("https listeners are to show \(what)", metadata: ["author": "\(author.name)"])
        guard let failure = await reload() else { return }
        throw .refused("\(what) is there, but the https listeners do not show it yet, which is tried again: \(failure)")
    }

    private func report() throws(AdminError) -> CertificateReport {
        try carryOut { () throws(Refusal) in
            if let identityFailure, certificates.facts == nil { throw identityFailure }
            return CertificateReport(
                certificate: certificates.facts, isOwn: certificates.isOwn, authority: try certificates.authorityFacts()
            )
        }
    }

    private func carryOut<Value>(_ body: () throws(Refusal) -> Value) throws(AdminError) -> Value {
        do throws(Refusal) {
            return try body()
        } catch {
            throw .refused(error.description)
        }
    }
}
