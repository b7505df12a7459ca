/// A session from its owner's side. Of use until `sessionEnded`.
package struct SessionHandle {
    unowned(unsafe) let loop: Loop
    let index: SessionEntry.Index

    /// What has moved so far.
    package var traffic: Traffic { loop.sessions[index].pointee.traffic }

    /// Counts what a task moved itself; a tunnel's bytes are counted by its loop.
    package func count(sent: Int = 0, received: Int = 0) {
        let client = loop.slots[loop.sessions[index].pointee.client]
        if sent > 0 { loop.count(sent: sent, of: client) }
        if received > 0 { loop.count(received: received, of: client) }
    }

    /// Holds what moves from now on to `throttle`; nil: to nothing.
    package func hold(to throttle: Throttle?) {
        guard throttle != nil || loop.sessions[index].pointee.throttle != nil else { return }
        loop.sessions[index].pointee.throttle = throttle
        let client = loop.sessions[index].pointee.client
        // A tunnel may wait for what it need not wait for any more.
        if loop.slots[client].pointee.tunnel != Tunnel.none { loop.pumpLater(loop.slots[client].pointee.tunnel) }
    }

    /// How long a task has to wait before it may move more bytes; nil: not at all, or no more for a client that is gone.
    package func pause(isUp: Bool) -> Duration? {
        let client = loop.slots[loop.sessions[index].pointee.client]
        guard client.pointee.flags.isDisjoint(with: [.revoked, .failed]),
            let delay = loop.sessions[index].pointee.throttle?.delay(isUp: isUp), delay > 0
        else { return nil }
        return .nanoseconds(Int64(delay))
    }

    /// Ends the session now: a RST to its client and, of a tunnel, to its origin. A task that carries it finds its waits
    /// for the session's sockets over (`ECANCELED`), and those that come to it later gone; it is to return.
    package func end() {
        loop.endSession(index)
    }
}
