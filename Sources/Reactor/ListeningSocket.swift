package import Address
import CLinux
import Glibc

/// Sockets that clients connect to.
package enum ListeningSocket {
    /// A TCP socket that listens on `address`, with the options that what it accepts inherits.
    ///
    /// - Parameters:
    ///   - interface: only clients of this interface reach it (SO_BINDTODEVICE, socket(7)).
    ///   - clientsSpeakFirst: one is accepted with its first bytes, which spares a wake-up and a read in vain, or a second after
    ///     it has connected if it sends none (TCP_DEFER_ACCEPT, tcp(7)).
    /// - Throws: `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `ENODEV` and the like, from the call that failed.
    package static func tcp(
        _ address: Endpoint, interface: String? = nil, clientsSpeakFirst: Bool = false
    ) throws(Errno) -> Descriptor {
        let socket = Descriptor(adopting: try checked(linux_socket(address.family, Int32(SOCK_STREAM.rawValue))))
        try checked(linux_set_option(socket.number, SOL_SOCKET, SO_REUSEADDR, 1))
        if case .v6 = address.address {
            // [::] means IPv6 alone: what listens on IPv4 is to be seen as such.
            try checked(linux_set_option(socket.number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1))
        }
        if let interface { try checked(linux_bind_to_device(socket.number, interface)) }
        TCPOptions.carry(socket.number)
        TCPOptions.keepAlive(socket.number)
        if clientsSpeakFirst {
            try checked(linux_set_option(socket.number, Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, 1))
        }
        try address.bind(socket.number)
        try listen(on: socket.number)
        return socket
    }

    /// A UDP socket that is bound to `address` and receives from whoever sends there, each datagram with its packet's mark where
    /// the kernel tells it.
    ///
    /// - Throws: as `tcp`.
    package static func udp(_ address: Endpoint, interface: String? = nil) throws(Errno) -> Descriptor {
        let socket = Descriptor(adopting: try checked(linux_socket(address.family, Int32(SOCK_DGRAM.rawValue))))
        if case .v6 = address.address {
            try checked(linux_set_option(socket.number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1))
        }
        if let interface { try checked(linux_bind_to_device(socket.number, interface)) }
        // Many clients at once find room, and beside one that floods the others do. The kernel's limit is net.core.rmem_max
        // (socket(7)), which is a few hundred datagrams, for whoever lacks CAP_NET_ADMIN.
        if linux_set_option(socket.number, SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20) < 0 {
            _ = linux_set_option(socket.number, SOL_SOCKET, SO_RCVBUF, 1 << 20)
        }
        _ = linux_set_option(socket.number, SOL_SOCKET, SO_SNDBUF, 1 << 20)
        _ = linux_udp_coalesce(socket.number)
        // A kernel before 5.19 tells no mark, and one without CAP_NET_ADMIN is not asked.
        _ = linux_tell_mark(socket.number)
        try address.bind(socket.number)
        return socket
    }

    /// From now on only clients of `interface` reach the socket; nil: clients of every interface do.
    ///
    /// - Throws: `ENODEV`, `EPERM`.
    package static func confine(_ socket: borrowing Descriptor, toInterface interface: String?) throws(Errno) {
        try checked(linux_bind_to_device(socket.number, interface ?? ""))
    }

    /// A Unix stream socket at `path`, which must not exist. The longest path has 107 bytes (unix(7)).
    package static func unix(path: String) throws(Errno) -> Descriptor {
        var storage = sockaddr_storage()
        storage.ss_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout<sockaddr_un>.size - MemoryLayout<sa_family_t>.size - 1
        guard path.utf8.count <= room else { throw Errno(ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &storage) { bytes in
            for (index, byte) in path.utf8.enumerated() { bytes[MemoryLayout<sa_family_t>.size + index] = byte }
        }
        let socket = Descriptor(adopting: try checked(linux_socket(AF_UNIX, Int32(SOCK_STREAM.rawValue))))
        let result = withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket.number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Errno(errno) }
        try listen(on: socket.number)
        return socket
    }

    /// Accepts a client of a Unix socket: a result for `Source.attempt`.
    package static func accept(_ listener: Int32) -> Int {
        var peer = sockaddr_storage()
        return Int(linux_accept(listener, &peer))
    }

    /// The address that a socket is bound to; tells the port that the kernel chose for port 0.
    package static func address(of socket: borrowing Descriptor) throws(Errno) -> Endpoint {
        try Endpoint.local(of: socket.number)
    }

    /// Where a socket that another process has made listens; nil: it is no TCP socket that listens.
    package static func endpoint(of socket: borrowing Descriptor) -> Endpoint? {
        guard linux_is_tcp_listener(socket.number) == 1 else { return nil }
        return try? address(of: socket)
    }

    private static func listen(on socket: Int32) throws(Errno) {
        // The kernel cuts the backlog to net.core.somaxconn (4096).
        guard Glibc.listen(socket, 4096) == 0 else { throw Errno(errno) }
    }
}
