package import Address
import Glibc

/// The UDP sockets of this machine, as far as they tell whose datagrams go out (sock_diag(7)): connection tracking knows no account.
package struct DatagramSockets: Sendable {
    private struct Ends: Hashable {
        let local: Endpoint
        let remote: Endpoint
    }

    /// By both ends, of those that are connected.
    private var connected: [Ends: Set<UInt32>] = [:]
    /// By the port from which they send to anybody.
    private var others: [UInt16: [(address: IPAddress, user: UInt32)]] = [:]

    /// As they are now, in the calling thread's network namespace. Takes no privilege.
    package static func current() throws(MachineFailure) -> DatagramSockets {
        var sockets = DatagramSockets()
        for family in [AF_INET, AF_INET6] {
            let request = NetlinkRequest(
                family: .socketDiagnosis, type: 20, isDump: true,  // SOCK_DIAG_BY_FAMILY
                payload: Connections.datagramQuestion(family: UInt8(family)))
            try request.forEachMessage { message in
                switch Entry(message, .udp) {
                case .connection(let socket):
                    sockets.connected[Ends(local: socket.local, remote: socket.remote), default: []].insert(socket.uid)
                case .listening(let socket):
                    sockets.others[socket.local.port, default: []].append((socket.local.address, socket.uid))
                case nil: break
                }
            }
        }
        return sockets
    }

    /// The accounts whose sockets may have sent a datagram from `local` to `remote`; several where sockets share a port.
    package func users(sendingFrom local: Endpoint, to remote: Endpoint) -> Set<UInt32> {
        if let users = connected[Ends(local: local, remote: remote)] { return users }
        let open = (others[local.port] ?? []).filter { $0.address == local.address || $0.address.isUnspecified }
        return Set(open.map(\.user))
    }
}
