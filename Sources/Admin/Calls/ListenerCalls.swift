package import Address
package import Policy

/// The calls about listeners.
enum ListenerCalls {
    static let all: [any Call.Type] = [
        ListListeners.self, AddListener.self, ChangeListener.self, RemoveListener.self,
    ]
}

package struct ListListeners: Call {
    package static let documentation = "The listeners that there are."

    package struct Reply: Codable, Hashable, Sendable {
        package var listeners: [Listener]

        package init(listeners: [Listener]) { self.listeners = listeners }
    }

    package init() {}
}

package struct AddListener: Call {
    package typealias Reply = Applied
    package static let documentation = "A listener's port is opened in the firewall in the same revision."

    package var listener: Listener

    package init(listener: Listener) { self.listener = listener }
}

package struct ChangeListener: Call {
    package typealias Reply = Applied
    package static let documentation = """
        What is null stays as it is. The listener's socket stays, and so does every session that is still allowed.
        """

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

    /// Gives `listener` what is not nil here.
    package func change(_ listener: inout Listener) {
        if let authentication { listener.authentication = authentication }
        if let clients { listener.clients = clients }
        if let users { listener.users = users }
        if let socks { listener.socks = socks }
    }
}

package struct RemoveListener: Call {
    package typealias Reply = Applied
    package static let documentation = "The listener's sessions end, and its port is closed in the firewall."

    package var endpoint: Endpoint

    package init(endpoint: Endpoint) { self.endpoint = endpoint }
}
