package import Address
package import Policy

// The calls about sessions: what goes on at present, beside what the policy says.

package struct ListSessions: Call {
    package struct Reply: Codable, Hashable, Sendable {
        package var sessions: [SessionRecord]
        package var ended: [SessionRecord]
        /// How many are open that are meant, listed or not.
        package var total: Int
        /// Microseconds of a clock that never goes back; `endedAfter` of the next call.
        package var time: Int

        package init(_ list: SessionList, time: Int) {
            sessions = list.sessions
            ended = list.ended
            total = list.total
            self.time = time
        }
    }
    package static let method = Method.listSessions
    /// Only this user's.
    package var user: String?
    /// Only those of clients in this network.
    package var client: Network?
    /// nil: oldest first.
    package var order: SessionQuery.Order?
    /// nil: all of them.
    package var limit: Int?
    /// Whether to measure rates from one call to the next; nil: no.
    package var rates: Bool?
    /// Also those that ended since, as far back as the daemon remembers: the `time` of the call before. nil: none.
    package var endedAfter: Int?

    package init(
        user: String? = nil, client: Network? = nil, order: SessionQuery.Order? = nil, limit: Int? = nil,
        rates: Bool? = nil, endedAfter: Int? = nil
    ) {
        self.user = user
        self.client = client
        self.order = order
        self.limit = limit
        self.rates = rates
        self.endedAfter = endedAfter
    }
}

/// Ends the sessions that have all of what is named; something has to be.
package struct EndSessions: Call {
    package struct Reply: Codable, Hashable, Sendable {
        /// How many.
        package var ended: Int

        package init(ended: Int) { self.ended = ended }
    }
    package static let method = Method.endSessions
    package var ids: [Int]?
    package var user: String?
    package var client: Network?

    package init(ids: [Int]? = nil, user: String? = nil, client: Network? = nil) {
        self.ids = ids
        self.user = user
        self.client = client
    }

    package var selection: SessionSelection { SessionSelection(ids: ids, user: user, client: client) }
}
