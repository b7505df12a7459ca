import Address
import Firewall
import Glibc
import Logging
import Machine
import Policy
import Reactor
import Ruleset
import Supervisor

/// The firewall role: makes the kernel hold the ruleset that an assignment asks for, or only tells what it would be. It
/// hears of every change to the table, and puts right at once what somebody else did.
///
/// Its netlink calls block, which holds up nobody: it is all that this process does.
actor FirewallRole: RoleService {
    private let reactor: Reactor
    private let events: EventLine
    let log: Logger
    /// Made at the first need and kept: it owns the table, where the kernel knows owners. nil: not needed yet, or the last
    /// conversation ended in the middle.
    private var netlink: Netlink?
    private var current: Plan?
    private var staged: Plan?
    /// Why the ruleset could not be put in force. nil: it is, or none is to be.
    private var failure: FirewallError?
    private let flows = RoutedFlows()
    private var departures = DepartureLine()
    private var drops = DropLog()
    private let visits: VisitLine
    /// What the live sets are to hold.
    private(set) var elements = LiveElements.none
    /// Of associations that are over, and whose flows are not ended yet.
    private var endedAssociations: Set<LiveKey> = []
    /// Of the table's changes. nil: nobody tells of them.
    private var subscription: Bulletin.Subscription?
    /// The networks of blocklists, by their contents.
    private var networks: [String: AddressRanges] = [:]
    /// TCP connections, by their sockets' cookies, that were there when the ruleset was put in force.
    private var known: Set<UInt64> = []
    /// Those that were there when the trial began that is in force. Empty: nobody knows, since this role came in the middle of it.
    var knownBeforeTrial: Set<UInt64> = []
    /// The last plan that was in force and on no trial. nil: there was none.
    var settled: Plan?

    struct Plan {
        var ruleset: Ruleset
        /// The contents of the blocklists that the assignment has: they are lent once, and may be asked for by a later ruleset.
        let lists: Set<String>
        /// The live sets of domains that a rule denies.
        let deniedSets: [LiveSet]
        /// The devices that time keeps from everything at present.
        let held: Set<HardwareAddress>
        /// The numbers of the devices that learn, and of those that are held.
        let learners: [HardwareAddress: UInt16]
        let captives: [HardwareAddress: UInt16]
        /// The machine's own addresses.
        let addresses: Set<IPAddress>
        /// Those at which the proxies and the names role listen.
        let listenerPorts: Set<UInt16>
        /// Whether a trial falls back to rules; false: to none at all, or nothing is on trial.
        let fallsBackToRules: Bool
        /// Rules that were in force once and may have let something begin that is under way.
        let earlier: [Ruleset]
        let isEnforced: Bool
        let isReleased: Bool
        let ownsTable: Bool
        /// When the kernel falls back by itself. nil: nothing is on trial.
        var trialEnd: ContinuousClock.Instant?
        /// Why the kernel does without a part of the ruleset. nil: it does not.
        var lack: String?
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    init(_ equipment: RoleEquipment) {
        reactor = equipment.reactor
        events = equipment.events
        log = equipment.log
        visits = VisitLine(on: equipment.reactor, equipment.events)
        reactor.spawn { _ in await self.followTable() }
        reactor.spawn { _ in await self.followSurroundings() }
        reactor.spawn { _ in await self.followNeighbours() }
        reactor.spawn { _ in await self.followNotes() }
    }

    /// Needs no sockets.
    func offer(_ endpoint: Endpoint, _ socket: consuming Descriptor, datagrams: consuming Descriptor?) {}

    func lend(_ content: String, _ lines: [UInt8]) { networks[content] = AddressRanges(lines: lines) }

    func stage(_ assignment: FirewallAssignment) async throws(Refusal) {
        flows.use(assignment)
        let policy = assignment.policy
        staged = Plan(
            ruleset: assignment.ruleset { networks[$0] },
            lists: Set(
                (assignment.blocklists + (assignment.former?.policy?.networkLists ?? [])).map(\.content)),
            deniedSets: assignment.policy.rules.filter { $0.action == .deny && $0.domain != nil && $0.user == nil }
                .flatMap { rule in [.ipv4, .ipv6].map { Ruleset.addresses(ofRule: rule.id, $0) } },
            held: assignment.held,
            learners: assignment.numbers { assignment.surroundings.household.learners.contains($0.hardware) },
            captives: assignment.numbers { member in
                policy.device(with: member.hardware).map { policy.isHeld($0.name) } ?? false
            },
            addresses: Set(assignment.surroundings.interfaces.flatMap(\.addresses).map(\.address)),
            listenerPorts: Set(assignment.listeners.map(\.endpoint.port)),
            fallsBackToRules: assignment.former?.policy != nil,
            earlier: assignment.earlier.map {
                Ruleset(policy: $0, surroundings: assignment.surroundings) { networks[$0] }
            },
            isEnforced: assignment.hold == .enforced, isReleased: assignment.hold == .released,
            ownsTable: assignment.ownsTable)
    }

    /// One transaction: the kernel takes all of it or none. A ruleset that it holds already is left alone.
    func commit() async throws(Refusal) {
        guard var plan = staged else { throw Refusal("there is nothing to commit") }
        staged = nil
        let connections = plan.isEnforced ? Set(((try? Connections.underWay()) ?? []).map(\.cookie)) : []
        do throws(FirewallError) {
            if plan.isEnforced {
                try putInForce(&plan)
            } else if plan.isReleased {
                try ask(plan) { netlink throws(FirewallError) in try netlink.remove() }
            }
        } catch {
            guard let current else {
                // What the kernel took, if it took it, stays: a door that is shut in doubt.
                if plan.isEnforced { shut(plan) }
                (current, failure, known) = (plan, error, connections)
                throw Refusal("\(error)")
            }
            if error.isTaken { goBack(to: current) }
            throw Refusal("the firewall is unchanged: \(error)")
        }
        networks = networks.filter { plan.lists.contains($0.key) }
        plan.trialEnd = plan.ruleset.maps.first.map { .now + .seconds(Int($0.seconds)) }
        // What was refused was never in force.
        let former = failure == nil ? current : nil
        (current, failure) = (plan, nil)
        // What went out a moment ago may be refused from now on.
        if former?.ruleset != plan.ruleset { departures.beginAnew() }
        // Of a trial nothing is ended: the rules before may hold again.
        if plan.isEnforced, !plan.ruleset.isTrial,
            former?.ruleset != plan.ruleset || former?.addresses != plan.addresses || former?.held != plan.held
        {
            flows.endRefused(by: plan.ruleset, among: elements, addresses: plan.addresses, log: log)
            // As long as a change was on trial, or there was no ruleset, not all that they had was ended.
            let bans = LiveSet.bans.flatMap { elements[$0.name].keys }
            if former?.ruleset.isTrial ?? true { endBanned(Set(bans.compactMap(\.source)), plan) }
        }
        if plan.isEnforced, !plan.ruleset.isTrial { endRevoked(by: plan, since: former) }
        if !plan.isEnforced {
            settled = nil
        } else if !plan.ruleset.isTrial {
            settled = plan
        } else if former?.ruleset.isTrial != true {
            knownBeforeTrial = former == nil ? [] : connections
        }
        known = connections
    }

    /// The first ruleset was refused: without a table everything would be let in.
    private func shut(_ plan: Plan) {
        do throws(FirewallError) {
            try ask(plan) { netlink throws(FirewallError) in try netlink.shut() }
        } catch {
            log.critical("the kernel takes no ruleset at all: \(error)")
        }
    }

    /// What the kernel does not know is left out, and the rest is in force all the same.
    private func putInForce(_ plan: inout Plan) throws(FirewallError) {
        var (isWithoutSockets, isWithoutNotes) = (false, false)
        while true {
            do throws(FirewallError) {
                return try putInForce(plan.ruleset, for: plan)
            } catch {
                if error.lacksPacketLog, !isWithoutNotes {
                    (plan.ruleset, isWithoutNotes) = (plan.ruleset.withoutNotes, true)
                    plan.lack = "\(error); nothing else is different"
                } else if error.lacksSocketMatch, !isWithoutSockets {
                    (plan.ruleset, isWithoutSockets) = (plan.ruleset.withoutBoundSockets, true)
                    plan.lack = "\(error); its openings are left out, everything else is in force"
                } else {
                    throw error
                }
                log.warning("\(plan.lack ?? "")")
            }
        }
    }

    private func putInForce(_ ruleset: Ruleset, for plan: Plan) throws(FirewallError) {
        let held = Set(current?.ruleset.networkSets ?? [])
        let bringsNetworks = ruleset.networkSets.contains { !held.contains($0) }
        if bringsNetworks { subscription?.pause() }
        defer { if bringsNetworks { subscription?.resume() } }
        try ask(plan) { netlink throws(FirewallError) in try netlink.apply(ruleset, elements) }
        guard bringsNetworks else { return }
        subscription?.resume()
        // What somebody else did meanwhile was told to nobody.
        try ask(plan) { netlink throws(FirewallError) in try netlink.apply(ruleset, elements) }
    }

    /// What has come to an association that is over passes no longer. Once for all that end within a moment: to go through the flows
    /// takes the longer the more there are.
    private func endFlows(ofAssociations gone: [LiveKey]) {
        let isUnderWay = !endedAssociations.isEmpty
        endedAssociations.formUnion(gone)
        guard !isUnderWay, !endedAssociations.isEmpty else { return }
        reactor.spawn { _ in
            await self.reactor.sleep(for: .milliseconds(300))
            await self.endFlowsOfAssociations()
        }
    }

    private func endFlowsOfAssociations() {
        let gone = endedAssociations
        endedAssociations = []
        for flow in (try? Flow.current()) ?? [] where flow.transport == 17 {
            let source = flow.source.unmapped
            let key = LiveKey([.address(source), .address(flow.destination.unmapped), .port(flow.port)])
            let set = LiveSet.associations(source.isIPv6 ? .ipv6 : .ipv4)
            // The place may be another association's by now.
            if gone.contains(key), !elements.contains(key, in: set.name) { try? flow.end() }
        }
    }

    func change(_ changes: [LiveChange], isWhole: Bool) async throws(Refusal) {
        let held = elements
        if isWhole { elements = .none }
        for change in changes { elements.apply(change) }
        guard let plan = current, plan.isEnforced, failure == nil else {
            // Everything is told before there is a ruleset, and goes with it.
            if isWhole { return }
            throw Refusal("the kernel does not hold the ruleset\(failure.map { ": \($0)" } ?? " yet")")
        }
        let sets = plan.ruleset.liveSets
        let elements = elements
        do throws(FirewallError) {
            try ask(plan) { netlink throws(FirewallError) in
                try isWhole ? netlink.refill(sets, elements) : netlink.change(changes, of: sets, held: held)
            }
        } catch {
            // The table may have been taken away a moment ago: put back, it has them.
            log.info("\(error); the table is looked at")
            guard putBack() else { throw Refusal("the kernel did not take the elements: \(error)") }
        }
        func keys(_ sets: [LiveSet], _ isMeant: (LiveChange) -> Bool) -> [LiveKey] {
            let names = Set(sets.map(\.name))
            return changes.filter { names.contains($0.set) && isMeant($0) }.map(\.key)
        }
        // What has been in the same set is judged already; in another rule's it was judged by that rule. Of a trial nothing is ended.
        let denied = keys(plan.deniedSets) { $0.kind != .goes && !held.contains($0.key, in: $0.set) }
            .compactMap(\.source)
        if !denied.isEmpty, !plan.ruleset.isTrial {
            flows.endRefused(
                by: plan.ruleset, among: elements, to: Set(denied), addresses: plan.addresses, log: log)
        }
        endBanned(Set(keys(LiveSet.bans) { $0.kind != .goes }.compactMap(\.source)), plan)
        endFlows(ofAssociations: keys([.associations(.ipv4), .associations(.ipv6)]) { $0.kind == .goes })
    }

    func stoppedPackets() -> [String: Int] {
        guard let plan = current, plan.isEnforced else { return [:] }
        let held = Set(plan.ruleset.liveSets)
        var all: [String: Int] = [:]
        for set in LiveSet.bans where held.contains(set) {
            let counts = try? ask(plan) { netlink throws(FirewallError) in try netlink.elementCounts(of: set) }
            for (address, count) in counts ?? [:] { all["\(address)"] = Int(clamping: count) }
        }
        return all
    }

    /// Ends what those who are banned have under way with this machine and through forwards, as far as they could not begin it now.
    private func endBanned(_ sources: Set<IPAddress>, _ plan: Plan) {
        guard !sources.isEmpty else { return }
        // Both parts of a trial have the bans.
        arrivals.end("what came in from somebody who is banned") { packet, _ in
            (sources.contains(packet.source.site) || sources.contains(packet.source))
                && plan.addresses.contains(packet.destination)
                && !plan.ruleset.verdict(of: packet, among: elements).isAccepted
        }
        guard !plan.ruleset.isTrial else { return }
        flows.endRefused(by: plan.ruleset, among: elements, from: sources, addresses: plan.addresses, log: log)
    }

    /// The kernel is to hold what it held before. If that cannot be had, nobody knows what it holds: the role gives up, and
    /// its successor puts in force what is to be.
    private func goBack(to plan: Plan) {
        do throws(FirewallError) {
            try ask(plan) { netlink throws(FirewallError) in
                if plan.isEnforced { try netlink.apply(plan.ruleset, elements) } else { try netlink.remove() }
            }
        } catch {
            exit(1)
        }
    }

    private func ask<Result>(
        _ plan: Plan, _ question: (inout Netlink) throws(FirewallError) -> Result
    ) throws(FirewallError) -> Result {
        if netlink == nil { netlink = try Netlink(ownsTable: plan.ownsTable) }
        do throws(FirewallError) {
            return try question(&netlink!)
        } catch {
            // The table outlives its owner, and the next one takes it over.
            if error.isInterruption { netlink = nil }
            throw error
        }
    }

    func abort() {
        staged = nil
    }

    func drain(for limit: Duration) {}

    func sessions(_ query: SessionQuery) -> SessionList { flows.list(query) }

    func endSessions(_ selection: SessionSelection) -> Int { flows.end(selection) }

    func traffic() -> [DeviceTraffic] { flows.traffic() }

    func heldDepartures() -> [HeldDeparture] { departures.takeHeld(at: .now) }

    func droppedPackets() -> [DroppedPacket] {
        guard let plan = current else { return [] }
        return drops.told { packet in
            let judgement = plan.ruleset.verdict(of: packet, among: elements)
            // The rules may be others by now.
            return judgement.isAccepted ? "let through by now" : judgement.rule?.comment ?? judgement.chain ?? ""
        } device: {
            flows.name(of: $0)
        }
    }

    // MARK: - What others do

    private func followTable() async {
        do {
            let bulletin = try Bulletin(.table, on: reactor)
            subscription = bulletin.subscription
            defer { subscription = nil }
            while true {
                let authors = try await bulletin.next()
                // What this role does itself it reads back at once.
                if let own = netlink?.portIdentifier, authors == [own] { continue }
                putBack()
            }
        } catch {
            // As an ordinary user, who cannot enforce anything either. The supervisor looks from time to time, too.
            log.info("the kernel does not tell of changes to its tables: \(error)")
        }
    }

    private func followSurroundings() async {
        do {
            let bulletin = try Bulletin(.surroundings, on: reactor)
            while true {
                try await bulletin.next()
                events.send(.surroundingsChanged)
            }
        } catch {
            log.info("the kernel does not tell of changes to its interfaces: \(error)")
        }
    }

    /// What rules note: what the machine itself begins, and what may lead to a ban.
    private func followNotes() async {
        // A source that is passed over is noted again, and other events are not to be lost for it.
        var offences = EventBound(limit: EventLine.rate / 2)
        var sightings = EventBound(limit: EventLine.rate / 2)
        do {
            let packets = try PacketLog(on: reactor)
            while true {
                for packet in try await packets.next() {
                    switch packet.notice {
                    case .departure:
                        guard let departure = Departure(packet: packet.bytes, user: packet.user),
                            let count = departures.note(departure, at: .now), sightings.admits(),
                            events.send(.departed(departure, count: count))
                        else { continue }
                        departures.didTell(departure, at: .now)
                    case .drop:
                        drops.note(packet)
                        noteVisit(packet, by: current?.captives, isRefused: true)
                    case .barred: drops.note(packet)
                    case .visit: noteVisit(packet, by: current?.learners, isRefused: false)
                    case .scan, .flood:
                        guard let source = packet.source, offences.admits() else { continue }
                        events.send(.offence(packet.notice, source: source))
                    }
                }
            }
        } catch {
            log.info("the kernel does not tell of packets that rules note: \(error)")
        }
    }

    /// Tells where one of `devices` goes. What a device begins and the rules refuse is not what it needs.
    private func noteVisit(
        _ packet: PacketLog.Packet, by devices: [HardwareAddress: UInt16]?, isRefused: Bool
    ) {
        guard let number = packet.hardware.flatMap({ devices?[$0] }), packet.output != nil, let plan = current,
            let flow = Departure(packet: packet.bytes, user: nil), let source = packet.source
        else { return }
        let asked = Packet(packet, flow, from: source, at: Int(time(nil)))
        guard plan.ruleset.verdict(of: asked, among: elements).isAccepted != isRefused else { return }
        let visit = Visit(host: .address(flow.destination), transport: flow.transport, port: flow.port)
        visits.note(DeviceVisit(device: number, visit: visit, isRefused: isRefused))
    }

    /// Once a second at most: a link on which somebody makes addresses up has thousands of changes.
    private func followNeighbours() async {
        do {
            let bulletin = try Bulletin(.neighbours, on: reactor)
            while true {
                try await bulletin.next()
                events.send(.neighboursChanged)
                await reactor.sleep(for: .seconds(1))
            }
        } catch {
            log.info("the kernel does not tell of changes to its neighbours: \(error)")
        }
    }

    /// Puts the table back if it is not what it is to be, and then tells; and what its live sets are to hold, unless nobody else can have
    /// changed it: a notice that was lost may be one of this role's own, and to write all of a large set again would lose the next.
    ///
    /// - Returns: whether the kernel holds all that it is to hold.
    @discardableResult
    private func putBack() -> Bool {
        guard let plan = current, plan.isEnforced else { return false }
        let elements = elements
        let start = ContinuousClock.now
        var detail = failure?.description ?? ""
        do throws(FirewallError) {
            switch try ask(plan, { netlink throws(FirewallError) in try netlink.state(of: plan.ruleset) }) {
            case .same:
                let sets = plan.ruleset.liveSets
                if !sets.isEmpty {
                    try ask(plan) { netlink throws(FirewallError) in
                        if try !netlink.holdsElements() { try netlink.refill(sets, elements) }
                    }
                }
                return true
            case .absent: detail = "somebody deleted it"
            case .different(let what): detail = what
            }
            var ruleset = plan.ruleset
            if let end = plan.trialEnd {
                let left = (end - .now) / .seconds(1)
                ruleset = ruleset.lasting(UInt32(max(0, left.rounded(.up))))
            }
            try ask(plan) { netlink throws(FirewallError) in try netlink.apply(ruleset, elements) }
        } catch {
            events.send(.tableLost(detail: "\(detail): \(error)", putBackAfterMilliseconds: nil))
            return false
        }
        failure = nil
        let pause = ((netlink?.lastReplacement ?? .now) - start) / .milliseconds(1)
        events.send(.tableLost(detail: detail, putBackAfterMilliseconds: Int(pause.rounded(.up))))
        endIntruders(plan)
        return true
    }

    /// Ends what began while the table was away and would have been refused, whichever way it goes. Of UDP and other protocols, of which
    /// nobody knows when they began, whatever is refused: where a rule lets it pass, its next packet begins it again.
    private func endIntruders(_ plan: Plan) {
        func isIntruder(_ packet: Packet, _ cookie: UInt64?) -> Bool {
            !(cookie.map(known.contains) ?? false) && !plan.ruleset.verdict(of: packet, among: elements).isAccepted
        }
        arrivals.end("what came in without the firewall", where: isIntruder)
        OwnFlows(addresses: plan.addresses, log: log).end("what went out without the firewall", where: isIntruder)
        if !plan.ruleset.isTrial {
            flows.endRefused(by: plan.ruleset, among: elements, addresses: plan.addresses, log: log)
        }
    }

    var arrivals: Arrivals { Arrivals(hardware: flows.hardware, log: log) }

    // MARK: - Telling

    func report() -> Report {
        guard let current else { return Report(kernel: .starting) }
        var report = Report(kernel: kernelState(current), ruleset: current.ruleset.description)
        report.counts =
            netlink?.counts(of: current.ruleset).map { count in
                Report.Count(rule: count.comment ?? "", packets: count.counter.packets, bytes: count.counter.bytes)
            } ?? []
        let foreign = try? ask(current) { netlink throws(FirewallError) in try netlink.foreignChains() }
        report.foreign = (current.lack.map { [$0] } ?? []) + ForeignChain.findings(foreign ?? [])
        let published = try? ask(current) { netlink throws(FirewallError) in
            try netlink.publishedPorts(foreign ?? [])
        }
        report.published = published ?? []
        report.strict = (foreign ?? []).compactMap(\.strict)
        return report
    }

    private func kernelState(_ current: Plan) -> KernelState {
        if let failure { return .failed(reason: failure.description) }
        do throws(FirewallError) {
            let state = try ask(current) { netlink throws(FirewallError) in try netlink.state(of: current.ruleset) }
            switch (state, current.isEnforced) {
            case (.same, true): return .held
            case (.same, false), (.different, false):
                return .left(
                    detail: "the kernel holds a table from before; `gatehousectl firewall enforce` takes it over, "
                        + "`firewall observe` takes it out")
            case (.absent, true): return .absent
            case (.different(let what), true): return .different(detail: what)
            case (.absent, false): return .observing
            }
        } catch {
            return .unknown(reason: error.description)
        }
    }
}

extension FirewallAssignment {
    /// Of the devices that `isMeant` says of.
    fileprivate func numbers(where isMeant: (Household.Member) -> Bool) -> [HardwareAddress: UInt16] {
        let meant = surroundings.household.members.filter(isMeant).map { ($0.hardware, $0.number) }
        return Dictionary(meant) { first, _ in first }
    }
}

extension LiveKey {
    /// The address that it begins with; nil: it begins with none.
    fileprivate var source: IPAddress? { if case .address(let source)? = parts.first { source } else { nil } }
}
