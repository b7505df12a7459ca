extension Reactor {
    /// Joins two sockets. What one end sends the other gets, each FIN and RST too, until both have ended; the tunnel needs
    /// no task any more. Bytes that the session has read already must have been written by it before. On the reactor's thread.
    package nonisolated func tunnel(client: consuming Socket, origin: consuming Socket) {
        currentLoop.join(client: client.release(), origin: origin.release())
    }
}
