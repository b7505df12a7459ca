import Glibc
import Policy

/// What a child process is for: a row of the one table in which all that sets roles apart stands. A role's title is all that
/// it is started with: ps(1) shows what each one does.
package struct Role: Sendable {
    /// In the title, in the log, in `status`.
    package let name: String
    /// Keeps CAP_NET_ADMIN when it drops all else.
    let keepsNetAdmin: Bool
    let sandbox: Sandbox.Profile
    /// Its place among those who count in the ledger what clients and users take up. nil: it counts nobody.
    let party: Int?
    /// The kinds of listeners that it serves.
    let serves: Set<Listener.Kind>
    /// What it is given of the policy.
    let share: @Sendable (Estate, Role) -> Share

    package static let socks5 = Role(
        name: "socks5", keepsNetAdmin: false, sandbox: .relay, party: 0, serves: [.socks5],
        share: { .relay(RelayAssignment($0, for: $1)) })

    package static let http = Role(
        name: "http", keepsNetAdmin: false, sandbox: .relay, party: 1, serves: [.http, .https, .mixed],
        share: { .relay(RelayAssignment($0, for: $1)) })

    package static let names = Role(
        name: "names", keepsNetAdmin: false, sandbox: .relay, party: nil, serves: [.dns],
        share: { .names(NamesAssignment($0, for: $1)) })

    package static let firewall = Role(
        name: "firewall", keepsNetAdmin: true, sandbox: .netlink, party: nil, serves: [],
        share: { estate, _ in .firewall(FirewallAssignment(estate)) })

    /// The table. The firewall is started first: the relays wait for it.
    package static let all = [firewall, names, socks5, http]

    package var title: String { "gatehoused: \(name)" }

    package init?(title: String) {
        guard let role = Role.all.first(where: { $0.title == title }) else { return nil }
        self = role
    }
}

extension Role {
    private init(
        name: String, keepsNetAdmin: Bool, sandbox: Sandbox.Profile, party: Int?, serves: Set<Listener.Kind>,
        share: @escaping @Sendable (Estate, Role) -> Share
    ) {
        self.name = name
        self.keepsNetAdmin = keepsNetAdmin
        self.sandbox = sandbox
        self.party = party
        self.serves = serves
        self.share = share
    }
}

extension Role: Hashable {
    package static func == (left: Role, right: Role) -> Bool { left.name == right.name }

    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

extension Listener {
    /// The role that serves it. Every kind has one; a test holds the table to that.
    var role: Role { Role.all.first { $0.serves.contains(kind) }! }
}
