import Logging
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
    private var complaint: Refusal?
    private var isDoorKept = false
    private var user: UnixUser?
    private(set) var isStopping = false
    let startedAt = ContinuousClock.now

    init(
        options: Options, store: Store, reactor: Reactor, log: Logger,
        hashPassword: @escaping PasswordHasher
    ) throws {
        self.options = options
        self.store = store
        self.reactor = reactor
        self.log = log
        self.hashPassword = hashPassword
        turnstile = Turnstile(reactor: reactor)
        policy = try store.policy()
        revision = try store.current()
        surroundings = .current()
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
    func change(
        by author: Author, _ summary: String, _ edit: (inout Policy) throws(Refusal) -> Void
    ) async throws(Refusal) -> Revision {
        await turnstile.enter()
        defer { turnstile.leave() }
        guard !isStopping else { throw Refusal("gatehoused is stopping; nothing was changed") }
        surroundings = .current()
        var target = policy
        try edit(&target)
        try target.check(in: surroundings)
        let opened = sockets
        do throws(Refusal) {
            if let failed = sockets.open(target.listeners.filter { !policy.listeners.contains($0) }).first {
                throw failed.reason
            }
            let pending = try prepare(target, by: author, summary)
            guard pending.isChange else { return pending.revision }
            try await stage(target, revision: pending.revision.id)
            do {
                revision = try pending.commit()
            } catch {
                await unstage()
                throw Refusal("nothing was changed: \(error)")
            }
            policy = target
        } catch {
            sockets = opened
            throw error
        }
        await switchOver()
        sockets.keep(only: policy.listeners)
        missing.removeAll { !policy.listeners.contains($0.listener) }
        log.notice("revision \(revision.id): \(summary)", metadata: ["author": "\(author.name)"])
        return revision
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
    func reload() async {
        await turnstile.enter()
        defer { turnstile.leave() }
        surroundings = .current()
        openSockets()
        do throws(Refusal) {
            try await stage(policy, revision: revision.id)
            await switchOver()
            complaint = nil
        } catch {
            // Tried every few seconds, said once.
            if complaint != error { log.error("\(error)") }
            complaint = error
        }
    }

    /// Reloads if the machine's addresses have changed, or a listener still waits for its own.
    func reloadIfNeeded() async {
        guard surroundings != .current() || !missing.isEmpty || firewallFailure != nil else { return }
        await reload()
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
            do throws(Refusal) {
                try await relay.abort()
            } catch {
                relay.kill()
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
        } catch let error as Refusal {
            throw error
        } catch {
            throw Refusal("no memory for the configuration: \(error)")
        }
    }

    /// The switch. Everything that could be refused has been staged, so a relay that fails here is broken and restarted.
    private func commit(_ process: RoleProcess) async {
        do throws(Refusal) {
            try await process.commit(listeners: policy.listeners)
        } catch {
            log.error("\(error)")
            process.kill()
        }
    }

    private func applyFirewall(_ target: Policy, revision: Int) async throws(Refusal) {
        guard let firewall else { return }
        do throws(Refusal) {
            try await stage(target, revision: revision, in: firewall)
            try await firewall.order(.commit)
            firewallFailure = nil
            isDoorKept = true
        } catch {
            guard mode(of: target) == .enforce else { return }
            throw error
        }
    }

    private func mode(of target: Policy) -> FirewallMode { options.firewall?.mode ?? target.firewall }

    private func assignment(of target: Policy, revision: Int, to role: Role) -> Assignment {
        var share = target
        // An opening without a listener behind it is a door that stands open: only listeners with a socket have one.
        let live = target.listeners.filter { sockets[$0] != nil }
        let own = live.filter { $0.role == role }
        if role == .firewall {
            share.listeners = isStopping ? [] : live
            share.users = []
            share.rules = []
        } else {
            share.openings = []
            if !own.contains(where: { $0.authentication == .required }) { share.users = [] }
        }
        let accounts = own.map { Assignment.Account(listener: $0, number: sockets[$0]!.account) }
        return Assignment(
            revision: revision, policy: share, surroundings: surroundings, accounts: accounts,
            isEnforced: mode(of: target) == .enforce)
    }

    // MARK: processes

    /// Starts every role and waits until each is at work, or has failed once, or the firewall could not be put in force:
    /// the relays then wait for it, and the operator is to find a daemon that answers.
    func start() async {
        openSockets()
        for role in processes.map(\.role) {
            Task(executorPreference: reactor.taskExecutor) { await self.tend(role) }
        }
        while firewallFailure == nil, processes.contains(where: { $0.state == .starting && $0.restarts == 0 }) {
            await reactor.sleep(for: .milliseconds(16))
        }
    }

    /// Keeps a role alive.
    private func tend(_ role: Role) async {
        guard let process = processes.first(where: { $0.role == role }) else { return }
        while !isStopping {
            do {
                try process.launch()
                Task(executorPreference: reactor.taskExecutor) { await self.bringUp(role) }
                await process.receiveAnswers()
                await process.finish()
                for account in 0..<UInt16(Counters.accounts) { process.counters.reset(account, activeOnly: true) }
                if isStopping { return }
                log.error("the \(process.role.rawValue) role \(process.lastEnd); restarting it")
            } catch {
                log.critical("cannot start the \(process.role.rawValue) role: \(error)")
            }
            await reactor.sleep(for: process.nextPause())
        }
    }

    /// Gives a new process its user and its share of the policy in force.
    private func bringUp(_ role: Role) async {
        guard let process = processes.first(where: { $0.role == role }) else { return }
        do throws(Refusal) {
            try await process.order(.begin(Beginning(user: user, logLevel: options.logLevel)))
            if process.role != .firewall { await waitForDoor() }
            await turnstile.enter()
            defer { turnstile.leave() }
            try await stage(policy, revision: revision.id, in: process)
            if process.role == .firewall {
                do throws(Refusal) {
                    try await process.order(.commit)
                    firewallFailure = nil
                } catch {
                    firewallFailure = error
                    log.critical("\(error)")
                }
                isDoorKept = firewallFailure == nil || firewallMode != .enforce
            } else {
                try await process.commit(listeners: policy.listeners)
            }
            process.didBegin()
        } catch {
            guard !isStopping else { return }
            log.error("\(error)")
            process.kill()
        }
    }

    /// With a firewall that is to be enforced, no relay accepts before the kernel holds the ruleset.
    private func waitForDoor() async {
        while firewall != nil, !isDoorKept, !isStopping { await reactor.sleep(for: .milliseconds(16)) }
    }

    /// How the firewall stands, in its own words.
    func firewallReport() async throws(Refusal) -> Report? {
        guard let firewall else { return nil }
        return try await firewall.order(.report).report
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
        let milliseconds = Int(limit / .milliseconds(1))
        let drains = relays.filter(\.isAlive).map { relay in
            let role = relay.role
            return Task(executorPreference: reactor.taskExecutor) { await self.drain(role, milliseconds: milliseconds) }
        }
        for drain in drains { await drain.value }
        for process in processes { process.kill() }
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
        case .http: .http
        }
    }
}
