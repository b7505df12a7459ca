package import Address

/// What came of something that a client wanted: a connection, a login, or to be let in at all.
package struct SessionLogEntry: Codable, Hashable, Sendable {
    package enum Verdict: String, Codable, Hashable, Sendable, CaseIterable {
        /// The client got what it wanted.
        case allowed
        /// The gateway did not let it: a rule, the guard, a limit, a password.
        case denied
        /// It was let, and came to nothing: a name that does not exist, a server that does not answer.
        case failed
    }

    /// Milliseconds since 1970, UTC.
    package var time: Int
    /// The session's number.
    package var session: Int
    package var kind: Listener.Kind
    package var listener: Endpoint
    package var client: Endpoint
    /// What the client's device is called; nil: nobody knows which it is.
    package var device: String?
    /// Of a login that was not right, whom the client said it was.
    package var user: String?
    /// HOST:PORT as the client asked for it; nil: it did not come to that.
    package var target: String?
    package var verdict: Verdict
    /// A phrase; nil: it was allowed.
    package var reason: String?
    /// The rule that denied it; nil: none did.
    package var rule: Int?

    package init(
        time: Int, session: Int, kind: Listener.Kind, listener: Endpoint, client: Endpoint, device: String? = nil,
        user: String? = nil, target: String? = nil, verdict: Verdict, reason: String? = nil, rule: Int? = nil
    ) {
        self.time = time
        self.session = session
        self.kind = kind
        self.listener = listener
        self.client = client
        self.device = device
        self.user = user
        self.target = target
        self.verdict = verdict
        self.reason = reason
        self.rule = rule
    }
}

/// Which entries of the session log are meant.
package struct SessionLogQuery: Codable, Hashable, Sendable {
    /// Only those of clients in this network.
    package var client: Network?
    /// Only those of this device, by its name.
    package var device: String?
    /// Only those that came to nothing.
    package var leavesOutAllowed: Bool
    /// At most so many, the latest.
    package var limit: Int

    package init(client: Network? = nil, device: String? = nil, leavesOutAllowed: Bool = false, limit: Int) {
        self.client = client
        self.device = device
        self.leavesOutAllowed = leavesOutAllowed
        self.limit = limit
    }
}

/// The answer, from one of those who know some sessions or from all of them.
package struct SessionLogList: Codable, Hashable, Sendable {
    /// Oldest first.
    package var entries: [SessionLogEntry]

    package init(_ entries: [SessionLogEntry] = []) { self.entries = entries }

    /// All that the parts say, in order and no longer than was asked for.
    package init(merging parts: [SessionLogList], for query: SessionLogQuery) {
        entries = Array(parts.flatMap(\.entries).sorted { $0.time < $1.time }.suffix(max(0, query.limit)))
    }
}

/// Where it is told what comes of sessions, beside the memory of the proxies.
package enum SessionLogging: String, Codable, Hashable, Sendable, CaseIterable {
    /// Nowhere: nobody's ways are written down.
    case quiet
    /// In the daemon's log, which is the journal where systemd runs it: a line for each entry.
    case journal
}
