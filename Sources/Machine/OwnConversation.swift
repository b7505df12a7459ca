package import Address

/// What this machine itself has begun with others and is under way, the sessions of the proxies among it: a TCP connection, by its
/// socket, or what else connection tracking takes for a conversation.
package struct OwnConversation: Sendable {
    /// The protocol's number (IANA, Assigned Internet Protocol Numbers).
    package let transport: UInt8
    package let local: Endpoint
    package let remote: Endpoint
    /// The interface that its socket is bound to; 0: none.
    package let interface: UInt32
    /// The accounts that may have begun it; none: nobody knows.
    package let users: Set<UInt32>
    /// Of a TCP connection.
    package let cookie: UInt64?
    private let handle: Handle

    private enum Handle: Sendable {
        case connection(Connections.Connection)
        case flow(Flow)
    }

    private struct Ends: Hashable {
        let local: Endpoint
        let remote: Endpoint
    }

    /// As they are now, in the calling thread's network namespace. What stays on this machine is none.
    ///
    /// - Parameter addresses: the machine's own.
    package static func current(of addresses: Set<IPAddress>) -> [OwnConversation] {
        // Of TCP those that others have begun, of everything else those that this machine has. Without CAP_NET_ADMIN there is no table.
        let flows =
            (try? Flow.current { addresses.contains($0.transport == 6 ? $0.destination : $0.source) }) ?? []
        let inbound = Set(flows.lazy.filter { $0.transport == 6 }.map { Ends(local: $0.far, remote: $0.near) })
        let connections = ((try? Connections.outbound()) ?? []).lazy.filter {
            !inbound.contains(Ends(local: $0.local, remote: $0.remote))
        }.map(OwnConversation.init)
        let others = flows.filter { $0.transport != 6 }
        let sockets = others.isEmpty ? nil : try? DatagramSockets.current()
        return (connections + others.map { OwnConversation($0, sockets) }).filter {
            !$0.remote.address.isLoopback && !addresses.contains($0.remote.address)
        }
    }

    private init(_ connection: Connections.Connection) {
        (transport, cookie) = (6, connection.cookie)
        (local, remote, interface) = (connection.local, connection.remote, connection.interface)
        (users, handle) = ([connection.uid], .connection(connection))
    }

    private init(_ flow: Flow, _ sockets: DatagramSockets?) {
        (transport, cookie) = (flow.transport, nil)
        (local, remote, interface) = (flow.near, flow.far, 0)
        users = flow.transport == 17 ? sockets?.users(sendingFrom: flow.near, to: flow.far) ?? [] : []
        handle = .flow(flow)
    }

    /// Ends it: of what is no connection the next packet is judged like a first one.
    package func end() throws(MachineFailure) {
        switch handle {
        case .connection(let connection): try connection.end()
        case .flow(let flow): try flow.end()
        }
    }
}

extension Flow {
    fileprivate var near: Endpoint { Endpoint(address: source, port: sourcePort) }
    fileprivate var far: Endpoint { Endpoint(address: destination, port: port) }
}
