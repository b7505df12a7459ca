import Address
import Glibc
import Policy
import Reactor
import Resolver
import Wire

/// Why a client gets no connection, as both protocols tell it.
enum DialFailure: Error {
    case notAllowed(Host, Access.Reason)
    case overLimit(LimitRefusal)
    case unresolved(Resolver.Failure)
    case unreachable(Errno)
}

extension DialFailure {
    /// RFC 1928 §6. It has no code for silence: 6, "TTL expired", is what servers reply with then.
    var replyCode: SOCKS5ReplyCode {
        switch self {
        case .notAllowed, .overLimit: .notAllowed
        case .unresolved(.noSuchName): .hostUnreachable
        case .unresolved(.timedOut), .unresolved(.failed), .unresolved(.noServers): .hostUnreachable
        case .unresolved(.overloaded), .unresolved(.abandoned): .generalFailure
        case .unreachable(let errno):
            switch errno.code {
            case ECONNREFUSED, ECONNRESET: .connectionRefused
            case ENETUNREACH, ENETDOWN, EAFNOSUPPORT: .networkUnreachable
            case EHOSTUNREACH, EHOSTDOWN: .hostUnreachable
            case ETIMEDOUT: .ttlExpired
            case EACCES, EPERM: .notAllowed
            default: .generalFailure
            }
        }
    }

    /// RFC 9110 §15.6.
    var status: HTTPStatus {
        switch self {
        case .notAllowed: .forbidden
        case .overLimit: .tooManyRequests
        case .unresolved(.noSuchName), .unresolved(.failed): .badGateway
        case .unresolved(.timedOut): .gatewayTimeout
        case .unresolved(.overloaded), .unresolved(.abandoned), .unresolved(.noServers): .serviceUnavailable
        case .unreachable(let errno):
            switch errno.code {
            case ETIMEDOUT: .gatewayTimeout
            case EACCES, EPERM: .forbidden
            case EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL: .serviceUnavailable
            default: .badGateway
            }
        }
    }
}

extension DialFailure: CustomStringConvertible {
    /// The end of a sentence that began with the destination.
    var description: String {
        switch self {
        case .notAllowed(let host, .blocked):
            "refused: \(host) is blocked: by a blocklist of this gateway, or by the name server that it asks"
        case .notAllowed(let host, let reason): "refused: \(host) is not allowed, \(reason)"
        case .overLimit(let refusal): "refused: \(refusal)"
        case .unresolved(.noSuchName): "the name does not exist or has no address"
        case .unresolved(.timedOut): "the name servers do not answer"
        case .unresolved(.failed): "the name servers cannot tell its address"
        case .unresolved(.noServers): "the gateway has no name server to ask for its address"
        case .unresolved(.overloaded): "too many names are being looked up"
        case .unresolved(.abandoned): "nobody wants to know any more"
        case .unreachable(let errno): "\(errno)"
        }
    }
}

extension DialFailure {
    /// What a person can do about it.
    var advice: String {
        switch self {
        case .notAllowed(_, .ownListener): "No proxy leads to itself: reach it without one."
        case .notAllowed(_, .blocked):
            "Whoever runs this gateway sees its lists with `gatehousectl blocklist list`; the name server's are its own."
        case .notAllowed(_, .stopped): "Whoever runs this gateway decides when it may go on: `gatehousectl device list`"
        case .notAllowed(_, .unspecified): "No rule opens it: it is the address of no machine."
        case .notAllowed(.address(let address), .privateRange) where address.isLocalNAT64:
            "It is one of NAT64, for which your network has a prefix of its own. Whoever runs this gateway can allow it: "
                + "`gatehousectl rule add allow --to 64:ff9b:1::/48`"
        case .notAllowed: "Whoever runs this gateway can allow it: `gatehousectl rule add allow --help`"
        case .overLimit: "Whoever runs this gateway can raise the limit: `gatehousectl limit --help`"
        case .unresolved(.noSuchName): "Check how the name is spelled."
        case .unresolved(.timedOut), .unresolved(.failed), .unresolved(.noServers):
            "Try again later. Whoever runs this gateway sees what is wrong: `gatehousectl status`"
        case .unresolved(.overloaded), .unresolved(.abandoned): "Try again in a moment."
        case .unreachable(let errno):
            switch errno.code {
            case ECONNREFUSED: "Nothing listens there now: check the address and the port, or try again later."
            case ETIMEDOUT, EHOSTUNREACH, EHOSTDOWN: "Nobody answers there now: check the address, or try again later."
            case ENETUNREACH, ENETDOWN: "Check the gateway's connection to the internet."
            default: "Try again in a moment."
            }
        }
    }
}
