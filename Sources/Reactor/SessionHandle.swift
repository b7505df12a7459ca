/// A session from its owner's side. Of use until `sessionEnded`.
package struct SessionHandle {
    unowned(unsafe) let loop: Loop
    let index: SessionEntry.Index

    /// Bytes that have moved so far.
    package var traffic: Traffic { loop.sessions[index].pointee.traffic }

    /// Bytes of a tunnel that one of its ends does not take.
    package var stuckBytes: Int {
        let index = loop.slots[loop.sessions[index].pointee.client].pointee.tunnel
        guard index != Tunnel.none else { return 0 }
        let tunnel = loop.tunnels[index]
        return Int(tunnel.pointee.up.stuckEnd - tunnel.pointee.up.stuckStart)
            + Int(tunnel.pointee.down.stuckEnd - tunnel.pointee.down.stuckStart)
    }

    /// Counts what a task moved itself; a tunnel's bytes are counted by its loop.
    package func count(sent: Int = 0, received: Int = 0) {
        let client = loop.slots[loop.sessions[index].pointee.client]
        if sent > 0 { loop.count(sent: sent, of: client) }
        if received > 0 { loop.count(received: received, of: client) }
    }

    /// What moves from now on is held to `throttle`; nil: to no limit.
    package func hold(to throttle: Throttle?) {
        guard throttle != nil || loop.sessions[index].pointee.throttle != nil else { return }
        loop.sessions[index].pointee.throttle = throttle
        let client = loop.sessions[index].pointee.client
        // A tunnel may be waiting for tokens that it needs no more.
        if loop.slots[client].pointee.tunnel != Tunnel.none { loop.pumpLater(loop.slots[client].pointee.tunnel) }
    }

    /// How long a task has to wait before it may move more bytes; nil: it need not wait, or the client is gone.
    package func pause(isUp: Bool) -> Duration? {
        let client = loop.slots[loop.sessions[index].pointee.client]
        guard client.pointee.flags.isDisjoint(with: [.revoked, .failed]),
            let delay = loop.sessions[index].pointee.throttle?.delay(isUp: isUp), delay > 0
        else { return nil }
        return .nanoseconds(Int64(delay))
    }

    /// From now on every wait of the session's tasks is over at `duration` from now, for its client and for what has joined it; nil: they
    /// wait as long as it takes.
    ///
    /// - Parameter isExpendable: the client may be ended earlier (`Socket.setExpendableDeadline`).
    package func setDeadline(after duration: Duration?, isExpendable: Bool = false) {
        loop.setDeadline(ofSession: index, after: duration.map(TimerWheel.ticks), isExpendable: isExpendable)
    }

    /// Ends the session now: a RST to its client and, of a tunnel, to its origin. A task that carries it finds its waits
    /// for the session's sockets over (`ECANCELED`), also for sockets that join later; the task has to return.
    package func end() {
        loop.endSession(index)
    }
}
