// Proxy: what happens between a client's first byte and the tunnel: SOCKS5 and HTTP sessions, authentication, the
// destination guard, the resolver and the dialer.
//
// Sessions are straight-line async code on a Reactor. Bytes are parsed in Wire, decisions are made in Policy, and once a
// tunnel stands it is the Reactor's.

package import Logging
package import Policy
package import Reactor
import Synchronization

/// Everything that the sessions of one relay process share.
package final class Relay: Sendable {
    package struct Limits: Sendable {
        /// From a client's first byte to its whole request, however it arrives.
        package var handshake: Duration = .seconds(10)
        /// From a request to the origin's connection, name lookup included.
        package var dial: Duration = .seconds(10)
        /// How long a refused client may take to read why (RFC 1928 §6 allows 10 s).
        package var farewell: Duration = .seconds(3)
        /// Head of an HTTP request, in bytes.
        package var head = 16 * 1024
        /// Requests without valid credentials that an HTTP connection survives.
        package var challenges = 5

        package init() {}
    }

    let limits: Limits
    let logger: Logger
    let credentials: Credentials
    private let resolvers: [Resolver]
    private let destinations: Mutex<DestinationGuard>

    /// Opens the resolvers, so it reads resolv.conf(5): it is to be made before a sandbox shuts.
    ///
    /// - Parameters:
    ///   - reactors: all that will run sessions, each at the place of its `index`.
    ///   - nameServers: `HOST:PORT,…` in place of those of resolv.conf.
    package init(
        reactors: [Reactor], limits: Limits = Limits(), nameServers: String? = nil, logger: Logger
    ) throws(Resolver.Unavailable) {
        var resolvers: [Resolver] = []
        for reactor in reactors { resolvers.append(try Resolver(on: reactor, nameServers: nameServers)) }
        self.resolvers = resolvers
        self.limits = limits
        self.logger = logger
        credentials = Credentials()
        // Until a policy is applied, what no gateway reaches without a rule is shut.
        destinations = Mutex(DestinationGuard(Policy(), surroundings: Surroundings()))
    }

    /// From now on sessions are judged by this policy; tunnels that stand are left alone.
    package func apply(_ policy: Policy, in surroundings: Surroundings) {
        let next = DestinationGuard(policy, surroundings: surroundings)
        destinations.withLock { $0 = next }
        credentials.replaceUsers(policy.users)
    }

    /// What is to be done with each client of `listener`.
    package func session(for listener: Listener) -> SessionBody {
        switch listener.kind {
        case .socks5:
            return { reactor, client, address in
                let requester = Requester(listener: listener, client: address)
                await SOCKS5Session(relay: self, requester: requester).run(client, on: reactor)
            }
        case .http, .https, .mixed:
            return { reactor, client, address in
                let requester = Requester(listener: listener, client: address)
                await HTTPSession(relay: self, requester: requester).run(client, on: reactor)
            }
        }
    }

    func resolver(on reactor: Reactor) -> Resolver { resolvers[reactor.index] }

    func verdict(on address: IPAddress, port: UInt16) -> DestinationGuard.Verdict {
        destinations.withLock { $0.verdict(on: address, port: port) }
    }
}
