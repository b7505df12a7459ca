import Address
import Logging
import Machine
import Policy
import Reactor
import Store

/// The policy in force and the processes that carry it out. Shares the main reactor's thread.
///
/// A change goes through `change`: validate, open sockets, write (not yet in force), stage in every relay, one netlink
/// transaction, commit, switch. Any failure on the way undoes what came before it, and nothing old is dropped before
/// everything new stands.
actor Gateway {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    let options: Options
    let store: Store
    let log: Logger
    let hashPassword: PasswordHasher
    let certificates: CertificateStore
    /// What clients and users take up, over all relays.
    let ledger: Ledger
    private let turnstile: Turnstile
    private(set) var policy: Policy
    private(set) var revision: Revision
    private(set) var surroundings: Surroundings
    private(set) var sockets = ListenerSockets()
    /// Listeners that have no socket at present, and why: an address that is not there yet, a port that is taken.
    private(set) var missing: [(listener: Listener, reason: Refusal)] = []
    private(set) var processes: [RoleProcess] = []
    /// The kernel holds the ruleset of the policy in force, or is not asked to.
    private(set) var firewallFailure: Refusal?
    /// What the last reload failed with.
    private(set) var complaint: Refusal?
    /// What the https listeners show, once there has to be something.
    var identity: ServerIdentity?
    /// Why there is none, or no new one.
    var identityFailure: Refusal?
    private var isDoorKept = false
    /// The kernel holds a ruleset of ours, or may: it was asked to, and nobody has told how that ended.
    private var isHeld = false
    private var user: UnixUser?
    private(set) var isStopping = false
    let startedAt = ContinuousClock.now

    init(
        options: Options, store: Store, reactor: Reactor, log: Logger,
        hashPassword: @escaping PasswordHasher, issuer: any CertificateIssuer
    ) throws {
        self.options = options
        self.store = store
        self.reactor = reactor
        self.log = log
        self.hashPassword = hashPassword
        certificates = CertificateStore(directory: options.state + "/tls", issuer: issuer)
        ledger = try Ledger()
        turnstile = Turnstile(reactor: reactor)
        policy = try store.policy()
        revision = try store.current()
        surroundings = try .current()
        user = try Privileges.user(named: options.user)
        for role in Role.allCases where role != .firewall || options.firewall != .off {
            processes.append(try RoleProcess(role: role, reactor: reactor, log: log))
        }
    }

    /// The mode that holds: what the command line says goes before what the policy says.
    var firewallMode: FirewallMode { options.firewall?.mode ?? policy.firewall }

    private var relays: [RoleProcess] { processes.filter { $0.role != .firewall } }
    private var firewall: RoleProcess? { processes.first { $0.role == .firewall } }

    // MARK: changes

    /// Makes what `edit` does to the policy a revision, or throws and leaves everything as it was.
    ///
    /// - Returns: the revision in force; not a new one if nothing is different.
    func change(
        by author: Author, _ summary: String, _ edit: (inout Policy) throws(Refusal) -> Void
    ) async throws(Refusal) -> (revision: Revision, isNew: Bool) {
        await turnstile.enter()
        defer { turnstile.leave() }
        guard !isStopping else { throw Refusal("gatehoused is stopping; nothing was changed") }
        let former = (sockets: sockets, surroundings: surroundings)
        var isDone = false
        defer {
            if !isDone {
                sockets = former.sockets
                // The roles know no others; `reloadIfNeeded` has to see the difference.
                surroundings = former.surroundings
            }
        }
        lookAround()
        var target = policy
        try edit(&target)
        try check(target)
        if let failed = sockets.open(target.listeners.filter { !policy.listeners.contains($0) }).first {
            throw failed.reason
        }
        refreshIdentity(for: target)
        if let identityFailure,
            target.listeners.contains(where: { $0.kind == .https && !policy.listeners.contains($0) })
        {
            throw identityFailure
        }
        let pending = try prepare(target, by: author, summary)
        guard pending.isChange else { return (pending.revision, false) }
        try await stage(target, revision: pending.revision.id)
        do {
            revision = try pending.commit()
        } catch {
            await unstage()
            throw Refusal("nothing was changed: \(error)")
        }
        policy = target
        isDone = true
        await switchOver()
        sockets.keep(only: policy.listeners)
        missing.removeAll { !policy.listeners.contains($0.listener) }
        log.notice("revision \(revision.id): \(summary)", metadata: ["author": "\(author.name)"])
        return (revision, true)
    }

    /// Holds `target` against the machine as it is now: all of it, unless it only takes things away or leaves the network
    /// alone. A user must be removable while the LAN's cable is out.
    private func check(_ target: Policy) throws(Refusal) {
        var checked = target
        if target.lan == policy.lan, target.wan == policy.wan, target.listeners.allSatisfy(policy.listeners.contains),
            target.openings.allSatisfy(policy.openings.contains)
        {
            checked.lan = []
            checked.wan = []
            checked.listeners = []
            checked.openings = []
        }
        try checked.check(in: surroundings)
    }

    /// What cannot be read now stays as it was: without its own addresses a relay would dial them.
    private func lookAround() {
        do throws(MachineFailure) {
            surroundings = try .current()
        } catch {
            log.error("\(error)")
        }
    }

    private func prepare(
        _ target: Policy, by author: Author, _ summary: String
    ) throws(Refusal) -> Pending {
        do {
            return try store.prepare(target, author: author, summary: summary)
        } catch {
            throw Refusal("nothing was changed: \(error)")
        }
    }

    /// Looks at the machine anew and carries the policy out again: addresses may have come or gone.
    ///
    /// - Returns: why not, if so.
    @discardableResult
    func reload() async -> Refusal? {
        await turnstile.enter()
        defer { turnstile.leave() }
        lookAround()
        openSockets()
        refreshIdentity(for: policy)
        do throws(Refusal) {
            try await stage(policy, revision: revision.id)
            await switchOver()
            sockets.keep(only: policy.listeners)
            complaint = nil
        } catch {
            // Tried every few seconds, said once.
            if complaint != error { log.error("\(error)") }
            complaint = error
        }
        return complaint
    }

    /// Reloads if the machine's addresses have changed, a listener lacks its socket (or its interface is another one by
    /// now), something failed the last time, or somebody else laid hands on the kernel's table.
    func reloadIfNeeded() async {
        let current = (try? Surroundings.current()) ?? surroundings
        let isComplete = policy.listeners.allSatisfy { sockets[$0] != nil }
        let isAsBefore = surroundings == current && isComplete && firewallFailure == nil && complaint == nil
        if isAsBefore, !isIdentityStale() {
            guard await isRulesetLost() else { return }
        }
        await reload()
    }

    /// Whether the kernel's table is not the one in force, as after `nft flush ruleset`.
    private func isRulesetLost() async -> Bool {
        guard firewallMode == .enforce, let report = try? await firewallReport() else { return false }
        let detail: String
        switch report.kernel {
        case .absent: detail = "somebody deleted the table"
        case .different(let difference): detail = difference
        case .held, .left, .observing, .starting, .failed, .unknown: return false
        }
        log.warning("the kernel does not hold the ruleset in force, which is put back: \(detail)")
        return true
    }

    /// What a role tells unasked.
    private func note(_ event: Event, from role: Role) {
        switch event {
        case .tableLost(let detail, let pause?):
            log.warning("the kernel's table was lost (\(detail)) and put back after \(pause) ms")
        case .tableLost(let detail, nil):
            log.critical("the kernel's table was lost (\(detail)) and is not back yet")
            Task(executorPreference: reactor.taskExecutor) { await self.reloadIfNeeded() }
        case .surroundingsChanged:
            Task(executorPreference: reactor.taskExecutor) { await self.reloadIfNeeded() }
        }
    }

    /// How the door stands now.
    func doorState() async -> DoorState {
        guard firewall != nil else { return .off }
        let kernel: KernelState
        do throws(Refusal) {
            guard let report = try await firewallReport() else { return .off }
            kernel = report.kernel
        } catch {
            kernel = .unknown(reason: error.description)
        }
        switch kernel {
        case .held: return .enforced
        case .observing: return .observing
        case .starting: return .starting
        case .left(let detail): return .left(why: detail)
        case .absent: return .refused(why: "somebody deleted the table; it is put back within seconds")
        case .different(let detail): return .refused(why: detail)
        case .failed(let reason), .unknown(let reason):
            return firewallMode == .enforce ? .refused(why: reason) : .observing
        }
    }

    private func openSockets() {
        let failed = sockets.open(policy.listeners)
        for entry in failed where !missing.contains(where: { $0.listener == entry.listener }) {
            log.error("\(entry.reason); trying again")
        }
        missing = failed
    }

    /// Stages `target` in every relay, then makes the kernel hold its ruleset. Throws and undoes all of it if one refuses.
    private func stage(_ target: Policy, revision: Int) async throws(Refusal) {
        do throws(Refusal) {
            for relay in relays where relay.isRunning { try await stage(target, revision: revision, in: relay) }
            try await applyFirewall(target, revision: revision)
        } catch {
            await forgetStaged()
            throw error
        }
    }

    /// Undoes `stage`: the kernel gets the ruleset of the policy in force again.
    private func unstage() async {
        do throws(Refusal) {
            try await applyFirewall(policy, revision: revision.id)
        } catch {
            firewallFailure = error
            log.critical("the firewall could not be set back: \(error)")
        }
        await forgetStaged()
    }

    private func forgetStaged() async {
        for relay in relays where relay.isRunning {
            let generation = relay.generation
            do throws(Refusal) {
                try await relay.abort()
            } catch {
                relay.kill(generation)
            }
        }
    }

    /// Makes every relay do as staged.
    private func switchOver() async {
        for relay in relays where relay.isRunning { await commit(relay) }
    }

    private func stage(_ target: Policy, revision: Int, in process: RoleProcess) async throws(Refusal) {
        let share = assignment(of: target, revision: revision, to: process.role)
        for account in share.accounts where process.role != .firewall {
            guard let entry = sockets[account.listener] else { continue }
            try await process.offer(account.listener, entry)
        }
        do {
            let memory = try SealedMemory.create(Message.encode(share))
            try await process.order(.stage, descriptors: [memory.number])
            process.didStage(share.identity)
        } catch let error as Refusal {
            throw error
        } catch {
            throw Refusal("no memory for the configuration: \(error)")
        }
    }

    /// The switch. Everything that could be refused has been staged, so a relay that fails here is broken and restarted.
    private func commit(_ process: RoleProcess) async {
        let generation = process.generation
        do throws(Refusal) {
            try await process.commit(listeners: policy.listeners)
        } catch {
            log.error("\(error)")
            process.kill(generation)
        }
    }

    private func applyFirewall(_ target: Policy, revision: Int) async throws(Refusal) {
        guard let firewall else { return }
        do throws(Refusal) {
            // Before it has begun, it takes no other order. Whoever is there that early waits for it.
            let end = ContinuousClock.now + .seconds(5)
            while isHeld || mode(of: target) == .enforce, !firewall.hasBegun, !isStopping, .now < end {
                await reactor.sleep(for: .milliseconds(16))
            }
            guard firewall.hasBegun else { throw Refusal("the firewall role is being restarted; try again") }
            try await stage(target, revision: revision, in: firewall)
            try await commitRuleset(isEnforced: mode(of: target) == .enforce, in: firewall)
        } catch {
            // To observe costs nothing if there is no table of ours to take away.
            guard isHeld || mode(of: target) == .enforce else { return }
            throw error
        }
    }

    /// A table that was in the kernel before this daemon is its own from now on, to be taken out where nothing is enforced.
    func claimTable() { isHeld = true }

    private func commitRuleset(isEnforced: Bool, in firewall: RoleProcess) async throws(Refusal) {
        let wasHeld = isHeld
        isHeld = isHeld || isEnforced
        if let refusal = try await firewall.ask(.commit).refusal {
            // It said no, so the kernel has what it had. Had it died instead, nobody could tell.
            isHeld = wasHeld
            throw Refusal(refusal)
        }
        isHeld = isEnforced
        firewallFailure = nil
        isDoorKept = true
    }

    private func mode(of target: Policy) -> FirewallMode { options.firewall?.mode ?? target.firewall }

    private func assignment(of target: Policy, revision: Int, to role: Role) -> Assignment {
        var share = target
        // An opening without a listener behind it is a door that stands open, and a PAC file that names one leads nowhere:
        // only those with a socket count.
        let live = target.listeners.compactMap { listener in
            sockets[listener].map { Assignment.Account(listener: listener, number: $0.account) }
        }
        let own = live.filter { $0.listener.role == role }
        share.listeners = live.map(\.listener)
        if role == .firewall {
            if isStopping { share.listeners = [] }
            share.users = []
            share.rules = []
            share.limits = []
        } else {
            share.openings = []
            if !own.contains(where: { $0.listener.authentication == .required }) { share.users = [] }
        }
        return Assignment(
            revision: revision, policy: share, surroundings: surroundings, accounts: own,
            identity: own.contains { $0.listener.kind == .https } ? identity : nil,
            isEnforced: mode(of: target) == .enforce, isReleased: isHeld && mode(of: target) == .observe,
            ownsTable: options.ownsTable)
    }

    // MARK: processes

    /// Starts every role and waits until each is at work, or has failed once, or the firewall could not be put in force:
    /// the relays then wait for it, and the operator is to find a daemon that answers.
    func start() async {
        openSockets()
        refreshIdentity(for: policy)
        for role in processes.map(\.role) {
            Task(executorPreference: reactor.taskExecutor) { await self.tend(role) }
        }
        while !isStopping, firewallFailure == nil,
            processes.contains(where: { $0.state == .starting && $0.restarts == 0 })
        {
            await reactor.sleep(for: .milliseconds(16))
        }
    }

    /// Keeps a role alive.
    private func tend(_ role: Role) async {
        guard let process = processes.first(where: { $0.role == role }) else { return }
        while !isStopping {
            do {
                try process.launch()
                let generation = process.generation
                Task(executorPreference: reactor.taskExecutor) { await self.bringUp(role, generation) }
                await process.receive { self.note($0, from: role) }
                await process.finish()
                for account in 0..<UInt16(Counters.accounts) { process.counters.reset(account, activeOnly: true) }
                if role != .firewall { ledger.forget(party: role.party) }
                if isStopping { return }
                log.error("the \(process.role.rawValue) role \(process.lastEnd); restarting it")
            } catch {
                log.critical("cannot start the \(process.role.rawValue) role: \(error)")
                process.didFailToStart("\(error)")
                if role == .firewall { firewallFailure = Refusal("the firewall role cannot be started: \(error)") }
            }
            await reactor.sleep(for: process.nextPause())
        }
    }

    /// Gives a new process its user and its share of the policy in force.
    ///
    /// - Parameter generation: which process. It may end while this waits, and its successor has a bring-up of its own.
    private func bringUp(_ role: Role, _ generation: Int) async {
        guard let process = processes.first(where: { $0.role == role }) else { return }
        do throws(Refusal) {
            try await process.order(
                .begin(Beginning(user: user, logLevel: options.logLevel)),
                descriptors: role == .firewall ? [] : [ledger.memory.number])
            process.didAnswerBegin(generation)
            if process.role != .firewall { await waitForDoor() }
            await turnstile.enter()
            defer { turnstile.leave() }
            guard process.generation == generation else { return }
            try await stage(policy, revision: revision.id, in: process)
            if process.role == .firewall {
                do throws(Refusal) {
                    try await commitRuleset(isEnforced: firewallMode == .enforce, in: process)
                } catch {
                    firewallFailure = error
                    log.critical("\(error)")
                }
            } else {
                try await process.commit(listeners: policy.listeners)
            }
            process.didBegin(generation)
        } catch {
            guard !isStopping else { return }
            if role == .firewall { firewallFailure = error }
            log.error("\(error)")
            process.kill(generation)
        }
    }

    /// With a firewall that is to be enforced, no relay accepts before the kernel holds the ruleset.
    private func waitForDoor() async {
        while firewall != nil, firewallMode == .enforce, !isDoorKept, !isStopping {
            await reactor.sleep(for: .milliseconds(16))
        }
    }

    /// How the firewall stands, in its own words.
    func firewallReport() async throws(Refusal) -> Report? {
        guard let firewall else { return nil }
        guard firewall.hasBegun else { throw Refusal("the firewall role is starting") }
        return try await firewall.report()
    }

    // MARK: the end

    /// Shuts the door first, then lets sessions end, `limit` at most.
    func stop(within limit: Duration) async {
        await turnstile.enter()
        isStopping = true
        do throws(Refusal) {
            try await applyFirewall(policy, revision: revision.id)
        } catch {
            log.error("the openings of the listeners could not be shut: \(error)")
        }
        for process in processes { process.stop() }
        // Whoever comes now is to be refused at once, and not to wait for somebody to accept.
        sockets = ListenerSockets()
        let milliseconds = Int(limit / .milliseconds(1))
        let drains = relays.filter(\.isAlive).map { relay in
            let role = relay.role
            return Task(executorPreference: reactor.taskExecutor) { await self.drain(role, milliseconds: milliseconds) }
        }
        for drain in drains { await drain.value }
        for process in processes { process.kill(process.generation) }
    }

    private func drain(_ role: Role, milliseconds: Int) async {
        guard let relay = processes.first(where: { $0.role == role }) else { return }
        _ = try? await relay.order(.drain(milliseconds: milliseconds), within: .milliseconds(milliseconds + 1000))
    }
}

extension Listener {
    /// The role that serves it.
    var role: Role {
        switch kind {
        case .socks5: .socks5
        case .http, .https, .mixed: .http
        }
    }
}
