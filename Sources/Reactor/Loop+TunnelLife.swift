// How a tunnel begins and ends: FINs and RSTs passed on, deadlines, and what is let go of.

import CLinux
import Glibc

extension Loop {
    func join(_ clientEnd: Connection, _ originEnd: Connection) {
        let (client, origin) = (clientEnd.release(), originEnd.release())
        let index = tunnels.allocate()
        let tunnel = tunnels[index]
        tunnel.pointee = Tunnel(client: client, origin: origin, lastMoved: tick)
        slots[client].pointee.tunnel = index
        slots[origin].pointee.tunnel = index
        if !clientEnd.inbox.isEmpty {
            keep(clientEnd.inbox.unread, in: &tunnel.pointee.up)
            count(sent: clientEnd.inbox.unread.count, of: slots[client])
        }
        if !originEnd.inbox.isEmpty {
            keep(originEnd.inbox.unread, in: &tunnel.pointee.down)
            count(received: originEnd.inbox.unread.count, of: slots[client])
        }
        let flags = slots[client].pointee.flags.union(slots[origin].pointee.flags)
        guard flags.isDisjoint(with: [.deaf, .revoked]) else { return cut(index) }
        clearDeadline(origin)
        setCoarseDeadline(client, after: min(limits.idle, limits.youth))
        // Bytes that arrived before are not announced again (edge-triggered).
        pump(index)
    }

    /// Acts on what came of one direction's turn.
    func settle(_ index: Tunnel.Index, _ step: Step, isUp: Bool) {
        switch step {
        case .waiting: break
        case .moved: pumpLater(index, isUp: isUp)
        case .finished: passFin(index, isUp: isUp)
        case .broken(let bySource): markBroken(index, isClient: bySource == isUp)
        }
    }

    /// The source has ended and all its bytes are sent: the FIN goes the same way (RFC 9293 §3.6).
    private func passFin(_ index: Tunnel.Index, isUp: Bool) {
        let tunnel = tunnels[index]
        // A broken source has no FIN to pass on; it ends in `continueReset`.
        guard tunnel.pointee.broken == .none else { return }
        let isFirst = !tunnel.pointee.isHalfOpen
        let sink = slots[isUp ? tunnel.pointee.origin : tunnel.pointee.client]
        // The second FIN is said by the close to come, but what a layer says before it is not.
        if isFirst || sink.pointee.flags.contains(.secure), let failure = sendFin(to: sink) {
            // Room for it is an event like room for bytes.
            if failure != .wouldBlock { markBroken(index, isClient: !isUp) }
            return
        }
        if isUp { tunnel.pointee.up.isShut = true } else { tunnel.pointee.down.isShut = true }
        guard isFirst else { return }
        tunnel.pointee.lastMoved = tick
        setCoarseDeadline(tunnel.pointee.client, after: min(isUp ? limits.halfOpen : limits.ended, limits.youth))
    }

    /// One end was reset. The other end first gets all that was sent before, and then a RST as well: a FIN would make a
    /// truncated stream look whole (RFC 9293 §3.5.2). Much of that may still be in the broken end's receive queue, which
    /// the kernel keeps: it is read to its end.
    private func markBroken(_ index: Tunnel.Index, isClient: Bool) {
        let tunnel = tunnels[index]
        let new = isClient ? Tunnel.Broken.client : .origin
        guard tunnel.pointee.broken != new else { return }
        guard tunnel.pointee.broken == .none else {
            tunnel.pointee.broken = .both
            return
        }
        tunnel.pointee.broken = new
        // The call that failed may have used up the event that said so.
        slots[isClient ? tunnel.pointee.client : tunnel.pointee.origin].pointee.flags.formUnion([.readable, .hangup])
        if isClient { abandon(&tunnel.pointee.down) } else { abandon(&tunnel.pointee.up) }
        tunnel.pointee.lastMoved = tick
        setDeadline(tunnel.pointee.client, after: limits.resetDrain)
        pumpLater(index)
    }

    /// An end whose connection failed though nothing is to be read from it or written to it just now.
    func checkFailure(_ index: Tunnel.Index) {
        let tunnel = tunnels[index]
        for isClient in [true, false] {
            let slot = slots[isClient ? tunnel.pointee.client : tunnel.pointee.origin]
            guard slot.pointee.flags.contains(.failed) else { continue }
            slot.pointee.flags.remove(.failed)
            if linux_socket_error(slot.pointee.descriptor) != 0 { markBroken(index, isClient: isClient) }
        }
    }

    /// SO_LINGER 0 throws away what is unsent, so it is set only once the peer has acknowledged everything (SIOCOUTQ).
    func continueReset(_ index: Tunnel.Index) {
        let tunnel = tunnels[index]
        let isClient = tunnel.pointee.broken == .client
        guard tunnel.pointee.broken != .both else { return end(index) }
        let (hasEnded, hasStuckBytes) =
            isClient
            ? (tunnel.pointee.up.hasEnded, tunnel.pointee.up.hasStuckBytes)
            : (tunnel.pointee.down.hasEnded, tunnel.pointee.down.hasStuckBytes)
        guard hasEnded, !hasStuckBytes else { return }
        let whole = slots[isClient ? tunnel.pointee.origin : tunnel.pointee.client]
        // No event says that all is acknowledged.
        guard linux_unsent(whole.pointee.descriptor) <= 0 else { return setDeadline(tunnel.pointee.client, after: 1) }
        _ = linux_set_reset_on_close(whole.pointee.descriptor)
        end(index)
    }

    func expire(tunnel index: Tunnel.Index) {
        let tunnel = tunnels[index]
        let client = slots[tunnel.pointee.client].pointee.descriptor
        let origin = slots[tunnel.pointee.origin].pointee.descriptor
        if !tunnel.pointee.isKeptAlive {
            tunnel.pointee.isKeptAlive = true
            TCPOptions.keepAlive(origin)
        }
        let unsent = max(0, linux_unsent(client)) &+ max(0, linux_unsent(origin))
        if unsent != tunnel.pointee.unsent {
            tunnel.pointee.unsent = unsent
            tunnel.pointee.lastMoved = tick
        }
        // A tunnel that waits for tokens, or for its turn to use them, is not idle, however long that takes.
        let isWaiting = slots[tunnel.pointee.origin].pointee.flags.contains(.armed) || tunnel.pointee.isQueued
        if isWaiting { tunnel.pointee.lastMoved = tick }
        let isBroken = tunnel.pointee.broken != .none
        let limit =
            isBroken
            ? limits.resetDrain
            : tunnel.pointee.down.isShut ? limits.ended : tunnel.pointee.up.isShut ? limits.halfOpen : limits.idle
        let idle = tick &- tunnel.pointee.lastMoved
        if idle < limit {
            setCoarseDeadline(tunnel.pointee.client, after: limit - idle)
            if isBroken { continueReset(index) }
        } else {
            cut(index)
        }
    }

    /// Resets both ends.
    func cut(_ index: Tunnel.Index) {
        _ = linux_set_reset_on_close(slots[tunnels[index].pointee.client].pointee.descriptor)
        _ = linux_set_reset_on_close(slots[tunnels[index].pointee.origin].pointee.descriptor)
        end(index)
    }

    /// Closes both ends. What is stuck is lost: either nobody is there to take it, or it was waited for long enough.
    func end(_ index: Tunnel.Index) {
        let tunnel = tunnels[index]
        abandon(&tunnel.pointee.up)
        abandon(&tunnel.pointee.down)
        close(tunnel.pointee.client)
        close(tunnel.pointee.origin)
        tunnel.pointee.client = Slot.none
        tunnel.pointee.origin = Slot.none
        if !tunnel.pointee.isQueued { tunnels.release(index) }
    }

    private func abandon(_ direction: inout Tunnel.Direction) {
        direction.isShut = true
        dropStuck(&direction)
        guard direction.pipe != PipePool.none else { return }
        if direction.piped > 0 {
            pipes.giveBackDirty(direction.pipe, scratch: scratch)
        } else {
            pipes.giveBack(direction.pipe)
        }
        direction.pipe = PipePool.none
        direction.piped = 0
    }

    // MARK: turns

    func pumpLater(_ index: Tunnel.Index) {
        guard !tunnels[index].pointee.isQueued else { return }
        tunnels[index].pointee.isQueued = true
        queue(index)
    }

    func pumpAgain(_ index: Tunnel.Index) {
        tunnels[index].pointee.isQueued = false
        if tunnels[index].pointee.client == Slot.none {
            tunnels.release(index)
        } else {
            pump(index)
        }
    }
}
