import COpenSSL
import Synchronization

/// The keys of session tickets (RFC 8446 §4.6.1, RFC 5077): with a ticket a client is spared a signature the next time.
///
/// Every reactor of the process shares them and nobody else has them. New keys are drawn twice a day, since a stolen key opens the
/// tickets that it sealed; the key before is still accepted, and its tickets are replaced.
struct TicketKeys {
    struct Key {
        let name = Password.randomBytes(16)
        let cipher = Password.randomBytes(32)
        let authentication = Password.randomBytes(32)
    }

    /// Seconds that a key seals for, and then opens for.
    static let lifetime = 12 * 3600

    private var current = Key()
    private var former: Key?
    private var since: Int

    /// - Parameter now: seconds of a clock that never goes back.
    init(at now: Int) {
        since = now
    }

    mutating func sealing(at now: Int) -> Key {
        rotate(at: now)
        return current
    }

    /// The key of that name, and whether it is time for a new ticket.
    mutating func opening(_ name: UnsafeBufferPointer<UInt8>, at now: Int) -> (key: Key, isFormer: Bool)? {
        rotate(at: now)
        if name.elementsEqual(current.name) { return (current, false) }
        if let former, name.elementsEqual(former.name) { return (former, true) }
        return nil
    }

    private mutating func rotate(at now: Int) {
        guard now - since >= Self.lifetime else { return }
        // A key that lay unused for longer than it may open tickets is of no use any more.
        former = now - since < 2 * Self.lifetime ? current : nil
        current = Key()
        since = now
    }
}

extension TicketKeys {
    private static let start = ContinuousClock.now
    private static let shared = Mutex(TicketKeys(at: 0))
    /// Looked up once: by name, as EVP_aes_256_cbc() has it, it would be searched for each time (crypto(7), fetching).
    private nonisolated(unsafe) static let cipher = EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)

    /// Goes on while the machine sleeps.
    private static func seconds() -> Int { Int((ContinuousClock.now - start).components.seconds) }

    /// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 0: no such key, which makes a full handshake; 2: a new ticket is due.
    static let callback: openssl_ticket_callback = { _, name, iv, cipher, authentication, isNew in
        guard let name, let iv, let cipher, let authentication else { return -1 }
        let now = seconds()
        if isNew != 0 {
            let key = shared.withLock { $0.sealing(at: now) }
            name.update(from: key.name, count: key.name.count)
            guard RAND_bytes(iv, EVP_CIPHER_get_iv_length(Self.cipher)) == 1,
                EVP_EncryptInit_ex(cipher, Self.cipher, nil, key.cipher, iv) == 1,
                openssl_key_ticket_mac(authentication, key.authentication, key.authentication.count) == 1
            else { return -1 }
            return 1
        }
        let given = UnsafeBufferPointer(start: name, count: 16)
        guard let (key, isFormer) = shared.withLock({ $0.opening(given, at: now) }) else { return 0 }
        guard openssl_key_ticket_mac(authentication, key.authentication, key.authentication.count) == 1,
            EVP_DecryptInit_ex(cipher, Self.cipher, nil, key.cipher, iv) == 1
        else { return -1 }
        return isFormer ? 2 : 1
    }
}
