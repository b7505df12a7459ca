import COpenSSL
import Policy

/// An X509.
final class Certificate {
    let pointer: OpaquePointer

    init(adopting pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        X509_free(pointer)
    }

    /// The certificates in a PEM text, in its order.
    static func all(in pem: String) throws(Refusal) -> [Certificate] {
        let certificates = withMemory(of: pem) { memory in
            var certificates: [Certificate] = []
            while let pointer = PEM_read_bio_X509(memory, nil, refusePassphrase, nil) {
                certificates.append(Certificate(adopting: pointer))
            }
            return certificates
        }
        let error = ERR_peek_last_error()
        ERR_clear_error()
        // The end of the text shows as the lack of a first line.
        guard openssl_error_reason(error) == PEM_R_NO_START_LINE || error == 0 else {
            throw Refusal("it is damaged: a certificate in it cannot be read")
        }
        guard !certificates.isEmpty else {
            throw Refusal("it holds no certificate (-----BEGIN CERTIFICATE-----); PEM is wanted")
        }
        return certificates
    }

    var pem: String { text { PEM_write_bio_X509($0, pointer) } }

    /// Whether `other` vouches for this one: by name, key identifier and signature.
    func isIssued(by other: Certificate) -> Bool {
        defer { ERR_clear_error() }
        return X509_check_issued(other.pointer, pointer) == X509_V_OK
            && X509_verify(pointer, X509_get0_pubkey(other.pointer)) == 1
    }
}
