package import Address
package import Policy

/// A call's parameters, and the type of its reply's. Server and client share them.
package protocol Call: Codable, Sendable {
    associatedtype Reply: Codable, Sendable
    static var method: Method { get }
}

package struct GetVersion: Call {
    package struct Reply: Codable, Hashable, Sendable {
        package var version: String
    }
    package static let method = Method.getVersion
    package init() {}
}

package struct GetStatus: Call {
    package typealias Reply = Status
    package static let method = Method.getStatus
    package init() {}
}

package struct GetClientSetup: Call {
    package struct Reply: Codable, Hashable, Sendable {
        package var offers: [Premises.Offer]
        /// The URL of the PAC file, if one is served.
        package var autoConfiguration: String?

        package init(offers: [Premises.Offer]) {
            self.offers = offers
            // A device trusts no CA of ours before somebody has seen to it, and more networks have IPv4.
            let order: [(Premises.Offer) -> Bool] = [
                { $0.kind != .https && $0.isIPv4 }, { $0.kind != .https }, { $0.isIPv4 }, { _ in true },
            ]
            let served = offers.filter { $0.autoConfiguration != nil }
            autoConfiguration = order.lazy.compactMap { served.first(where: $0) }.first?.autoConfiguration
        }
    }
    package static let method = Method.getClientSetup
    package init() {}
}

package struct Setup: Call {
    package typealias Reply = Applied
    package static let method = Method.setup
    /// The interface behind which the home is.
    package var lan: String
    /// The interface that leads to the internet; nil: as before.
    package var wan: String?
    /// Opens TCP port 22 on the LAN interface.
    package var allowSSH: Bool

    package init(lan: String, wan: String? = nil, allowSSH: Bool = false) {
        self.lan = lan
        self.wan = wan
        self.allowSSH = allowSSH
    }
}

package struct ListListeners: Call {
    package struct Reply: Codable, Hashable, Sendable {
        package var listeners: [Listener]
    }
    package static let method = Method.listListeners
    package init() {}
}

package struct AddListener: Call {
    package typealias Reply = Applied
    package static let method = Method.addListener
    package var listener: Listener
    package init(listener: Listener) { self.listener = listener }
}

/// What is nil stays as it is. The socket stays, and so does every session that is still allowed.
package struct ChangeListener: Call {
    package typealias Reply = Applied
    package static let method = Method.changeListener
    package var endpoint: Endpoint
    package var authentication: Listener.Authentication?
    package var clients: [Network]?
    package var users: [String]?
    package var socks: Listener.SOCKSOptions?

    package init(
        endpoint: Endpoint, authentication: Listener.Authentication? = nil, clients: [Network]? = nil,
        users: [String]? = nil, socks: Listener.SOCKSOptions? = nil
    ) {
        self.endpoint = endpoint
        self.authentication = authentication
        self.clients = clients
        self.users = users
        self.socks = socks
    }
}

package struct RemoveListener: Call {
    package typealias Reply = Applied
    package static let method = Method.removeListener
    package var endpoint: Endpoint
    package init(endpoint: Endpoint) { self.endpoint = endpoint }
}

package struct ListUsers: Call {
    package struct User: Codable, Hashable, Sendable {
        package var name: String
    }
    package struct Reply: Codable, Hashable, Sendable {
        package var users: [User]
    }
    package static let method = Method.listUsers
    package init() {}
}

package struct AddUser: Call {
    package typealias Reply = Applied
    package static let method = Method.addUser
    package var name: String
    package var password: String

    package init(name: String, password: String) {
        self.name = name
        self.password = password
    }
}

package struct SetPassword: Call {
    package typealias Reply = Applied
    package static let method = Method.setPassword
    package var name: String
    package var password: String

    package init(name: String, password: String) {
        self.name = name
        self.password = password
    }
}

package struct RemoveUser: Call {
    package typealias Reply = Applied
    package static let method = Method.removeUser
    package var name: String
    package init(name: String) { self.name = name }
}

package struct ListRules: Call {
    package struct Reply: Codable, Hashable, Sendable {
        package var rules: [Rule]
        /// What holds where no rule matches.
        package var defaultAction: Rule.Action

        package init(rules: [Rule], defaultAction: Rule.Action) {
            self.rules = rules
            self.defaultAction = defaultAction
        }
    }
    package static let method = Method.listRules
    package init() {}
}

package struct AddRule: Call {
    package typealias Reply = AppliedRule
    package static let method = Method.addRule
    package var action: Rule.Action
    package var user: String?
    package var client: Network?
    package var destination: Network?
    package var domain: String?
    package var ports: PortRange?

    package init(
        action: Rule.Action, user: String? = nil, client: Network? = nil, destination: Network? = nil,
        domain: String? = nil, ports: PortRange? = nil
    ) {
        self.action = action
        self.user = user
        self.client = client
        self.destination = destination
        self.domain = domain
        self.ports = ports
    }

    package func rule(id: Int) -> Rule {
        Rule(
            id: id, action: action, user: user, client: client, destination: destination, domain: domain, ports: ports)
    }
}

package struct RemoveRule: Call {
    package typealias Reply = Applied
    package static let method = Method.removeRule
    package var id: Int
    package init(id: Int) { self.id = id }
}

package struct SetDefault: Call {
    package typealias Reply = Applied
    package static let method = Method.setDefault
    package var action: Rule.Action
    package init(action: Rule.Action) { self.action = action }
}

package struct ListLimits: Call {
    package struct Reply: Codable, Hashable, Sendable {
        package var limits: [Limit]
    }
    package static let method = Method.listLimits
    package init() {}
}

package struct SetLimit: Call {
    package typealias Reply = Applied
    package static let method = Method.setLimit
    package var limit: Limit
    package init(limit: Limit) { self.limit = limit }
}

package struct RemoveLimit: Call {
    package typealias Reply = Applied
    package static let method = Method.removeLimit
    package var subject: Limit.Subject
    package init(subject: Limit.Subject) { self.subject = subject }
}

package struct GetFirewall: Call {
    package typealias Reply = FirewallReport
    package static let method = Method.getFirewall
    package init() {}
}

package struct SetFirewallMode: Call {
    package typealias Reply = Applied
    package static let method = Method.setFirewallMode
    package var mode: FirewallMode
    package init(mode: FirewallMode) { self.mode = mode }
}

package struct Open: Call {
    package typealias Reply = Applied
    package static let method = Method.open
    package var opening: Opening
    package init(opening: Opening) { self.opening = opening }
}

package struct Close: Call {
    package typealias Reply = Applied
    package static let method = Method.close
    package var name: String
    package init(name: String) { self.name = name }
}

package struct ListRevisions: Call {
    package struct Reply: Codable, Hashable, Sendable {
        package var revisions: [Revision]
    }
    package static let method = Method.listRevisions
    /// nil: 20.
    package var limit: Int?
    package init(limit: Int? = nil) { self.limit = limit }
}

package struct GetRevision: Call {
    package typealias Reply = RevisionChanges
    package static let method = Method.getRevision
    package var id: Int
    package init(id: Int) { self.id = id }
}

package struct Rollback: Call {
    package typealias Reply = Applied
    package static let method = Method.rollback
    package var id: Int
    package init(id: Int) { self.id = id }
}
