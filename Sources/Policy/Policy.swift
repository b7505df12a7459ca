// Policy: what the operator wants, as plain values, and the decisions that follow from it.
//
// It knows addresses, listeners, users, rules and openings. It must never do I/O, read a clock or keep state: the same
// policy and the same surroundings always give the same answer, so that every decision can be tested as a table.

/// Everything that the operator has decided. One value, one revision.
package struct Policy: Codable, Hashable, Sendable {
    /// Listeners, each with an endpoint of its own.
    package var listeners: [Listener]
    /// Users, by name.
    package var users: [User]
    /// Destination rules; the first that matches decides.
    package var rules: [Rule]
    /// Openings that the operator asked for beside those of the listeners (SSH, say).
    package var openings: [Opening]
    /// Whether the kernel holds the ruleset, or it is only shown.
    package var firewall: FirewallMode
    /// Network interfaces behind which the home is.
    package var lan: [String]
    /// Network interfaces that lead to the internet.
    package var wan: [String]

    package init(
        listeners: [Listener] = [], users: [User] = [], rules: [Rule] = [], openings: [Opening] = [],
        firewall: FirewallMode = .observe, lan: [String] = [], wan: [String] = []
    ) {
        self.listeners = listeners
        self.users = users
        self.rules = rules
        self.openings = openings
        self.firewall = firewall
        self.lan = lan
        self.wan = wan
    }
}

package enum FirewallMode: String, Codable, Hashable, Sendable, CaseIterable {
    /// The kernel holds the ruleset.
    case enforce
    /// The ruleset is computed and shown; the kernel is not touched.
    case observe
}

/// A port on which a proxy accepts clients.
package struct Listener: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
        case socks5, http
    }

    package enum Authentication: String, Codable, Hashable, Sendable, CaseIterable {
        /// Whoever can reach the port may use it.
        case none
        /// User and password (RFC 1929; RFC 7617).
        case required
    }

    package var kind: Kind
    package var endpoint: Endpoint
    package var authentication: Authentication
    /// The interface that the socket is bound to (SO_BINDTODEVICE, socket(7)); nil: whichever holds the address.
    package var interface: String?

    package init(kind: Kind, endpoint: Endpoint, authentication: Authentication = .none, interface: String? = nil) {
        self.kind = kind
        self.endpoint = endpoint
        self.authentication = authentication
        self.interface = interface
    }
}

/// Somebody who may use the listeners that ask for a password.
package struct User: Codable, Hashable, Sendable {
    /// 1 to 255 bytes (RFC 1929 §2), no colon (RFC 7617 §2), no control character.
    package var name: String
    /// `scrypt$LOG2N$R$P$SALT$KEY`, salt and key in hexadecimal (`PasswordHash`).
    package var passwordHash: String

    package init(name: String, passwordHash: String) {
        self.name = name
        self.passwordHash = passwordHash
    }
}

/// Opens or shuts destinations, ahead of what `DestinationGuard` denies by itself.
package struct Rule: Codable, Hashable, Sendable {
    package enum Action: String, Codable, Hashable, Sendable, CaseIterable {
        case allow, deny
    }

    /// Unique; rules are tried in ascending order.
    package var id: Int
    package var action: Action
    package var destination: Network

    package init(id: Int, action: Action, destination: Network) {
        self.id = id
        self.action = action
        self.destination = destination
    }
}

/// A port of the gateway itself that is to be reachable though no listener of ours is behind it.
package struct Opening: Codable, Hashable, Sendable {
    package enum Transport: String, Codable, Hashable, Sendable, CaseIterable {
        case tcp, udp
    }

    /// What the operator calls it; unique.
    package var name: String
    package var transport: Transport
    package var port: UInt16
    /// nil: every interface.
    package var interface: String?
    /// nil: every source address.
    package var source: Network?

    package init(name: String, transport: Transport, port: UInt16, interface: String? = nil, source: Network? = nil) {
        self.name = name
        self.transport = transport
        self.port = port
        self.interface = interface
        self.source = source
    }
}
