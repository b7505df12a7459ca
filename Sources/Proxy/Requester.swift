import Policy
import Reactor

/// Who is at the other end of a session: what rules, limits and the list of sessions go by. Belongs to its reactor.
final class Requester {
    /// As it was when the client came.
    let listener: Listener
    /// Where the client connected from.
    let client: SocketAddress
    /// The same, as decisions are asked for. On a `mixed` listener its `kind` becomes what the client turns out to speak.
    var identity: Access.Client

    /// Once the client has given the right password.
    var user: String? {
        get { identity.user }
        set { identity.user = newValue }
    }

    init(listener: Listener, client: SocketAddress) {
        self.listener = listener
        self.client = client
        identity = Access.Client(listener: listener.endpoint, kind: listener.kind, address: client.ipAddress)
    }

    var needsPassword: Bool { listener.authentication == .required }
}
