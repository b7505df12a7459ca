import COpenSSL
import Glibc

/// A TLS client over a real connection, by the library itself: no code of the gateway's takes part. Its calls block the thread
/// that they are on, for ten seconds at most.
final class TLSPeer: @unchecked Sendable {
    enum End: Equatable {
        /// close_notify: the stream is whole.
        case closed
        /// A FIN without it.
        case truncated
        case reset
    }

    private let connection: OpaquePointer
    private let peer: Peer

    /// Connects to 127.0.0.1 and shakes hands.
    ///
    /// - Parameter fragments: which length of records it asks for (RFC 6066 §4): TLSEXT_max_fragment_length_…
    static func connect(
        to port: UInt16, version: Int32 = TLS1_3_VERSION, fragments: UInt8 = UInt8(TLSEXT_max_fragment_length_DISABLED)
    ) async throws -> TLSPeer {
        let peer = try await Peer.connect(to: port)
        return try await blocking { try TLSPeer(over: peer, version: version, fragments: fragments) }
    }

    /// Shakes hands over a connection that stands.
    static func over(_ peer: Peer) async throws -> TLSPeer {
        try await blocking {
            try TLSPeer(
                over: peer, version: TLS1_3_VERSION, fragments: UInt8(TLSEXT_max_fragment_length_DISABLED))
        }
    }

    private init(over peer: Peer, version: Int32, fragments: UInt8) throws {
        let context = SSL_CTX_new(TLS_client_method())
        defer { SSL_CTX_free(context) }
        SSL_CTX_set_tlsext_max_fragment_length(context, fragments)
        connection = SSL_new(context)
        self.peer = peer
        openssl_set_connection_version(connection, version)
        openssl_set_connection_mode(connection, openssl_modes)
        SSL_set_fd(connection, peer.descriptor)
        _ = fcntl(peer.descriptor, F_SETFL, fcntl(peer.descriptor, F_GETFL) | O_NONBLOCK)
        while true {
            let result = SSL_connect(connection)
            if result == 1 { return }
            guard try wait(after: result) else { throw Peer.Failure("TLS handshake", EPROTO) }
        }
    }

    deinit {
        SSL_free(connection)
    }

    /// Waits for what the library wants; false if it wants nothing more.
    private func wait(after result: Int32) throws -> Bool {
        let events: Int32
        switch SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ: events = POLLIN
        case SSL_ERROR_WANT_WRITE: events = POLLOUT
        default: return false
        }
        try wait(for: events)
        return true
    }

    private func wait(for events: Int32) throws {
        var poll = pollfd(fd: peer.descriptor, events: Int16(events), revents: 0)
        guard Glibc.poll(&poll, 1, 10_000) > 0 else { throw Peer.Failure("nothing came", ETIMEDOUT) }
    }

    func send(_ bytes: [UInt8]) async throws {
        _ = try await converse(sending: bytes, receiving: 0)
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Exactly so many bytes.
    func receive(_ count: Int) async throws -> [UInt8] {
        try await converse(sending: [], receiving: count).bytes
    }

    /// All there is until the end, and how it ended.
    func receiveAll() async throws -> (bytes: [UInt8], end: End) {
        let (bytes, end) = try await converse(sending: [], receiving: .max)
        guard let end else { throw Peer.Failure("no end", EPROTO) }
        return (bytes, end)
    }

    /// Sends and receives at the same time until all is sent and `count` bytes are there, or the stream has ended. With
    /// `finishes` it announces its end as soon as all is sent; with `rekeysEvery` both sides change their keys now and then.
    func converse(
        sending bytes: [UInt8], receiving count: Int, finishes: Bool = false, rekeysEvery interval: Int = .max
    ) async throws -> (bytes: [UInt8], end: End?) {
        try await blocking { [self] in
            var (sent, nextKeys) = (0, interval)
            var (received, end): ([UInt8], End?) = ([], nil)
            var buffer = [UInt8](repeating: 0, count: 32768)
            var hasFinished = !finishes
            while end == nil, sent < bytes.count || received.count < count || !hasFinished {
                var isStuck = true
                var events: Int32 = 0
                if sent < bytes.count {
                    if sent >= nextKeys {
                        SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED)
                        nextKeys += interval
                    }
                    ERR_clear_error()
                    let result = bytes.withUnsafeBytes {
                        SSL_write(connection, $0.baseAddress! + sent, Int32(min($0.count - sent, 1 << 20)))
                    }
                    if result > 0 { (sent, isStuck) = (sent + Int(result), false) } else { events |= POLLOUT }
                } else if !hasFinished {
                    finish()
                    hasFinished = true
                }
                if received.count < count {
                    ERR_clear_error()
                    let result = SSL_read(connection, &buffer, Int32(min(buffer.count, count - received.count)))
                    if result > 0 {
                        received += buffer[..<Int(result)]
                        isStuck = false
                    } else {
                        end = ending(result)
                        events |= POLLIN
                    }
                }
                if isStuck, end == nil { try wait(for: events) }
            }
            if end != nil, received.count < count, count != .max {
                throw Peer.Failure("\(received.count) of \(count)", 0)
            }
            return (received, end)
        }
    }

    private func ending(_ result: Int32) -> End? {
        let code = errno
        switch SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return nil
        case SSL_ERROR_ZERO_RETURN: return .closed
        case SSL_ERROR_SYSCALL: return code == ECONNRESET ? .reset : .truncated
        default: return .truncated
        }
    }

    /// close_notify and a FIN.
    func finish() {
        SSL_shutdown(connection)
        peer.finish()
    }

    /// A FIN without close_notify, as somebody on the way could send it.
    func truncate() { peer.finish() }

    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(peer.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        // The descriptor is closed when the last one lets go of it.
        dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), peer.descriptor)
    }
}
