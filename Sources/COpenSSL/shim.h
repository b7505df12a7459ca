// OpenSSL 3 as Swift sees it, and, prefixed openssl_, what it has as macros, which Swift cannot import.
#pragma once
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline EVP_PKEY *openssl_new_p256_key(void) { return EVP_EC_gen("P-256"); }

static inline void openssl_set_minimum_version(SSL_CTX *context, int version) {
    SSL_CTX_set_min_proto_version(context, version);
}

static inline void openssl_set_connection_version(SSL *connection, int version) {
    SSL_set_min_proto_version(connection, version);
    SSL_set_max_proto_version(connection, version);
}

static inline void openssl_set_connection_mode(SSL *connection, long mode) { SSL_set_mode(connection, mode); }

static inline void openssl_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }

static inline void openssl_disable_session_cache(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline void openssl_read_ahead(SSL_CTX *context, size_t length) {
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, length);
}

static inline int openssl_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

typedef int (*openssl_ticket_callback)(
    SSL *, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *, EVP_MAC_CTX *, int is_new);
static inline void openssl_set_ticket_callback(SSL_CTX *context, openssl_ticket_callback callback) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, callback);
}

/// Keys a ticket's HMAC-SHA256.
static inline int openssl_key_ticket_mac(EVP_MAC_CTX *context, const unsigned char *key, size_t length) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string("key", (void *)key, length),
        OSSL_PARAM_construct_utf8_string("digest", (char *)"SHA256", 0), OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(context, parameters);
}

/// RFC 7301: HTTP/1.1 and 1.0 are spoken. A client that offers neither is told so (no_application_protocol). The name with a space
/// is nobody's but that of https-proxy-agent for Node.js before version 6, which many programs have.
static inline int openssl_select_http1(
    SSL *connection, const unsigned char **chosen, unsigned char *length, const unsigned char *offered,
    unsigned int offered_length, void *unused) {
    static const unsigned char ours[] = "\x08http/1.1\x08http 1.1\x08http/1.0";
    int result = SSL_select_next_proto(
        (unsigned char **)chosen, length, ours, sizeof ours - 1, offered, offered_length);
    (void)connection, (void)unused;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static inline void openssl_speak_http1(SSL_CTX *context) {
    SSL_CTX_set_alpn_select_cb(context, openssl_select_http1, NULL);
}

static inline int openssl_kernel_sends(SSL *connection) { return BIO_get_ktls_send(SSL_get_wbio(connection)); }

static inline void openssl_bio_blocked_reading(BIO *bio) { BIO_set_retry_read(bio); }
static inline void openssl_bio_blocked_writing(BIO *bio) { BIO_set_retry_write(bio); }
static inline void openssl_bio_is_not_blocked(BIO *bio) { BIO_clear_retry_flags(bio); }

static inline int openssl_error_library(unsigned long error) { return ERR_GET_LIB(error); }
static inline int openssl_error_reason(unsigned long error) { return ERR_GET_REASON(error); }

static inline long openssl_memory(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

/// No value of the macro fits into what Swift makes of it.
static const uint64_t openssl_option_kernel_tls = SSL_OP_ENABLE_KTLS;
static const uint64_t openssl_options = SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                        SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION;
static const unsigned long openssl_rfc2253 = XN_FLAG_RFC2253;
static const long openssl_modes =
    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS;
