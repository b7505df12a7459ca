import Address
import Reactor

/// A session's connections to origins that wait for its next request, one to each of a few origins. No other session gets them: what an
/// origin mistakes for another request, or answers unasked, then harms only the client that asked it.
///
/// Only a connection whose last response had a certain end comes here. A connection that says anything, ends, or has waited for too
/// long is closed at once, so that nothing is ever taken for the answer to a request that was not made (RFC 9112 §9.2).
final class OriginPool {
    private struct Idle {
        let connection: Connection
        let isLoggedIn: Bool
    }

    private static let capacity = 4

    private let life: Duration
    /// The one that was used last comes last.
    private var idle: [Idle] = []

    /// - Parameter life: how long a connection waits.
    init(life: Duration) {
        self.life = life
    }

    /// A connection to one of `addresses`, and whether the client has logged in for it (NTLM). The kernel is asked whether the origin has
    /// said anything on it or closed it in this very turn.
    ///
    /// - Parameter isRepeatable: whether the request can be made again if the origin closes the connection just now. If not, only a
    ///   connection with a login will do, which no other one can stand in for (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
    func borrow(to addresses: [Endpoint], isRepeatable: Bool) -> (Connection, isLoggedIn: Bool)? {
        while let index = idle.lastIndex(where: {
            (isRepeatable || $0.isLoggedIn) && addresses.contains($0.connection.peer)
        }) {
            let found = idle.remove(at: index)
            found.connection.socket.unpark()
            if found.connection.socket.isQuiet(isProbed: true) { return (found.connection, found.isLoggedIn) }
        }
        return nil
    }

    /// Keeps a connection for the next request, in place of an older one to the same address; or closes it if there is no sense in keeping
    /// it.
    func keep(_ connection: Connection, isLoggedIn: Bool) {
        guard connection.inbox.isEmpty, connection.socket.isQuiet(isProbed: false), DescriptorBudget.shared.hasRoom
        else { return }
        connection.inbox.shrink()
        idle.removeAll { $0.connection.peer == connection.peer }
        if idle.count == Self.capacity { idle.removeFirst() }
        idle.append(Idle(connection: connection, isLoggedIn: isLoggedIn))
        // The loop knows the connection by its slot, and forgets this closure with it.
        connection.socket.park(for: life) { [unowned self, unowned connection] in
            idle.removeAll { $0.connection === connection }
        }
    }
}
