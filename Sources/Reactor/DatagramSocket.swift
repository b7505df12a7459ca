package import Address
import CLinux
import Glibc
import Synchronization

/// A UDP socket that belongs to a reactor and is worked on in batches. It is closed by `close()`, or by letting go of it.
///
/// Errors of single datagrams, ICMP's among them, are no errors of the socket: what the kernel does not take is lost, as
/// anywhere on the way; the sender counts it.
package final class DatagramSocket {
    /// -1 once it is closed: every call then fails with EBADF.
    private var descriptor: Int32
    private let loop: Loop
    private let isPrepaid: Bool
    private var watch = Slot.none
    /// Datagrams above this size the kernel does not cut up from a run (udp(7), UDP_SEGMENT); learned from its refusals.
    private var largestSegment = UInt32(UInt16.max)

    /// For each socket, in each direction; the kernel's limit is net.core.rmem_max, wmem_max (socket(7)).
    private static let buffer: Int32 = 1 << 20

    /// - Parameters:
    ///   - address: where it is bound to; its port 0 is one of the kernel's choice.
    ///   - ports: one of these instead of the address's.
    ///   - isPrepaid: the session has taken it from the budget of descriptors.
    /// - Throws: `EADDRINUSE`, `EADDRNOTAVAIL`, `EAFNOSUPPORT`; `EMFILE` beyond the budget.
    package init(
        bound address: Endpoint, ports: ClosedRange<UInt16>? = nil, isPrepaid: Bool = false, on reactor: Reactor
    ) throws(Errno) {
        guard isPrepaid || DescriptorBudget.shared.hasRoom else { throw Errno(EMFILE) }
        let socket = Descriptor(adopting: try checked(linux_socket(address.family, Int32(SOCK_DGRAM.rawValue))))
        if case .v6 = address.address {
            try checked(linux_set_option(socket.number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1))
        }
        _ = linux_set_option(socket.number, SOL_SOCKET, SO_RCVBUF, Self.buffer)
        _ = linux_set_option(socket.number, SOL_SOCKET, SO_SNDBUF, Self.buffer)
        // A kernel before 5.0 knows nothing of it, and gives each datagram by itself.
        _ = linux_udp_coalesce(socket.number)
        try Endpoint.search.withLock { _ throws(Errno) in try address.bind(socket.number, ports: ports) }
        loop = reactor.currentLoop
        self.isPrepaid = isPrepaid
        descriptor = socket.release()
        if !isPrepaid { DescriptorBudget.shared.reserve(1) }
    }

    /// Takes a bound, non-blocking socket in, such as `ListeningSocket.udp` makes.
    package init(adopting socket: consuming Descriptor, on reactor: Reactor) {
        loop = reactor.currentLoop
        isPrepaid = false
        descriptor = socket.release()
        DescriptorBudget.shared.reserve(1)
    }

    deinit {
        close()
    }

    /// Closes the socket now. References that are left are of no use any more.
    package func close() {
        guard descriptor >= 0 else { return }
        if watch != Slot.none { loop.close(watch) }
        _ = linux_close(descriptor)
        descriptor = -1
        if !isPrepaid { DescriptorBudget.shared.release(1) }
    }

    /// Calls `ready` on the reactor's thread, once in each turn, while there is something to receive.
    ///
    /// - Parameter isBulk: there may be any number of it, for which nobody who has a connection is to wait: `ready` is called at the end of
    ///   a turn, and not in each where many have something.
    package func whenReadable(isBulk: Bool = false, _ ready: @escaping () -> Void) throws(Errno) {
        watch = try loop.watch(descriptor, for: LINUX_EPOLLIN) { _ in ready() }
        if isBulk { loop.slots[watch].pointee.flags.insert(.bulk) }
    }

    /// From now on it receives from `peer` alone, and sends to it what names no destination.
    package func connect(to peer: Endpoint) throws(Errno) {
        try peer.connect(descriptor)
    }

    package var localAddress: Endpoint {
        get throws(Errno) { try Endpoint.local(of: descriptor) }
    }

    /// Receives what there is, as far as one batch holds it; while many come, what others are about to send as well (`Gathering`).
    ///
    /// - Returns: how many runs `batch` has now; 0 also if the call had nothing to tell but an error.
    package func receive(into batch: DatagramBatch) -> Int {
        loop.letDatagramsGather()
        let count = max(0, Int(linux_datagrams_receive(batch.state, descriptor)))
        loop.gathering.didReceive(count, at: loop.now)
        return count
    }

    /// Puts a datagram on the list for the next `flush`. Its two parts have to stay where they are until then.
    /// Until then nothing else may use the batch, and all have a destination or none, a header or none.
    ///
    /// - Returns: how many were lost, if the list was full and had to be sent first.
    package func add(
        header: UnsafeRawBufferPointer = .init(start: nil, count: 0), _ payload: UnsafeRawBufferPointer,
        to destination: PackedEndpoint? = nil, in batch: DatagramBatch
    ) -> Int {
        var address = destination.map { linux_address(words: $0.words) }
        var lost = 0
        while true {
            let result = withUnsafePointer(toWrapped: &address) { address in
                linux_datagrams_add(
                    batch.state, header.baseAddress, header.count, payload.baseAddress, payload.count, address,
                    largestSegment)
            }
            if result == 0 { return lost }
            lost += flush(batch)
        }
    }

    /// Sends what is on the list.
    ///
    /// - Returns: how many datagrams were lost.
    package func flush(_ batch: DatagramBatch) -> Int {
        Int(linux_datagrams_flush(batch.state, descriptor, &largestSegment))
    }

    /// Which of this machine's addresses a packet to `destination` would bear (connect(2) on UDP sends nothing).
    ///
    /// - Throws: `ENETUNREACH` and the like where there is no way.
    package static func egress(to destination: Endpoint) throws(Errno) -> Endpoint {
        let probe = Descriptor(adopting: try checked(linux_socket(destination.family, Int32(SOCK_DGRAM.rawValue))))
        try destination.connect(probe.number)
        return try Endpoint.local(of: probe.number)
    }
}

@inline(__always)
private func withUnsafePointer<Value, Result>(
    toWrapped value: inout Value?, _ body: (UnsafePointer<Value>?) -> Result
) -> Result {
    guard var wrapped = value else { return body(nil) }
    return withUnsafePointer(to: &wrapped) { body($0) }
}
