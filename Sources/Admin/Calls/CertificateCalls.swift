package import Policy

/// The calls about what https listeners show. They change no policy, so they make no revision.
enum CertificateCalls {
    static let all: [any Call.Type] = [
        GetCertificate.self, GetAuthority.self, UseCertificate.self, RenewCertificate.self,
    ]
}

package struct GetCertificate: Call {
    package typealias Reply = CertificateReport
    package static let documentation = """
        What the https listeners show their clients.
        certificate: null: nothing yet.
        isOwn: issued by the gateway's own authority.
        authority: the certificate of that authority; null: there is none yet.
        """

    package init() {}
}

package struct GetAuthority: Call {
    package static let documentation = """
        The certificate of the gateway's own authority, for devices that are to trust it. It is made if there is none.
        certificate: PEM.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var certificate: String

        package init(certificate: String) { self.certificate = certificate }
    }

    package init() {}
}

package struct UseCertificate: Call {
    package typealias Reply = CertificateReport
    package static let documentation = """
        What the https listeners show from now on. The reply is that of GetCertificate.
        certificate: PEM, the server's own first, then those that vouch for it; null, with the key: the gateway's own again.
        key: PEM, without a passphrase.
        """

    package var certificate: String?
    package var key: String?

    package init(certificate: String?, key: String?) {
        self.certificate = certificate
        self.key = key
    }
}

package struct RenewCertificate: Call {
    package typealias Reply = CertificateReport
    package static let documentation = """
        Issues a new certificate with a new key, by the gateway's own authority. The reply is that of GetCertificate.
        authority: makes another authority first; every device has to be given its certificate then.
        """

    package var authority: Bool

    package init(authority: Bool) { self.authority = authority }
}

/// What the https listeners show; `GetCertificate` documents the members.
package struct CertificateReport: Codable, Hashable, Sendable {
    package var certificate: CertificateFacts?
    package var isOwn: Bool
    package var authority: CertificateFacts?

    package init(certificate: CertificateFacts?, isOwn: Bool, authority: CertificateFacts?) {
        self.certificate = certificate
        self.isOwn = isOwn
        self.authority = authority
    }
}
