package import Address
import CLinux
import Glibc
import Synchronization

/// A socket that listens for one connection, as BIND does (RFC 1928 §4).
package struct Rendezvous: ~Copyable {
    private let listener: Descriptor
    /// Where it listens.
    package let address: Endpoint

    /// - Parameters:
    ///   - address: the machine's own; its port is not looked at.
    ///   - ports: one of these; nil: one of the kernel's choice.
    /// - Throws: `EADDRINUSE` if all of them are taken; `EMFILE` if there is no descriptor left for it.
    package init(at address: Endpoint, ports: ClosedRange<UInt16>?) throws(Errno) {
        guard DescriptorBudget.shared.hasRoom else { throw Errno(EMFILE) }
        let socket = try Endpoint.search.withLock { _ throws(Errno) in try Rendezvous.listen(at: address, ports) }
        self.address = try Endpoint.local(of: socket.number)
        listener = socket
    }

    private static func listen(at address: Endpoint, _ ports: ClosedRange<UInt16>?) throws(Errno) -> Descriptor {
        while true {
            let socket = Descriptor(adopting: try checked(linux_socket(address.family, Int32(SOCK_STREAM.rawValue))))
            try checked(linux_set_option(socket.number, SOL_SOCKET, SO_REUSEADDR, 1))
            // An accepted socket inherits these options.
            TCPOptions.carry(socket.number)
            TCPOptions.keepAlive(socket.number)
            try address.withPort(0).bind(socket.number, ports: ports)
            if Glibc.listen(socket.number, 4) == 0 { return socket }
            // Two processes may have bound one port before the first of them listens (SO_REUSEADDR). From then on it is taken.
            guard errno == EADDRINUSE else { throw Errno(errno) }
        }
    }

    /// Waits for a connection from a peer that `admits` lets in. Other connections are reset, as are late ones.
    ///
    /// - Throws: `ETIMEDOUT` after `limit`; `ECANCELED` as soon as `client` is gone or has sent its FIN.
    package borrowing func accept(
        beside client: Connection, within limit: Duration, on reactor: Reactor,
        admits: (Endpoint) -> Bool
    ) async throws(Errno) -> Connection {
        let loop = reactor.currentLoop
        let alarm = Alarm(on: reactor)
        let watch = try loop.watch(listener.number, for: LINUX_EPOLLIN) { _ in alarm.ring() }
        loop.slots[client.socket.slot].pointee.alsoWakes = alarm.slot
        DescriptorBudget.shared.reserve(1)
        defer {
            DescriptorBudget.shared.release(1)
            loop.slots[client.socket.slot].pointee.alsoWakes = Slot.none
            loop.close(watch)
        }
        let end = loop.freshTick &+ TimerWheel.ticks(limit)
        while true {
            let flags = loop.slots[client.socket.slot].pointee.flags
            guard flags.isDisjoint(with: [.hangup, .failed, .expired]) else { throw .canceled }
            if let connection = try acceptOne(on: loop, admits: admits) { return connection }
            let left = Int32(bitPattern: end &- loop.freshTick)
            guard left > 0 else { throw .timedOut }
            await alarm.wait(atMost: UInt32(left))
        }
    }

    /// The connection of the first peer that is let in; nil: none has come.
    private func acceptOne(on loop: Loop, admits: (Endpoint) -> Bool) throws(Errno) -> Connection? {
        var storage = sockaddr_storage()
        while true {
            let number = linux_accept(listener.number, &storage)
            if number == -EAGAIN { return nil }
            let descriptor = Descriptor(adopting: try checked(number))
            guard let peer = Endpoint(storage), admits(peer) else {
                _ = linux_set_reset_on_close(descriptor.number)
                continue
            }
            let slot = loop.open(descriptor.release(), isPrepaid: true)
            return Connection(origin: Socket(slot: slot, loop: loop), at: peer)
        }
    }
}
