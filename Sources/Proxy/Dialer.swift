import Address
import Glibc
import Policy
import Reactor
import Wire

/// Why a client gets no connection, as both protocols tell it.
enum DialFailure: Error {
    case notAllowed(Host, Access.Reason)
    case overLimit(LimitRefusal)
    case unresolved(Resolver.Failure)
    case unreachable(Errno)
}

/// Where a connection to a host may lead, as decided a moment ago.
struct Route {
    let host: Host
    let port: UInt16
    /// In the order of preference, at least one.
    let candidates: [SocketAddress]
    fileprivate let access: Access
    /// What is left of the time for connecting.
    fileprivate let timeout: Duration
}

extension Relay {
    /// Connects to `host`: looked up once, each address judged, and those very addresses dialled (a name that answers
    /// differently a moment later gains nothing), IPv6 and IPv4 in a staggered race (RFC 8305).
    func dial(
        _ host: Host, port: UInt16, for session: Session, on reactor: Reactor
    ) async throws(DialFailure) -> Dial.Connection {
        let route = try await route(to: host, port: port, for: session, on: reactor)
        return try await dial(route, for: session, as: .tunnel, on: reactor)
    }

    /// Looks `host` up and judges each address. What is refused by its name alone is not looked up.
    func route(
        to host: Host, port: UInt16, for session: Session, on reactor: Reactor
    ) async throws(DialFailure) -> Route {
        if let refusal = session.refusal { throw .overLimit(refusal) }
        var access = self.access
        let client = session.identity
        switch host {
        case .address(let address):
            let address = address.unmapped
            if case .deny(let reason) = access.verdict(on: address, of: host, port: port, for: client) {
                throw .notAllowed(host, reason)
            }
            return Route(
                host: host, port: port, candidates: [SocketAddress(address, port: port)], access: access,
                timeout: limits.dial)
        case .name(let name):
            if let reason = access.refusal(of: host, port: port, for: client) { throw .notAllowed(host, reason) }
            let start = ContinuousClock.now
            let addresses = try await addresses(of: name, on: reactor)
            access = self.access
            let candidates = try allowed(addresses, of: host, port: port) { address in
                access.verdict(on: address, of: host, port: port, for: client)
            }
            let timeout = limits.dial - (ContinuousClock.now - start)
            guard timeout > .zero else { throw .unresolved(.timedOut) }
            return Route(host: host, port: port, candidates: candidates, access: access, timeout: timeout)
        }
    }

    func dial(
        _ route: Route, for session: Session, as activity: SessionRecord.Activity, on reactor: Reactor
    ) async throws(DialFailure) -> Dial.Connection {
        let connection: Dial.Connection
        do {
            connection = try await Dial.connect(to: route.candidates, timeout: route.timeout, on: reactor)
        } catch {
            throw .unreachable(error.errno)
        }
        session.didConnect(route.host, to: connection.address, as: activity)
        session.own(connection.socket)
        // Another policy may hold by now, and nobody but this knew of the connection.
        let now = self.access
        if now !== route.access,
            case .deny(let reason) = now.verdict(
                on: connection.address.ipAddress, of: route.host, port: route.port, for: session.identity)
        {
            throw .notAllowed(route.host, reason)
        }
        return connection
    }

    private func addresses(of name: String, on reactor: Reactor) async throws(DialFailure) -> [IPAddress] {
        do {
            return try await resolver(on: reactor).addresses(of: name)
        } catch {
            throw .unresolved(error)
        }
    }

    /// Those that may be dialled; not one is a refusal.
    private func allowed(
        _ addresses: [IPAddress], of host: Host, port: UInt16, judge: (IPAddress) -> Access.Verdict
    ) throws(DialFailure) -> [SocketAddress] {
        var candidates: [SocketAddress] = []
        var refusal: DialFailure?
        for address in addresses {
            let address = address.unmapped
            switch judge(address) {
            case .allow: candidates.append(SocketAddress(address, port: port))
            case .deny(.blocked): refusal = refusal ?? .notAllowed(host, .blocked)
            case .deny(let reason): refusal = refusal ?? .notAllowed(.address(address), reason)
            }
        }
        if candidates.isEmpty { throw refusal ?? .unresolved(.noSuchName) }
        return candidates
    }
}

extension DialFailure {
    /// RFC 1928 §6. It has no code for silence: 6, "TTL expired", is what servers reply with then.
    var replyCode: SOCKS5ReplyCode {
        switch self {
        case .notAllowed, .overLimit: .notAllowed
        case .unresolved(.noSuchName): .hostUnreachable
        case .unresolved(.timedOut), .unresolved(.failed): .hostUnreachable
        case .unresolved(.overloaded): .generalFailure
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
        case .unresolved(.overloaded): .serviceUnavailable
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
            "refused: \(host) is blocked by the name server, which answers 0.0.0.0 or :: for it"
        case .notAllowed(let host, let reason): "refused: \(host) is not allowed, \(reason)"
        case .overLimit(let refusal): "refused: \(refusal)"
        case .unresolved(.noSuchName): "the name does not exist or has no address"
        case .unresolved(.timedOut): "the name servers do not answer"
        case .unresolved(.failed): "the name servers cannot tell its address"
        case .unresolved(.overloaded): "too many names are being looked up"
        case .unreachable(let errno): "\(errno)"
        }
    }
}

extension DialFailure {
    /// What a person can do about it.
    var advice: String {
        switch self {
        case .notAllowed(_, .ownListener): "No proxy leads to itself: reach it without one."
        case .notAllowed(_, .blocked): "Whoever runs the name server that this gateway asks can allow the name there."
        case .notAllowed(_, .unspecified): "No rule opens it: it is the address of no machine."
        case .notAllowed: "Whoever runs this gateway can allow it: gatehousectl rule add allow --help"
        case .overLimit: "Whoever runs this gateway can raise the limit: gatehousectl limit --help"
        case .unresolved(.noSuchName): "Check how the name is spelled."
        case .unresolved(.timedOut), .unresolved(.failed):
            "Try again later; the gateway asks the servers of its resolv.conf."
        case .unresolved(.overloaded): "Try again in a moment."
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
