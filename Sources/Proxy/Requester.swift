import Policy
import Reactor

/// Who is at the other end of a session and where it leads: what rules, limits and the list of sessions go by. Belongs to its
/// reactor.
///
/// It outlives the session's task, and an idle tunnel costs little more than this: every field here counts.
final class Requester: SessionOwner {
    private let entrance: Entrance
    private let sessions: Sessions
    let id: Int
    /// What the listener was when the client came; on a `mixed` one it becomes what the client turns out to speak.
    var kind: Listener.Kind
    /// Once the client has given the right password.
    var user: String?
    /// The name that the client asked for; nil if it asked for an address.
    private(set) var name: String?
    private(set) var activity = SessionRecord.Activity.handshake
    /// Where the client connected from.
    let client: SocketAddress
    /// Where the session leads now, or led last.
    private(set) var origin: SocketAddress?
    /// When the client came (`MonotonicClock`).
    let began: UInt64
    /// nil before and after.
    private var handle: SessionHandle?

    /// Begins the session of a client that was accepted. It ends when `client` is closed, by its task or by its tunnel.
    init(_ client: borrowing Socket, from address: SocketAddress, by entrance: Entrance, in sessions: Sessions) {
        self.entrance = entrance
        self.sessions = sessions
        id = sessions.numbers.next()
        kind = entrance.listener.kind
        self.client = address
        began = MonotonicClock.nanoseconds
        handle = client.beginSession(of: self)
    }

    /// The listener as it was when the client came.
    var listener: Listener { entrance.listener }

    /// Who it is, as decisions are asked for.
    var identity: Access.Client {
        Access.Client(listener: entrance.listener.endpoint, kind: kind, address: client.ipAddress, user: user)
    }

    var needsPassword: Bool { entrance.listener.authentication == .required }

    // MARK: what becomes of it

    /// It leads to `address` from now on, which `host` is or resolved to.
    func didConnect(_ host: Host, to address: SocketAddress, as activity: SessionRecord.Activity = .tunnel) {
        if case .name(let name) = host { self.name = name } else { name = nil }
        origin = address
        self.activity = activity
    }

    /// It does something that leads to no single origin.
    func didBegin(_ activity: SessionRecord.Activity) {
        self.activity = activity
    }

    /// Counts what a task moved itself; a tunnel counts what it moves.
    func count(sent: Int = 0, received: Int = 0) {
        handle?.count(sent: sent, received: received)
    }

    /// Makes a task's waits for `socket` end when the session is ended from outside.
    func take(_ socket: borrowing Socket) {
        if let handle { socket.join(handle) }
    }

    /// Ends the session now, wherever it is: its client is reset.
    func end() {
        handle?.end()
    }

    var traffic: Traffic { handle?.traffic ?? Traffic() }

    func sessionEnded(_ traffic: Traffic) {
        handle = nil
        // Both belong to the reactor's thread, which the compiler cannot know of `self`.
        nonisolated(unsafe) let requester = self
        sessions.assumeIsolated { $0.note(requester, ended: traffic) }
    }
}

/// A listener that clients come in by, shared by their sessions.
final class Entrance: Sendable {
    let listener: Listener

    init(_ listener: Listener) {
        self.listener = listener
    }
}
