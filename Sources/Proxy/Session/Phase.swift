/// What a session waits for at present, and so how long it may wait. `Session.enter` alone sets deadlines for a session's ends.
enum Phase {
    /// The client says what it wants. One deadline for all of it, however many steps and reads that takes: TLS, greeting, login,
    /// request; later each further request.
    case request
    /// The client has had its answer and may ask for something else.
    case idle
    /// The gateway works for the client: it checks a login, looks a name up, dials, waits for BIND's peer, relays datagrams. Each of these
    /// has a limit of its own.
    case serving
    /// The client takes an answer of the gateway's own, and the gateway reads over what is left of the request.
    case answer
    /// The client sends the content of its request, which nothing has been answered to yet. The deadline of both ends moves with each
    /// thing that passes.
    case content
    /// A request and its response pass between client and origin. The deadline of both ends moves with each thing that passes.
    case exchange
    /// The client takes the last words and closes.
    case farewell

    /// How long both ends may be waited for; nil: as long as it takes.
    func limit(in limits: Relay.Limits) -> Duration? {
        switch self {
        case .request, .answer: limits.handshake
        case .idle: limits.keepAlive
        case .serving: nil
        case .content: limits.content
        case .exchange: limits.exchange
        case .farewell: limits.farewell
        }
    }

    /// Whether the client has said what it wants, for the first time at least.
    var isPastHandshake: Bool {
        switch self {
        case .request, .farewell: false
        case .idle, .serving, .answer, .content, .exchange: true
        }
    }

    /// Whether the client may be ended early in favour of new ones: nothing is done for it.
    var isExpendable: Bool {
        switch self {
        case .request, .idle, .farewell: true
        case .serving, .answer, .content, .exchange: false
        }
    }
}
