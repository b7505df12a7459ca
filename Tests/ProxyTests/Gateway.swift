import Address
import Foundation
import Logging
import Policy
import Proxy
import Reactor
import Resolver

import class TestNetwork.Namespace

let loopback: UInt32 = 0x7f00_0001

/// Listeners and sessions of the real thing, in this process: one reactor, real sockets, on 127.0.0.1.
final class Gateway: Sendable {
    let reactor: Reactor
    let relay: Relay
    /// Of the SOCKS5 listener, the HTTP one and the one that is both.
    let socks5: UInt16
    let http: UInt16
    let mixed: UInt16
    private let acceptors: [Acceptor]
    private let policy: Policy

    /// - Parameters:
    ///   - permitted: the users whom the listeners let in.
    ///   - clients: the networks that they serve.
    ///   - rules: by default loopback is open, or there would be nothing to test with.
    ///   - quotas: what clients and users may use up, counted in `ledger`; by default nothing is bounded, since all of a test's clients
    ///     come from one address.
    ///   - network: where connections are made from; clients come to this process's own.
    init(
        authentication: Listener.Authentication = .none, users: [User] = [], permitted: [String] = [],
        clients: [Network] = [], rules: [Rule] = [openLoopback], defaultAction: Rule.Action = .allow,
        socks: Listener.SOCKSOptions = .init(), limits: Relay.Limits = .init(), nameServer: NameServer? = nil,
        network: Namespace? = nil, quotas: [Limit] = [Limit(subject: .eachClient)], ledger: Ledger? = nil,
        onWrongLogins: @escaping @Sendable (WrongLogins) -> Void = { _ in }
    ) throws {
        let reactor = try Reactor(counters: Counters())
        self.reactor = reactor
        relay = try Relay(
            reactors: [reactor], ledger: ledger ?? Ledger(), limits: limits,
            nameServers: nameServer?.asked ?? NameServers([.init(.v4(loopback), port: 9)]),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onWrongLogins: onWrongLogins)
        Thread.detachNewThread {
            guard let network else { return reactor.run() }
            do { try network.enter { reactor.run() } } catch { fatalError("\(error)") }
        }
        var listeners: [Listener] = []
        var acceptors: [Acceptor] = []
        var ports: [UInt16] = []
        for kind in [Listener.Kind.socks5, .http, .mixed] {
            let socket = try ListeningSocket.tcp(.v4(loopback, port: 0), clientsSpeakFirst: true)
            let port = try ListeningSocket.address(of: socket).port
            let listener = Listener(
                kind: kind, endpoint: Endpoint(address: .v4(loopback), port: port), authentication: authentication,
                clients: clients, users: permitted, socks: socks)
            acceptors.append(
                Acceptor(
                    listener: socket, account: UInt16(ports.count), reactors: [reactor], onPause: { _ in },
                    session: relay.session(for: listener)))
            listeners.append(listener)
            ports.append(port)
        }
        self.acceptors = acceptors
        (socks5, http, mixed) = (ports[0], ports[1], ports[2])
        policy = Policy(listeners: listeners, users: users, rules: rules, defaultAction: defaultAction, limits: quotas)
        relay.apply(policy, in: Surroundings())
    }

    deinit {
        reactor.stop()
    }

    func replaceUsers(_ users: [User]) {
        change { $0.users = users }
    }

    /// Sessions that are open.
    var sessionCount: Int { get async { await relay.sessions[0].list(SessionQuery(now: 0)).total } }

    /// Applies the policy of the beginning with this difference.
    func change(_ edit: (inout Policy) -> Void) {
        var policy = policy
        edit(&policy)
        relay.apply(policy, in: Surroundings())
    }

    /// A client behind its greeting on the SOCKS5 listener.
    func greeted() async throws -> Peer {
        let client = try await Peer.connect(to: socks5)
        try await client.send([5, 1, 0])
        guard try await client.receive(2) == [5, 0] else { throw Peer.Failure("greeting", EPROTO) }
        return client
    }
}

let openLoopback = Rule(id: 1, action: .allow, destination: Network("127.0.0.0/8")!)

/// CONNECT to an IPv4 address (RFC 1928 §4).
func connect(_ address: UInt32 = loopback, _ port: UInt16) -> [UInt8] {
    [5, 1, 0, 1] + (0..<4).map { UInt8(truncatingIfNeeded: address >> (24 - 8 * $0)) } + [
        UInt8(port >> 8), UInt8(port & 255),
    ]
}

/// CONNECT to a name.
func connect(_ name: String, _ port: UInt16) -> [UInt8] {
    [5, 1, 0, 3, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(port >> 8), UInt8(port & 255)]
}

/// CONNECT over HTTP.
func connectRequest(_ target: String, _ fields: String = "") -> String {
    "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n\(fields)\r\n"
}

func failure(_ code: UInt8) -> [UInt8] { [5, code, 0, 1, 0, 0, 0, 0, 0, 0] }
