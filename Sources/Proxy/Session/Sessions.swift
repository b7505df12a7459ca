import Address
package import Policy
package import Reactor

/// The sessions of one reactor, on whose thread the actor runs: all open ones, and the last that ended.
package actor Sessions {
    /// Where limits are counted and sessions get their numbers.
    nonisolated let ledger: Ledger
    /// How long each phase of a session may last.
    nonisolated let limits: Relay.Limits
    nonisolated let names: DeviceNames
    nonisolated let watch: Watch
    private nonisolated let reactor: Reactor
    /// Touched on the reactor's thread alone, where sessions end: to enter the actor would cost each two allocations.
    private nonisolated(unsafe) let journal = Journal()
    /// Touched as `journal` is.
    private nonisolated(unsafe) let log: SessionLog

    /// The sessions that ended last: short ones are over before anybody asks.
    private final class Journal {
        struct Entry {
            /// As it ended. Not the session: one of a burst would keep the page that it is on from being given back.
            let record: SessionRecord
            let time: UInt64
        }

        /// What sessions that are over moved for each device, by its number.
        var moved: [UInt16: Traffic] = [:]
        /// How often each rule has refused what a client wanted; 0: the default has.
        var refusals: [Int: Int] = [:]
        /// Oldest first from `oldest` on.
        private var entries: [Entry] = []
        private var oldest = 0

        private static let length = 1024

        func note(_ entry: Entry) {
            if entries.count < Self.length {
                entries.append(entry)
            } else {
                entries[oldest] = entry
                oldest = (oldest + 1) % Self.length
            }
        }

        var inOrder: [Entry] { Array(entries[oldest...] + entries[..<oldest]) }
    }

    /// Traffic when rates were measured last; kept only while somebody watches.
    private var sample = Sample()

    private struct Sample {
        var time: UInt64 = 0
        var traffic: [Int: Traffic] = [:]
        /// Bytes per second since the sample before.
        var rates: [Int: Traffic] = [:]
    }

    /// Nanoseconds. Several watchers share a sample that is younger than this.
    private static let youngest: UInt64 = 300_000_000
    private static let watched = Duration.seconds(10)

    package nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    init(
        on reactor: Reactor, ledger: Ledger, limits: Relay.Limits, journal: SessionJournal, names: DeviceNames,
        watch: Watch
    ) {
        self.reactor = reactor
        self.names = names
        self.watch = watch
        log = SessionLog(journal, names: names)
        self.ledger = ledger
        self.limits = limits
    }

    nonisolated func note(_ session: Session, ended traffic: Traffic) {
        reactor.checkThread()
        let now = MonotonicClock.nanoseconds
        journal.note(Journal.Entry(record: session.record(traffic, at: now), time: now))
        if session.device > 0 { journal.moved[session.device, default: Traffic()].add(traffic) }
    }

    /// Notes what came of what a session's client wanted.
    nonisolated func note(
        _ outcome: SessionLog.Outcome, _ target: SessionLog.Target?, of session: Session, as user: String?
    ) {
        reactor.checkThread()
        if let rule = outcome.refusingRule { journal.refusals[rule, default: 0] += 1 }
        log.note(outcome, target, of: session, as: user)
    }

    /// How often each rule has refused something; 0: the default has.
    package func refusals() -> [Int: Int] { journal.refusals }

    /// How much sessions have moved for each device, by its number, those that are over included.
    package func traffic() -> [UInt16: Traffic] {
        var moved = journal.moved
        forEach { session in
            if session.device > 0 { moved[session.device, default: Traffic()].add(session.traffic) }
        }
        return moved
    }

    package func log(_ query: SessionLogQuery) -> SessionLogList { log.list(query) }

    package func list(_ query: SessionQuery) -> SessionList {
        let now = MonotonicClock.nanoseconds
        let rates = query.measuresRates ? measure(at: now) : [:]
        var list = SessionList()
        forEach { session in
            var record = session.record(session.traffic, at: now)
            guard !session.isEnding, query.selection.contains(record) else { return }
            if let rate = rates[session.id] {
                (record.sentRate, record.receivedRate) = (Int(clamping: rate.sent), Int(clamping: rate.received))
            }
            list.sessions.append(record)
        }
        list.total = list.sessions.count
        if let start = query.endedAfter { list.ended = ended(query.selection, after: start, until: query.now) }
        return SessionList(merging: [list], for: query)
    }

    /// The sessions that ended after `start` and not after `end` (microseconds), as far back as the journal goes.
    private func ended(_ selection: SessionSelection, after start: Int, until end: Int) -> [SessionRecord] {
        journal.inOrder.lazy
            .filter { Int($0.time / 1000) > start && Int($0.time / 1000) <= end }
            .map(\.record).filter(selection.contains)
    }

    /// Ends the sessions that are meant.
    ///
    /// - Returns: how many.
    package func end(_ selection: SessionSelection) -> Int {
        let now = MonotonicClock.nanoseconds
        return end { selection.contains($0.record($0.traffic, at: now)) }
    }

    /// Ends the sessions that are not allowed any more, and holds the others to the limits in force.
    ///
    /// - Returns: how many were ended.
    func review(_ access: Access, _ credentials: Credentials) -> Int {
        let count = end { !$0.isAllowed(by: access, credentials) }
        forEach { $0.change(to: access.limits) }
        return count
    }

    /// What the sessions of each client take of memory, in bytes.
    func burdens(_ limits: LimitTable) -> [LimitTable.Client.Key: Int] {
        var burdens: [LimitTable.Client.Key: Int] = [:]
        forEach { session in
            guard !session.isEnding else { return }
            burdens[limits.client(at: session.address, device: session.device).key, default: 0] += session.burden
        }
        return burdens
    }

    /// Ends those of a client's sessions that take most.
    ///
    /// - Parameters:
    ///   - bytes: how much they are to take together.
    ///   - client: as `limits` has it.
    func end(worth bytes: Int, of client: LimitTable.Client.Key, _ limits: LimitTable) {
        var own: [(session: Session, burden: Int)] = []
        forEach { session in
            guard !session.isEnding, limits.client(at: session.address, device: session.device).key == client else {
                return
            }
            own.append((session, session.burden))
        }
        own.sort { $0.burden > $1.burden }
        var left = bytes
        for (session, burden) in own where left > 0 {
            session.end()
            left -= burden
        }
    }

    private func end(where isMeant: (Session) -> Bool) -> Int {
        var count = 0
        forEach { session in
            guard !session.isEnding, isMeant(session) else { return }
            session.end()
            count += 1
        }
        return count
    }

    // MARK: rates

    private func measure(at now: UInt64) -> [Int: Traffic] {
        let passed = now - sample.time
        guard passed >= Self.youngest else { return sample.rates }
        var next = Sample(time: now)
        forEach { session in
            let traffic = session.traffic
            next.traffic[session.id] = traffic
            // A session that began since has its whole traffic as its rate.
            guard sample.time > 0 else { return }
            let before = sample.traffic[session.id] ?? Traffic()
            // Numbers come from memory that other processes write to: it may be another session's.
            func rate(_ total: UInt64, _ before: UInt64) -> UInt64 {
                (total - min(before, total)) * 1000 / (passed / 1_000_000)
            }
            next.rates[session.id] = Traffic(
                sent: rate(traffic.sent, before.sent), received: rate(traffic.received, before.received))
        }
        if sample.time == 0 { reactor.spawn { _ in await self.forgetSample() } }
        sample = next
        return next.rates
    }

    private func forgetSample() async {
        repeat {
            await reactor.sleep(for: Self.watched)
        } while MonotonicClock.nanoseconds - sample.time < UInt64(Self.watched / .nanoseconds(1))
        sample = Sample()
    }

    private func forEach(_ body: (Session) -> Void) {
        reactor.forEachSession { owner in
            if let session = owner as? Session { body(session) }
        }
    }
}

extension Session {
    fileprivate func record(_ traffic: Traffic, at now: UInt64) -> SessionRecord {
        SessionRecord(
            id: id, kind: SessionRecord.Kind(kind) ?? .mixed, listener: listener.endpoint,
            client: Endpoint(address: client.address.unmapped, port: client.port), device: sessions.names[device],
            user: user, activity: activity,
            host: name, origin: origin,
            sent: Int(clamping: traffic.sent),
            received: Int(clamping: traffic.received),
            age: Int(clamping: (now - min(began, now)) / 1_000_000))
    }
}
