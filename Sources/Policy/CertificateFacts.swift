package import Address

/// What a certificate says.
package struct CertificateFacts: Codable, Hashable, Sendable {
    package var subject: String
    package var issuer: String
    package var names: [String]
    package var addresses: [IPAddress]
    /// Seconds since 1970, UTC, both inclusive (RFC 5280 §4.1.2.5).
    package var notBefore: Int
    package var notAfter: Int
    /// SHA-256 over the whole certificate: pairs of hexadecimal digits with colons between them.
    package var fingerprint: String

    package init(
        subject: String, issuer: String, names: [String], addresses: [IPAddress], notBefore: Int, notAfter: Int,
        fingerprint: String
    ) {
        self.subject = subject
        self.issuer = issuer
        self.names = names
        self.addresses = addresses
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.fingerprint = fingerprint
    }

    /// Whether less than a third of its time is left at `now`: early enough that a gateway that is off for months starts
    /// with a good one, and that a failure to renew is seen long before it hurts.
    package func isEnding(at now: Int) -> Bool {
        notAfter - now < (notAfter - notBefore) / 3
    }

    /// Whether it is for all of these addresses. One that is for more, because a listener is gone, is no worse for it; and a
    /// new name of the machine can wait for the next one.
    package func covers(_ wanted: CertificateNames) -> Bool {
        wanted.addresses.allSatisfy(addresses.contains)
    }
}
