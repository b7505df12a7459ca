import Policy
import Reactor

/// Who is at the other end of a session: what rules, limits and the list of sessions go by. Belongs to its reactor.
final class Requester {
    let listener: Listener
    /// Where the client connected from.
    let client: SocketAddress
    /// Once the client has given the right password.
    var user: String?

    init(listener: Listener, client: SocketAddress) {
        self.listener = listener
        self.client = client
    }

    var needsPassword: Bool { listener.authentication == .required }
}
