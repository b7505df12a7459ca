import CLinux
import Glibc
import Synchronization

// How a tunnel's bytes move. Small amounts are copied through the loop's buffer: one read, one write. A direction whose
// reads fill the buffer moves to splice(2) through a pooled pipe, and back when the flood is over.
//
// A pipe is flushed before more is spliced in, so EAGAIN from a splice *into* it always means "the source is empty" (or
// stands at urgent data, which is then read over) and EAGAIN from one *out of* it "the other end is full".
extension Loop {
    /// Bytes that one direction may move before others get their turn.
    private static let turnBytes = 2 << 20

    private enum Step {
        /// Bytes were moved; there may be more.
        case moved
        /// Nothing to do until an event comes.
        case waiting
        /// The source's FIN has been passed on.
        case finished
        /// One end is gone by RST: the source or not.
        case broken(source: Bool)
    }

    func join(client: Slot.Index, origin: Slot.Index) {
        let index = tunnels.insert(Tunnel(client: client, origin: origin, lastMoved: tick))
        slots[client].pointee.tunnel = index
        slots[origin].pointee.tunnel = index
        slots[client].pointee.flags.subtract([.expired, .origin])
        slots[origin].pointee.flags.subtract(.expired)
        slots[origin].pointee.flags.insert(.origin)
        clearDeadline(origin)
        setDeadline(client, after: TimerWheel.ticks(limits.idle))
        // What became readable before is not announced again.
        pump(index)
    }

    func pumpAgain(_ index: Tunnel.Index) {
        // It may have ended, and even been succeeded, since it was queued; a successor is pumped once in vain.
        tunnels[index].pointee.isQueued = false
        if tunnels[index].pointee.client != Slot.none || tunnels[index].pointee.origin != Slot.none { pump(index) }
    }

    /// Moves what can be moved, both ways.
    func pump(_ index: Tunnel.Index) {
        let tunnel = tunnels[index]
        if tunnel.pointee.isResetting { return finishReset(index) }
        let client = slots[tunnel.pointee.client]
        let origin = slots[tunnel.pointee.origin]
        let account = counters[client.pointee.account]
        let wasHalfOpen = tunnel.pointee.up.isShut || tunnel.pointee.down.isShut

        var moved = 0
        if !tunnel.pointee.up.isShut {
            let end = run(&tunnel.pointee.up, from: client, to: origin, moved: &moved)
            if moved > 0 { account.pointee.sent.add(UInt64(moved), ordering: .relaxed) }
            if settle(index, end, isUp: true) { return }
        }
        var back = 0
        if !tunnel.pointee.down.isShut {
            let end = run(&tunnel.pointee.down, from: origin, to: client, moved: &back)
            if back > 0 { account.pointee.received.add(UInt64(back), ordering: .relaxed) }
            if settle(index, end, isUp: false) { return }
        }
        if moved + back > 0 { tunnel.pointee.lastMoved = tick }
        if tunnel.pointee.up.isShut && tunnel.pointee.down.isShut {
            end(index)
        } else if client.pointee.flags.contains(.failed) || origin.pointee.flags.contains(.failed) {
            checkFailure(index)
        } else if !wasHalfOpen, tunnel.pointee.up.isShut || tunnel.pointee.down.isShut {
            tunnel.pointee.lastMoved = tick
            setDeadline(tunnel.pointee.client, after: TimerWheel.ticks(limits.halfOpen))
        }
    }

    /// True if the tunnel needs nothing more in this turn.
    private func settle(_ index: Tunnel.Index, _ step: Step, isUp: Bool) -> Bool {
        switch step {
        case .broken(let source):
            reset(index, brokenIsClient: source == isUp)
            return true
        case .moved:
            let tunnel = tunnels[index]
            if !tunnel.pointee.isQueued {
                tunnel.pointee.isQueued = true
                continueLater(index)
            }
            return false
        case .waiting, .finished:
            return false
        }
    }

    // MARK: one direction

    private func run(
        _ direction: inout Tunnel.Direction, from source: UnsafeMutablePointer<Slot>,
        to sink: UnsafeMutablePointer<Slot>, moved: inout Int
    ) -> Step {
        defer { releasePipe(&direction) }
        while moved < Loop.turnBytes {
            if direction.hasStuckBytes {
                guard sink.pointee.flags.contains(.writable) else { return .waiting }
                let step = flush(&direction, to: sink)
                guard case .moved = step else { return step }
            }
            if direction.hasEnded { return passFin(&direction, from: source, to: sink) }
            guard source.pointee.flags.contains(.readable) else { return .waiting }
            let step =
                direction.isBulk
                ? splice(&direction, from: source, to: sink, moved: &moved)
                : copy(&direction, from: source, to: sink, moved: &moved)
            guard case .moved = step else { return step }
        }
        return .moved
    }

    private func copy(
        _ direction: inout Tunnel.Direction, from source: UnsafeMutablePointer<Slot>,
        to sink: UnsafeMutablePointer<Slot>, moved: inout Int
    ) -> Step {
        let count = linux_read(source.pointee.descriptor, scratch.baseAddress, Loop.scratchSize)
        if count < Loop.scratchSize { noteShortRead(source, count) }
        guard count > 0 else { return endOrFailure(&direction, count, of: source) }
        moved += count
        if count == Loop.scratchSize { direction.isBulk = limits.splice }
        let written = linux_send(sink.pointee.descriptor, scratch.baseAddress, count)
        if written == count { return .moved }
        guard written >= 0 || written == -Int(EAGAIN) else { return .broken(source: false) }
        sink.pointee.flags.remove(.writable)
        keep(count - max(0, written), at: max(0, written), in: &direction)
        return .waiting
    }

    private func splice(
        _ direction: inout Tunnel.Direction, from source: UnsafeMutablePointer<Slot>,
        to sink: UnsafeMutablePointer<Slot>, moved: inout Int
    ) -> Step {
        if direction.pipe == PipePool.none { direction.pipe = pipes.take() }
        guard direction.pipe != PipePool.none, !source.pointee.flags.contains(.urgent) else {
            return copy(&direction, from: source, to: sink, moved: &moved)
        }
        let pipe = pipes[direction.pipe]
        let count = linux_splice(source.pointee.descriptor, pipe.writing, Int(pipe.size))
        if count > 0 {
            moved += count
            direction.piped = Int32(count)
            return flush(&direction, to: sink)
        }
        if count == -Int(EAGAIN) {
            source.pointee.flags.remove(.readable)
            // A turn that found little is no flood any more; the next short message takes two calls, not three.
            if moved < Loop.scratchSize { direction.isBulk = false }
            return .waiting
        }
        if count == -Int(EINVAL) {
            direction.isBulk = false
            return copy(&direction, from: source, to: sink, moved: &moved)
        }
        return endOrFailure(&direction, count, of: source)
    }

    /// Sends what is stuck. `moved` if all of it went.
    private func flush(_ direction: inout Tunnel.Direction, to sink: UnsafeMutablePointer<Slot>) -> Step {
        while direction.piped > 0 {
            let pipe = pipes[direction.pipe]
            let count = linux_splice(pipe.reading, sink.pointee.descriptor, Int(direction.piped))
            if count > 0 {
                direction.piped -= Int32(count)
            } else {
                return refused(count, by: sink)
            }
        }
        if let stuck = direction.stuck {
            let length = Int(direction.stuckEnd - direction.stuckStart)
            let count = linux_send(sink.pointee.descriptor, stuck + Int(direction.stuckStart), length)
            guard count >= 0 else { return refused(count, by: sink) }
            direction.stuckStart += UInt32(count)
            if count < length { return refused(-Int(EAGAIN), by: sink) }
            dropStuck(&direction)
        }
        return .moved
    }

    private func refused(_ result: Int, by sink: UnsafeMutablePointer<Slot>) -> Step {
        guard result == -Int(EAGAIN) else { return .broken(source: false) }
        sink.pointee.flags.remove(.writable)
        return .waiting
    }

    /// read(2) or splice(2) gave no bytes: nothing there yet, a FIN, or a RST.
    private func endOrFailure(
        _ direction: inout Tunnel.Direction, _ result: Int, of source: UnsafeMutablePointer<Slot>
    ) -> Step {
        if result == -Int(EAGAIN) { return .waiting }
        if result < 0 { return .broken(source: true) }
        // A RST after a FIN shows as an end of file with EPOLLERR, and only SO_ERROR (EPIPE) tells.
        if source.pointee.flags.contains(.failed), linux_socket_error(source.pointee.descriptor) != 0 {
            return .broken(source: true)
        }
        direction.hasEnded = true
        return .moved
    }

    /// The source has ended and all its bytes are sent: the FIN goes the same way (RFC 9293 §3.6). If the other direction
    /// has ended as well, the close to come says so, and the call is saved.
    private func passFin(
        _ direction: inout Tunnel.Direction, from source: UnsafeMutablePointer<Slot>,
        to sink: UnsafeMutablePointer<Slot>
    ) -> Step {
        direction.isShut = true
        let tunnel = tunnels[source.pointee.tunnel]
        let isLast = source.pointee.flags.contains(.origin) ? tunnel.pointee.up.isShut : tunnel.pointee.down.isShut
        if !isLast { _ = shutdown(sink.pointee.descriptor, Int32(SHUT_WR)) }
        return .finished
    }

    // MARK: stuck bytes

    private func keep(_ count: Int, at offset: Int, in direction: inout Tunnel.Direction) {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 1)
        copy.copyMemory(from: scratch.baseAddress! + offset, byteCount: count)
        direction.stuck = copy
        direction.stuckStart = 0
        direction.stuckEnd = UInt32(count)
    }

    private func dropStuck(_ direction: inout Tunnel.Direction) {
        direction.stuck?.deallocate()
        direction.stuck = nil
    }

    private func releasePipe(_ direction: inout Tunnel.Direction) {
        guard direction.pipe != PipePool.none, direction.piped == 0 else { return }
        pipes.give(direction.pipe)
        direction.pipe = PipePool.none
    }

    private func drop(_ direction: inout Tunnel.Direction) {
        if direction.piped > 0 {
            pipes.giveDirty(direction.pipe, scratch: scratch)
            direction.pipe = PipePool.none
            direction.piped = 0
        }
        dropStuck(&direction)
    }

    // MARK: ends

    /// An end whose connection failed though nothing is to be read from it or written to it just now.
    private func checkFailure(_ index: Tunnel.Index) {
        let tunnel = tunnels[index]
        for slot in [tunnel.pointee.client, tunnel.pointee.origin] where slots[slot].pointee.flags.contains(.failed) {
            slots[slot].pointee.flags.remove(.failed)
            if linux_socket_error(slots[slot].pointee.descriptor) != 0 {
                return reset(index, brokenIsClient: slot == tunnel.pointee.client)
            }
        }
    }

    /// One end was reset. The other one first gets all that was sent before, and then a RST as well: a FIN would make a
    /// truncated stream look whole (RFC 9293 §3.5.2).
    private func reset(_ index: Tunnel.Index, brokenIsClient: Bool) {
        let tunnel = tunnels[index]
        let broken = brokenIsClient ? tunnel.pointee.client : tunnel.pointee.origin
        let whole = brokenIsClient ? tunnel.pointee.origin : tunnel.pointee.client
        // The account and the load count by the client's slot; the tunnel is over for both when either end is.
        close(broken)
        if brokenIsClient {
            tunnel.pointee.client = Slot.none
            drop(&tunnel.pointee.down)
        } else {
            tunnel.pointee.origin = Slot.none
            drop(&tunnel.pointee.up)
        }
        tunnel.pointee.isResetting = true
        tunnel.pointee.resetDeadline = tick &+ TimerWheel.ticks(limits.resetDrain)
        clearDeadline(whole)
        finishReset(index)
    }

    /// SO_LINGER 0 throws away what is unsent, so it is set only once the peer has acknowledged everything (SIOCOUTQ).
    private func finishReset(_ index: Tunnel.Index) {
        let tunnel = tunnels[index]
        let isUp = tunnel.pointee.client == Slot.none
        let whole = isUp ? tunnel.pointee.origin : tunnel.pointee.client
        let slot = slots[whole]
        let step =
            isUp ? flush(&tunnel.pointee.up, to: slot) : flush(&tunnel.pointee.down, to: slot)
        var isDone = Int32(bitPattern: tunnel.pointee.resetDeadline &- tick) <= 0
        switch step {
        case .moved: isDone = isDone || linux_unsent(slot.pointee.descriptor) <= 0
        case .broken: isDone = true
        case .waiting, .finished: break
        }
        if isDone {
            _ = linux_set_reset_on_close(slot.pointee.descriptor)
            end(index)
        } else {
            setDeadline(whole, after: 1)
        }
    }

    func expire(tunnel index: Tunnel.Index) {
        let tunnel = tunnels[index]
        if tunnel.pointee.isResetting { return finishReset(index) }
        let isHalfOpen = tunnel.pointee.up.isShut || tunnel.pointee.down.isShut
        let limit = TimerWheel.ticks(isHalfOpen ? limits.halfOpen : limits.idle)
        let idle = tick &- tunnel.pointee.lastMoved
        guard idle >= limit else { return setDeadline(tunnel.pointee.client, after: limit - idle) }
        _ = linux_set_reset_on_close(slots[tunnel.pointee.client].pointee.descriptor)
        _ = linux_set_reset_on_close(slots[tunnel.pointee.origin].pointee.descriptor)
        end(index)
    }

    private func end(_ index: Tunnel.Index) {
        let tunnel = tunnels[index]
        drop(&tunnel.pointee.up)
        drop(&tunnel.pointee.down)
        releasePipe(&tunnel.pointee.up)
        releasePipe(&tunnel.pointee.down)
        if tunnel.pointee.client != Slot.none { close(tunnel.pointee.client) }
        if tunnel.pointee.origin != Slot.none { close(tunnel.pointee.origin) }
        tunnel.pointee.client = Slot.none
        tunnel.pointee.origin = Slot.none
        tunnels.remove(index)
    }
}
