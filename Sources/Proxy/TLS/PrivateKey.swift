import COpenSSL
import Policy

/// An EVP_PKEY.
final class PrivateKey {
    let pointer: OpaquePointer

    init(adopting pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        EVP_PKEY_free(pointer)
    }

    /// On the curve P-256, which every client knows and which costs the least.
    static func new() -> PrivateKey {
        guard let pointer = openssl_new_p256_key() else { fatalError("no key: \(OpenSSL.lastComplaint())") }
        return PrivateKey(adopting: pointer)
    }

    convenience init(pem: String) throws(Refusal) {
        let pointer = withMemory(of: pem) { PEM_read_bio_PrivateKey($0, nil, refusePassphrase, nil) }
        guard let pointer else {
            ERR_clear_error()
            let isEncrypted = ["-----BEGIN ENCRYPTED", "Proc-Type: 4,ENCRYPTED"].contains(where: pem.contains)
            throw Refusal(
                isEncrypted
                    ? "it is locked with a passphrase, and nobody is there to type it when the gateway starts; "
                        + "`openssl pkey -in FILE -out NEW` writes it without"
                    : "it holds no private key (-----BEGIN PRIVATE KEY-----) that can be read; PEM is wanted")
        }
        self.init(adopting: pointer)
    }

    var pem: String { text { PEM_write_bio_PrivateKey($0, pointer, nil, nil, 0, nil, nil) } }

    func belongs(to certificate: Certificate) -> Bool {
        defer { ERR_clear_error() }
        return X509_check_private_key(certificate.pointer, pointer) == 1
    }
}
