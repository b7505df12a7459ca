package import Address
import Glibc

/// One end of a session: a socket, and what has been read from it that nobody has taken yet. Both ends and all protocols are of
/// this one kind, in the clear or behind a `SecureLayer`.
///
/// It belongs to its reactor. One task may read from it while another one writes to it. Letting go of it closes it.
package final class Connection {
    package private(set) var socket: Socket
    package var inbox: Inbox
    /// The address of the other end.
    package let peer: Endpoint

    /// The longest head, and a little more, which shows that it is too long.
    private static let mostUnread = 132 << 10
    /// A good amount of content.
    private static let bulk = 64 << 10

    /// A client's end. Most requests fit into 1 kB, which malloc has at hand (tcache, malloc(3)).
    package init(client socket: consuming Socket, from peer: Endpoint) {
        self.socket = socket
        self.peer = peer
        inbox = Inbox(limit: Self.mostUnread, bulk: Self.bulk, size: 1 << 10)
    }

    /// An origin's end. Most responses fit into 16 kB.
    package init(origin socket: consuming Socket, at peer: Endpoint) {
        self.socket = socket
        self.peer = peer
        inbox = Inbox(limit: Self.mostUnread, bulk: Self.bulk, size: 16 << 10)
    }

    /// Reads what there is into the inbox; waits if there is nothing.
    ///
    /// - Returns: how many bytes; 0 at the end of the stream.
    /// - Throws: `EMSGSIZE` if the inbox is full; what `Socket.read` throws.
    package func fill() async throws(Errno) -> Int {
        guard let room = inbox.room() else { throw Errno(EMSGSIZE) }
        let count = try await socket.read(into: room)
        inbox.received(count)
        return count
    }

    /// As `fill`, on behalf of `client`: see `Socket.read(into:for:)`.
    package func fill(for client: Connection) async throws(Errno) -> Int {
        guard let room = inbox.room() else { throw Errno(EMSGSIZE) }
        let count = try await socket.read(into: room, for: client.socket)
        inbox.received(count)
        return count
    }

    /// The slot, which from now on somebody else owns. The connection must not be used any more.
    func release() -> Slot.Index { socket.moveOut() }
}
