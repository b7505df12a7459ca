import Address
package import Logging
package import Policy
package import Reactor
package import Resolver
import Synchronization
import Wire

/// Everything that the sessions of one relay process share.
package final class Relay: Sendable {
    package struct Limits: Sendable {
        /// From a client's first byte to its whole request, however it arrives.
        package var handshake: Duration = .seconds(10)
        /// From a request to the origin's connection, name lookup included.
        package var dial: Duration = .seconds(10)
        /// How long BIND waits for its peer.
        package var incoming: Duration = .seconds(120)
        /// How long the fragments of a datagram wait for the last of them (RFC 1928 §7: no less than 5 s).
        package var reassembly: Duration = .seconds(10)
        /// How long a datagram to a name goes where the one before went, before the name is looked up anew.
        package var nameLife: Duration = .seconds(60)
        /// How long a refused client may take to read why (RFC 1928 §6 allows 10 s).
        package var farewell: Duration = .seconds(3)
        /// How long an HTTP client may take until its next request.
        package var keepAlive: Duration = .seconds(75)
        /// How long nothing may move between a request and the end of its response.
        package var exchange: Duration = .seconds(300)
        /// As `exchange`, once the client has sent its FIN: it may only have nothing more to ask, or be gone.
        package var halfOpen: Duration = .seconds(30)
        /// How long a connection to an origin is kept for the next request. Many servers close after 5 s or 60 s.
        package var upstream: Duration = .seconds(30)
        /// Content of a request that is read over, so that its connection can go on after an answer of the proxy's own.
        package var discard = 256 * 1024
        /// Head of an HTTP request, in bytes.
        package var head = 16 * 1024
        /// Requests without valid credentials that an HTTP connection survives.
        package var challenges = 5

        package init() {}
    }

    let limits: Limits
    let logger: Logger
    let credentials: Credentials
    /// What holds back the log when clients come to the wrong port.
    let mistakes = LogBound()
    /// By reactor.
    package let sessions: [Sessions]
    private let journal: SessionJournal
    private let resolvers: [Resolver]
    private let pools: [OriginPool]
    private let currentAccess: Mutex<Access>
    private let currentPremises: Mutex<Premises>
    /// The certificate that https listeners show new clients; nil: there is none.
    let tls = Mutex<TLSServer?>(nil)
    /// By reactor.
    let outboxes: [Outbox]

    /// - Parameters:
    ///   - reactors: all that will run sessions, each at the place of its `index`.
    ///   - ledger: where limits are held, over all processes that have it.
    ///   - nameServers: who is asked for names until `use` names others.
    ///   - counters: where it is told that no name server answers; nil: nowhere.
    ///   - onWrongLogins: told now and then, from any thread, while somebody seems to be guessing passwords.
    package init(
        reactors: [Reactor], ledger: Ledger, limits: Limits = Limits(), nameServers: NameServers = NameServers([]),
        counters: Counters? = nil, logger: Logger, onWrongLogins: @escaping @Sendable (WrongLogins) -> Void = { _ in }
    ) {
        resolvers = reactors.map { Resolver(on: $0, servers: nameServers, telling: counters) }
        pools = reactors.map { OriginPool(on: $0, life: limits.upstream) }
        outboxes = reactors.map { _ in Outbox() }
        let journal = SessionJournal(logger: logger)
        sessions = reactors.map { Sessions(on: $0, ledger: ledger, limits: limits, journal: journal) }
        self.journal = journal
        self.limits = limits
        self.logger = logger
        let guesses = Guesses(logger: logger, tell: onWrongLogins)
        credentials = Credentials { guesses.note(user: $0.printableName, from: $1, count: $2) }
        // Until a policy is applied, what no gateway reaches without a rule is shut.
        currentAccess = Mutex(Access(Policy(), surroundings: Surroundings()))
        currentPremises = Mutex(Premises(Policy(), surroundings: Surroundings()))
    }

    /// From now on new sessions and requests are judged by this policy. Open sessions are judged by `review`.
    package func apply(_ policy: Policy, in surroundings: Surroundings) {
        let next = Access(policy, surroundings: surroundings)
        currentAccess.withLock { $0 = next }
        journal.isOn.store(policy.sessionLogging == .journal, ordering: .relaxed)
        currentPremises.withLock { $0 = Premises(policy, surroundings: surroundings) }
        credentials.replaceUsers(policy.users)
    }

    /// From now on names are looked up so.
    package func use(_ servers: NameServers, hosts: HostTable) async {
        for resolver in resolvers { await resolver.use(servers, hosts: hosts) }
    }

    /// Ends the sessions that the policy in force does not allow any more, and no other.
    package func review() async {
        let access = self.access
        var count = 0
        for sessions in sessions { count += await sessions.review(access, credentials) }
        if count > 0 { logger.notice("\(count) sessions ended: the policy allows them no more") }
    }

    func resolver(on reactor: Reactor) -> Resolver { resolvers[reactor.index] }

    func pool(on reactor: Reactor) -> OriginPool { pools[reactor.index] }

    /// What decides at present. A caller that asks more than once about one thing keeps the value meanwhile.
    var access: Access { currentAccess.withLock { $0 } }

    /// The limits in force.
    var limitTable: LimitTable { access.limits }

    /// What clients are told of the gateway at present, in the PAC file.
    var premises: Premises { currentPremises.withLock { $0 } }
}
