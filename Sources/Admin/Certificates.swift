package import Policy

// The calls about what https listeners show. They change no policy, so they make no revision.

package struct GetCertificate: Call {
    package typealias Reply = CertificateReport
    package static let method = Method.getCertificate
    package init() {}
}

package struct GetAuthority: Call {
    package struct Reply: Codable, Hashable, Sendable {
        /// PEM.
        package var certificate: String
    }
    package static let method = Method.getAuthority
    package init() {}
}

package struct UseCertificate: Call {
    package typealias Reply = CertificateReport
    package static let method = Method.useCertificate
    /// PEM, the server's own first; nil, with the key: the gateway's own again.
    package var certificate: String?
    package var key: String?

    package init(certificate: String?, key: String?) {
        self.certificate = certificate
        self.key = key
    }
}

package struct RenewCertificate: Call {
    package typealias Reply = CertificateReport
    package static let method = Method.renewCertificate
    /// Another authority, too: every device has to be given its certificate then.
    package var authority: Bool
    package init(authority: Bool) { self.authority = authority }
}

package struct CertificateReport: Codable, Hashable, Sendable {
    /// nil: nothing yet.
    package var certificate: CertificateFacts?
    /// Issued by the gateway's own authority.
    package var isOwn: Bool
    /// nil: there is none yet.
    package var authority: CertificateFacts?

    package init(certificate: CertificateFacts?, isOwn: Bool, authority: CertificateFacts?) {
        self.certificate = certificate
        self.isOwn = isOwn
        self.authority = authority
    }
}

/// Who carries them out; see `AdminHandler`.
package protocol CertificateHandler {
    func certificate() async throws(AdminError) -> CertificateReport
    /// The authority's certificate as PEM.
    func authority() async throws(AdminError) -> String
    func useCertificate(_ certificate: String?, key: String?, by author: Author) async throws(AdminError)
        -> CertificateReport
    func renewCertificate(authority: Bool, by author: Author) async throws(AdminError) -> CertificateReport
}
