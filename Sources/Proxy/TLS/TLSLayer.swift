import CLinux
import COpenSSL
import Glibc
import Reactor

/// The server's end of one TLS connection (RFC 8446, RFC 5246), by OpenSSL.
///
/// Where the kernel can encrypt, the library has the descriptor itself and hands the keys over after the handshake. Where it
/// cannot, the library reads from and writes to a BIO of ours, so that a call of the system carries several records.
final class TLSLayer: SecureLayer {
    /// The most plain bytes that a record holds (RFC 8446 §5.1).
    static let record = 16 << 10
    static let readAhead = 4 * (record + 256)

    private let connection: OpaquePointer
    private let descriptor: Int32
    private let outbox: Outbox
    private let offersKernel: Bool
    /// Encrypted bytes that the kernel has not taken, from `pendingStart` on; nil: none.
    private var pending: UnsafeMutableRawBufferPointer?
    private var pendingStart = 0
    /// Plain bytes at the end of `pending`, counted as not taken, that will be given to `write` again.
    private var owed = 0
    /// How reading ended, once it has.
    private var readEnd: SecureStep?
    private var isShaken = false
    /// A ticket for the client's next connection is still to be sent.
    private var owesTicket: Bool
    private var hasSaidClose = false
    /// The library has given the connection up, and must not be asked to say anything more on it.
    private var isBroken = false
    /// The errno of the last system call under the library; 0: it did not fail, or met the end of the stream.
    private var socketError: Int32 = 0
    private var isAtEnd = false
    /// Why the handshake failed, in the library's words.
    private(set) var complaint = ""
    /// The client spoke HTTP in the clear.
    private(set) var heardPlainHTTP = false

    init(_ connection: OpaquePointer, over descriptor: Int32, outbox: Outbox, offersKernel: Bool) {
        self.connection = connection
        self.descriptor = descriptor
        self.outbox = outbox
        self.offersKernel = offersKernel
        owesTicket = !offersKernel
        if offersKernel {
            SSL_set_fd(connection, descriptor)
        } else {
            let bio = BIO_new(Self.method)
            BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
            BIO_set_init(bio, 1)
            SSL_set_bio(connection, bio, bio)
        }
    }

    deinit {
        SSL_free(connection)
        pending?.deallocate()
    }

    var kernelSends: Bool { offersKernel && openssl_kernel_sends(connection) != 0 }

    // MARK: what the reactor calls

    func shakeHands() -> SecureStep {
        if let blocked = flush() { return blocked }
        guard !isShaken else { return SecureStep(0) }
        ERR_clear_error()
        let result = SSL_do_handshake(connection)
        if result == 1 { isShaken = true }
        let step = result == 1 ? SecureStep(0) : judge(result)
        // Whatever it waits for, the peer waits for this first.
        return flush() ?? step
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> SecureStep {
        while true {
            let step = readOnce(into: buffer)
            // Reading can make the library answer (RFC 8446 §4.6.3). What of that does not go out goes with the next write.
            guard flush() == nil, step.want == .writing else { return step }
            // The layer waited for room that there is by now, and of which no event will tell any more.
            if step.count >= 0 { return SecureStep(step.count) }
        }
    }

    private func readOnce(into buffer: UnsafeMutableRawBufferPointer) -> SecureStep {
        if let readEnd { return readEnd }
        var total = 0
        while total < buffer.count {
            var count = 0
            ERR_clear_error()
            let result = SSL_read_ex(connection, buffer.baseAddress! + total, buffer.count - total, &count)
            guard result == 1 else {
                let step = judge(result)
                if step.count != -Int(EAGAIN) { readEnd = step }
                return total > 0 ? SecureStep(total, step.want) : step
            }
            total += count
        }
        return SecureStep(total)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> SecureStep {
        if let blocked = flush() { return blocked }
        if owesTicket, !bytes.isEmpty { promiseTicket() }
        var done = min(owed, bytes.count)
        owed = 0
        while done < bytes.count {
            // Plain bytes in what the library encrypted last.
            var last = 0
            while done < bytes.count, offersKernel || outbox.hasRoomForRecord {
                var count = 0
                ERR_clear_error()
                let length = min(Self.record, bytes.count - done)
                let result = SSL_write_ex(connection, bytes.baseAddress! + done, length, &count)
                guard result == 1 else {
                    let step = judge(result)
                    _ = flush()
                    return done > 0 && step.count == -Int(EAGAIN) ? SecureStep(done, step.want) : step
                }
                done += count
                last = count
            }
            guard let blocked = flush() else { continue }
            guard blocked.count == -Int(EAGAIN) else { return blocked }
            // The last record has not gone out whole, or nothing would block. How many have cannot be told by length: a client
            // may have asked for shorter ones (RFC 6066 §4). So the others, which wait in `pending`, count as taken.
            owed = last
            return done > last ? SecureStep(done - last, .writing) : blocked
        }
        return SecureStep(done)
    }

    /// The ticket (RFC 8446 §4.6.1) goes out with the first bytes, in one packet. Sent right after the handshake, as the library would by
    /// itself, it costs a packet of its own, and clients that end without a question would be given it for nothing.
    private func promiseTicket() {
        owesTicket = false
        // Refused in TLS 1.2, where the ticket is a part of the handshake.
        if SSL_new_session_ticket(connection) != 1 { ERR_clear_error() }
    }

    func sendClose() -> SecureStep {
        if let blocked = flush() { return blocked }
        guard isShaken, !isBroken, !hasSaidClose else { return SecureStep(0) }
        ERR_clear_error()
        let result = SSL_shutdown(connection)
        if result < 0, case let step = judge(result), step.count == -Int(EAGAIN), step.want == .writing { return step }
        hasSaidClose = true
        return flush() ?? SecureStep(0)
    }

    /// The result of a call of the library that did not succeed (SSL_get_error(3)).
    private func judge(_ result: Int32) -> SecureStep {
        let systemError = errno
        switch SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ: return .blocked(on: .reading)
        case SSL_ERROR_WANT_WRITE: return .blocked(on: .writing)
        case SSL_ERROR_ZERO_RETURN: return SecureStep(0)
        case SSL_ERROR_SYSCALL:
            isBroken = true
            let code = offersKernel ? systemError : socketError
            // An end of the stream without close_notify has no error of its own.
            return SecureStep(-Int(code == 0 ? ECONNRESET : code))
        default:
            isBroken = true
            let error = ERR_peek_error()
            let reason = openssl_error_library(error) == ERR_LIB_SSL ? openssl_error_reason(error) : 0
            heardPlainHTTP = reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST
            complaint = OpenSSL.lastComplaint()
            return SecureStep(-Int(reason == SSL_R_UNEXPECTED_EOF_WHILE_READING ? ECONNRESET : EPROTO))
        }
    }

    // MARK: what goes out

    /// Sends what is pending and what the library has put out since; nil if nothing stays.
    private func flush() -> SecureStep? {
        if let rest = pending {
            let count = linux_send(descriptor, rest.baseAddress! + pendingStart, rest.count - pendingStart)
            if count < 0 {
                outbox.count = 0
                return count == -Int(EAGAIN) ? .blocked(on: .writing) : SecureStep(count)
            }
            pendingStart += count
            guard pendingStart == rest.count else { return .blocked(on: .writing) }
            rest.deallocate()
            pending = nil
        }
        let length = outbox.count
        guard length > 0 else { return nil }
        outbox.count = 0
        let count = linux_send(descriptor, outbox.bytes.baseAddress, length)
        if count == length { return nil }
        guard count >= 0 || count == -Int(EAGAIN) else { return SecureStep(count) }
        let sent = max(count, 0)
        let rest = UnsafeMutableRawBufferPointer.allocate(byteCount: length - sent, alignment: 1)
        rest.copyMemory(from: UnsafeRawBufferPointer(rebasing: outbox.bytes[sent..<length]))
        pending = rest
        pendingStart = 0
        return .blocked(on: .writing)
    }

    // MARK: the BIO

    private nonisolated(unsafe) static let method: OpaquePointer = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gatehouse socket") else {
            fatalError("no memory for a BIO_METHOD")
        }
        BIO_meth_set_read(method) { bio, buffer, count in layer(of: bio).pull(bio, buffer, count) }
        BIO_meth_set_write(method) { bio, bytes, count in layer(of: bio).push(bio, bytes, count) }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_EOF: layer(of: bio).isAtEnd ? 1 : 0
            case BIO_CTRL_FLUSH: 1
            default: 0
            }
        }
        return method
    }()

    private static func layer(of bio: OpaquePointer?) -> TLSLayer {
        Unmanaged.fromOpaque(BIO_get_data(bio)!).takeUnretainedValue()
    }

    private func pull(_ bio: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
        openssl_bio_is_not_blocked(bio)
        let result = linux_receive(descriptor, buffer, Int(count))
        if result > 0 { return Int32(result) }
        if result == 0 {
            isAtEnd = true
            return 0
        }
        if result == -Int(EAGAIN) { openssl_bio_blocked_reading(bio) } else { socketError = Int32(-result) }
        return -1
    }

    private func push(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
        openssl_bio_is_not_blocked(bio)
        if pending == nil, let bytes, outbox.append(bytes, Int(count)) { return count }
        openssl_bio_blocked_writing(bio)
        return -1
    }
}
