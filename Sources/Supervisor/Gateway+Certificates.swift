import Admin
import CLinux
import Glibc
import Logging
import Policy

// The certificate of the https listeners, and when a new one is due.

extension Gateway {
    /// Seconds since 1970, by the machine's clock or in its place.
    var now: Int { timekeeper.now }

    func names(for policy: Policy) -> CertificateNames? {
        policy.certificateNames(in: surroundings, host: hostName())
    }

    /// Gets a certificate for the https listeners of `target`. A failure is noted and logged once; every other listener goes on
    /// without it.
    func refreshIdentity(for target: Policy) {
        guard let names = names(for: target) else { return noteIdentity(failure: nil) }
        // Loads the kernel's module for TLS, for which the http role has no right.
        _ = linux_has_kernel_tls()
        do throws(Refusal) {
            identity = try certificates.identity(for: names, at: now)
            noteIdentity(failure: nil)
        } catch {
            // A certificate that is running out, or that lacks an address, is better than none.
            identity = certificates.identity ?? identity
            noteIdentity(failure: error)
        }
    }

    private func noteIdentity(failure: Refusal?) {
        if let failure, failure != identityFailure { log.error("https listeners have no new certificate: \(failure)") }
        identityFailure = failure
    }

    /// Whether the http role needs another certificate than it has. A failure is tried again each time, since its remedy may
    /// be a file that was put back.
    func isIdentityStale() -> Bool {
        guard let names = names(for: policy) else { return false }
        if identityFailure != nil { refreshIdentity(for: policy) }
        guard identityFailure == nil else { return false }
        // A GetCertificate may have renewed it without giving it to the http role.
        let isShown = processes.allSatisfy { $0.role != .http || !$0.isRunning || $0.identity == identity }
        return !isShown || certificates.isDue(for: names, at: now)
    }

    /// Warnings about the certificate.
    var certificateWarnings: [String] {
        guard names(for: policy) != nil else { return [] }
        if let identityFailure { return ["https listeners have no new certificate: \(identityFailure)"] }
        guard !certificates.isOwn, let facts = certificates.facts, facts.notAfter - now < 21 * 86_400 else { return [] }
        let days = (facts.notAfter - now) / 86_400
        let end = facts.notAfter <= now ? "has ended" : "ends in \(days) day\(days == 1 ? "" : "s")"
        return ["the certificate of the https listeners \(end); bring the next one with `gatehousectl tls use`"]
    }
}
