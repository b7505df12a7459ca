import Address
import COpenSSL
import Glibc
package import Policy

// Reading certificates, and looking whether those that an operator brings will do.

extension CertificateFacts {
    /// The facts of the first certificate in a PEM text.
    package init(pem: String) throws(Refusal) {
        self = try Certificate.all(in: pem)[0].facts
    }
}

extension ServerIdentity {
    /// What would make clients or the library refuse it. The chain is put into order by nobody: clients that are strict
    /// would show a warning.
    ///
    /// - Parameter now: seconds since 1970.
    package func check(at now: Int) throws(Refusal) {
        let certificates: [Certificate]
        do throws(Refusal) { certificates = try Certificate.all(in: chain) } catch {
            throw Refusal("the certificate: \(error)")
        }
        let privateKey: PrivateKey
        do throws(Refusal) { privateKey = try PrivateKey(pem: key) } catch { throw Refusal("the key: \(error)") }
        let leaf = certificates[0]
        guard privateKey.belongs(to: leaf) else {
            let other = certificates.dropFirst().first { privateKey.belongs(to: $0) }
            throw Refusal(
                other.map {
                    "the key is that of \($0.facts.subject), which has to be the first certificate in its file"
                }
                    ?? "the key is not that of the certificate (\(leaf.facts.subject))")
        }
        for certificate in certificates {
            let facts = certificate.facts
            guard facts.notAfter > now else {
                throw Refusal("the certificate of \(facts.subject) ended on \(date(facts.notAfter))")
            }
            guard facts.notBefore <= now else {
                throw Refusal("the certificate of \(facts.subject) begins only on \(date(facts.notBefore))")
            }
        }
        for (certificate, issuer) in zip(certificates, certificates.dropFirst()) where !certificate.isIssued(by: issuer)
        {
            throw Refusal(
                "the chain is out of order: \(certificate.facts.subject) was issued by \(certificate.facts.issuer), "
                    + "and the certificate after it is that of \(issuer.facts.subject)")
        }
        guard !leaf.facts.names.isEmpty || !leaf.facts.addresses.isEmpty else {
            throw Refusal(
                "the certificate of \(leaf.facts.subject) names no host (subjectAltName), and no client looks elsewhere "
                    + "(RFC 6125 §6.4.4)")
        }
        // What remains is the library's: a key that is too short, an algorithm that it does not take.
        _ = try TLSServer(self)
    }
}

extension Certificate {
    var facts: CertificateFacts {
        var names: [String] = []
        var addresses: [IPAddress] = []
        if let list = X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil) {
            let list = OpaquePointer(list)
            for index in 0..<OPENSSL_sk_num(list) {
                guard let name = OPENSSL_sk_value(list, index) else { continue }
                var kind: Int32 = 0
                guard let value = GENERAL_NAME_get0_value(name.assumingMemoryBound(to: GENERAL_NAME.self), &kind)
                else { continue }
                // Of other kinds the value is no string (GENERAL_NAME_get0_value(3)).
                guard kind == GEN_DNS || kind == GEN_IPADD else { continue }
                let bytes = bytes(of: UnsafePointer(value.assumingMemoryBound(to: ASN1_STRING.self)))
                if kind == GEN_DNS { names.append(String(decoding: bytes, as: UTF8.self)) }
                if kind == GEN_IPADD, let address = IPAddress(bytes) { addresses.append(address) }
            }
            GENERAL_NAMES_free(list)
        }
        return CertificateFacts(
            subject: oneLine(X509_get_subject_name(pointer)), issuer: oneLine(X509_get_issuer_name(pointer)),
            names: names, addresses: addresses, notBefore: seconds(X509_get0_notBefore(pointer)),
            notAfter: seconds(X509_get0_notAfter(pointer)), fingerprint: fingerprint)
    }

    private var fingerprint: String {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        X509_digest(pointer, EVP_sha256(), &digest, &length)
        return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined(separator: ":")
    }

    /// As RFC 2253 writes it, `CN=Gatehouse gateway`; what is no printable character is escaped.
    private func oneLine(_ name: OpaquePointer?) -> String {
        text { X509_NAME_print_ex($0, name, 0, openssl_rfc2253) }
    }

    private func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int {
        var parts = tm()
        guard ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
        return timegm(&parts)
    }
}

private func bytes(of string: UnsafePointer<ASN1_STRING>) -> [UInt8] {
    let start = ASN1_STRING_get0_data(string)
    return Array(UnsafeBufferPointer(start: start, count: Int(ASN1_STRING_length(string))))
}

extension IPAddress {
    /// From an iPAddress of a subjectAltName (RFC 5280 §4.2.1.6).
    fileprivate init?(_ bytes: [UInt8]) {
        switch bytes.count {
        case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16: self = .v6(bytes.reduce(0) { $0 << 8 | UInt128($1) })
        default: return nil
        }
    }
}

/// `2026-11-24`, UTC.
private func date(_ seconds: Int) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    var text = [CChar](repeating: 0, count: 32)
    strftime(&text, text.count, "%Y-%m-%d", &parts)
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}
