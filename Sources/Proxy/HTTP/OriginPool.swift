import Address
import Reactor

/// Connections to origins that wait for the next request, of the sessions of one reactor, on whose thread all of this runs.
///
/// Only a connection whose last response had a certain end comes here. A connection that says anything, ends, or has waited for too
/// long is closed at once, so that nothing is ever taken for the answer to a request that was not made (RFC 9112 §9.2).
final class OriginPool: Sendable {
    private struct Key: Hashable {
        let address: Endpoint
        /// The session that alone may use the connection: its client has logged in for it (NTLM). nil: every session.
        let owner: Int?
    }

    private static let capacity = 256

    private let reactor: Reactor
    private let life: Duration
    // Both are touched on the reactor's thread alone.
    private nonisolated(unsafe) var idle: [Key: [Connection]] = [:]
    private nonisolated(unsafe) var count = 0

    /// - Parameter life: how long a connection waits.
    init(on reactor: Reactor, life: Duration) {
        self.reactor = reactor
        self.life = life
    }

    /// The connection to one of `addresses` that was used last, and its owner. The kernel is asked whether the origin has said anything
    /// on it or closed it in this very turn.
    ///
    /// - Parameter session: whose own connections are tried first.
    func borrow(to addresses: [Endpoint], for session: Int) -> (Connection, owner: Int?)? {
        guard count > 0 else { return nil }
        for owner in [session, nil] {
            for address in addresses {
                let key = Key(address: address, owner: owner)
                while let connection = idle[key]?.last {
                    remove(connection, from: key)
                    connection.socket.unpark()
                    if connection.socket.isQuiet(isProbed: true) { return (connection, owner) }
                }
            }
        }
        return nil
    }

    /// Keeps a connection for the next request, or closes it if there is no sense in keeping it.
    ///
    /// - Parameter owner: the session that alone may have it again; nil: every session.
    func keep(_ connection: Connection, for owner: Int?) {
        guard count < Self.capacity, connection.inbox.isEmpty, connection.socket.isQuiet(isProbed: false),
            DescriptorBudget.shared.hasRoom
        else { return }
        connection.inbox.shrink()
        let key = Key(address: connection.peer, owner: owner)
        idle[key, default: []].append(connection)
        count += 1
        // The loop knows the connection by its slot, and forgets this closure with it.
        connection.socket.park(for: life) { [unowned self, unowned connection] in remove(connection, from: key) }
    }

    private func remove(_ connection: Connection, from key: Key) {
        guard let index = idle[key]?.lastIndex(where: { $0 === connection }) else { return }
        idle[key]?.remove(at: index)
        if idle[key]?.isEmpty == true { idle[key] = nil }
        count -= 1
    }
}
