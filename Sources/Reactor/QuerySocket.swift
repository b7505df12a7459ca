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

    /// - Parameter ready: called on the reactor's thread, once in each turn, while there is something to receive.
    package init(
        to peer: Endpoint, on reactor: Reactor, ready: @escaping () -> Void
    ) throws(Errno) {
        let socket = Descriptor(
            adopting: try checked(linux_socket(peer.family, Int32(SOCK_DGRAM.rawValue))))
        try peer.connect(socket.number)
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
    package init(connectingTo peer: Endpoint, on reactor: Reactor) throws(Errno) {
        let socket = Descriptor(
            adopting: try checked(linux_socket(peer.family, Int32(SOCK_STREAM.rawValue))))
        do throws(Errno) {
            try peer.connect(socket.number)
        } catch {
            guard error.code == EINPROGRESS else { throw error }
        }
        self.init(adopting: socket, on: reactor)
    }
}
