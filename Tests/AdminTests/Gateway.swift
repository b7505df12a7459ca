import Address
import Foundation
import Glibc
import Logging
import Policy
import Reactor

@testable import Admin

/// What the supervisor is to the admin socket, with a policy that it keeps to itself. Like that one it runs on the server's
/// reactor.
actor Gateway: AdminHandler {
    private nonisolated let reactor: Reactor

    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    init(on reactor: Reactor) {
        self.reactor = reactor
    }

    private(set) var policy = Policy(
        listeners: [Listener(kind: .socks5, endpoint: Endpoint("127.0.0.1:1080")!)],
        rules: [Rule(id: 1, action: .allow, destination: Network("127.0.0.0/8")!)])
    private(set) var history = [
        Revision(id: 1, time: 1_700_000_000, author: Author(uid: 0, name: "root"), summary: "the store was made")
    ]

    private func apply(_ summary: String, by author: Author, _ change: (inout Policy) throws(AdminError) -> Void)
        throws(AdminError) -> Applied
    {
        try change(&policy)
        history.append(Revision(id: history.count + 1, time: 1_700_000_100, author: author, summary: summary))
        return Applied(revision: history.count, changes: ["+ \(summary)"])
    }

    func status() -> Status {
        Status(
            revision: history.count, uptime: 61,
            roles: [RoleStatus(name: "socks5", pid: Int(getpid()), state: "running", restarts: 0)],
            listeners: policy.listeners.map {
                ListenerStatus($0, sessions: 2, sessionsTotal: 5, bytesIn: 4096, bytesOut: 1 << 20)
            },
            firewall: FirewallStatus(
                mode: policy.firewall, door: .observing),
            users: policy.users.count, warnings: ["the sky is falling"])
    }

    func offers() -> [Premises.Offer] {
        policy.listeners.map { .init(kind: $0.kind, endpoint: $0.endpoint, authentication: $0.authentication) }
    }

    func setup(_ request: Setup, by author: Author) async throws(AdminError) -> Applied {
        try apply("setup \(request.lan)", by: author) { policy in
            policy.lan = [request.lan]
            policy.wan = request.wan.map { [$0] } ?? []
        }
    }

    func listeners() -> [Listener] { policy.listeners }

    func addListener(_ listener: Listener, by author: Author) async throws(AdminError) -> Applied {
        try apply("listener \(listener.endpoint)", by: author) { policy throws(AdminError) in
            guard !policy.listeners.contains(where: { $0.endpoint == listener.endpoint }) else {
                throw .refused("\(listener.endpoint) is taken by another listener")
            }
            policy.listeners.append(listener)
        }
    }

    func changeListener(_ change: ChangeListener, by author: Author) async throws(AdminError) -> Applied {
        try apply("listener set \(change.endpoint)", by: author) { policy in
            for index in policy.listeners.indices where policy.listeners[index].endpoint == change.endpoint {
                policy.listeners[index].clients = change.clients ?? policy.listeners[index].clients
                policy.listeners[index].authentication = change.authentication ?? policy.listeners[index].authentication
            }
        }
    }

    func removeListener(at endpoint: Endpoint, by author: Author) async throws(AdminError) -> Applied {
        try apply("no listener \(endpoint)", by: author) { policy throws(AdminError) in
            guard let index = policy.listeners.firstIndex(where: { $0.endpoint == endpoint }) else {
                throw .notFound("there is no listener at \(endpoint)")
            }
            policy.listeners.remove(at: index)
        }
    }

    func users() -> [String] { policy.users.map(\.name) }

    func addUser(_ name: String, password: String, by author: Author) async throws(AdminError) -> Applied {
        try apply("user \(name)", by: author) { $0.users.append(User(name: name, passwordHash: "hash of \(password)")) }
    }

    func setPassword(of name: String, to password: String, by author: Author) async throws(AdminError) -> Applied {
        try apply("password of \(name)", by: author) { policy throws(AdminError) in
            guard let index = policy.users.firstIndex(where: { $0.name == name }) else {
                throw .notFound("there is no user \(name)")
            }
            policy.users[index].passwordHash = "hash of \(password)"
        }
    }

    func removeUser(_ name: String, by author: Author) async throws(AdminError) -> Applied {
        try apply("no user \(name)", by: author) { $0.users.removeAll { $0.name == name } }
    }

    func rules() -> ListRules.Reply { ListRules.Reply(rules: policy.rules, defaultAction: policy.defaultAction) }

    func addRule(_ request: AddRule, by author: Author) async throws(AdminError) -> AppliedRule {
        let rule = request.rule(id: 1 + (policy.rules.map(\.id).max() ?? 0))
        return AppliedRule(id: rule.id, try apply("rule \(rule.id)", by: author) { $0.rules.append(rule) })
    }

    func removeRule(_ id: Int, by author: Author) async throws(AdminError) -> Applied {
        try apply("no rule \(id)", by: author) { $0.rules.removeAll { $0.id == id } }
    }

    func setDefault(_ action: Rule.Action, by author: Author) async throws(AdminError) -> Applied {
        try apply("rule default \(action)", by: author) { $0.defaultAction = action }
    }

    func limits() -> [Limit] { policy.limits }

    func setLimit(_ limit: Limit, by author: Author) async throws(AdminError) -> Applied {
        try apply("limit \(limit)", by: author) { $0.limits.append(limit) }
    }

    func removeLimit(for subject: Limit.Subject, by author: Author) async throws(AdminError) -> Applied {
        try apply("no limit \(subject)", by: author) { $0.limits.removeAll { $0.subject == subject } }
    }

    func firewall() -> FirewallReport {
        FirewallReport(
            mode: policy.firewall, door: .observing, ruleset: "table inet gatehouse {\n}\n", openings: policy.openings,
            zones: policy.zones)
    }

    func setFirewallMode(_ mode: FirewallMode, by author: Author) async throws(AdminError) -> Applied {
        try apply("firewall \(mode)", by: author) { $0.firewall = mode }
    }

    func open(_ opening: Opening, by author: Author) async throws(AdminError) -> Applied {
        try apply("opening \(opening.name)", by: author) { $0.openings.append(opening) }
    }

    func close(_ name: String, by author: Author) async throws(AdminError) -> Applied {
        try apply("no opening \(name)", by: author) { $0.openings.removeAll { $0.name == name } }
    }

    func revisions(limit: Int) -> [Revision] { Array(history.reversed().prefix(limit)) }

    func revision(_ id: Int) async throws(AdminError) -> RevisionChanges {
        guard let revision = history.first(where: { $0.id == id }) else {
            throw .notFound("there is no revision \(id)")
        }
        return RevisionChanges(revision: revision, changes: [])
    }

    func rollback(to id: Int, by author: Author) async throws(AdminError) -> Applied {
        try apply("rollback to \(id)", by: author) { _ in }
    }

    func certificate() -> CertificateReport { CertificateReport(certificate: nil, isOwn: true, authority: nil) }

    func authority() -> String { "-----BEGIN CERTIFICATE-----\n" }

    func useCertificate(_ certificate: String?, key: String?, by author: Author) async throws(AdminError)
        -> CertificateReport
    {
        guard (certificate == nil) == (key == nil) else { throw .refused("half of a pair") }
        return CertificateReport(certificate: nil, isOwn: certificate == nil, authority: nil)
    }

    func renewCertificate(authority: Bool, by author: Author) -> CertificateReport { certificate() }

    private var sessions = [
        SessionRecord(
            id: 7, kind: .socks5, listener: Endpoint("127.0.0.1:1080")!, client: Endpoint("127.0.0.2:4711")!,
            user: "alice", activity: .tunnel, host: "www.example.com", origin: Endpoint("192.0.2.7:443")!, sent: 512,
            received: 1 << 20, age: 61_000),
        SessionRecord(
            id: 9, kind: .http, listener: Endpoint("127.0.0.1:3128")!, client: Endpoint("127.0.0.3:4712")!, age: 3),
    ]

    func sessions(_ request: ListSessions) -> ListSessions.Reply {
        let query = SessionQuery(
            SessionSelection(user: request.user, client: request.client), order: request.order ?? .age,
            limit: request.limit, now: 99)
        let meant = sessions.filter(query.selection.contains)
        return ListSessions.Reply(
            SessionList(merging: [SessionList(sessions: meant, total: meant.count)], for: query), time: query.now)
    }

    func endSessions(_ selection: SessionSelection, by author: Author) async throws(AdminError) -> Int {
        let before = sessions.count
        sessions.removeAll(where: selection.contains)
        return before - sessions.count
    }
}

/// The real server at a path of its own, on a reactor of its own.
final class LiveServer: Sendable {
    let directory: String
    let gateway: Gateway
    let server: Server
    private let reactor: Reactor

    var path: String { directory + "/admin.sock" }

    /// - Parameter group: of the socket's directory, and so of the operators.
    init(group: UInt32? = nil, limits: Server.Limits = Server.Limits()) async throws {
        var template = Array("/tmp/gatehouse-admin-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
        chmod(directory, 0o755)
        if let group { chown(directory, uid_t.max, group) }
        reactor = try Reactor(counters: Counters())
        gateway = Gateway(on: reactor)
        server = try Server(
            path: directory + "/admin.sock", handler: gateway, on: reactor, limits: limits,
            log: Logger(label: "admin") { _ in SwiftLogNoOpLogHandler() })
        reactor.start()
        await server.start()
    }

    /// Ends the server, and waits until its reactor has noticed.
    func stop() async {
        await server.close()
        reactor.stop()
        try? FileManager.default.removeItem(atPath: directory)
    }
}

extension Server {
    /// From the reactor's own thread: the clients here block the threads on which a task would start otherwise.
    fileprivate func start() {
        Task(executorPreference: reactor.taskExecutor) { await self.run() }
    }
}

/// Runs `body` with a live server, and stops that.
func withServer(
    group: UInt32? = nil, limits: Server.Limits = Server.Limits(), _ body: (LiveServer) async throws -> Void
) async throws {
    let live = try await LiveServer(group: group, limits: limits)
    do {
        try await body(live)
    } catch {
        await live.stop()
        throw error
    }
    await live.stop()
}
