import Address
import COpenSSL
package import Policy

/// The gateway's own small authority: it vouches for this gateway's https listeners and for nothing else. Devices that are to
/// trust them are given its certificate once (`gatehousectl tls export-ca`).
package enum CertificateAuthority {
    /// Ten years: every device has to be visited when it ends.
    private static let authorityDays = 3653
    /// Clients take no server certificate that is good for longer than 398 days (CA/Browser Forum BR §6.3.2; Apple).
    private static let leafDays = 397
    /// A machine without a clock starts in 1970. An authority that ended before anybody saw it would be of no use.
    private static let leastNow = 1_767_225_600
    /// Clocks of clients differ; a certificate from before the moment in which it was made suits all of them.
    private static let allowance = 86_400

    /// What the authority may vouch for, beside addresses: names that no public authority gives out, so that whoever steals
    /// its key cannot pass for a bank (RFC 5280 §4.2.1.10). RFC 6762 (local), RFC 8375 (home.arpa), RFC 9476 and ICANN's
    /// reservation (internal), and what routers use.
    private static let localNames = [
        "gateway", "localhost", "local", "lan", "home", "home.arpa", "internal", "localdomain", "fritz.box",
    ]

    /// A new authority.
    ///
    /// - Parameters:
    ///   - host: the machine's own name, which it may vouch for too.
    ///   - now: seconds since 1970.
    package static func make(host: String, at now: Int) throws(Refusal) -> ServerIdentity {
        let key = PrivateKey.new()
        var permitted = localNames
        if case .name(let name)? = try? Host(host), !permitted.contains(name) { permitted.append(name) }
        let constraints = permitted.map { "permitted;DNS:\($0)" }.joined(separator: ",")
        let draft = Draft(
            subject: "Gatehouse CA of \(Draft.plain(host))", key: key, from: max(now, leastNow), days: authorityDays)
        try draft.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
        try draft.add(NID_key_usage, "critical,keyCertSign,cRLSign")
        try draft.add(NID_name_constraints, "critical,\(constraints)")
        try draft.add(NID_subject_key_identifier, "hash")
        let certificate = try draft.sign(as: nil, with: key)
        return ServerIdentity(chain: certificate.pem, key: key.pem)
    }

    /// A new certificate with a new key for the gateway's https listeners.
    package static func issue(
        for wanted: CertificateNames, by authority: ServerIdentity, at now: Int
    ) throws(Refusal) -> ServerIdentity {
        guard let issuer = try Certificate.all(in: authority.chain).first else { throw Refusal("no authority") }
        let issuerKey = try PrivateKey(pem: authority.key)
        guard issuerKey.belongs(to: issuer) else { throw Refusal("the authority's key is not its certificate's") }
        guard issuer.facts.notAfter > now + allowance else {
            throw Refusal("the authority's own certificate has ended; make another one with `tls renew --authority`")
        }
        do throws(Refusal) {
            return try issue(for: wanted, by: issuer, issuerKey, at: now)
        } catch {
            // A name that the machine got after the authority was made.
            let names = wanted.names.filter { name in
                localNames.contains { name == $0 || name.hasSuffix(".\($0)") }
            }
            let rest = CertificateNames(names: names, addresses: wanted.addresses)
            guard rest != wanted else { throw error }
            return try issue(for: rest, by: issuer, issuerKey, at: now)
        }
    }

    private static func issue(
        for wanted: CertificateNames, by issuer: Certificate, _ issuerKey: PrivateKey, at now: Int
    ) throws(Refusal) -> ServerIdentity {
        let key = PrivateKey.new()
        // A clock that stands in 1970 is behind the authority that it made.
        let now = max(now, issuer.facts.notBefore + allowance)
        let draft = Draft(subject: "Gatehouse gateway", key: key, from: now, days: leafDays, within: issuer)
        let names = wanted.names.map { "DNS:\($0)" } + wanted.addresses.map { "IP:\($0)" }
        try draft.add(NID_basic_constraints, "critical,CA:FALSE")
        try draft.add(NID_key_usage, "critical,digitalSignature")
        try draft.add(NID_ext_key_usage, "serverAuth")
        try draft.add(NID_subject_alt_name, names.joined(separator: ","))
        try draft.add(NID_subject_key_identifier, "hash")
        try draft.add(NID_authority_key_identifier, "keyid:always", issuer: issuer)
        let leaf = try draft.sign(as: issuer, with: issuerKey)
        try leaf.verify(against: issuer, at: now)
        return ServerIdentity(chain: leaf.pem + issuer.pem, key: key.pem)
    }

    /// A certificate that is being made.
    private final class Draft {
        let certificate: OpaquePointer
        private let key: PrivateKey

        init(subject: String, key: PrivateKey, from now: Int, days: Int, within issuer: Certificate? = nil) {
            guard let certificate = X509_new() else { fatalError("no memory for a certificate") }
            self.certificate = certificate
            self.key = key
            X509_set_version(certificate, 2)
            // RFC 5280 §4.1.2.2: positive, at most 20 bytes; nobody can guess it.
            var serial = Password.randomBytes(16)
            serial[0] = serial[0] & 0x7f | 0x40
            let number = BN_bin2bn(serial, Int32(serial.count), nil)
            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate))
            BN_free(number)
            var end = now + days * 86_400 - allowance
            if let issuer { end = min(end, issuer.facts.notAfter) }
            ASN1_TIME_set(X509_getm_notBefore(certificate), now - allowance)
            ASN1_TIME_set(X509_getm_notAfter(certificate), end)
            X509_set_pubkey(certificate, key.pointer)
            X509_NAME_add_entry_by_NID(
                X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8, Array(subject.utf8),
                Int32(subject.utf8.count), -1, 0)
        }

        deinit {
            X509_free(certificate)
        }

        /// The most that a common name may have is 64 characters (RFC 5280, appendix A.1, ub-common-name).
        static func plain(_ host: String) -> String {
            String(host.unicodeScalars.filter { (0x21...0x7e).contains($0.value) }.prefix(40).map(Character.init))
        }

        func add(_ kind: Int32, _ value: String, issuer: Certificate? = nil) throws(Refusal) {
            ERR_clear_error()
            var context = v3_ext_ctx()
            X509V3_set_ctx(&context, issuer?.pointer ?? certificate, certificate, nil, nil, 0)
            guard let part = X509V3_EXT_conf_nid(nil, &context, kind, value) else {
                throw Refusal("\(value) cannot be put into a certificate: \(OpenSSL.lastComplaint())")
            }
            X509_add_ext(certificate, part, -1)
            X509_EXTENSION_free(part)
        }

        /// - Parameter issuer: nil: itself.
        func sign(as issuer: Certificate?, with key: PrivateKey) throws(Refusal) -> Certificate {
            X509_set_issuer_name(certificate, X509_get_subject_name(issuer?.pointer ?? certificate))
            guard X509_sign(certificate, key.pointer, EVP_sha256()) > 0, X509_up_ref(certificate) == 1 else {
                throw Refusal("the certificate cannot be signed: \(OpenSSL.lastComplaint())")
            }
            return Certificate(adopting: certificate)
        }
    }
}

extension Certificate {
    /// As a client does that trusts `authority` and nobody else.
    fileprivate func verify(against authority: Certificate, at now: Int) throws(Refusal) {
        let trusted = X509_STORE_new()
        let context = X509_STORE_CTX_new()
        defer {
            X509_STORE_CTX_free(context)
            X509_STORE_free(trusted)
            ERR_clear_error()
        }
        X509_STORE_add_cert(trusted, authority.pointer)
        X509_STORE_CTX_init(context, trusted, pointer, nil)
        X509_STORE_CTX_set_time(context, 0, now)
        X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER)
        guard X509_verify_cert(context) == 1 else {
            let why = String(cString: X509_verify_cert_error_string(Int(X509_STORE_CTX_get_error(context))))
            throw Refusal("the gateway's authority may not vouch for this certificate: \(why)")
        }
    }
}
