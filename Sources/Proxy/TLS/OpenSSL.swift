import COpenSSL

/// What all uses of OpenSSL here share.
enum OpenSSL {
    /// Once, before anything else of the library is used for TLS: no configuration file. In the sandbox it could not be read,
    /// and what TLS is here must not depend on whether it could.
    static let isReady: Bool = OPENSSL_init_ssl(UInt64(OPENSSL_INIT_NO_LOAD_CONFIG), nil) == 1

    /// The library's last error on this thread, in words. All its errors so far are cleared.
    static func lastComplaint() -> String {
        let error = ERR_peek_last_error()
        ERR_clear_error()
        guard error != 0, let reason = ERR_reason_error_string(error) else { return "unknown error" }
        return String(cString: reason)
    }
}

/// Answers no passphrase: without a callback the library would ask for one on the terminal.
let refusePassphrase:
    @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) ->
        Int32 = { _, _, _, _ in -1 }

func withMemory<Value>(of text: String, _ body: (OpaquePointer) -> Value) -> Value {
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

/// The text that `write` puts into a memory BIO.
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
