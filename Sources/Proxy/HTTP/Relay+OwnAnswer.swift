import Address
import Policy
import Reactor
import Wire

// What the gateway answers for itself and not for an origin: to a request in origin-form, which asks the proxy as if it were
// a server (RFC 9112 §3.2.1), and to one that was sent to the proxy because the proxy is set for everything, and leads to its own
// address (RFC 9110 §7.6). No password is asked for, since devices fetch all this before they have one. The client has been let in
// already, and nothing here tells more than which listeners there are for it.

extension Relay {
    /// For how many seconds a browser may go by the PAC file that it has. Listeners change seldom, and a browser that finds
    /// its proxy gone asks again by itself.
    private static let freshness = 60

    /// The answer to a request in absolute-form; nil: it is for an origin, or it takes a name server to tell.
    func ownAnswer(to head: HTTPRequestHead, from client: Connection, _ session: Session) -> OwnResponse? {
        guard head.form == .absolute, let target = try? head.absoluteTarget(),
            case .address(let address)? = try? Host(target.authority)
        else { return nil }
        let server = Endpoint(address: address, port: target.authority.port)
        return ownAnswer(to: head, for: target, at: server, from: client, session)
    }

    /// The answer to a request whose `target` is at `server`, a listener of ours; nil: that is none for this client, or none of
    /// HTTP.
    func ownAnswer(
        to head: HTTPRequestHead, for target: HTTPTarget, at server: Endpoint, from client: Connection,
        _ session: Session
    ) -> OwnResponse? {
        guard let address = (try? client.socket.localAddress)?.address,
            premises.answers(at: server, to: session.client.address, by: address)
        else { return nil }
        return ownAnswer(to: head, path: head.path(of: target), from: client, session)
    }

    /// - Parameter path: with its query.
    func ownAnswer(
        to head: HTTPRequestHead, path: String, from client: Connection, _ session: Session
    ) -> OwnResponse {
        var answer: OwnResponse?
        if head.isMethod("GET") || head.isMethod("HEAD") {
            switch path.prefix(while: { $0 != "?" }) {
            case "/": answer = guide(for: session, at: client, head)?.answer(to: head)
            case "/proxy.pac", "/wpad.dat":
                if let script = autoConfiguration(for: session, at: client, head) {
                    answer = OwnResponse(script.text + "\n", mediaType: ProxyAutoConfiguration.mediaType)
                    answer?.freshness = Self.freshness
                }
            case "/\(ClientSettings.authorityFile)":
                answer = premises.authority.map { OwnResponse($0, mediaType: "application/x-x509-ca-cert") }
            case "/\(ConfigurationProfile.file)":
                answer = premises.authority.flatMap { try? ConfigurationProfile(authority: $0) }
                    .map { OwnResponse($0.text, mediaType: ConfigurationProfile.mediaType) }
            default: break
            }
        }
        return answer
            ?? OwnResponse(
                .notFound, reason: "this is the port of a proxy, and there is nothing at this address",
                advice: "What to enter on which device is said at / on this port.")
    }

    /// What a device is told; nil: the client has hung up.
    private func guide(for session: Session, at client: Connection, _ head: HTTPRequestHead) -> Guide? {
        guard let local = try? client.socket.localAddress else { return nil }
        let premises = self.premises
        let offers = premises.offers(to: session.client.address, at: local.address)
        let asked = Premises.Offer(
            kind: session.listener.kind, endpoint: Endpoint(address: local.address.unmapped, port: local.port),
            authentication: session.listener.authentication)
        var settings = ClientSettings(offers.isEmpty ? [asked] : offers)
        // As in the PAC file: a certificate of the operator's own is most often for a name.
        if settings.http == nil, let name = name(in: head, port: local.port) {
            settings.script = "https://\(name):\(local.port)/proxy.pac"
        }
        return Guide(
            settings: settings, gateway: asked,
            authority: premises.authority.flatMap { try? CertificateFacts(pem: $0) },
            device: ClientDevice(userAgent: head.fields.values(of: "user-agent").first ?? []))
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
    /// nil: browsers cannot use it. They have no password for SOCKS5, and a name server is no proxy.
    init?(_ offer: Premises.Offer) {
        let scheme: ProxyAutoConfiguration.Scheme
        switch offer.kind {
        case .socks5 where offer.authentication == .required, .dns: return nil
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
