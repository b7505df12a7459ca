import Address
import Policy
import Reactor
import Wire

// What the gateway answers for itself and not for an origin: to a request in origin-form, which asks the proxy as if it were
// a server (RFC 9112 §3.2.1). That is the PAC file and nothing else.

extension Relay {
    /// For how many seconds a browser may go by the PAC file that it has. Listeners change seldom, and a browser that finds
    /// its proxy gone asks again by itself.
    private static let freshness = 60

    /// nil: the request is for an origin. No password is asked for, since devices fetch the file before they have one. The client has
    /// been let in already.
    func ownAnswer(to head: HTTPRequestHead, from client: Connection, for session: Session) -> OwnResponse? {
        guard head.method != "CONNECT", head.target.hasPrefix("/") else { return nil }
        var answer = OwnResponse(.notFound, reason: "this is the port of a proxy; set it as the proxy of your browser")
        let path = head.target.prefix { $0 != "?" }
        if head.method == "GET" || head.method == "HEAD", path == "/proxy.pac" || path == "/wpad.dat",
            let script = autoConfiguration(for: session, at: client, head)
        {
            answer = OwnResponse(script.text + "\n", mediaType: ProxyAutoConfiguration.mediaType)
            answer.freshness = Self.freshness
        }
        answer.omitsBody = head.method == "HEAD"
        return answer
    }

    private func autoConfiguration(
        for session: Session, at client: Connection, _ head: HTTPRequestHead
    ) -> ProxyAutoConfiguration? {
        guard let address = (try? client.socket.localAddress)?.address else { return nil }
        let premises = self.premises
        let offers = premises.offers(to: session.client.address, at: address)
        let asked = offers.first {
            $0.endpoint.port == session.listener.endpoint.port && $0.endpoint.address == address.unmapped
        }
        guard let asked, var first = ProxyAutoConfiguration.Proxy(asked) else { return nil }
        // What the client has reached already, then the other HTTP proxies, then SOCKS5.
        let others = offers.compactMap(ProxyAutoConfiguration.Proxy.init).filter { $0 != first }
        // A certificate of the operator's own is most often for a name; the client has just come by one that it trusts.
        if asked.kind == .https, let name = name(in: head, port: asked.endpoint.port) {
            first = ProxyAutoConfiguration.Proxy(.https, host: name, port: asked.endpoint.port)
        }
        return ProxyAutoConfiguration(
            proxies: [first] + others.filter { $0.scheme != .socks5 } + others.filter { $0.scheme == .socks5 },
            networks: networks(around: address).map(ProxyAutoConfiguration.Network.init))
    }

    private func networks(around address: IPAddress) -> [Network] {
        Self.everybodysOwn + premises.networks(around: address).filter { !Self.everybodysOwn.contains($0) }
    }

    /// The name by which the client knows the server on `port` (RFC 9110 §7.2).
    private func name(in head: HTTPRequestHead, port: UInt16) -> String? {
        guard let value = head.fields.values(of: "host").first,
            let authority = try? Authority(value),
            !authority.isBracketed, authority.port == port, case .name(let name)? = try? Host(authority.host)
        else { return nil }
        return name
    }

    /// Loopback and link-local: each host's and each link's own, so that no gateway could lead there.
    private static let everybodysOwn = ["127.0.0.0/8", "169.254.0.0/16", "::1", "fe80::/10"].map { Network($0)! }
}

extension ProxyAutoConfiguration.Proxy {
    /// nil: browsers cannot use it. They have no password for SOCKS5.
    init?(_ offer: Premises.Offer) {
        let scheme: ProxyAutoConfiguration.Scheme
        switch offer.kind {
        case .socks5 where offer.authentication == .required: return nil
        case .socks5: scheme = .socks5
        case .http, .mixed: scheme = .http
        case .https: scheme = .https
        }
        let host =
            if case .v6 = offer.endpoint.address { "[\(offer.endpoint.address)]" } else { "\(offer.endpoint.address)" }
        self.init(scheme, host: host, port: offer.endpoint.port)
    }
}

extension ProxyAutoConfiguration.Network {
    init(_ network: Network) {
        let bytes: [UInt8]
        switch network.base {
        case .v4(let bits): bytes = (0..<4).map { UInt8(truncatingIfNeeded: bits >> (24 - 8 * $0)) }
        case .v6(let bits): bytes = (0..<16).map { UInt8(truncatingIfNeeded: bits >> (120 - 8 * UInt128($0))) }
        }
        self.init(bytes, prefix: network.prefix, name: "\(network)")
    }
}
