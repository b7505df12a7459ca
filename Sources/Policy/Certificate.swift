// What an https listener shows its clients, and when it is time for another one.

package import Address

/// A certificate with those that vouch for it, and its key, all as PEM. It has no description: the key must not reach a log
/// by accident.
package struct ServerIdentity: Codable, Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// The server's own certificate first (RFC 8446 §4.4.2).
    package var chain: String
    package var key: String

    package init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }

    /// What of two PEM texts is certificates, and what is a key; it may be one text that holds all.
    package init(certificates: String, key: String) {
        chain = pemBlocks(of: certificates) { $0.hasSuffix("CERTIFICATE-----") }
        self.key = pemBlocks(of: key) { $0.hasSuffix("PRIVATE KEY-----") }
    }

    /// Both as one text: a file of its own is replaced as a whole.
    package var pem: String { key + chain }

    package var description: String { "server identity" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// How clients name the gateway when they connect to its https listeners: what a certificate has to be for.
package struct CertificateNames: Codable, Hashable, Sendable {
    /// In lower case.
    package var names: [String]
    package var addresses: [IPAddress]

    package init(names: [String], addresses: [IPAddress]) {
        self.names = names
        self.addresses = addresses
    }
}

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

/// The blocks of a PEM text (RFC 7468) whose first line is wanted.
private func pemBlocks(of text: String, where isWanted: (Substring) -> Bool) -> String {
    var blocks = ""
    var isInside = false
    for line in text.split(whereSeparator: \.isNewline) {
        if line.hasPrefix("-----BEGIN ") { isInside = isWanted(line) }
        if isInside { blocks += line + "\n" }
        if line.hasPrefix("-----END ") { isInside = false }
    }
    return blocks
}

extension Policy {
    /// What the certificate of the https listeners has to be for; nil if there are none.
    ///
    /// - Parameter host: the machine's name.
    package func certificateNames(in surroundings: Surroundings, host: String) -> CertificateNames? {
        let listeners = self.listeners.filter { $0.kind == .https }
        guard !listeners.isEmpty else { return nil }
        var names = ["gateway", "localhost"]
        // Names that are none, or an address's, are nothing to put into a certificate.
        if let own = try? Host(host), case .name(let name) = own, !name.utf8.contains(UInt8(ascii: "_")) {
            names.insert(name, at: 0)
            // What multicast DNS answers to (RFC 6762 §3).
            if !name.utf8.contains(UInt8(ascii: ".")) { names.insert("\(name).local", at: 1) }
        }
        var addresses: [IPAddress] = []
        for listener in listeners {
            for address in surroundings.addresses(of: listener) where !addresses.contains(address) {
                addresses.append(address)
            }
        }
        var seen: Set<String> = []
        return CertificateNames(names: names.filter { seen.insert($0).inserted }, addresses: addresses)
    }
}

extension Surroundings {
    /// The addresses on which clients reach `listener`, without those that mean nothing beyond one link.
    fileprivate func addresses(of listener: Listener) -> [IPAddress] {
        let own = listener.endpoint.address.unmapped
        guard own.isUnspecified else { return [own] }
        return interfaces.filter { listener.interface == nil || listener.interface == $0.name }
            .flatMap(\.addresses).map(\.address)
            .filter { address in
                guard address.special != .linkLocal else { return false }
                return switch (address, own) {
                case (.v4, .v4), (.v6, .v6): true
                default: false
                }
            }
    }
}
