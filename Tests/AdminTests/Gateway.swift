import Address
import Foundation
import Glibc
import Logging
import Policy
import Reactor

@testable import Admin

/// What the supervisor is to the admin socket, with a policy that it keeps to itself and as many methods as the tests call.
/// Like the supervisor it runs on the server's reactor.
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

    private var sessions = [
        SessionRecord(
            id: 7, kind: .socks5, listener: Endpoint("127.0.0.1:1080")!, client: Endpoint("127.0.0.2:4711")!,
            user: "alice", activity: .tunnel, host: "www.example.com", origin: Endpoint("192.0.2.7:443")!, sent: 512,
            received: 1 << 20, age: 61_000),
        SessionRecord(
            id: 9, kind: .http, listener: Endpoint("127.0.0.1:3128")!, client: Endpoint("127.0.0.3:4712")!, age: 3),
    ]

    private func apply(
        _ summary: String, by caller: Caller, _ change: (inout Policy) throws -> Void
    ) throws -> Applied {
        try change(&policy)
        history.append(Revision(id: history.count + 1, time: 1_700_000_100, author: caller.author, summary: summary))
        return Applied(revision: history.count, changes: ["+ \(summary)"])
    }

    var status: Status {
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

    static let methods: [Method<Gateway>] = [
        Method(GetVersion.self) { _, _, _ in GetVersion.Reply() },
        Method(GetStatus.self) { gateway, _, _ in gateway.status },
        Method(GetClientSetup.self) { _, _, _ in GetClientSetup.Reply(offers: []) },
        Method(ListListeners.self) { gateway, _, _ in ListListeners.Reply(listeners: gateway.policy.listeners) },
        Method(AddListener.self) { gateway, call, caller in
            try gateway.apply("listener \(call.listener.endpoint)", by: caller) { policy in
                guard !policy.listeners.contains(where: { $0.endpoint == call.listener.endpoint }) else {
                    throw Refusal("\(call.listener.endpoint) is taken by another listener")
                }
                policy.listeners.append(call.listener)
            }
        },
        Method(ChangeListener.self) { gateway, call, caller in
            try gateway.apply("listener set \(call.endpoint)", by: caller) { policy in
                for index in policy.listeners.indices where policy.listeners[index].endpoint == call.endpoint {
                    call.change(&policy.listeners[index])
                }
            }
        },
        Method(RemoveListener.self) { _, call, _ in
            throw AdminError.notFound("there is no listener at \(call.endpoint)")
        },
        Method(AddUser.self) { gateway, call, caller in
            try gateway.apply("user \(call.name)", by: caller) { policy in
                policy.users.append(User(name: call.name, passwordHash: "hash of \(call.password ?? "nothing")"))
            }
        },
        Method(ListRules.self) { gateway, _, _ in
            ListRules.Reply(
                rules: gateway.policy.rules, defaultAction: gateway.policy.defaultAction, refusals: [])
        },
        Method(AddRule.self) { gateway, call, caller in
            let rule = call.rule(id: 1 + (gateway.policy.rules.map(\.id).max() ?? 0))
            return AppliedRule(
                id: rule.id, try gateway.apply("rule \(rule.id)", by: caller) { $0.rules.append(rule) })
        },
        Method(RemoveRule.self) { gateway, call, caller in
            try gateway.apply("no rule \(call.id)", by: caller) { $0.rules.removeAll { $0.id == call.id } }
        },
        Method(SetDefault.self) { gateway, call, caller in
            try gateway.apply("rule default \(call.action)", by: caller) { $0.defaultAction = call.action }
        },
        Method(ListLimits.self) { gateway, _, _ in ListLimits.Reply(limits: gateway.policy.limits, standard: .standard)
        },
        Method(SetLimit.self) { gateway, call, caller in
            try gateway.apply("limit \(call.subject)", by: caller) { policy in
                var limit = Limit(subject: call.subject)
                call.change(&limit)
                policy.limits.append(limit)
            }
        },
        Method(RemoveLimit.self) { gateway, call, caller in
            try gateway.apply("no limit \(call.subject)", by: caller) {
                $0.limits.removeAll { $0.subject == call.subject }
            }
        },
        Method(ListRevisions.self) { gateway, call, _ in
            ListRevisions.Reply(revisions: Array(gateway.history.reversed().prefix(call.limit ?? 20)))
        },
        Method(GetRevision.self) { gateway, call, _ in
            guard let revision = gateway.history.first(where: { $0.id == call.id }) else {
                throw AdminError.notFound("there is no revision \(call.id)")
            }
            return GetRevision.Reply(revision: revision, changes: [])
        },
        Method(ListSessions.self) { gateway, call, _ in
            let query = SessionQuery(
                SessionSelection(user: call.user, client: call.client), order: call.order ?? .age, limit: call.limit,
                now: 99)
            let meant = gateway.sessions.filter(query.selection.contains)
            let list = SessionList(merging: [SessionList(sessions: meant, total: meant.count)], for: query)
            return ListSessions.Reply(list, time: query.now)
        },
    ]
}

/// The real server at a path of its own, on a reactor of its own.
final class LiveServer: Sendable {
    let directory: String
    let gateway: Gateway
    let server: Server
    private let reactor: Reactor

    var path: String { directory + "/admin.sock" }

    /// - Parameter group: of the socket's directory, and so of the operators.
    init(
        group: UInt32? = nil, limits: Server.Limits = Server.Limits(), accounts: Accounts = Accounts()
    ) async throws {
        var template = Array("/tmp/gatehouse-admin-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
        chmod(directory, 0o755)
        if let group { chown(directory, uid_t.max, group) }
        reactor = try Reactor(counters: Counters())
        gateway = Gateway(on: reactor)
        server = try Server(
            path: directory + "/admin.sock", handler: gateway, on: reactor, limits: limits, accounts: accounts,
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
    group: UInt32? = nil, limits: Server.Limits = Server.Limits(), accounts: Accounts = Accounts(),
    _ body: (LiveServer) async throws -> Void
) async throws {
    let live = try await LiveServer(group: group, limits: limits, accounts: accounts)
    do {
        try await body(live)
    } catch {
        await live.stop()
        throw error
    }
    await live.stop()
}
