package import Address

/// What there is to say about a session: what the operator lists, watches and ends it by.
package struct SessionRecord: Codable, Hashable, Sendable {
    /// Who carries it, and what the client speaks.
    package enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
        case socks5, http, https, mixed
        /// The kernel: a flow of packets between a device and the world, without a proxy.
        case routed

        /// nil: sessions are not what clients of such a listener have.
        package init?(_ kind: Listener.Kind) {
            switch kind {
            case .socks5: self = .socks5
            case .http: self = .http
            case .https: self = .https
            case .mixed: self = .mixed
            case .dns: return nil
            }
        }
    }

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
        /// Packets that the kernel passes on.
        case flow
    }

    /// Unique as long as the daemon runs; of a flow, as long as the kernel knows it.
    package var id: Int
    package var kind: Kind
    /// What the packets of a flow carry; nil: it is no flow.
    package var transport: IPProtocol?
    /// nil: it is a flow.
    package var listener: Endpoint?
    package var client: Endpoint
    /// What the client's device is called; nil: nobody knows which it is.
    package var device: String?
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
    /// Bytes per second at present, each way; nil if nobody watches.
    package var sentRate: Int?
    package var receivedRate: Int?
    /// Milliseconds since its client came; of one that has ended, until it ended.
    package var age: Int

    package init(
        id: Int, kind: Kind, transport: IPProtocol? = nil, listener: Endpoint? = nil, client: Endpoint,
        device: String? = nil, user: String? = nil, activity: Activity = .handshake, host: String? = nil,
        origin: Endpoint? = nil, sent: Int = 0, received: Int = 0,
        age: Int = 0
    ) {
        self.id = id
        self.kind = kind
        self.transport = transport
        self.listener = listener
        self.client = client
        self.device = device
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
    /// By its name.
    package var device: String?

    package init(ids: [Int]? = nil, user: String? = nil, client: Network? = nil, device: String? = nil) {
        self.ids = ids
        self.user = user
        self.client = client
        self.device = device
    }

    /// Whether nothing is named, which means all of them.
    package var isEverything: Bool { ids == nil && user == nil && client == nil && device == nil }

    package func contains(_ session: SessionRecord) -> Bool {
        (ids.map { $0.contains(session.id) } ?? true) && (user.map { $0 == session.user } ?? true)
            && (client.map { $0.contains(session.client.address) } ?? true)
            && (device == nil || device == session.device)
    }
}

/// What is asked about sessions.
package struct SessionQuery: Codable, Hashable, Sendable {
    package enum Order: String, Codable, Hashable, Sendable, CaseIterable {
        /// Oldest first.
        case age
        /// Most bytes first, both ways together.
        case bytes
        /// Most bytes per second first.
        case rate
    }

    package var selection: SessionSelection
    package var order: Order
    /// At most so many; nil: all of them.
    package var limit: Int?
    /// Whether rates are to be measured, from one question to the next.
    package var measuresRates: Bool
    /// Whether flows are left out that the kernel knows though they are over.
    package var leavesOutClosed: Bool
    /// Also those that ended after this and not after `now` (microseconds of CLOCK_MONOTONIC); nil: none.
    package var endedAfter: Int?
    package var now: Int

    package init(
        _ selection: SessionSelection = SessionSelection(), order: Order = .age, limit: Int? = nil,
        measuresRates: Bool = false, leavesOutClosed: Bool = false, endedAfter: Int? = nil, now: Int
    ) {
        self.selection = selection
        self.order = order
        self.limit = limit
        self.measuresRates = measuresRates
        self.leavesOutClosed = leavesOutClosed
        self.endedAfter = endedAfter
        self.now = now
    }
}

/// The answer, from one of those who know some sessions or from all of them.
package struct SessionList: Codable, Hashable, Sendable {
    package var sessions: [SessionRecord]
    /// Those that have ended, as far back as anybody remembers; oldest first.
    package var ended: [SessionRecord]
    /// How many are open that are meant, listed or not.
    package var total: Int

    package init(sessions: [SessionRecord] = [], ended: [SessionRecord] = [], total: Int = 0) {
        self.sessions = sessions
        self.ended = ended
        self.total = total
    }

    /// All that the parts say, in order and no longer than was asked for.
    package init(merging parts: [SessionList], for query: SessionQuery) {
        let all = parts.flatMap(\.sessions).sorted { query.order.places($0, before: $1) }
        sessions = query.limit.map { Array(all.prefix(max(0, $0))) } ?? all
        ended = parts.flatMap(\.ended)
        total = parts.reduce(0) { $0 + $1.total }
    }
}

extension SessionQuery.Order {
    package func places(_ first: SessionRecord, before second: SessionRecord) -> Bool {
        let (left, right) = (weight(of: first), weight(of: second))
        return left == right ? first.id < second.id : left > right
    }

    private func weight(of session: SessionRecord) -> Int {
        switch self {
        // The numbers of the proxies' sessions are in their order; those of flows are not.
        case .age: session.kind == .routed ? session.age : .max
        case .bytes: session.sent &+ session.received
        case .rate: (session.sentRate ?? 0) &+ (session.receivedRate ?? 0)
        }
    }
}
