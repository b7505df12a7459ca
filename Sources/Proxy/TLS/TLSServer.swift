import CLinux
import COpenSSL
package import Policy

/// What an https listener shows its clients, and how it speaks TLS with them: an SSL_CTX. Connections go on with the one that
/// they began with, however often it is replaced.
package final class TLSServer: Sendable {
    private nonisolated(unsafe) let context: OpaquePointer
    /// The kernel can take the encryption over (TLS_TX, kernel documentation networking/tls).
    private let kernelCanEncrypt: Bool

    /// Forward secrecy and authenticated encryption, and nothing else, in TLS 1.2. Of what a client offers the cheapest comes
    /// first; one that has no AES in hardware says so by preferring ChaCha20, and is heeded (SSL_OP_PRIORITIZE_CHACHA).
    private static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!SHA1"
    private static let suites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"

    package init(_ identity: ServerIdentity) throws(Refusal) {
        guard OpenSSL.isReady, let context = SSL_CTX_new(TLS_server_method()) else {
            throw Refusal("OpenSSL: \(OpenSSL.lastComplaint())")
        }
        self.context = context
        kernelCanEncrypt = linux_has_kernel_tls() == 1
        openssl_set_minimum_version(context, TLS1_2_VERSION)
        SSL_CTX_set_options(context, openssl_options)
        openssl_set_mode(context, openssl_modes)
        SSL_CTX_set_cipher_list(context, Self.ciphers)
        SSL_CTX_set_ciphersuites(context, Self.suites)
        openssl_speak_http1(context)
        // Tickets keep the sessions at the clients; nothing is kept here.
        openssl_disable_session_cache(context)
        // A layer of ours sends the ticket with its first bytes. Where the kernel encrypts the library does, with the handshake.
        SSL_CTX_set_num_tickets(context, kernelCanEncrypt ? 1 : 0)
        SSL_CTX_set_timeout(context, TicketKeys.lifetime)
        openssl_set_ticket_callback(context, TicketKeys.callback)
        if kernelCanEncrypt {
            SSL_CTX_set_options(context, openssl_option_kernel_tls)
        } else {
            // Several records at a call. With kernel TLS this must not be: the kernel could not decrypt what the library read ahead.
            openssl_read_ahead(context, TLSLayer.readAhead)
        }
        try install(identity)
    }

    deinit {
        SSL_CTX_free(context)
    }

    private func install(_ identity: ServerIdentity) throws(Refusal) {
        let certificates = try Certificate.all(in: identity.chain)
        let key = try PrivateKey(pem: identity.key)
        guard SSL_CTX_use_certificate(context, certificates[0].pointer) == 1,
            SSL_CTX_use_PrivateKey(context, key.pointer) == 1
        else { throw Refusal("TLS does not take this certificate and key: \(OpenSSL.lastComplaint())") }
        // An authority that vouches for itself is what the client has to have already.
        for certificate in certificates.dropFirst() where !certificate.isIssued(by: certificate) {
            guard openssl_add_chain_certificate(context, certificate.pointer) == 1 else {
                throw Refusal("TLS does not take the certificate chain: \(OpenSSL.lastComplaint())")
            }
        }
    }

    /// The server's end of a connection; nil without memory.
    func layer(over descriptor: Int32, outbox: Outbox) -> TLSLayer? {
        guard let connection = SSL_new(context) else { return nil }
        SSL_set_accept_state(connection)
        return TLSLayer(connection, over: descriptor, outbox: outbox, offersKernel: kernelCanEncrypt)
    }
}
