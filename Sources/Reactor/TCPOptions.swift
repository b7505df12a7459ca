import CLinux
import Glibc

/// Options of every TCP socket that carries a session. Listeners hand theirs on to what they accept, so an accepted socket
/// costs no further call (tcp(7), socket(7)).
enum TCPOptions {
    static func carry(_ descriptor: Int32) {
        sendAtOnce(descriptor)
        keepUrgentInline(descriptor)
    }

    static func sendAtOnce(_ descriptor: Int32) {
        _ = linux_set_option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Urgent data stays in the stream: a relay that took it out would change what was sent (RFC 6093).
    static func keepUrgentInline(_ descriptor: Int32) {
        _ = linux_set_option(descriptor, SOL_SOCKET, SO_OOBINLINE, 1)
    }

    /// A peer that is gone without a word is found after 60 s + 6 × 10 s.
    static func keepAlive(_ descriptor: Int32) {
        _ = linux_set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        _ = linux_set_option(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
        _ = linux_set_option(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
        _ = linux_set_option(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 6)
    }
}
