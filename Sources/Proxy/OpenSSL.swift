import COpenSSL
import Policy

/// What every use of OpenSSL here has in common.
enum OpenSSL {
    /// Once, before anything else of the library is used for TLS: no configuration file. In the sandbox it could not be read,
    /// and what TLS is here must not depend on whether it could.
    static let isReady: Bool = OPENSSL_init_ssl(UInt64(OPENSSL_INIT_NO_LOAD_CONFIG), nil) == 1

    /// What the library says went wrong last on this thread; what it said before is forgotten.
    static func lastComplaint() -> String {
        let error = ERR_peek_last_error()
        ERR_clear_error()
        guard error != 0, let reason = ERR_reason_error_string(error) else { return "unknown error" }
        return String(cString: reason)
    }
}

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

/// Without it the library would ask on the terminal.
private let refusePassphrase:
    @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) ->
        Int32 = { _, _, _, _ in -1 }

private func withMemory<Value>(of text: String, _ body: (OpaquePointer) -> Value) -> Value {
    ERR_clear_error()
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { bytes in
        // A null address would mean something else than "nothing".
        withUnsafeBytes(of: 0 as UInt8) { nothing in
            guard let memory = BIO_new_mem_buf(bytes.baseAddress ?? nothing.baseAddress!, Int32(bytes.count)) else {
                fatalError("no memory for a BIO")
            }
            defer { BIO_free(memory) }
            return body(memory)
        }
    }
}

/// What `write` writes.
func text(_ write: (OpaquePointer) -> Int32) -> String {
    guard let memory = BIO_new(BIO_s_mem()), write(memory) >= 0 else {
        fatalError("no memory: \(OpenSSL.lastComplaint())")
    }
    defer { BIO_free(memory) }
    var start: UnsafeMutablePointer<CChar>?
    let count = openssl_memory(memory, &start)
    guard let start else { return "" }
    return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
}
