package import Address
import CLinux
import Glibc

/// A UDP socket for one question to one peer: its port is the kernel's random choice (`get_random_u32` over
/// ip_local_port_range, ip(7), which leaves reserved ports alone), and nothing but the peer is heard on it.
package final class QuerySocket {
    package enum Received {
        case datagram([UInt8])
        case nothing
        /// What a packet on the way came back with, such as `ECONNREFUSED`.
        case failed(Errno)
    }

    private let descriptor: Int32
    private let loop: Loop
    private var watch = Slot.none

    /// - Parameters:
    ///   - zone: the index of the interface behind which a link-local peer is; 0: it is no such peer.
    ///   - ready: called on the reactor's thread, once in each turn, while there is something to receive.
    package init(
        to peer: Endpoint, zone: UInt32 = 0, on reactor: Reactor, ready: @escaping () -> Void
    ) throws(Errno) {
        let socket = Descriptor(
            adopting: try checked(linux_socket(peer.socketAddress.family, Int32(SOCK_DGRAM.rawValue))))
        try peer.socketAddress.connect(socket.number, zone: zone)
        loop = reactor.currentLoop
        watch = try loop.watch(socket.number, for: LINUX_EPOLLIN) { _ in ready() }
        descriptor = socket.release()
        DescriptorBudget.shared.reserve(1)
    }

    deinit {
        loop.close(watch)
        _ = linux_close(descriptor)
        DescriptorBudget.shared.release(1)
    }

    package func send(_ bytes: [UInt8]) throws(Errno) {
        try checked(bytes.withUnsafeBytes { linux_send(descriptor, $0.baseAddress, $0.count) })
    }

    package func receive() -> Received {
        let room = loop.scratch
        let count = linux_receive(descriptor, room.baseAddress, room.count)
        if count >= 0 { return .datagram(Array(UnsafeRawBufferPointer(rebasing: room[..<count]))) }
        return count == -Int(EAGAIN) ? .nothing : .failed(Errno(Int32(-count)))
    }
}

extension Socket {
    /// A TCP connection that is being made: the first read or write waits for it, or throws why it failed.
    ///
    /// - Parameter zone: as of a `QuerySocket`.
    package init(connectingTo peer: Endpoint, zone: UInt32 = 0, on reactor: Reactor) throws(Errno) {
        let socket = Descriptor(
            adopting: try checked(linux_socket(peer.socketAddress.family, Int32(SOCK_STREAM.rawValue))))
        do throws(Errno) {
            try peer.socketAddress.connect(socket.number, zone: zone)
        } catch {
            guard error.code == EINPROGRESS else { throw error }
        }
        self.init(adopting: socket, on: reactor)
    }
}

extension SocketAddress {
    fileprivate func connect(_ descriptor: Int32, zone: UInt32) throws(Errno) {
        var (storage, length) = storage
        if case .v6 = self {
            withUnsafeMutableBytes(of: &storage) { bytes in
                let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_scope_id)!
                bytes.storeBytes(of: zone, toByteOffset: offset, as: UInt32.self)
            }
        }
        try checked(withUnsafePointer(to: storage) { linux_connect(descriptor, $0, length) })
    }
}

extension Endpoint {
    fileprivate var socketAddress: SocketAddress {
        switch address {
        case .v4(let bits): .v4(bits, port: port)
        case .v6(let bits): .v6(bits, port: port)
        }
    }
}
