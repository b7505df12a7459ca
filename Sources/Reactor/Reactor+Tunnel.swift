extension Reactor {
    /// Joins two connections. What one end sends the other gets, beginning with what has been read ahead from it, and each FIN and RST
    /// too, until both have ended. The tunnel needs no task any more, and the connections must not be used any more. On the reactor's
    /// thread.
    package nonisolated func tunnel(client: Connection, origin: Connection) {
        currentLoop.join(client, origin)
    }
}
