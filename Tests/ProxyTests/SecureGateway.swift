import Address
import Foundation
import Logging
import Policy
import Reactor
import Resolver

@testable import Proxy

/// An https listener of the real thing in this process, with a certificate of its own authority's.
final class SecureGateway: Sendable {
    let reactor: Reactor
    let relay: Relay
    let port: UInt16
    private let acceptor: Acceptor
    private let policy: Policy

    static let authority = Result { try CertificateAuthority.make(host: "box", at: now) }

    /// - Parameter splices: whether what can be spliced is.
    init(splices: Bool = true, limits: Relay.Limits = .init(), hasCertificate: Bool = true) throws {
        var tunnels = TunnelLimits()
        tunnels.splice = splices
        let reactor = try Reactor(counters: Counters(), limits: tunnels)
        self.reactor = reactor
        relay = try Relay(
            reactors: [reactor], ledger: Ledger(), limits: limits,
            nameServers: NameServers([.init(.v4(loopback), port: 9)]),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        Thread.detachNewThread { reactor.run() }
        let socket = try ListeningSocket.tcp(.v4(loopback, port: 0), clientsSpeakFirst: true)
        port = try ListeningSocket.address(of: socket).port
        let listener = Listener(kind: .https, endpoint: Endpoint(address: .v4(loopback), port: port))
        acceptor = Acceptor(
            listener: socket, account: 0, reactors: [reactor], onPause: { _ in }, session: relay.session(for: listener))
        policy = Policy(listeners: [listener], rules: [openLoopback])
        relay.apply(policy, in: Surroundings())
        if hasCertificate { try renew() }
    }

    deinit {
        reactor.stop()
    }

    /// Applies the policy of the beginning with this difference.
    func change(_ edit: (inout Policy) -> Void) {
        var policy = policy
        edit(&policy)
        relay.apply(policy, in: Surroundings())
    }

    func renew() throws {
        let names = CertificateNames(names: ["gateway"], addresses: [.v4(loopback)])
        relay.show(try TLSServer(CertificateAuthority.issue(for: names, by: Self.authority.get(), at: now)))
    }

    /// A client, its tunnel and the origin at the other end of that.
    func tunnel(version: Int32 = 0x0304, fragments: UInt8 = 0) async throws -> (client: TLSPeer, origin: Peer) {
        let origin = try Origin()
        let client = try await TLSPeer.connect(to: port, version: version, fragments: fragments)
        try await client.send(connectRequest("127.0.0.1:\(origin.port)"))
        let (server, _) = try await origin.accept()
        let opened = "HTTP/1.1 200 Connection established\r\n\r\n"
        guard try await client.receive(opened.utf8.count) == Array(opened.utf8) else {
            throw Peer.Failure("no tunnel", EPROTO)
        }
        return (client, server)
    }
}

var now: Int { time(nil) }
