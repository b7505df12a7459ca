package import Address
import Glibc

/// Who is connected to this machine over TCP, and which sockets wait for somebody to come (sock_diag(7)).
package struct Connections: Hashable, Sendable {
    /// Connections that somebody else began: their local port is one on which a socket listens.
    package var inbound: [Connection]
    package var listening: [ListeningSocket]

    package init(inbound: [Connection] = [], listening: [ListeningSocket] = []) {
        self.inbound = inbound
        self.listening = listening
    }

    /// A TCP connection.
    package struct Connection: Hashable, Sendable {
        /// This machine's end. An IPv4 address that an IPv6 socket holds is an IPv4 address here.
        package var local: Endpoint
        package var remote: Endpoint
        /// The number of the interface that the socket is bound to, as it is for a link-local address; 0: to none.
        package var interface: UInt32
        /// What the kernel calls the socket for as long as it runs; no other one ever has the same.
        package var cookie: UInt64
        /// The account that made the socket.
        package var uid: UInt32

        package init(local: Endpoint, remote: Endpoint, interface: UInt32 = 0, cookie: UInt64 = 0, uid: UInt32 = 0) {
            self.local = local
            self.remote = remote
            self.interface = interface
            self.cookie = cookie
            self.uid = uid
        }
    }

    /// A TCP socket that listens, or a UDP or raw socket that takes packets from anybody.
    package struct ListeningSocket: Hashable, Sendable {
        package enum Transport: UInt8, Hashable, Sendable {
            // IPPROTO_TCP, IPPROTO_UDP and IPPROTO_RAW.
            case tcp = 6
            case udp = 17
            case raw = 255
        }

        package var transport: Transport
        package var local: Endpoint
        /// A socket for `::` that hears IPv4 as well (IPV6_V6ONLY is off).
        package var hearsBothFamilies: Bool
        /// As `Connection.interface`.
        package var interface: UInt32
        package var uid: UInt32
        /// 0: the socket is the kernel's own, as that of WireGuard is.
        package var inode: UInt32
        /// The number of its control group's directory; nil: the kernel does not say.
        package var group: UInt64?
        /// As `Connection.cookie`.
        package var cookie: UInt64

        package init(
            transport: Transport, local: Endpoint, hearsBothFamilies: Bool = false, interface: UInt32 = 0,
            uid: UInt32 = 0, inode: UInt32 = 0, group: UInt64? = nil, cookie: UInt64 = 0
        ) {
            self.transport = transport
            self.local = local
            self.hearsBothFamilies = hearsBothFamilies
            self.interface = interface
            self.uid = uid
            self.inode = inode
            self.group = group
            self.cookie = cookie
        }
    }
}

extension Connections {
    /// As they are now, in the calling thread's network namespace. Takes no privilege.
    package static func current() throws(MachineFailure) -> Connections {
        var (established, listening): ([Connection], [ListeningSocket]) = ([], [])
        for transport in [ListeningSocket.Transport.tcp, .udp] {
            for family in [AF_INET, AF_INET6] {
                let request = NetlinkRequest(
                    family: .socketDiagnosis, type: 20, isDump: true,  // SOCK_DIAG_BY_FAMILY
                    payload: question(family: UInt8(family), transport))
                try request.forEachMessage { message in
                    switch Entry(message, transport) {
                    case .connection(let connection): established.append(connection)
                    case .listening(let socket): listening.append(socket)
                    case nil: break
                    }
                }
            }
        }
        return Connections(established: established, listening: listening)
    }

    /// All that are under way, whoever began them; one that an end has closed for its part is among them.
    package static func underWay() throws(MachineFailure) -> [Connection] {
        try connections(in: [.established, .begun, .received, .closedHere, .closedHereAndHeard, .closedThere])
    }

    private static func connections(in states: [State]) throws(MachineFailure) -> [Connection] {
        var found: [Connection] = []
        for family in [AF_INET, AF_INET6] {
            let request = NetlinkRequest(
                family: .socketDiagnosis, type: 20, isDump: true,  // SOCK_DIAG_BY_FAMILY
                payload: question(family: UInt8(family), .tcp, states))
            try request.forEachMessage { message in
                if case .connection(let connection)? = Entry(message, .tcp) { found.append(connection) }
            }
        }
        return found
    }

    /// TCP connections that this machine began, as far as its sockets tell: nobody listens at the port here. One that is not answered yet
    /// is among them, and one that an end has closed for its part, since the other may go on. A connection from a port below 1024 is none:
    /// the listener may be gone and what it let in goes on, as where sshd is stopped, and it takes root to begin anything from such a port.
    package static func outbound() throws(MachineFailure) -> [Connection] {
        let ports = Set(try waiting([.tcp]).map(\.local.port))
        return try connections(in: [.established, .begun, .closedHere, .closedHereAndHeard, .closedThere]).filter {
            $0.local.port >= 1024 && !ports.contains($0.local.port)
        }
    }

    /// TCP connections that came in, as far as its sockets tell: somebody listens at the port here. One that is not answered yet is among
    /// them, and one that an end has closed for its part, since the other may go on.
    package static func arrived() throws(MachineFailure) -> [Connection] {
        let ports = Set(try waiting([.tcp]).map(\.local.port))
        return try connections(in: [.established, .received, .closedHere, .closedHereAndHeard, .closedThere]).filter {
            ports.contains($0.local.port)
        }
    }

    init(established: [Connection], listening: [ListeningSocket]) {
        let ports = Set(listening.filter { $0.transport == .tcp }.map(\.local.port))
        self.init(inbound: established.filter { ports.contains($0.local.port) }, listening: listening)
    }

    /// A `struct inet_diag_req_v2` (linux/inet_diag.h) for everything of this family that listens or is connected.
    private static func question(family: UInt8, _ transport: ListeningSocket.Transport) -> [UInt8] {
        // A UDP socket that is not connected is in the state CLOSE.
        question(family: family, transport, transport == .tcp ? [.established, .listen] : [.close])
    }

    /// The same for what listens alone.
    static func listeningQuestion(family: UInt8, _ transport: ListeningSocket.Transport) -> [UInt8] {
        question(family: family, transport, transport == .tcp ? [.listen] : [.close])
    }

    /// The same for UDP, connected or not.
    static func datagramQuestion(family: UInt8) -> [UInt8] { question(family: family, .udp, [.established, .close]) }

    private static func question(
        family: UInt8, _ transport: ListeningSocket.Transport, _ states: [State]
    ) -> [UInt8] {
        var bytes: [UInt8] = [family, transport.rawValue, 0, 0]
        bytes.append(states.reduce(UInt32(0)) { $0 | 1 << UInt32($1.rawValue) })
        return bytes + [UInt8](repeating: 0, count: 48)
    }
}

extension Connections.Connection {
    /// Aborts the connection for both ends, whoever holds its socket (SOCK_DESTROY; CONFIG_INET_DIAG_DESTROY). Takes
    /// CAP_NET_ADMIN.
    package func end() throws(MachineFailure) {
        let (family, here, there): (UInt8, [UInt8], [UInt8]) =
            switch (local.address, remote.address) {
            case (.v4(let here), .v4(let there)):
                (UInt8(AF_INET), bytes(here) + zeros(12), bytes(there) + zeros(12))
            case (let here, let there): (UInt8(AF_INET6), bytes(here), bytes(there))
            }
        var payload = [family, UInt8(IPPROTO_TCP), 0, 0]
        payload.append(UInt32.max)
        // struct inet_diag_sockid
        payload += bytes(local.port) + bytes(remote.port) + here + there
        payload.append(interface)
        payload.append(UInt32(truncatingIfNeeded: cookie))
        payload.append(UInt32(truncatingIfNeeded: cookie >> 32))
        _ = try NetlinkRequest(family: .socketDiagnosis, type: 21, isDump: false, payload: payload).messages()
    }
}

private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

/// In network byte order.
private func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

/// As IPv6 has it.
private func bytes(_ address: IPAddress) -> [UInt8] {
    switch address {
    case .v4(let bits): zeros(10) + [0xff, 0xff] + bytes(bits)
    case .v6(let bits): bytes(bits)
    }
}

/// With the numbers of `enum tcp_state` (net/tcp_states.h).
private enum State: UInt8 {
    case established = 1
    case begun = 2
    case received = 3
    case closedHere = 4
    case closedHereAndHeard = 5
    case close = 7
    case closedThere = 8
    case listen = 10
}

/// What a `struct inet_diag_msg` and its attributes say (linux/inet_diag.h).
enum Entry: Hashable {
    /// Of UDP a socket that is connected.
    case connection(Connections.Connection)
    case listening(Connections.ListeningSocket)

    /// nil: neither of them, or no message of this kind.
    init?(_ message: ArraySlice<UInt8>, _ transport: Connections.ListeningSocket.Transport) {
        guard message.count >= 72, let family = message.load(UInt8.self, at: 0),
            let state = message.load(UInt8.self, at: 1).flatMap(State.init),
            let localPort = message.load(UInt16.self, at: 4)?.byteSwapped,
            let remotePort = message.load(UInt16.self, at: 6)?.byteSwapped,
            let local = Self.address(message, at: 8, family), let remote = Self.address(message, at: 24, family),
            let interface = message.load(UInt32.self, at: 40), let low = message.load(UInt32.self, at: 44),
            let high = message.load(UInt32.self, at: 48), let uid = message.load(UInt32.self, at: 64),
            let inode = message.load(UInt32.self, at: 68)
        else { return nil }
        let here = Endpoint(address: local, port: localPort)
        if state != .listen, state != .close {
            self = .connection(
                Connections.Connection(
                    local: here, remote: Endpoint(address: remote, port: remotePort), interface: interface,
                    cookie: UInt64(high) << 32 | UInt64(low), uid: uid))
            return
        }
        guard localPort != 0 else { return nil }
        let attributes = message.attributes(at: 72)
        // INET_DIAG_SKV6ONLY, INET_DIAG_CGROUP_ID.
        let isIPv6Only = attributes[11]?.first != 0
        self = .listening(
            Connections.ListeningSocket(
                transport: transport, local: here,
                hearsBothFamilies: Int32(family) == AF_INET6 && local.isUnspecified && !isIPv6Only,
                interface: interface, uid: uid, inode: inode, group: attributes[21]?.load(UInt64.self, at: 0),
                cookie: UInt64(high) << 32 | UInt64(low)))
    }

    private static func address(_ message: ArraySlice<UInt8>, at offset: Int, _ family: UInt8) -> IPAddress? {
        switch Int32(family) {
        case AF_INET: message.load(UInt32.self, at: offset).map { .v4(UInt32(bigEndian: $0)) }
        case AF_INET6:
            message.load(UInt128.self, at: offset).map { bits in
                let address = IPAddress.v6(UInt128(bigEndian: bits))
                return address.unmapped
            }
        default: nil
        }
    }
}

extension Connections {
    /// The ports that the kernel gives to sockets that ask for none in particular (ip_local_port_range, ip(7)).
    package static var ephemeralPorts: ClosedRange<UInt16> {
        let usual: ClosedRange<UInt16> = 32768...60999
        guard let file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re") else { return usual }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = fread(&bytes, 1, bytes.count, file)
        let numbers = String(decoding: bytes[..<count], as: UTF8.self).split(whereSeparator: \.isWhitespace)
            .compactMap { UInt16($0) }
        guard numbers.count == 2, numbers[0] <= numbers[1] else { return usual }
        return numbers[0]...numbers[1]
    }
}
