import Address
import Logging
import Machine
import Policy
import Reactor
import Resolver
import Supervisor

/// The role that answers questions for names: those of the devices in served zones, and those of the relays.
actor NamesRole: RoleService {
    private let reactor: Reactor
    private let responder: Responder
    private let log: Logger
    private let streams: NameStreams
    private let announcer: Announcer
    private let events: EventLine
    private var denials = DenialLine()
    /// By endpoint: sockets that the assignment in force names, and those that were offered since.
    private var sockets: [Endpoint: Pair] = [:]
    private var offered: [Endpoint: Pair] = [:]
    private var doors: [Listener: Door] = [:]
    private var assignment: NamesAssignment?
    private var staged: NamesAssignment?
    private var hosts = HostTable.empty
    /// The names of blocklists, by their contents.
    private var lists: [String: NameSet] = [:]
    /// Where long texts are told apart: a hundred thousand lines are not to hold answers up.
    private let reader = Workers(count: 1, capacity: 4)
    /// By the numbers of watched devices: the name for which each was given an address last.
    private var given: [UInt16: [IPAddress: String]] = [:]
    /// Addresses of one device; of one that is given more all are forgotten.
    private static let mostGiven = 4096

    /// The sockets of one listener.
    private final class Pair: Sendable {
        let streams: Descriptor
        let datagrams: Descriptor

        init(_ streams: consuming Descriptor, _ datagrams: consuming Descriptor) {
            self.streams = streams
            self.datagrams = datagrams
        }
    }

    /// A listener that is answered on.
    private struct Door {
        let zone: UInt16
        let datagrams: NameSocket
        let acceptor: Acceptor

        func close() {
            datagrams.close()
            acceptor.close()
        }
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    init(_ equipment: RoleEquipment) {
        reactor = equipment.reactor
        log = equipment.log
        events = equipment.events
        let responder = Responder(on: equipment.reactor, telling: equipment.counters)
        self.responder = responder
        streams = NameStreams(responder)
        let announcer = Announcer(on: equipment.reactor, equipment.events, equipment.log)
        self.announcer = announcer
        responder.announce = { name, addresses, seconds in
            await announcer.announce("\(name)", addresses, seconds: seconds)
        }
        responder.tellOfAnswer = { [unowned self] member, name, addresses in
            assumeIsolated { $0.noteAnswer(to: member, "\(name)", addresses) }
        }
        responder.tellOfRuling = { [unowned self] visitor, rule, name in
            assumeIsolated { $0.tell(of: visitor, rule, "\(name)") }
        }
        responder.tellOfExcess = { [unowned self] visitor, excess in
            assumeIsolated { $0.tell(of: visitor, excess) }
        }
    }

    private func noteAnswer(to member: UInt16, _ name: String, _ addresses: [IPAddress]) {
        if given[member, default: [:]].count >= Self.mostGiven { given[member] = nil }
        for address in addresses.map(\.unmapped) { given[member, default: [:]][address] = name }
    }

    private func tell(of visitor: Visitor, _ rule: Int, _ name: @autoclosure () -> String) {
        guard let client = visitor.source.endpoint?.address.unmapped else { return }
        var denial = NameDenial(rule: rule, member: visitor.member, client: client, name: "")
        guard denials.admits(denial, at: .now) else { return }
        denial.name = name()
        events.send(.denied(denial))
    }

    private func tell(of visitor: Visitor, _ excess: Responder.Excess) {
        let known = assignment?.standings.first { $0.number == visitor.member }?.name
        let who = known ?? visitor.source.endpoint.map { "\($0.address)" } ?? "somebody"
        switch excess {
        case .questions(let count):
            log.warning(
                "\(who) asks for more than \(count) names in a second; what is beyond that is not answered (`gatehousectl limit set client --questions N`)"
            )
        case .waiting(let count):
            log.warning(
                "\(who) has \(count) questions for names under way to which no name server has an answer yet; more are answered with a failure"
            )
        }
    }

    func offer(_ endpoint: Endpoint, _ socket: consuming Descriptor, datagrams: consuming Descriptor?) {
        guard let datagrams else { return }
        offered[endpoint] = Pair(socket, datagrams)
    }

    func lend(_ content: String, _ names: [UInt8]) async {
        do throws(Errno) {
            lists[content] = try await reader.run { NameSet(names) }
        } catch {
            log.error("the names of a blocklist cannot be read: \(error)")
        }
    }

    func stage(_ assignment: NamesAssignment) async throws(Refusal) {
        for account in assignment.accounts {
            let endpoint = account.listener.endpoint
            guard offered[endpoint] != nil || sockets[endpoint] != nil else {
                throw Refusal("there is no socket for \(endpoint)")
            }
        }
        staged = assignment
    }

    func commit() async throws(Refusal) {
        guard let assignment = staged else { throw Refusal("there is nothing to commit") }
        staged = nil
        self.assignment = assignment
        lists = lists.filter { list in assignment.blocklists.contains { $0.content == list.key } }
        let news = announcer.use(assignment.policy.addressRules)
        responder.watched = Set(assignment.standings.filter(\.isWatched).map(\.number))
        given = given.filter { responder.watched.contains($0.key) }
        responder.use(Knowledge(assignment, lists: lists), news: NameSet(domains: news))
        let accounts = Dictionary(uniqueKeysWithValues: assignment.accounts.map { ($0.listener, $0.number) })
        for (listener, door) in doors
        where accounts[listener] == nil || offered[listener.endpoint] != nil
            || door.zone != assignment.number(of: listener)
        {
            door.close()
            doors[listener] = nil
        }
        sockets.merge(offered) { $1 }
        offered = [:]
        let endpoints = Set(assignment.accounts.map(\.listener.endpoint))
        sockets = sockets.filter { endpoints.contains($0.key) }
        for (listener, account) in accounts where doors[listener] == nil {
            doors[listener] = try open(listener, account, zone: assignment.number(of: listener))
        }
        log.debug("another share is in force", metadata: ["listeners": "\(doors.count)"])
    }

    func abort() {
        staged = nil
        offered = [:]
    }

    private func open(_ listener: Listener, _ account: UInt16, zone: UInt16) throws(Refusal) -> Door {
        guard let pair = sockets[listener.endpoint] else {
            throw Refusal("there is no socket for \(listener.endpoint)")
        }
        let isForRelays = listener == .forRelays
        do {
            let datagrams = try NameSocket(
                pair.datagrams.duplicate(), zone: zone, isForRelays: isForRelays, responder: responder)
            // Both are of this role's one reactor.
            nonisolated(unsafe) let streams = streams
            let log = log
            let acceptor = Acceptor(
                listener: try pair.streams.duplicate(), account: account, reactors: [reactor],
                onPause: { errno in
                    let reason = errno.map { "\($0)" } ?? "the limit of open descriptors is reached"
                    log.warning("accepting pauses: \(reason); questions over UDP are answered all the same")
                },
                session: { _, connection in
                    await streams.serve(connection, zone: zone, isForRelays: isForRelays)
                })
            return Door(zone: zone, datagrams: datagrams, acceptor: acceptor)
        } catch {
            throw Refusal("cannot answer on \(listener.endpoint): \(error)")
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
        var servers = NameServers(servers)
        // Search domains are for those who look names up, and not for those who answer.
        servers.search = []
        responder.use(servers, hosts: hosts)
    }

    func confirm(_ serial: Int) { announcer.confirm(serial) }

    func drain(for limit: Duration) async {
        for door in doors.values { door.close() }
        doors = [:]
        sockets = [:]
        offered = [:]
    }

    func nameRefusals() -> [NameRefusal] {
        responder.refusals.map { NameRefusal(list: $0.list, member: $0.member, count: $1) }
    }

    func toldNames() -> [ToldName] {
        given.flatMap { member, names in
            names.map { ToldName(device: member, address: $0.key, name: $0.value) }
        }
    }

    /// It carries no sessions.
    func sessions(_ query: SessionQuery) async -> SessionList { SessionList() }
    func endSessions(_ selection: SessionSelection) async -> Int { 0 }
}

extension NamesAssignment {
    /// The number of the zone behind the listener; 0: none.
    fileprivate func number(of listener: Listener) -> UInt16 {
        guard let interface = listener.interface, let zone = policy.zone(of: interface) else { return 0 }
        return policy.number(ofZone: zone.name)
    }
}
