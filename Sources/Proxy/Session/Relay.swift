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
        /// How long a client that has its answer may go on sending what is read over (RFC 9112 §9.6).
        package var lingering: Duration = .seconds(30)
        /// How long an HTTP client may take until its next request.
        package var keepAlive: Duration = .seconds(75)
        /// How long a client that sends the content of a request may make a pause.
        package var content: Duration = .seconds(300)
        /// How long nothing may move between a request and the end of its response. An origin may be silent for as long as a tunnel: if
        /// one of the ends is gone, TCP keep-alive finds that out (RFC 5382 REQ-5: no less than 2 h 4 min).
        package var exchange: Duration = .seconds(2 * 3600 + 5 * 60)
        /// Interim responses to one request, and for how long they put the end of `exchange` off.
        package var interims = 100
        package var interimTime: Duration = .seconds(4 * 3600)
        /// How long the content of a request may stand still once its response has come.
        package var upload: Duration = .seconds(30)
        /// How long a connection to an origin is kept for the next request. Many servers close after 5 s or 60 s.
        package var upstream: Duration = .seconds(30)
        /// Content of a request that is read over, so that its connection can go on after an answer of the proxy's own.
        package var discard = 256 * 1024
        /// Head of an HTTP request, in bytes.
        package var head = 128 * 1024
        /// Memory for heads beyond 16 kB, of requests and responses under way together, in bytes (`HeadBudget`).
        package var largeHeads = 32 << 20
        /// Of it, for one client.
        package var largeHeadsOfClient = 8 << 20
        /// Requests without valid credentials that an HTTP connection survives.
        package var challenges = 5

        package init() {}
    }

    let limits: Limits
    let logger: Logger
    let credentials: Credentials
    /// What holds back the log when clients come to the wrong port.
    let mistakes = LogBound()
    /// The same, when memory is short.
    private let relieved = LogBound()
    private let isRelieving = Atomic<Bool>(false)
    let heads: HeadBudget
    let doorkeeper: Doorkeeper
    /// By reactor.
    package let sessions: [Sessions]
    private let journal: SessionJournal
    private let names: DeviceNames
    private let watch: Watch
    private let resolvers: [Resolver]
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
    ///   - doorkeeper: who opens the firewall for associations and BIND.
    ///   - onVisit: told from any thread where the devices go that are watched.
    ///   - onWrongLogins: told of each wrong login, from any thread.
    package init(
        reactors: [Reactor], ledger: Ledger, limits: Limits = Limits(), nameServers: NameServers = NameServers([]),
        counters: Counters? = nil, logger: Logger, doorkeeper: Doorkeeper = .none,
        onVisit: @escaping @Sendable (DeviceVisit) -> Void = { _ in },
        onWrongLogins: @escaping @Sendable (WrongLogins) -> Void = { _ in }
    ) {
        resolvers = reactors.map { Resolver(on: $0, servers: nameServers, telling: counters) }
        outboxes = reactors.map { _ in Outbox() }
        let journal = SessionJournal(logger: logger)
        let names = DeviceNames()
        let watch = Watch(onVisit)
        sessions = reactors.map {
            Sessions(on: $0, ledger: ledger, limits: limits, journal: journal, names: names, watch: watch)
        }
        self.watch = watch
        self.journal = journal
        self.doorkeeper = doorkeeper
        self.names = names
        self.limits = limits
        self.logger = logger
        let guesses = Guesses(logger: logger, tell: onWrongLogins)
        credentials = Credentials { guesses.note(user: $0.printableName, from: $1, count: $2) }
        heads = HeadBudget(limit: limits.largeHeads, ofClient: limits.largeHeadsOfClient)
        // Until a policy is applied, what no gateway reaches without a rule is shut.
        currentAccess = Mutex(Access(Policy(), surroundings: Surroundings()))
        currentPremises = Mutex(Premises(Policy(), surroundings: Surroundings()))
    }

    /// From now on new sessions and requests are judged by this policy. Open sessions are judged by `review`.
    ///
    /// - Parameters:
    ///   - standings: how devices stand at present.
    ///   - authority: the certificate of the gateway's own authority, as PEM, for devices to fetch; nil: no https listener shows
    ///     a certificate by it.
    package func apply(
        _ policy: Policy, in surroundings: Surroundings, standings: [DeviceStanding] = [], authority: String? = nil
    ) {
        let next = Access(policy, surroundings: surroundings, standings: standings)
        names.replace(by: next.devices)
        watch.replace(by: next.devices)
        currentAccess.withLock { $0 = next }
        journal.isOn.store(policy.sessionLogging == .journal, ordering: .relaxed)
        currentPremises.withLock { $0 = Premises(policy, surroundings: surroundings, authority: authority) }
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

    /// Ends sessions of the client whose sessions take most memory, for when memory is short and there is nothing left to end for which
    /// nothing is done: whoever holds the most of it pays for it, and not all others who come.
    ///
    /// - Parameter bytes: what is to be had back, about. Whoever takes no more than that is not to blame.
    package func endHeaviest(worth bytes: Int, on reactor: Reactor) async {
        guard !isRelieving.exchange(true, ordering: .relaxed) else { return }
        await endHeaviest(worth: bytes)
        // What they took is given back in the reactors' next turns.
        await reactor.sleep(for: .milliseconds(50))
        isRelieving.store(false, ordering: .relaxed)
    }

    private func endHeaviest(worth bytes: Int) async {
        let limits = limitTable
        var burdens: [LimitTable.Client.Key: Int] = [:]
        for sessions in sessions { burdens.merge(await sessions.burdens(limits), uniquingKeysWith: +) }
        guard let heaviest = burdens.max(by: { $0.value < $1.value }), heaviest.value > bytes else { return }
        for sessions in sessions { await sessions.end(worth: bytes / self.sessions.count, of: heaviest.key, limits) }
        guard relieved.admits(heaviest.key.address) else { return }
        let client =
            switch heaviest.key {
            case .address(let address): "\(address)"
            case .device(let number): names[number] ?? "a device"
            }
        logger.warning(
            "memory is short: sessions of \(client) are ended, which take more than those of any other client",
            metadata: ["client": "\(client)"])
    }

    func resolver(on reactor: Reactor) -> Resolver { resolvers[reactor.index] }

    /// What decides at present. A caller that asks more than once about one thing keeps the value meanwhile.
    var access: Access { currentAccess.withLock { $0 } }

    /// As whom the client of a session is counted.
    func key(of session: Session) -> LimitTable.Client.Key {
        limitTable.client(at: session.address, device: session.device).key
    }

    /// The limits in force.
    var limitTable: LimitTable { access.limits }

    /// What clients are told of the gateway at present, in the PAC file and on its pages.
    var premises: Premises { currentPremises.withLock { $0 } }
}
