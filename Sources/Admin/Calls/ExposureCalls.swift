package import Address
package import Policy

/// The calls about what listens on the machine, and about what happened.
enum ExposureCalls {
    static let all: [any Call.Type] = [ListSockets.self, ExpectSockets.self, ListEvents.self]
}

package struct ListSockets: Call {
    package static let documentation = """
        Every socket of the machine that waits for somebody to come: TCP, UDP and raw ones; and every port that another
        table leads on elsewhere, as one that a container has published.
        absent: what is expected and does not listen, as "tcp 0.0.0.0:22 of ssh.service".
        isJudged: somebody has said what is expected.
        others: what else filters packets on this machine, a sentence each; it may shut more.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var sockets: [SocketStatus]
        package var absent: [String]
        package var isJudged: Bool
        package var door: DoorState
        package var others: [String]

        package init(
            sockets: [SocketStatus], absent: [String], isJudged: Bool, door: DoorState, others: [String]
        ) {
            self.sockets = sockets
            self.absent = absent
            self.isJudged = isJudged
            self.door = door
            self.others = others
        }
    }

    package init() {}
}

package struct SocketStatus: InterfaceType, Hashable, Sendable {
    /// What is to be thought of a socket.
    package enum Standing: String, InterfaceEnumeration, Hashable, Sendable {
        case expected, shut, exposed, unknown

        package static let interfaceName = "SocketStanding"
        package static let documentation = """
            expected: it is the gateway's own, an opening is for it, or somebody has said that it is right.
            shut: nobody but the machine itself reaches it.
            exposed: somebody reaches it, and nobody has said that this is right.
            unknown: nobody knows what the kernel holds, or the rules do not say.
            """
    }

    package static let documentation = """
        A socket that waits for somebody to come.
        local: where; of a raw socket the protocol's number stands in the port's place.
        interface: the one that it is bound to; null: to none.
        hearsBothFamilies: it is for [::] and hears IPv4, too.
        inode: by which /proc tells whose it is; 0: the kernel's own.
        user: whose it is; of a port that is led on, the chain that says so.
        unit: the systemd unit that it belongs to; null: nobody knows.
        since: when it was seen to begin, in seconds since 1970, UTC; null: it was there before the gateway looked.
        isClient: it is a datagram socket that serves nobody, and waits for answers alone.
        reach: from where it can be reached.
        why: what the standing rests on, in a phrase.
        difference: what is not as is expected; null: nothing, or nobody has said what is.
        advice: what to do; null: nothing.
        leadsTo: where what comes there is led on to, so that no socket of the machine gets it; null: it is a socket.
        lastPort: the last of the ports that are led on together; null: it is one.
        unless: the chains of other tables that may drop what would reach it, by rules that nobody here reads.
        """

    package var transport: ExpectedSocket.Transport
    package var local: Endpoint
    package var interface: String?
    package var hearsBothFamilies: Bool
    package var inode: Int
    package var user: String
    package var unit: String?
    package var since: Int?
    package var isClient: Bool
    package var reach: [Reach]
    package var standing: Standing
    package var why: String
    package var difference: String?
    package var advice: String?
    package var leadsTo: Endpoint?
    package var lastPort: UInt16?
    package var unless: [String]

    package init(
        transport: ExpectedSocket.Transport, local: Endpoint, interface: String?, hearsBothFamilies: Bool, inode: Int,
        user: String, unit: String?, since: Int?, isClient: Bool, reach: [Reach], standing: Standing, why: String,
        difference: String?, advice: String?, leadsTo: Endpoint? = nil, lastPort: UInt16? = nil,
        unless: [String]
    ) {
        self.transport = transport
        self.local = local
        self.interface = interface
        self.hearsBothFamilies = hearsBothFamilies
        self.inode = inode
        self.user = user
        self.unit = unit
        self.since = since
        self.isClient = isClient
        self.reach = reach
        self.standing = standing
        self.why = why
        self.difference = difference
        self.advice = advice
        self.leadsTo = leadsTo
        self.lastPort = lastPort
        self.unless = unless
    }
}

package struct ExpectSockets: Call {
    package static let documentation = """
        What listens now is what is expected from now on. No revision: it changes nothing of what the gateway does.
        count: how many sockets that are.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var count: Int

        package init(count: Int) { self.count = count }
    }

    package init() {}
}

package struct ListEvents: Call {
    package static let documentation = """
        What happened and what was changed, each oldest first.
        since: seconds since 1970, UTC; null: the last day.
        limit: at most so many of either, the latest; null: 500.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var events: [ChronicleEntry]
        package var revisions: [RevisionChanges]

        package init(events: [ChronicleEntry], revisions: [RevisionChanges]) {
            self.events = events
            self.revisions = revisions
        }
    }

    package var since: Int?
    package var limit: Int?

    package init(since: Int? = nil, limit: Int? = nil) {
        self.since = since
        self.limit = limit
    }
}

package struct RevisionChanges: InterfaceType, Hashable, Sendable {
    package static let documentation = """
        A revision and what it changed, a line for each thing.
        """

    package var revision: Revision
    package var changes: [String]

    package init(revision: Revision, changes: [String]) {
        self.revision = revision
        self.changes = changes
    }
}
