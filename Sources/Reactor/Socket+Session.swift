extension Socket {
    /// Makes this a session's client.
    package borrowing func beginSession(of owner: any SessionOwner) -> SessionHandle {
        let index = loop.sessions.allocate()
        loop.sessions[index].pointee = SessionEntry(owner: owner, client: slot)
        loop.slots[slot].pointee.session = index
        return SessionHandle(loop: loop, index: index)
    }

    /// Makes a task's waits for this socket end with the session: an origin's, or that of an association.
    package borrowing func join(_ session: SessionHandle) {
        leaveSession()
        loop.slots[slot].pointee.session = session.index
        loop.slots[slot].pointee.sibling = loop.sessions[session.index].pointee.joined
        loop.sessions[session.index].pointee.joined = slot
        let client = loop.sessions[session.index].pointee.client
        // It was ended while this one was on its way.
        if loop.slots[client].pointee.flags.contains(.revoked) { loop.revoke(slot) }
    }

    /// Undoes `join`: the socket outlives the session, for others to use.
    package borrowing func leaveSession() {
        if loop.slots[slot].pointee.session != SessionEntry.none { loop.leave(slot) }
    }
}
