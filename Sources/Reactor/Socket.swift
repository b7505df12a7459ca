package import Address
import CLinux
import Glibc

/// A connected stream socket that belongs to a reactor. Reads and writes wait without blocking the thread; one task may read
/// while another writes. Letting go of it closes it.
package struct Socket: ~Copyable {
    /// `Slot.none` after `moveOut()`.
    private(set) var slot: Slot.Index
    unowned(unsafe) let loop: Loop

    init(slot: Slot.Index, loop: Loop) {
        self.slot = slot
        self.loop = loop
    }

    /// Takes a connected, non-blocking socket in.
    package init(adopting descriptor: consuming Descriptor, on reactor: Reactor) {
        loop = reactor.currentLoop
        slot = loop.open(descriptor.release())
    }

    deinit {
        if slot != Slot.none { loop.close(slot) }
    }

    /// The slot, which from now on somebody else owns. The socket must not be used any more.
    mutating func moveOut() -> Slot.Index {
        defer { slot = Slot.none }
        return slot
    }

    package var descriptor: Int32 { loop.slots[slot].pointee.descriptor }

    /// From now on every wait is over at `duration` from now, once and for all: calls then throw `ETIMEDOUT`.
    package borrowing func setDeadline(after duration: Duration) {
        loop.setDeadline(slot, after: TimerWheel.ticks(duration))
    }

    /// As `setDeadline`, for a client that may be ended earlier: it has not asked for anything yet, or has had its answer. When
    /// descriptors run out, the expendable clients whose deadline is nearest are ended in favour of new ones, so that no number of
    /// slow clients holds the others up. A client is spared for its first half second: even a quick one needs a round trip.
    package borrowing func setExpendableDeadline(after duration: Duration) {
        loop.setExpendableDeadline(slot, after: TimerWheel.ticks(duration))
    }

    /// The client may not be ended before its deadline any more; the deadline stays.
    package borrowing func endExpendability() {
        loop.endExpendability(slot)
    }

    package borrowing func clearDeadline() {
        loop.clearDeadline(slot)
    }

    /// Reads what there is, at most `buffer.count` bytes; waits if there is nothing.
    ///
    /// - Returns: how many bytes; 0 at the end of the stream.
    /// - Throws: `ETIMEDOUT` past the deadline; whatever read(2) says.
    package borrowing func read(into buffer: UnsafeMutableRawBufferPointer) async throws(Errno) -> Int {
        while true {
            try await loop.wait(slot, for: .readable)
            if let count = try await receive(into: buffer) { return count }
        }
    }

    /// As `read`, on behalf of `client`: throws `ECONNRESET` as soon as the client is lost. A client that has only sent its FIN still waits
    /// (RFC 9293 §3.6). While another task reads from the client, it is for that task to notice.
    package borrowing func read(
        into buffer: UnsafeMutableRawBufferPointer, for client: borrowing Socket
    ) async throws(Errno) -> Int {
        while true {
            if loop.slots[client.slot].pointee.reader == nil {
                if client.hasFailed { throw Errno(ECONNRESET) }
                if !loop.slots[slot].pointee.flags.contains(.readable) {
                    loop.slots[client.slot].pointee.alsoWakes = slot
                }
            }
            defer { loop.slots[client.slot].pointee.alsoWakes = Slot.none }
            try await loop.wait(slot, for: .readable)
            // An event of the client looks like one of this socket.
            if let count = try await receive(into: buffer) { return count }
        }
    }

    /// One read(2), through the layer if there is one; nil if there is nothing.
    private borrowing func receive(into buffer: UnsafeMutableRawBufferPointer) async throws(Errno) -> Int? {
        let count = loop.receive(buffer, from: loop.slots[slot])
        if count >= 0 { return count }
        guard count == -Int(EAGAIN) else { throw Errno(Int32(-count)) }
        // Still readable: it is a layer, which has to write before it can read (RFC 8446 §4.6.3).
        if loop.slots[slot].pointee.flags.contains(.readable) { try await waitBeside(.writable) }
        return nil
    }

    /// Writes all of it, waiting as often as the peer makes us.
    package borrowing func write(_ bytes: UnsafeRawBufferPointer) async throws(Errno) {
        var rest = bytes
        while !rest.isEmpty {
            if isSecure {
                let count = try await through { $0.write(rest) }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                continue
            }
            let state = loop.slots[slot]
            if !state.pointee.flags.isDisjoint(with: [.expired, .deaf]) { throw loop.expiry(of: slot) }
            loop.willSend(state)
            let count = linux_send(state.pointee.descriptor, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if count == -Int(EAGAIN) {
                state.pointee.flags.remove(.writable)
                try await loop.wait(slot, for: .writable)
            } else {
                throw Errno(Int32(-count))
            }
        }
    }

    package borrowing func write(_ bytes: [UInt8]) async throws(Errno) {
        // The array's storage cannot be lent across an `await`; what does not fit at once is rare and copied.
        let state = loop.slots[slot]
        let count = bytes.withUnsafeBytes { loop.send($0, to: state) }
        if count == bytes.count { return }
        guard count >= 0 || count == -Int(EAGAIN) else { throw Errno(Int32(-count)) }
        let rest = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count - max(0, count), alignment: 1)
        defer { rest.deallocate() }
        rest.copyBytes(from: bytes[max(0, count)...])
        try await write(UnsafeRawBufferPointer(rest))
    }

    /// The FIN: tells the peer that nothing more will come (shutdown(2), SHUT_WR). Waits only where a layer has to say so
    /// too and the peer takes nothing.
    package borrowing func finish() async {
        if isSecure { _ = try? await through { $0.sendClose() } }
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Reads and discards until the peer closes, at most `limit` bytes: closing with unread bytes would send a RST, which
    /// may overtake the answer that was just written (RFC 9112 §9.6). The deadline must be set.
    ///
    /// - Parameter didRead: called after each read, to put the deadline off.
    package borrowing func drain(atMost limit: Int, _ didRead: () -> Void = {}) async {
        var left = limit
        while left > 0 {
            guard let count = try? await read(into: loop.scratch), count > 0 else { return }
            left -= count
            didRead()
        }
    }

    /// Reads and discards until the peer closes its end; the buffer holds nothing from one call to the next.
    package borrowing func discard() async throws(Errno) {
        while try await read(into: loop.scratch) > 0 {}
    }

    /// Waits until the peer has got what was written or `limit` has passed, and makes the close to come a RST: what was cut short must not
    /// look whole (RFC 9112 §8), and SO_LINGER 0 throws away what is unsent.
    package borrowing func reset(within limit: Duration, on reactor: Reactor) async {
        await settle(within: limit, on: reactor)
        resetOnClose()
    }

    /// Waits until the peer has got what was written; if it has not after `limit`, the close to come is a RST. After a FIN the kernel goes
    /// on for minutes to offer what nobody takes, and keeps it for as long.
    package borrowing func settle(within limit: Duration, on reactor: Reactor) async {
        let end = monotonicMilliseconds() + UInt64(limit.components.seconds) * 1000
        // No event says that all is acknowledged.
        while linux_unsent(descriptor) > 0, !hasFailed {
            guard monotonicMilliseconds() < end else { return resetOnClose() }
            await reactor.sleep(for: .milliseconds(16))
        }
    }

    /// Makes the close to come a RST.
    package borrowing func resetOnClose() {
        _ = linux_set_reset_on_close(descriptor)
    }

    /// The address of this end (getsockname(2)): what BND.ADDR reports (RFC 1928 §6).
    package var localAddress: Endpoint {
        get throws(Errno) { try Endpoint.local(of: descriptor) }
    }
}
