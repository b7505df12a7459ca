package import Address
package import Policy

/// How the gateway is doing.
package struct Status: Codable, Hashable, Sendable {
    package var version: String
    package var revision: Int
    /// Seconds.
    package var uptime: Int
    package var roles: [RoleStatus]
    package var listeners: [ListenerStatus]
    package var firewall: FirewallStatus
    /// How many there are.
    package var users: Int
    package var warnings: [String]

    package init(
        version: String = gatehouseVersion, revision: Int, uptime: Int, roles: [RoleStatus],
        listeners: [ListenerStatus],
        firewall: FirewallStatus, users: Int, warnings: [String]
    ) {
        self.version = version
        self.revision = revision
        self.uptime = uptime
        self.roles = roles
        self.listeners = listeners
        self.firewall = firewall
        self.users = users
        self.warnings = warnings
    }
}

package struct RoleStatus: Codable, Hashable, Sendable {
    package var name: String
    package var pid: Int
    /// One word: `running`, `starting`, `failed` …
    package var state: String
    package var restarts: Int

    package init(name: String, pid: Int, state: String, restarts: Int) {
        self.name = name
        self.pid = pid
        self.state = state
        self.restarts = restarts
    }
}

package struct ListenerStatus: Codable, Hashable, Sendable {
    package var kind: Listener.Kind
    package var endpoint: Endpoint
    package var interface: String?
    package var authentication: Listener.Authentication
    /// Open now.
    package var sessions: Int
    /// Since the daemon started.
    package var sessionsTotal: Int
    /// From clients.
    package var bytesIn: Int
    /// To clients.
    package var bytesOut: Int

    package init(
        _ listener: Listener, sessions: Int = 0, sessionsTotal: Int = 0, bytesIn: Int = 0, bytesOut: Int = 0
    ) {
        kind = listener.kind
        endpoint = listener.endpoint
        interface = listener.interface
        authentication = listener.authentication
        self.sessions = sessions
        self.sessionsTotal = sessionsTotal
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
    }
}

package struct FirewallStatus: Codable, Hashable, Sendable {
    package var mode: FirewallMode
    package var door: DoorState

    package init(mode: FirewallMode, door: DoorState) {
        self.mode = mode
        self.door = door
    }
}

/// What a change came to.
package struct Applied: Codable, Hashable, Sendable {
    /// The revision in force now: a new one, or the old one if the change changed nothing.
    package var revision: Int
    /// A line for each thing, as the store tells them; empty if nothing changed.
    package var changes: [String]
    package var warnings: [String]

    package init(revision: Int, changes: [String], warnings: [String] = []) {
        self.revision = revision
        self.changes = changes
        self.warnings = warnings
    }
}

/// What the addition of a rule came to.
package struct AppliedRule: Codable, Hashable, Sendable {
    package var id: Int
    package var revision: Int
    package var changes: [String]
    package var warnings: [String]

    package init(id: Int, _ applied: Applied) {
        self.id = id
        revision = applied.revision
        changes = applied.changes
        warnings = applied.warnings
    }
}

package struct FirewallReport: Codable, Hashable, Sendable {
    package var mode: FirewallMode
    package var door: DoorState
    /// What the kernel should hold in mode `enforce`, as nft(8) would print it.
    package var ruleset: String
    /// Those that the operator asked for.
    package var openings: [Opening]
    package var zones: [Zone]

    package init(mode: FirewallMode, door: DoorState, ruleset: String, openings: [Opening], zones: [Zone]) {
        self.mode = mode
        self.door = door
        self.ruleset = ruleset
        self.openings = openings
        self.zones = zones
    }
}

package struct RevisionChanges: Codable, Hashable, Sendable {
    package var revision: Revision
    package var changes: [String]

    package init(revision: Revision, changes: [String]) {
        self.revision = revision
        self.changes = changes
    }
}
