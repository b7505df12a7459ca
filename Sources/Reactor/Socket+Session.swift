extension Socket {
    /// Begins a session, whose client this socket is.
    package borrowing func beginSession(of owner: any SessionOwner) -> SessionHandle {
        let index = loop.sessions.allocate()
        loop.sessions[index].pointee = SessionEntry(owner: owner, client: slot)
        loop.slots[slot].pointee.session = index
        return SessionHandle(loop: loop, index: index)
    }

    /// Makes the socket part of a session: its waits end with the session, and the session's deadlines hold for it.
    package borrowing func join(_ session: SessionHandle) {
        leaveSession()
        loop.slots[slot].pointee.session = session.index
        loop.slots[slot].pointee.sibling = loop.sessions[session.index].pointee.joined
        loop.sessions[session.index].pointee.joined = slot
        let client = loop.sessions[session.index].pointee.client
        // The session may have been ended while the socket was on its way.
        if loop.slots[client].pointee.flags.contains(.revoked) { loop.revoke(slot) }
    }

    /// Undoes `join`: the socket outlives the session, for others to use.
    package borrowing func leaveSession() {
        if loop.slots[slot].pointee.session != SessionEntry.none { loop.leave(slot) }
    }
}
