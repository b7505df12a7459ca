import Address
import Glibc

extension Connections {
    /// The sockets that wait for somebody to come, in the calling thread's network namespace. Takes no privilege, and costs the
    /// same however many connections there are: the kernel is asked for nothing else.
    ///
    /// The port of a raw socket is the number of its protocol.
    package static func waiting(
        _ transports: [ListeningSocket.Transport]
    ) throws(MachineFailure) -> [ListeningSocket] {
        var sockets: [ListeningSocket] = []
        for transport in transports {
            for family in [AF_INET, AF_INET6] {
                let request = NetlinkRequest(
                    family: .socketDiagnosis, type: 20, isDump: true,  // SOCK_DIAG_BY_FAMILY
                    payload: listeningQuestion(family: UInt8(family), transport))
                do throws(MachineFailure) {
                    for message in try request.messages() {
                        if case .listening(let socket)? = Entry(message, transport) { sockets.append(socket) }
                    }
                } catch  where transport == .raw {
                    // A kernel without CONFIG_INET_DIAG_RAW, which nobody needs for anything else.
                    continue
                }
            }
        }
        return sockets
    }
}

extension Connections.ListeningSocket {
    /// True for a datagram socket that serves nobody: the kernel chose its port, or it is a DHCP client's. False for one of the
    /// kernel's own, such as WireGuard's.
    package func isClient(_ ephemeralPorts: ClosedRange<UInt16>) -> Bool {
        guard transport == .udp else { return false }
        return local.port == 68 || local.port == 546 || inode != 0 && ephemeralPorts.contains(local.port)
    }
}
