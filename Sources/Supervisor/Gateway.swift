import Address
import Admin
import Glibc
import Logging
import Machine
import Policy
import Reactor
import Ruleset
import Store

/// The policy in force, and the parts that carry it out: the fleet of roles, the door, the sockets. Shares the main
/// reactor's thread.
///
/// A change of the policy goes through a `Transaction`, a change of the machine through `reload`; one at a time, in turn.
actor Gateway {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    let options: Options
    let log: Logger
    let hashPassword: PasswordHasher
    let certificates: CertificateStore
    /// The sessions of clients and users, counted over all relays.
    let ledger: Ledger
    let fleet: Fleet
    let door: Door
    let rescue: Rescue
    let backups: Backups
    let ground: Ground
    let companion: Companion
    /// The door has been settled once, so that dnsmasq may serve.
    var isServiceDue = false
    /// The addresses that dnsmasq has given to devices.
    var leases = LeaseTable()
    let names = NameFollower()
    let lists: BlocklistFiles
    let turnstile: Turnstile
    private var books: Books
    var policy: Policy
    var revision: Revision
    var surroundings: Surroundings
    var sockets = ListenerSockets()
    var legacy: Legacy
    /// The hardware addresses that interfaces had when they were last there, by the interfaces' names.
    private(set) var hardware: [String: HardwareAddress] = [:]
    /// Who is in the home.
    var census = Census()
    /// nil: no census was taken yet.
    var censusTime: ContinuousClock.Instant?
    /// True while a census waits for its time: later askers are served by it.
    var isCensusDue = false
    var meter = Meter()
    /// When the devices' counts were kept in mind last; nil: not yet.
    var countsKept: ContinuousClock.Instant?
    /// Why the last reload failed. nil: it did not.
    private(set) var complaint: Refusal?
    /// Why the copies of the policy, which a start without a store reads, could not be written. nil: they are.
    private(set) var copyFailure: Refusal?
    private let scribe = Workers(count: 1, capacity: 1)
    /// The copies are not as the policy is.
    private var isCopyDue = false
    /// Writes the copies; nil: nobody does at present.
    private var copying: Task<Void, Never>?
    /// The certificate of the https listeners. nil: there is none yet.
    var identity: ServerIdentity?
    /// Why there is no certificate, or no new one. nil: all is well with it.
    var identityFailure: Refusal?
    let user: UnixUser?
    /// The change that is on trial; nil: none is.
    var trial: Trial?
    let clock = TrialClock.system
    let timekeeper: Timekeeper
    /// The policies that imports are making, by their numbers.
    var drafts: [Int: Policy] = [:]
    /// Who is banned, and was lately.
    var bans = BanList()
    /// Sources whose proof is being looked at.
    var beingBanned: Set<Network> = []
    /// When it was told last of a source that it is never banned.
    var sparedBans: [Network: Int] = [:]
    /// The doors that relays' sessions have in the firewall, and how many sessions have each.
    var pinholes: [PinholeHolder: [Pinhole: Int]] = [:]
    /// For how long relays go on beside the next daemon. nil: this one goes on.
    var leave: Duration?
    var guesses = GuessCount()
    /// Who seems to be guessing passwords.
    var suspicions = Suspicions()
    var portWatch = PortWatch()
    /// What the box itself began that nothing lets out.
    var departures = Departures()
    /// Who asked for names that rules deny.
    var denials = Denials()
    /// Where devices go that learn or are held.
    var learnings = Learnings()
    /// When that was kept in mind last; nil: not yet.
    var learningsKept: ContinuousClock.Instant?
    /// A destination is new that is not kept in mind yet.
    var areLearningsDue = false
    /// What roles have told of devices that is not noted yet, and whether somebody is at it.
    var visitsToNote: [(visit: DeviceVisit, isRouted: Bool)] = []
    var isNotingVisits = false
    /// The accounts of the machine, as far as it has a file of them.
    var accounts = AccountFile()
    var chronicler = Chronicler()
    /// True while a look around is due: later askers are served by it.
    private var isLookDue = false
    private(set) var isStopping = false
    let startedAt = ContinuousClock.now

    init(
        options: Options, books: Books, backups: Backups, legacy: Legacy, reactor: Reactor, log: Logger,
        hashPassword: @escaping PasswordHasher, issuer: any CertificateIssuer
    ) throws {
        self.options = options
        self.books = books
        self.backups = backups
        self.legacy = legacy
        self.reactor = reactor
        self.log = log
        self.hashPassword = hashPassword
        certificates = CertificateStore(directory: options.state + "/tls", issuer: issuer)
        ledger = try Ledger()
        turnstile = Turnstile(reactor: reactor)
        rescue = Rescue(options)
        timekeeper = Timekeeper(directory: options.state)
        ground = Ground(directory: options.runtime, log: log)
        lists = BlocklistFiles(directory: options.state)
        surroundings = try .current()
        user = try Privileges.user(named: options.user)
        companion = Companion(options, user: Privileges.userOfCompanion(besides: user), reactor: reactor)
        fleet = try Fleet(
            Role.all.filter { $0 != .firewall || options.firewall != .off }, reactor: reactor, lists: lists, log: log)
        door = Door(process: fleet[.firewall], reactor: reactor, log: log)
        switch books {
        case .open(let store):
            let abandoned = try Self.endTrial(in: store, log)
            policy = try store.policy()
            door.earlier = options.enforced(among: [abandoned, policy])
            revision = try store.current()
            hardware = try store.hardware()
            census = Census(try store.acquaintances())
            bans = BanList(try store.bans())
            learnings = Learnings(try store.learnings())
        case .shut(let reason):
            let found = rescue.load()
            (policy, revision) = (found.policy, found.revision)
            door.fallback = found.explain(reason)
        }
    }

    /// The mode that holds: the command line's, or else the policy's.
    var firewallMode: FirewallMode { mode(of: policy) }

    func mode(of policy: Policy) -> FirewallMode { options.firewall?.mode ?? policy.firewall }

    var processes: [RoleProcess] { fleet.processes }
    /// The listeners of the policy in force, those that follow from zones among them.
    var listeners: [Listener] { policy.allListeners(in: surroundings) }
    /// Listeners that have no socket at present, and why: an address that is not there yet, a port that is taken.
    var missing: [ListenerSockets.Missing] { sockets.missing }
    /// Why the kernel does not hold the ruleset in force. nil: it does.
    var firewallFailure: Refusal? { door.failure }

    /// The policy and its history, which cannot always be read.
    var store: Store {
        get throws(StoreError) {
            switch books {
            case .open(let store): return store
            case .shut(let reason): throw .unreadable(why: reason.description)
            }
        }
    }

    /// What the roles' shares are made of, where `target` is the policy in force.
    func estate(of target: Policy) -> Estate {
        let live = target.allListeners(in: surroundings).compactMap { listener in
            sockets[listener].map { RelayAssignment.Account(listener: listener, number: $0.account) }
        }
        let former = target == policy ? trial?.former : nil
        // An opening whose time is up is closed, whether or not a revision says so yet.
        var target = target
        target.closeExpired(at: now)
        let standings = target.standings(in: surroundings, at: now)
        let held = Set(target.holds(at: now, on: surroundings.clock).keys)
        // The kernel would go by its own clock.
        if !timekeeper.isBelieved { target = target.settled(at: now, on: surroundings.clock) }
        return Estate(
            policy: target, surroundings: surroundings, live: live, standings: standings, held: held,
            identity: identity,
            authority: certificates.isOwn ? identity?.issuers : nil, hold: door.hold(for: mode(of: target)),
            ownsTable: options.ownsTable, former: former)
    }

    /// What the machine has to be like where `target` is the policy in force.
    func groundwork(of target: Policy) -> Groundwork {
        target.groundwork(
            in: surroundings, isEnforced: options.firewall != .off && mode(of: target) == .enforce)
    }

    // MARK: changes

    /// Makes a revision of the policy as `edit` leaves it, or throws and leaves everything as it was.
    func change(
        by author: Author, _ summary: String, _ manner: Manner = Manner(),
        _ edit: (inout Policy) throws(Refusal) -> Void
    ) async throws(Refusal) -> Transaction.Result {
        await turnstile.enter()
        defer { turnstile.leave() }
        guard !isStopping else { throw Refusal("gatehoused is stopping; nothing was changed") }
        if case .shut = books, let fallback = door.fallback { throw Refusal("nothing was changed: \(fallback)") }
        if let trialObstacle { throw trialObstacle }
        return try await Transaction(author: author, summary: summary, manner: manner).carryOut(on: self, edit)
    }

    /// Reads the machine's interfaces. Where that fails the former ones stay: a relay that did not know the machine's own
    /// addresses would dial them.
    func lookAround() {
        do throws(MachineFailure) {
            surroundings = try look()
            noteSurroundings()
        } catch {
            log.error("the interfaces cannot be read: \(error)")
        }
    }

    // MARK: the machine's changes

    /// Looks at the machine anew and carries the policy out again: addresses may have come or gone. Roles that have their
    /// share already are left alone.
    ///
    /// - Returns: why the policy could not be carried out; nil: it was.
    @discardableResult
    func reload() async -> Refusal? {
        await turnstile.enter()
        defer { turnstile.leave() }
        guard !isStopping else { return Refusal("gatehoused is stopping") }
        return await carryOutAgain()
    }

    /// Carries the policy in force out, on the machine as it is now. For callers whose turn it is.
    @discardableResult
    func carryOutAgain() async -> Refusal? {
        lookAround()
        openSockets()
        refreshIdentity(for: policy)
        let estate = estate(of: policy)
        do throws(Refusal) {
            do throws(Refusal) {
                try await fleet.stage(estate, sockets)
                ground.withdraw(for: groundwork(of: policy), keepsAddresses: true)
                try await door.apply(FirewallAssignment(estate)) { isStopping }
                prepareGround()
            } catch {
                await fleet.abort()
                throw error
            }
            await fleet.commit()
            sockets.keep(only: listeners)
            legacy.keep(sockets)
            rememberHardware()
            complaint = nil
        } catch {
            // The reload is tried again every few seconds; its failure is logged once.
            if complaint != error { log.error("\(error)") }
            complaint = error
        }
        serve()
        return complaint
    }

    /// Makes the machine as the policy in force needs it, now that the kernel holds its rules, or where none are to be held.
    func prepareGround() {
        guard firewallMode == .observe || door.isSettled || options.firewall == .off else { return }
        let work = groundwork(of: policy)
        ground.withdraw(for: work, keepsAddresses: trial != nil)
        ground.prepare(work)
    }

    /// Reloads if the machine's addresses have changed, a listener lacks its socket (or its interface is another one by
    /// now), something failed the last time, or somebody else laid hands on the kernel's table.
    func reloadIfNeeded() async {
        if case .shut = books, openBooks() { return await adopt() }
        let current = (try? look()) ?? surroundings
        let isComplete = policy.allListeners(in: current).allSatisfy { sockets[$0] != nil }
        let isAsBefore =
            surroundings == current && isComplete && !door.needsAnotherTry && complaint == nil
            && ground.isReady(for: groundwork(of: policy), in: current)
        if isAsBefore, !isIdentityStale() {
            guard let detail = await door.loss() else { return }
            log.warning("the kernel does not hold the ruleset in force, which is put back: \(detail)")
        }
        await reload()
    }

    /// Looks around as soon as the loop is free, once for any number of calls.
    func lookAroundSoon() {
        guard !isLookDue else { return }
        isLookDue = true
        Task(executorPreference: reactor.taskExecutor) { await self.lookNow() }
    }

    private func lookNow() async {
        isLookDue = false
        await reloadIfNeeded()
    }

    private func openSockets() {
        let known = Set(missing.map(\.listener))
        // Those come with the rules, and an IPv6 address is tried out for a second (RFC 4862 §5.4).
        let coming = Set(groundwork(of: policy).assignments.map(\.address.address))
        for entry in sockets.openAll(listeners) where !known.contains(entry.listener) {
            let level: Logger.Level = coming.contains(entry.listener.endpoint.address) ? .debug : .error
            log.log(level: level, "\(entry.reason); trying again")
        }
        bindSockets()
    }

    func bindSockets() {
        sockets.bind(listeners) { policy.device(of: $0, in: surroundings) }
    }

    /// Makes the revision that closes the openings and ends the pauses whose time is up.
    func closeExpired() async {
        let now = now
        var target = policy
        let expired = target.closeExpired(at: now)
        guard !expired.isEmpty else { return }
        do throws(Refusal) {
            let author = Author(uid: getuid(), name: "gatehoused")
            let summary = "\(expired.joined(separator: "; ")): the time is up"
            _ = try await change(by: author, summary) { policy throws(Refusal) in policy.closeExpired(at: now) }
        } catch {
            // The ruleset closes them all the same, and the revision is tried again.
            log.debug("\(error)")
        }
    }

    /// Stores the hardware addresses of the interfaces that the policy names.
    func rememberHardware() {
        let seen = policy.hardwareToRemember(in: surroundings, known: hardware)
        guard !seen.isEmpty else { return }
        hardware.merge(seen) { $1 }
        do throws(StoreError) {
            try store.remember(seen)
        } catch {
            log.debug("the interfaces' hardware addresses could not be kept: \(error)")
        }
    }

    /// Handles an event that a role has sent.
    func note(_ event: Event, from role: Role) {
        switch event {
        case .tableLost(let detail, let pause):
            door.noteLoss(detail, putBackAfter: pause)
            let end = pause.map { "put back after \($0) ms" } ?? "not put back yet"
            tell(.firewall, "somebody took the kernel's table (\(detail)); it was \(end)")
            if pause == nil { lookAroundSoon() }
        case .surroundingsChanged:
            lookAroundSoon()
        case .neighboursChanged:
            lookAtNeighboursSoon()
        case .named(let tellings, let serial):
            Task(executorPreference: reactor.taskExecutor) { await self.admit(tellings, serial, for: role) }
        case .departed(let departure, let count):
            let isStrict = policy.egress == .strict
            guard departures.note(departure, count: count, isRefused: isStrict, at: now) else { break }
            let who = departure.user.map { "user \(surroundings.accounts.name(of: $0))" } ?? "the kernel"
            tell(.egress, "\(who) tried to reach \(departure); egress is strict")
        case .visited(let visits): note(visits, isRouted: role == .firewall)
        case .wrongLogins(let client, let user, let count):
            let told = suspicions.note(client, user: user, count: count, at: .now)
            if let told { tell(.login, told) }
            let source = Ban.source(of: client, beside: ownAddresses)
            if let most = policy.bans.guesses, guesses.note(source, atMost: most, at: .now) {
                note(.guesses, by: client, "\(most) wrong passwords, the last for \(user.prefix(64))")
            }
        case .denied(let denial): note(denial)
        case .offence(.scan, let source):
            note(.scan, by: source, "\(source) has tried many ports that are shut")
        case .offence(.flood, let source):
            note(.flood, by: source, "\(source) has begun far more than one source may")
        case .offence(.departure, _), .offence(.drop, _), .offence(.barred, _), .offence(.visit, _): break
        }
    }

    // MARK: the store

    /// Writes the copies of the policy in force that a start without a store reads, once for any number of calls. A change does not
    /// wait for it: it is the store that counts.
    func keepCopies() {
        isCopyDue = true
        guard copying == nil else { return }
        copying = Task(executorPreference: reactor.taskExecutor) { await self.writeCopies() }
    }

    /// Waits until the copies are as the policy is.
    func finishCopies() async { await copying?.value }

    private func writeCopies() async {
        while isCopyDue {
            isCopyDue = false
            // A start without a store must not find a change that is on trial.
            guard case .open = books, trial == nil else { continue }
            // The mark is for the policy's own mode, not for one that the command line imposes.
            let (rescue, policy, revision, marks) = (rescue, policy, revision, options.firewall == nil)
            let failure: Refusal?
            do throws(Errno) {
                failure = try await scribe.run {
                    do throws(Refusal) {
                        try rescue.keep(policy, revision, marks: marks)
                        return nil
                    } catch {
                        return error
                    }
                }
            } catch {
                failure = Refusal("no copy of the policy can be kept: \(error)")
            }
            if let failure, copyFailure != failure { log.error("\(failure)") }
            copyFailure = failure
        }
        copying = nil
    }

    /// Whether the store can be read by now.
    private func openBooks() -> Bool {
        guard rescue.isRetryDue() else { return false }
        return openBooksNow()
    }

    private func openBooksNow() -> Bool {
        guard let found = try? Books(options, rescue, backups), case .open = found else { return false }
        books = found
        return true
    }

    /// The store cannot be read: puts that of a backup in its place, and goes by it.
    func recoverBooks(from backup: String) async throws(Refusal) {
        try backups.recover(from: backup, rescue: nil)
        guard openBooksNow() else { throw Refusal("the store of the backup cannot be opened; the log says why") }
        await adopt()
    }

    /// Whether the store can be read.
    var hasBooks: Bool { if case .open = books { true } else { false } }

    /// Takes the policy from the store again, in place of the copy's.
    private func adopt() async {
        await turnstile.enter()
        do {
            let abandoned = try Self.endTrial(in: store, log)
            policy = try store.policy()
            door.earlier += options.enforced(among: [abandoned, policy])
            revision = try store.current()
            census = Census(try store.acquaintances())
            learnings = Learnings(try store.learnings())
            replaceBans(by: BanList(try store.bans()))
            door.fallback = nil
            log.notice("the store can be read again: revision \(revision.id) is in force")
        } catch {
            books = .shut(why: Refusal("\(error)"))
        }
        turnstile.leave()
        await reload()
        keepCopies()
    }

    // MARK: start and stop

    /// Starts every role and waits until each is at work or has failed once. Returns early if the firewall could not be put in
    /// force: the relays then wait for it, and the operator finds a daemon that answers.
    func start() async {
        if case .open = books {
            // A table that is there although nothing is enforced is the one of the unit that shuts the box at boot.
            if options.firewall == nil, policy.firewall == .observe, rescue.isMarked { door.claim() }
            keepCopies()
        }
        if let fallback = door.fallback { log.critical("\(fallback)") }
        if let recovery = backups.recovery { log.critical("\(recovery)") }
        if let obstacle = Sandbox.landlockObstacle { log.warning("\(obstacle)") }
        recallBans()
        recallNamedAddresses()
        await lookAtNames()
        lookAround()
        let relays = legacy.handDown(to: &sockets, for: listeners) { policy.device(of: $0, in: surroundings) }
        takePinholes(of: relays)
        openSockets()
        legacy.keep(sockets)
        rememberHardware()
        refreshIdentity(for: policy)
        // A daemon that was killed may have kept a policy and not yet let those go whom it spares.
        Task(executorPreference: reactor.taskExecutor) { await self.releaseSpared() }
        Task(executorPreference: reactor.taskExecutor) { await self.followNames() }
        Task(executorPreference: reactor.taskExecutor) { await self.followTurns() }
        for role in processes.map(\.role) {
            Task(executorPreference: reactor.taskExecutor) { await self.tend(role) }
        }
        Task(executorPreference: reactor.taskExecutor) { await self.tendService() }
        Task(executorPreference: reactor.taskExecutor) { await self.followLeases() }
        while !isStopping, !door.needsAnotherTry,
            processes.contains(where: { $0.state == .starting && $0.restarts == 0 })
        {
            await reactor.sleep(for: .milliseconds(16))
        }
        prepareGround()
        tell(.daemon, "gatehoused \(gatehouseVersion) started")
        Task(executorPreference: reactor.taskExecutor) { await self.followPorts() }
        Task(executorPreference: reactor.taskExecutor) { await self.resumeLearning() }
    }

    /// Ends. A change that comes now is refused.
    func stop(_ manner: Ending) async {
        isStopping = true
        serve()
        await turnstile.enter()
        await endTrialToStop()
        var released: Set<Role> = []
        switch manner {
        case .forGood(let limit):
            await shut(within: limit)
        case .forAnother(let limit):
            released = await releaseRelays(for: limit)
            leavePinholes(of: released, for: limit)
            for process in processes { process.stop() }
            turnstile.leave()
        }
        for process in processes where !released.contains(process.role) { process.kill(process.generation) }
        keepCounts()
        keepNamedAddresses()
        keepLearnings(atOnce: true)
        tell(.daemon, "gatehoused stopped")
        await finishCopies()
        timekeeper.keep(atOnce: true, log)
        if case .open(let store) = books {
            store.close()
            books = .shut(why: Refusal("gatehoused is stopping"))
        }
    }

    /// How the daemon ends.
    enum Ending {
        /// Nobody follows: the openings of the listeners are shut first. Sessions may go on for so long, and the daemon waits
        /// for them.
        case forGood(Duration)
        /// Another process follows at once: openings and sockets stay, and sessions may go on for so long beside it.
        case forAnother(Duration)
    }

    /// Shuts the door first, then lets sessions end, `limit` at most. Gives the turn back.
    private func shut(within limit: Duration) async {
        var estate = estate(of: policy)
        estate.live = []
        do throws(Refusal) {
            try await door.apply(FirewallAssignment(estate)) { isStopping }
        } catch {
            log.error("the openings of the listeners could not be shut: \(error)")
        }
        for process in processes { process.stop() }
        // A client that connects now is refused at once instead of waiting for an acceptor that is gone.
        sockets.keep(only: [])
        legacy.keep(sockets)
        turnstile.leave()
        let drains = fleet.relays.filter(\.isAlive).map { relay in
            let role = relay.role
            return Task(executorPreference: reactor.taskExecutor) { await self.drain(role, within: limit) }
        }
        for drain in drains { await drain.value }
    }
}

extension Options {
    /// The policies that filter something.
    fileprivate func enforced(among policies: [Policy?]) -> [Policy] {
        policies.compactMap(\.self).filter { (firewall?.mode ?? $0.firewall) == .enforce }
    }
}
