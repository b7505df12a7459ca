import Address
import Reactor
import Wire

/// Which of the two protocols a SOCKS client speaks: they differ in how they say things, not in what is done.
enum SOCKSDialect {
    case version4
    case version5

    func success(_ bound: Endpoint) -> [UInt8] {
        switch self {
        case .version5: SOCKS5ReplyCode.succeeded.reply(bound: .ip(bound.address), port: bound.port)
        case .version4:
            // SOCKS4 has no form for an IPv6 address; 0.0.0.0 is "that of the server" (SOCKS4, BIND).
            if case .v4(let bits) = bound.address {
                SOCKS4Reply.granted(bits, port: bound.port)
            } else {
                SOCKS4Reply.granted(port: bound.port)
            }
        }
    }

    func failure(_ code: SOCKS5ReplyCode) -> [UInt8] {
        self == .version5 ? code.reply() : SOCKS4Reply.refused
    }
}
