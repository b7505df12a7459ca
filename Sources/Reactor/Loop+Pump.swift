// How a tunnel's bytes move. Small amounts are copied through the loop's buffer: one read, one write. A direction whose
// reads fill the buffer moves to splice(2) through a pooled pipe, and back when the flood is over.
//
// A pipe is flushed before more is spliced in, so EAGAIN from a splice *into* it always means "the source is empty" (or
// stands at urgent data, which is then read over) and EAGAIN from one *out of* it "the other end is full".

import CLinux
import Glibc

extension Loop {
    /// Bytes that one direction may move before others get their turn.
    static let turnBytes = 2 << 20

    enum Step {
        /// Bytes were moved; there may be more.
        case moved
        /// Nothing to do until an event comes.
        case waiting
        /// The source has ended, and the sink has taken all of it.
        case finished
        /// A call failed: the one on the source, or the one on the sink.
        case broken(bySource: Bool)
    }

    /// Moves what can be moved, both ways.
    func pump(_ index: Tunnel.Index) {
        let tunnel = tunnels[index]
        let client = slots[tunnel.pointee.client]
        let origin = slots[tunnel.pointee.origin]
        hasMoved = false
        if !tunnel.pointee.up.isShut {
            var moved = 0
            let budget = budget(of: client, isUp: true)
            let step = run(&tunnel.pointee.up, from: client, to: origin, budget, moved: &moved)
            if moved > 0 { count(sent: moved, of: client) }
            settle(index, step, isUp: true)
        }
        if !tunnel.pointee.down.isShut {
            var moved = 0
            let budget = budget(of: client, isUp: false)
            let step = run(&tunnel.pointee.down, from: origin, to: client, budget, moved: &moved)
            if moved > 0 { count(received: moved, of: client) }
            settle(index, step, isUp: false)
        }
        if hasMoved { tunnel.pointee.lastMoved = tick }
        if client.pointee.flags.contains(.failed) || origin.pointee.flags.contains(.failed) { checkFailure(index) }
        if tunnel.pointee.broken != .none {
            continueReset(index)
        } else if tunnel.pointee.up.isShut && tunnel.pointee.down.isShut {
            end(index)
        }
    }

    // MARK: one direction

    private func run(
        _ direction: inout Tunnel.Direction, from source: UnsafeMutablePointer<Slot>,
        to sink: UnsafeMutablePointer<Slot>, _ budget: Int, moved: inout Int
    ) -> Step {
        defer { releasePipe(&direction) }
        while true {
            if direction.hasStuckBytes {
                guard sink.pointee.flags.contains(.writable) else { return .waiting }
                let step = flush(&direction, to: sink)
                guard case .moved = step else { return step }
            }
            if direction.hasEnded { return .finished }
            guard source.pointee.flags.contains(.readable) else { return .waiting }
            guard moved < budget else { return .moved }
            let step =
                direction.isBulk
                ? splice(&direction, from: source, to: sink, atMost: budget - moved, moved: &moved)
                : copy(&direction, from: source, to: sink, atMost: budget - moved, moved: &moved)
            guard case .moved = step else { return step }
        }
    }

    private func copy(
        _ direction: inout Tunnel.Direction, from source: UnsafeMutablePointer<Slot>,
        to sink: UnsafeMutablePointer<Slot>, atMost limit: Int, moved: inout Int
    ) -> Step {
        let room = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(Loop.scratchSize, limit)])
        let count = receive(room, from: source)
        guard count > 0 else { return endOrFailure(&direction, count, of: source) }
        moved += count
        hasMoved = true
        if count == Loop.scratchSize { direction.isBulk = canSplice(from: source, to: sink) }
        let written = send(UnsafeRawBufferPointer(rebasing: scratch[..<count]), to: sink)
        if written == count { return .moved }
        guard written >= 0 || written == -Int(EAGAIN) else { return .broken(bySource: false) }
        keep(UnsafeRawBufferPointer(rebasing: scratch[max(0, written)..<count]), in: &direction)
        return .waiting
    }

    private func splice(
        _ direction: inout Tunnel.Direction, from source: UnsafeMutablePointer<Slot>,
        to sink: UnsafeMutablePointer<Slot>, atMost limit: Int, moved: inout Int
    ) -> Step {
        if direction.pipe == PipePool.none { direction.pipe = pipes.borrow() }
        guard direction.pipe != PipePool.none, !source.pointee.flags.contains(.urgent) else {
            return copy(&direction, from: source, to: sink, atMost: limit, moved: &moved)
        }
        let pipe = pipes[direction.pipe]
        let count = linux_splice(source.pointee.descriptor, pipe.writing, min(Int(pipe.size), limit))
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
        // 0 is the end, or urgent data with the FIN already behind it: only read(2) tells which (tcp_splice_read in the kernel).
        if count == -Int(EINVAL) || count == 0 {
            direction.isBulk = false
            return copy(&direction, from: source, to: sink, atMost: limit, moved: &moved)
        }
        return endOrFailure(&direction, count, of: source)
    }

    /// Sends what is stuck. `moved` if all of it went.
    private func flush(_ direction: inout Tunnel.Direction, to sink: UnsafeMutablePointer<Slot>) -> Step {
        if direction.piped > 0 { willSend(sink) }
        while direction.piped > 0 {
            let pipe = pipes[direction.pipe]
            let count = linux_splice(pipe.reading, sink.pointee.descriptor, Int(direction.piped))
            if count > 0 {
                hasMoved = true
                direction.piped -= Int32(count)
            } else {
                return refused(count, by: sink)
            }
        }
        if let stuck = direction.stuck {
            let length = Int(direction.stuckEnd - direction.stuckStart)
            let rest = UnsafeRawBufferPointer(start: stuck + Int(direction.stuckStart), count: length)
            let count = send(rest, to: sink)
            guard count >= 0 else { return count == -Int(EAGAIN) ? .waiting : .broken(bySource: false) }
            hasMoved = true
            direction.stuckStart += UInt32(count)
            if count < length { return .waiting }
            dropStuck(&direction)
        }
        return .moved
    }

    private func refused(_ result: Int, by sink: UnsafeMutablePointer<Slot>) -> Step {
        guard result == -Int(EAGAIN) else { return .broken(bySource: false) }
        sink.pointee.flags.remove(.writable)
        return .waiting
    }

    /// read(2) or splice(2) gave no bytes: nothing there yet, a FIN, or a RST.
    private func endOrFailure(
        _ direction: inout Tunnel.Direction, _ result: Int, of source: UnsafeMutablePointer<Slot>
    ) -> Step {
        if result == -Int(EAGAIN) { return .waiting }
        direction.hasEnded = true
        if result < 0 { return .broken(bySource: true) }
        // A RST after a FIN shows as an end of file with EPOLLERR, and only SO_ERROR (EPIPE) tells.
        if source.pointee.flags.contains(.failed), linux_socket_error(source.pointee.descriptor) != 0 {
            return .broken(bySource: true)
        }
        return .moved
    }

    // MARK: stuck bytes

    /// Copies what the sink did not take, until it does.
    func keep(_ bytes: UnsafeRawBufferPointer, in direction: inout Tunnel.Direction) {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        direction.stuck = copy
        direction.stuckStart = 0
        direction.stuckEnd = UInt32(bytes.count)
    }

    func dropStuck(_ direction: inout Tunnel.Direction) {
        direction.stuck?.deallocate()
        direction.stuck = nil
        direction.stuckStart = direction.stuckEnd
    }

    private func releasePipe(_ direction: inout Tunnel.Direction) {
        guard direction.pipe != PipePool.none, direction.piped == 0 else { return }
        pipes.giveBack(direction.pipe)
        direction.pipe = PipePool.none
    }
}

extension Loop {
    /// Bytes that one direction may move in a turn.
    @inline(__always)
    func budget(of client: UnsafeMutablePointer<Slot>, isUp: Bool) -> Int {
        guard client.pointee.session != SessionEntry.none, sessions[client.pointee.session].pointee.throttle != nil
        else {
            return Loop.turnBytes
        }
        return sessions[client.pointee.session].pointee.throttle!.allowance(isUp: isUp, atMost: Loop.turnBytes)
    }

    /// A direction has moved all that it may in this turn.
    func pumpLater(_ index: Tunnel.Index, isUp: Bool) {
        let tunnel = tunnels[index]
        let session = slots[tunnel.pointee.client].pointee.session
        guard session != SessionEntry.none, let throttle = sessions[session].pointee.throttle else {
            return pumpLater(index)
        }
        let delay = throttle.delay(isUp: isUp)
        guard delay > 0 else { return pumpLater(index) }
        hastenDeadline(tunnel.pointee.origin, after: UInt32(delay / 16_000_000) + 1)
    }
}
