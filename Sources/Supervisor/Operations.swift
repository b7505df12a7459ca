import Address
import Admin
import Policy
import Reactor
import Store

/// What the operator can ask for over the admin socket.
extension Gateway: AdminHandler {
    func status() async throws(AdminError) -> Status {
        let uptime = ContinuousClock.now - startedAt
        // First: what is told of the kernel comes from this look.
        let firewall = await firewallStatus()
        return Status(
            revision: revision.id, uptime: Int(uptime.components.seconds),
            roles: processes.map {
                RoleStatus(name: $0.role.name, pid: Int($0.pid), state: $0.state.rawValue, restarts: $0.restarts)
            },
            listeners: policy.listeners.map(status), firewall: firewall, users: policy.users.count,
            warnings: warnings)
    }

    func offers() async throws(AdminError) -> [Premises.Offer] {
        var open = policy
        open.listeners = policy.listeners.filter { sockets[$0] != nil }
        return Premises(open, surroundings: surroundings).offers()
    }

    private func status(of listener: Listener) -> ListenerStatus {
        guard let entry = sockets[listener],
            let process = processes.first(where: { $0.role == listener.role })
        else { return ListenerStatus(listener) }
        let count = process.counters.read(entry.account)
        return ListenerStatus(
            listener, sessions: count.active, sessionsTotal: Int(clamping: count.sessions),
            bytesIn: Int(clamping: count.sent), bytesOut: Int(clamping: count.received))
    }

    private func firewallStatus() async -> FirewallStatus {
        FirewallStatus(mode: firewallMode, door: await door.state(firewallMode))
    }

    private var warnings: [String] {
        var warnings = missing.map { "\($0.listener.kind) \($0.listener.endpoint) is not open: \($0.reason)" }
        if let complaint { warnings.append("the last reload failed: \(complaint)") }
        if let loss = door.lastLoss { warnings.append(loss) }
        warnings += door.foreign
        if let copyFailure { warnings.append("\(copyFailure)") }
        if let firewallFailure { warnings.append("the firewall is not in force: \(firewallFailure)") }
        if ledger.overflows > 0 {
            warnings.append(
                "limits did not hold for \(ledger.overflows) sessions: there were too many clients at once to count them"
            )
        }
        for process in processes where process.isCrashLooping {
            warnings.append("the \(process.role.name) role keeps failing: it \(process.lastEnd)")
        }
        if policy.users.isEmpty, policy.listeners.contains(where: { $0.authentication == .required }) {
            warnings.append("a listener asks for a password and nobody has one; `gatehousectl user add NAME`")
        }
        if !policy.listeners.contains(where: { $0.authentication == .required }) {
            // Where nobody has to say who they are, these never match.
            warnings += policy.rules.filter { $0.user != nil }.map {
                "rule \($0.id) is about a user, but no listener asks for a password; `gatehousectl listener set` can make "
                    + "one ask"
            }
            warnings += policy.limits.filter(\.subject.isUser).map {
                "the limit for \($0.subject) is about users, but no listener asks for a password; `gatehousectl listener "
                    + "set` can make one ask"
            }
        }
        return warnings + certificateWarnings
    }

    // MARK: changes

    func setup(_ request: Setup, by author: Author) async throws(AdminError) -> Applied {
        var applied = try await apply(by: author, "setup --lan \(request.lan)") { [self] policy throws(Refusal) in
            try policy.setup(
                lan: request.lan, wan: request.wan, allowSSH: request.allowSSH, surroundings: surroundings)
        }
        if let imposed = options.firewall, imposed.mode != policy.firewall {
            applied.warnings.append(
                "nothing is filtered: gatehoused runs with --firewall \(imposed.rawValue); start it without the option")
        }
        return applied
    }

    func listeners() async throws(AdminError) -> [Listener] {
        policy.listeners
    }

    func addListener(_ listener: Listener, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "listener add \(listener.kind) \(listener.endpoint)") {
            [self] policy throws(Refusal) in
            try policy.add(listener, in: surroundings)
        }
    }

    func changeListener(_ change: ChangeListener, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "listener set \(change.endpoint)") { [self] policy throws(Refusal) in
            try policy.changeListener(on: change.endpoint, in: surroundings) { listener in
                listener.authentication = change.authentication ?? listener.authentication
                listener.clients = change.clients ?? listener.clients
                listener.users = change.users ?? listener.users
                listener.socks = change.socks ?? listener.socks
            }
        }
    }

    func removeListener(at endpoint: Endpoint, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "listener remove \(endpoint)") { policy throws(Refusal) in
            _ = try policy.removeListener(on: endpoint)
        }
    }

    func users() async throws(AdminError) -> [String] {
        policy.users.map(\.name)
    }

    func addUser(_ name: String, password: String, by author: Author) async throws(AdminError) -> Applied {
        let hash = try await hash(password)
        return try await apply(by: author, "user add \(name)") { policy throws(Refusal) in
            try policy.add(User(name: name, passwordHash: hash))
        }
    }

    func setPassword(
        of name: String, to password: String, by author: Author
    ) async throws(AdminError) -> Applied {
        let hash = try await hash(password)
        return try await apply(by: author, "user passwd \(name)") { policy throws(Refusal) in
            try policy.setPasswordHash(hash, ofUser: name)
        }
    }

    func removeUser(_ name: String, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "user remove \(name)") { policy throws(Refusal) in
            try policy.removeUser(named: name)
        }
    }

    func rules() async throws(AdminError) -> ListRules.Reply {
        ListRules.Reply(rules: policy.rules, defaultAction: policy.defaultAction)
    }

    func addRule(_ request: AddRule, by author: Author) async throws(AdminError) -> AppliedRule {
        var id = 0
        let applied = try await apply(by: author, "rule add \(request.rule(id: id))") { [self] policy throws(Refusal) in
            // The store's number: the policy alone does not know which ones removed rules had. Asked for when it is this
            // change's turn: two at once must not get the same.
            do throws(StoreError) {
                id = try store.nextRuleID()
            } catch {
                throw Refusal("\(error)")
            }
            try policy.add(request.rule(id: id))
        }
        return AppliedRule(id: id, applied)
    }

    func removeRule(_ id: Int, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "rule remove \(id)") { policy throws(Refusal) in
            _ = try policy.removeRule(id)
        }
    }

    func setDefault(_ action: Rule.Action, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "rule default \(action)") { policy throws(Refusal) in
            policy.defaultAction = action
        }
    }

    func limits() async throws(AdminError) -> [Limit] {
        policy.limits
    }

    func setLimit(_ limit: Limit, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "limit set \(limit)") { policy throws(Refusal) in
            try policy.set(limit)
        }
    }

    func removeLimit(for subject: Limit.Subject, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "limit remove \(subject)") { policy throws(Refusal) in
            _ = try policy.removeLimit(for: subject)
        }
    }

    func firewall() async throws(AdminError) -> FirewallReport {
        do throws(Refusal) {
            let report = try await door.report()
            // Between its start and the first ruleset.
            if report?.ruleset.isEmpty == true { throw Refusal("the firewall role is starting; try again") }
            return FirewallReport(
                mode: firewallMode, door: await door.state(firewallMode), ruleset: report?.ruleset ?? "",
                openings: policy.openings, zones: policy.zones)
        } catch {
            throw .refused(error.description)
        }
    }

    func setFirewallMode(_ mode: FirewallMode, by author: Author) async throws(AdminError) -> Applied {
        if let imposed = options.firewall, imposed.mode != mode || imposed == .off {
            throw .refused(
                "gatehoused runs with --firewall \(imposed.rawValue); start it without the option to choose the mode here"
            )
        }
        // Whoever says so means any table of ours.
        if mode == .observe { door.claim() }
        let applied = try await apply(by: author, "firewall \(mode)") { policy throws(Refusal) in
            policy.firewall = mode
        }
        guard applied.changes.isEmpty else { return applied }
        // In force already, but somebody may have taken it from the kernel, or left one there.
        if let failure = await reload() { throw .refused(failure.description) }
        return Applied(revision: applied.revision, changes: [], warnings: warnings)
    }

    func open(_ opening: Opening, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "firewall open \(opening.name)") { [self] policy throws(Refusal) in
            try policy.open(opening, in: surroundings)
        }
    }

    func close(_ name: String, by author: Author) async throws(AdminError) -> Applied {
        try await apply(by: author, "firewall close \(name)") { policy throws(Refusal) in
            _ = try policy.closeOpening(named: name)
        }
    }

    // MARK: history

    func revisions(limit: Int) async throws(AdminError) -> [Revision] {
        try read { () throws(StoreError) in try store.revisions(limit: limit) }
    }

    func revision(_ id: Int) async throws(AdminError) -> RevisionChanges {
        try read { () throws(StoreError) in
            RevisionChanges(revision: try store.revision(id), changes: try store.changes(of: id))
        }
    }

    func rollback(to id: Int, by author: Author) async throws(AdminError) -> Applied {
        let former = try read { () throws(StoreError) in try store.policy(at: id) }
        return try await apply(by: author, "rollback to revision \(id)") { policy throws(Refusal) in
            policy = former
        }
    }

    // MARK: the same for all

    private func apply(
        by author: Author, _ summary: String, _ edit: (inout Policy) throws(Refusal) -> Void
    ) async throws(AdminError) -> Applied {
        let (revision, isNew): (Revision, Bool)
        do throws(Refusal) {
            (revision, isNew) = try await change(by: author, summary, edit)
        } catch {
            throw .refused(error.description)
        }
        let changes = isNew ? try read { () throws(StoreError) in try store.changes(of: revision.id) } : []
        return Applied(revision: revision.id, changes: changes, warnings: warnings)
    }

    private func hash(_ password: String) async throws(AdminError) -> String {
        do throws(Refusal) {
            try Policy.checkPassword(password)
            return try await hashPassword(password)
        } catch {
            throw .refused(error.description)
        }
    }

    private func read<Value>(_ body: () throws(StoreError) -> Value) throws(AdminError) -> Value {
        do throws(StoreError) {
            return try body()
        } catch {
            if case .noSuchRevision = error { throw .notFound("\(error)") }
            throw .refused("\(error)")
        }
    }
}

extension Limit.Subject {
    fileprivate var isUser: Bool {
        switch self {
        case .eachUser, .user: true
        case .eachClient, .client: false
        }
    }
}
