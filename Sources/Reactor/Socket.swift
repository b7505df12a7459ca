import CLinux
import Glibc

/// A connected stream socket that belongs to a reactor. Reads and writes wait without blocking the thread; one task may read
/// while another writes. Letting go of it closes it.
package struct Socket: ~Copyable {
    /// `Slot.none` once `take()` has handed it on.
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

    /// The socket, out of a place that cannot be left without one; what stays behind must not be used any more.
    package mutating func take() -> Socket {
        defer { slot = Slot.none }
        return Socket(slot: slot, loop: loop)
    }

    /// The slot, no longer owned by this value.
    consuming func release() -> Slot.Index {
        let slot = self.slot
        discard self
        return slot
    }

    package var descriptor: Int32 { loop.slots[slot].pointee.descriptor }

    /// From now on every wait is over at `duration` from now, once and for all: calls then throw `ETIMEDOUT`.
    package borrowing func setDeadline(after duration: Duration) {
        loop.setDeadline(slot, after: TimerWheel.ticks(duration))
    }

    /// The same for a client that nothing is done for: it has not asked for anything yet, or has had its answer. When
    /// descriptors run out, those whose deadline is nearest are ended in favour of new clients, so that no number of slow ones
    /// holds the others up. Who came a moment ago is spared: even a quick client needs a round trip.
    package borrowing func setExpendableDeadline(after duration: Duration) {
        loop.setExpendableDeadline(slot, after: TimerWheel.ticks(duration))
    }

    /// Now something is done for the client; the deadline stays.
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
        if isSecure { return try await through { $0.read(into: buffer) } }
        while true {
            try await loop.wait(slot, for: .readable)
            let state = loop.slots[slot]
            let count = linux_receive(state.pointee.descriptor, buffer.baseAddress, buffer.count)
            if count < buffer.count { loop.noteShortRead(state, count) }
            if count >= 0 { return count }
            if count != -Int(EAGAIN) { throw Errno(Int32(-count)) }
        }
    }

    /// The byte that the next read will begin with; waits if there is none. nil at the end of the stream.
    ///
    /// - Throws: `ETIMEDOUT` past the deadline; whatever recv(2) says.
    package borrowing func peek() async throws(Errno) -> UInt8? {
        while true {
            try await loop.wait(slot, for: .readable)
            let state = loop.slots[slot]
            var byte: UInt8 = 0
            let count = linux_peek(state.pointee.descriptor, &byte, 1)
            if count >= 0 { return count == 1 ? byte : nil }
            if count != -Int(EAGAIN) { throw Errno(Int32(-count)) }
            state.pointee.flags.subtract([.readable, .urgent])
        }
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
    package borrowing func drain(atMost limit: Int) async {
        var left = limit
        while left > 0 {
            guard let count = try? await read(into: loop.scratch), count > 0 else { return }
            left -= count
        }
    }

    /// Reads and discards until the peer closes its end; the buffer holds nothing from one call to the next.
    package borrowing func discard() async throws(Errno) {
        while try await read(into: loop.scratch) > 0 {}
    }

    /// Makes the close to come a RST.
    package borrowing func resetOnClose() {
        _ = linux_set_reset_on_close(descriptor)
    }

    /// The address of this end (getsockname(2)): what BND.ADDR reports (RFC 1928 §6).
    package var localAddress: SocketAddress {
        get throws(Errno) { try SocketAddress.local(of: descriptor) }
    }
}
