package import Address
package import Policy

/// How the gateway is doing; `GetStatus` documents the members.
package struct Status: Codable, Hashable, Sendable {
    package var version: String
    package var revision: Int
    package var uptime: Int
    package var roles: [RoleStatus]
    package var listeners: [ListenerStatus]
    package var firewall: FirewallStatus
    package var users: Int
    package var devices: Int
    package var newDevices: [String]
    package var forwards: [Forward]
    package var bans: Int
    package var warnings: [String]
    package var worst: Finding?

    package init(
        version: String = gatehouseVersion, revision: Int, uptime: Int, roles: [RoleStatus],
        listeners: [ListenerStatus], firewall: FirewallStatus, users: Int, devices: Int = 0, newDevices: [String] = [],
        forwards: [Forward] = [], bans: Int = 0, warnings: [String], worst: Finding? = nil
    ) {
        self.version = version
        self.revision = revision
        self.uptime = uptime
        self.roles = roles
        self.listeners = listeners
        self.firewall = firewall
        self.users = users
        self.devices = devices
        self.newDevices = newDevices
        self.forwards = forwards
        self.bans = bans
        self.warnings = warnings
        self.worst = worst
    }
}

extension Status {
    /// For callers who are no operators: that something is wrong, and nothing of what the operator has given names to.
    package var withoutNames: Status {
        var status = self
        status.newDevices = []
        status.forwards = []
        status.worst = nil
        let who = "root and members of the group gatehouse are told"
        status.firewall.door = firewall.door.explained(by: "\(who) why")
        if !warnings.isEmpty {
            status.warnings = ["\(warnings.count) warning\(warnings.count == 1 ? "" : "s"), which \(who)"]
        }
        return status
    }
}

package struct RoleStatus: InterfaceType, Hashable, Sendable {
    package static let documentation = """
        A process of the daemon.
        state: one word: running, starting, failed …
        restarts: how often it had to be started again.
        """

    package var name: String
    package var pid: Int
    package var state: String
    package var restarts: Int

    package init(name: String, pid: Int, state: String, restarts: Int) {
        self.name = name
        self.pid = pid
        self.state = state
        self.restarts = restarts
    }
}

package struct ListenerStatus: InterfaceType, Hashable, Sendable {
    package static let documentation = """
        A listener and what went through it. Bytes are counted as the client sees them.
        sessions: open now.
        sessionsTotal: since the daemon started.
        bytesIn: came from clients.
        bytesOut: went to clients.
        """

    package var kind: Listener.Kind
    package var endpoint: Endpoint
    package var interface: String?
    package var authentication: Listener.Authentication
    package var sessions: Int
    package var sessionsTotal: Int
    package var bytesIn: Int
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

package struct FirewallStatus: InterfaceType, Hashable, Sendable {
    package static let documentation = """
        What the kernel is asked to hold, and how the door stands.
        """

    package var mode: FirewallMode
    package var door: DoorState

    package init(mode: FirewallMode, door: DoorState) {
        self.mode = mode
        self.door = door
    }
}
