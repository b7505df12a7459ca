import Address
import Glibc
import Logging
import Machine
import Policy
import Proxy
import Reactor
import Resolver
import Supervisor

/// A relay role, SOCKS5 or HTTP: accepts on the sockets that it was given and runs their sessions on one reactor per core.
actor RelayRole: RoleService {
    private let main: Reactor
    private let reactors: [Reactor]
    private let relay: Relay
    private let log: Logger
    /// By endpoint: sockets that the assignment in force names, and those that were offered since.
    private var sockets: [Endpoint: ListeningSocketBox] = [:]
    private var offered: [Endpoint: ListeningSocketBox] = [:]
    private var acceptors: [Listener: Acceptor] = [:]
    private var assignment: RelayAssignment?
    private var staged: RelayAssignment?
    private var hosts = HostTable.empty
    /// Where the hosts' lines are told apart: a hundred thousand of them are not to hold sessions up.
    private let reader = Workers(count: 1, capacity: 4)
    /// What the https listeners show, and what they are to show once the assignment is in force.
    private var shown: Certificate?
    private var nextShown: Certificate?

    private struct Certificate {
        let chain: String
        let server: TLSServer
    }

    /// A socket with several owners: the acceptor of today, and that of tomorrow.
    private final class ListeningSocketBox: Sendable {
        let descriptor: Descriptor

        init(_ descriptor: consuming Descriptor) {
            self.descriptor = descriptor
        }
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { main.unownedExecutor }

    init(_ equipment: RoleEquipment) throws {
        guard let ledger = equipment.ledger else { throw Refusal("the supervisor passed no ledger on") }
        main = equipment.reactor
        log = equipment.log
        var reactors = [main]
        for index in 1..<max(1, min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 16)) {
            reactors.append(try Reactor(index: index, counters: equipment.counters))
        }
        self.reactors = reactors
        let events = equipment.events
        let visits = VisitLine(on: main, events)
        let pleas = equipment.pleas
        relay = Relay(
            reactors: reactors, ledger: ledger, counters: equipment.counters, logger: log,
            doorkeeper: Doorkeeper(open: { await pleas.open($0) }, shut: { pleas.shut($0) }),
            onVisit: { visits.note($0) }
        ) {
            events.send(.wrongLogins(client: $0.client, user: $0.user, count: $0.count))
        }
        for reactor in reactors.dropFirst() { reactor.start() }
        try boundMemory(equipment.memory)
    }

    /// A role that cannot tell how much memory it has goes without a bound.
    private nonisolated func boundMemory(_ memory: MemoryAllotment) throws(Errno) {
        guard memory.statm >= 0 else {
            return log.warning("no look at this process's memory; the number of sessions alone is bounded")
        }
        let (main, reactors, relay, log) = (main, reactors, relay, log)
        try MemoryBudget.shared.begin(atMost: memory.bytes, statm: Descriptor(adopting: memory.statm)) { shortage in
            if shortage.isNews {
                log.warning(
                    "memory is short: \(memory.bytes >> 20) MiB are in use. Clients that ask for nothing are ended, and accepting pauses until there is more"
                )
            }
            for reactor in reactors { reactor.relieve() }
            guard shortage.isLasting else { return }
            main.spawn { reactor in await relay.endHeaviest(worth: memory.bytes / 32, on: reactor) }
        }
    }

    func offer(_ endpoint: Endpoint, _ socket: consuming Descriptor, datagrams: consuming Descriptor?) {
        offered[endpoint] = ListeningSocketBox(socket)
    }

    func stage(_ alteration: RelayAlteration) async throws(Refusal) {
        let assignment = try alteration.applied(to: assignment)
        for account in assignment.accounts {
            let endpoint = account.listener.endpoint
            guard offered[endpoint] != nil || sockets[endpoint] != nil else {
                throw Refusal("there is no socket for \(endpoint)")
            }
        }
        nextShown = certificate(assignment.identity)
        staged = assignment
    }

    /// The supervisor has checked it. Should it be of no use here all the same, the other listeners go on without it.
    private func certificate(_ identity: ServerIdentity?) -> Certificate? {
        guard let identity else { return nil }
        if let shown, shown.chain == identity.chain { return shown }
        do throws(Refusal) {
            return Certificate(chain: identity.chain, server: try TLSServer(identity))
        } catch {
            log.error("https listeners have nothing to show: \(error)")
            return nil
        }
    }

    func commit() async throws(Refusal) {
        guard let assignment = staged else { throw Refusal("there is nothing to commit") }
        staged = nil
        self.assignment = assignment
        relay.apply(
            assignment.policy, in: assignment.surroundings, standings: assignment.standings,
            authority: assignment.authority)
        shown = nextShown
        relay.show(shown?.server)
        let accounts = Dictionary(uniqueKeysWithValues: assignment.accounts.map { ($0.listener, $0.number) })
        for (listener, acceptor) in acceptors where accounts[listener] == nil || offered[listener.endpoint] != nil {
            acceptor.close()
            acceptors[listener] = nil
        }
        sockets.merge(offered) { $1 }
        offered = [:]
        let endpoints = Set(assignment.accounts.map(\.listener.endpoint))
        sockets = sockets.filter { endpoints.contains($0.key) }
        for (listener, account) in accounts where acceptors[listener] == nil {
            acceptors[listener] = try accept(listener, account)
        }
        await relay.review()
        log.debug("another share is in force", metadata: ["listeners": "\(acceptors.count)"])
    }

    func abort() {
        staged = nil
        nextShown = nil
        offered = [:]
    }

    private func accept(_ listener: Listener, _ account: UInt16) throws(Refusal) -> Acceptor {
        guard let socket = sockets[listener.endpoint] else {
            throw Refusal("there is no socket for \(listener.endpoint)")
        }
        do {
            let log = self.log
            return Acceptor(
                listener: try socket.descriptor.duplicate(), account: account, reactors: reactors,
                onPause: { errno in
                    let reason = errno.map { "\($0)" } ?? "the limit of open descriptors is reached"
                    log.warning(
                        "accepting pauses: \(reason); sessions go on, and accepting with them as soon as some end. Clients that ask for nothing are ended first"
                    )
                },
                session: relay.session(for: listener))
        } catch {
            throw Refusal("cannot accept on \(listener.endpoint): \(error)")
        }
    }

    func use(_ servers: NameServerList, hosts text: [UInt8]?) async {
        if let text {
            do throws(Errno) {
                hosts = try await reader.run { HostTable(text) }
            } catch {
                log.error("the names of hosts stay as they were: \(error)")
            }
        }
        await relay.use(NameServers(servers), hosts: hosts)
    }

    func drain(for limit: Duration) async {
        for acceptor in acceptors.values { acceptor.close() }
        acceptors = [:]
        // The last copies: a port that nobody accepts from is to refuse.
        sockets = [:]
        offered = [:]
        let end = ContinuousClock.now + limit
        while reactors.contains(where: { $0.load > 0 }), .now < end {
            await main.sleep(for: .milliseconds(16))
        }
    }

    func sessions(_ query: SessionQuery) async -> SessionList {
        var parts: [SessionList] = []
        for sessions in relay.sessions { parts.append(await sessions.list(query)) }
        return SessionList(merging: parts, for: query)
    }

    func sessionLog(_ query: SessionLogQuery) async -> SessionLogList {
        var parts: [SessionLogList] = []
        for sessions in relay.sessions { parts.append(await sessions.log(query)) }
        return SessionLogList(merging: parts, for: query)
    }

    func traffic() async -> [DeviceTraffic] {
        var totals: [UInt16: Traffic] = [:]
        for sessions in relay.sessions {
            for (number, traffic) in await sessions.traffic() { totals[number, default: Traffic()].add(traffic) }
        }
        return totals.map { number, traffic in
            DeviceTraffic(number: number, sent: Int(clamping: traffic.sent), received: Int(clamping: traffic.received))
        }
    }

    func stoppedPackets() async -> [String: Int] {
        var counts: [String: Int] = [:]
        for sessions in relay.sessions {
            for (rule, count) in await sessions.refusals() { counts["\(rule)", default: 0] += count }
        }
        return counts
    }

    func endSessions(_ selection: SessionSelection) async -> Int {
        var count = 0
        for sessions in relay.sessions { count += await sessions.end(selection) }
        return count
    }
}

extension NameServers {
    init(_ list: NameServerList) {
        self.init(
            list.servers.map { Server($0.address, zone: $0.index) }, search: list.search, dots: list.dots,
            timeout: list.timeout.map { .seconds($0) }, attempts: list.attempts, rotates: list.rotates,
            isOwn: list.isOwn)
    }
}
