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

package struct ChangeListener: Call, Hashable {
    package typealias Reply = Applied
    package static let documentation = """
        What is null stays as it is. The listener's socket stays, and so does every session that is still allowed.
        place: where its clients come in: anywhere, the name of a zone, or interface:NAME.
        clients: empty: every network.
        users: empty: every user there is.
        advertisedAddress, udpPorts, bindPorts: as in SOCKSOptions; any: none in particular.
        """

    package var endpoint: Endpoint
    package var authentication: Listener.Authentication?
    package var place: Place?
    package var clients: [Network]?
    package var users: [String]?
    package var allowsVersion4: Bool?
    package var advertisedAddress: Choice<IPAddress>?
    package var udpPorts: Choice<PortRange>?
    package var bindPorts: Choice<PortRange>?

    /// Changes nothing until something is set.
    package init(endpoint: Endpoint) { self.endpoint = endpoint }

    /// Gives `listener` what is not nil here.
    package func change(_ listener: inout Listener) {
        if let authentication { listener.authentication = authentication }
        if let place { listener.place = place }
        if let clients { listener.clients = clients }
        if let users { listener.users = users }
        if let allowsVersion4 { listener.socks.allowsVersion4 = allowsVersion4 }
        if let advertisedAddress { listener.socks.advertisedAddress = advertisedAddress.value }
        if let udpPorts { listener.socks.udpPorts = udpPorts.value }
        if let bindPorts { listener.socks.bindPorts = bindPorts.value }
    }
}

package struct RemoveListener: Call {
    package typealias Reply = Applied
    package static let documentation = "The listener's sessions end, and its port is closed in the firewall."

    package var endpoint: Endpoint

    package init(endpoint: Endpoint) { self.endpoint = endpoint }
}
