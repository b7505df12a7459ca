extension Reactor {
    /// Calls `body` with the owner of each session that is open. On the reactor's thread, from whichever actor; `body` may end
    /// sessions.
    package nonisolated func forEachSession(_ body: (any SessionOwner) -> Void) {
        let loop = currentLoop
        for index in loop.sessions.indices {
            if let owner = loop.sessions[index].pointee.owner { body(owner) }
        }
    }
}
