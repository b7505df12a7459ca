package import Address
package import Policy

/// The calls about sessions: what goes on at present, beside what the policy says.
enum SessionCalls {
    static let all: [any Call.Type] = [
        ListSessions.self, EndSessions.self, ListSessionLog.self, SetSessionLogging.self,
    ]
}

package struct ListSessions: Call {
    package static let documentation = """
        The sessions that are open.
        user: only the sessions of this user.
        client: only the sessions of clients in this network, ADDRESS or ADDRESS/PREFIX.
        device: only the sessions of this device: its name, its hardware address, or an address that it has.
        order: null: oldest first.
        limit: how many at most; null: all of them.
        rates: whether bytes per second are measured from one call to the next; null: no.
        endedAfter: the time of an earlier reply; null: none. The sessions that ended since are told too.
        ended: those, as far back as the daemon remembers.
        total: how many are open, those beyond limit included.
        time: microseconds of a clock that never goes back.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var sessions: [SessionRecord]
        package var ended: [SessionRecord]
        package var total: Int
        package var time: Int

        package init(_ list: SessionList, time: Int) {
            sessions = list.sessions
            ended = list.ended
            total = list.total
            self.time = time
        }
    }

    package var user: String?
    package var client: Network?
    package var device: String?
    package var order: SessionQuery.Order?
    package var limit: Int?
    package var rates: Bool?
    package var endedAfter: Int?

    package init(
        user: String? = nil, client: Network? = nil, device: String? = nil, order: SessionQuery.Order? = nil,
        limit: Int? = nil, rates: Bool? = nil, endedAfter: Int? = nil
    ) {
        self.user = user
        self.client = client
        self.device = device
        self.order = order
        self.limit = limit
        self.rates = rates
        self.endedAfter = endedAfter
    }
}

package struct ListSessionLog: Call {
    package static let documentation = """
        What came of what clients wanted, as far back as the proxies remember; oldest first.
        denied: whether only what came to nothing is told; null: no.
        client: only what clients in this network wanted, ADDRESS or ADDRESS/PREFIX.
        device: only what this device wanted, as in ListSessions.
        limit: how many at most, the latest; null: 100.
        logging: whether it is told in the daemon's log as well.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var entries: [SessionLogEntry]
        package var logging: SessionLogging

        package init(entries: [SessionLogEntry], logging: SessionLogging) {
            self.entries = entries
            self.logging = logging
        }
    }

    package var denied: Bool?
    package var client: Network?
    package var device: String?
    package var limit: Int?

    package init(denied: Bool? = nil, client: Network? = nil, device: String? = nil, limit: Int? = nil) {
        self.denied = denied
        self.client = client
        self.device = device
        self.limit = limit
    }

    package var query: SessionLogQuery {
        SessionLogQuery(
            client: client, device: device, leavesOutAllowed: denied ?? false,
            limit: min(max(limit ?? 100, 0), 100_000))
    }
}

package struct SetSessionLogging: Call {
    package typealias Reply = Applied
    package static let documentation = "Says whether what comes of sessions is told in the daemon's log."

    package var logging: SessionLogging

    package init(logging: SessionLogging) { self.logging = logging }
}

package struct EndSessions: Call {
    package static let documentation = """
        Ends the sessions that have all of what is named, at once, with a reset; something has to be named.
        ids: sessions by their numbers.
        user: the sessions of this user.
        client: the sessions of clients in this network, ADDRESS or ADDRESS/PREFIX.
        device: the sessions of this device, as in ListSessions.
        ended: how many sessions were ended.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var ended: Int

        package init(ended: Int) { self.ended = ended }
    }

    package var ids: [Int]?
    package var user: String?
    package var client: Network?
    package var device: String?

    package init(ids: [Int]? = nil, user: String? = nil, client: Network? = nil, device: String? = nil) {
        self.ids = ids
        self.user = user
        self.client = client
        self.device = device
    }

    package var selection: SessionSelection {
        SessionSelection(ids: ids, user: user, client: client, device: device)
    }
}
