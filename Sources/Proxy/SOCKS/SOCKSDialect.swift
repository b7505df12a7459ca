import Reactor
import Wire

/// Which of the two protocols a SOCKS client speaks: they differ in how they say things, not in what is done.
enum SOCKSDialect {
    case version4
    case version5

    func success(_ address: SocketAddress) -> [UInt8] {
        switch self {
        case .version5: SOCKS5ReplyCode.succeeded.reply(bound: SOCKS5Address(address), port: address.port)
        case .version4:
            // It has no form for an IPv6 address; 0.0.0.0 is "that of the server" (SOCKS4, BIND).
            if case .v4(let bits, let port) = address {
                SOCKS4Reply.granted(bits, port: port)
            } else {
                SOCKS4Reply.granted(port: address.port)
            }
        }
    }

    func failure(_ code: SOCKS5ReplyCode) -> [UInt8] {
        self == .version5 ? code.reply() : SOCKS4Reply.refused
    }
}
