import COpenSSL
package import Policy

/// Making and checking password hashes (scrypt, RFC 7914). Either takes about 50 ms and 16 MiB: never on a reactor.
package enum Password {
    /// OWASP's and RFC 7914's cost for interactive logins.
    private static let log2N = 14
    private static let r = 8
    private static let p = 1

    package static func hash(_ password: [UInt8]) -> PasswordHash {
        PasswordHash(log2N: log2N, r: r, p: p, salt: randomBytes(16), key: [UInt8](repeating: 0, count: 32))
            .with(password)
    }

    /// Compares in constant time.
    package static func verify(_ password: [UInt8], against hash: PasswordHash) -> Bool {
        let key = hash.with(password).key
        return CRYPTO_memcmp(key, hash.key, key.count) == 0
    }

    /// A hash of the usual cost that no password has: checking against it takes as long as against a real one.
    static let unmatchable = PasswordHash(
        log2N: log2N, r: r, p: p, salt: randomBytes(16), key: randomBytes(32))

    static func randomBytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        precondition(RAND_bytes(&bytes, Int32(count)) == 1, "the kernel gives no randomness")
        return bytes
    }
}

extension PasswordHash {
    /// The same cost and salt with the key of `password`.
    fileprivate func with(_ password: [UInt8]) -> PasswordHash {
        var derived = [UInt8](repeating: 0, count: key.count)
        // 128 * N * r bytes and a little (RFC 7914 §2); PasswordHash keeps it within 256 MiB.
        let memory = UInt64(128 * r) << UInt64(log2N) + UInt64(1 << 20)
        let result = password.withUnsafeBytes { password in
            // An empty array may have no address, and a null password means something else to OpenSSL.
            withUnsafeBytes(of: 0 as UInt8) { nothing in
                let start = (password.baseAddress ?? nothing.baseAddress!).assumingMemoryBound(to: CChar.self)
                return EVP_PBE_scrypt(
                    start, password.count, salt, salt.count, 1 << UInt64(log2N), UInt64(r), UInt64(p), memory, &derived,
                    derived.count)
            }
        }
        // scrypt fails only for parameters out of range, which PasswordHash excludes, or without memory.
        precondition(result == 1, "scrypt failed")
        return PasswordHash(log2N: log2N, r: r, p: p, salt: salt, key: derived)
    }
}
