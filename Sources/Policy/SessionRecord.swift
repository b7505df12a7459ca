/// What there is to say about a session: what the operator lists, watches and ends it by.
package struct SessionRecord: Codable, Hashable, Sendable {
    /// What it does at present.
    package enum Activity: String, Codable, Hashable, Sendable, CaseIterable {
        /// The client has not said yet what it wants, or waits for its origin.
        case handshake
        case tunnel
        /// HTTP requests, each to an origin of its own.
        case requests
        /// UDP ASSOCIATE: datagrams to whomever the client names.
        case udp
        /// BIND: waits for an origin to connect.
        case bind
    }

    /// Unique as long as the daemon runs.
    package var id: Int
    package var kind: Listener.Kind
    package var listener: Endpoint
    package var client: Endpoint
    /// Once the client has given the right password.
    package var user: String?
    package var activity: Activity
    /// The name that the client asked for; nil if it asked for an address.
    package var host: String?
    /// Where the session leads now, or led last.
    package var origin: Endpoint?
    /// Bytes to origins.
    package var sent: Int
    /// Bytes from origins.
    package var received: Int
    /// Milliseconds since its client came; of one that has ended, until it ended.
    package var age: Int

    package init(
        id: Int, kind: Listener.Kind, listener: Endpoint, client: Endpoint, user: String? = nil,
        activity: Activity = .handshake, host: String? = nil, origin: Endpoint? = nil, sent: Int = 0, received: Int = 0,
        age: Int = 0
    ) {
        self.id = id
        self.kind = kind
        self.listener = listener
        self.client = client
        self.user = user
        self.activity = activity
        self.host = host
        self.origin = origin
        self.sent = sent
        self.received = received
        self.age = age
    }
}

/// Which sessions are meant: those that have all of what is named.
package struct SessionSelection: Codable, Hashable, Sendable {
    package var ids: [Int]?
    package var user: String?
    package var client: Network?

    package init(ids: [Int]? = nil, user: String? = nil, client: Network? = nil) {
        self.ids = ids
        self.user = user
        self.client = client
    }

    package func contains(_ session: SessionRecord) -> Bool {
        (ids.map { $0.contains(session.id) } ?? true) && (user.map { $0 == session.user } ?? true)
            && (client.map { $0.contains(session.client.address.unmapped) } ?? true)
    }
}
