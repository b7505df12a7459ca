package import Address
package import Policy

/// The calls about bans.
enum BanCalls {
    static let all: [any Call.Type] = [
        ListBans.self, AddBan.self, RemoveBan.self, SetBanTerms.self, SpareNetwork.self, UnspareNetwork.self,
    ]
}

package struct ListBans: Call {
    package static let documentation = """
        Who is banned at present, the latest first, and when a source is banned by itself.
        isEnforced: the firewall is enforced; false: a ban keeps nobody out.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var bans: [BanStatus]
        package var terms: BanTerms
        package var isEnforced: Bool

        package init(bans: [BanStatus], terms: BanTerms, isEnforced: Bool) {
            self.bans = bans
            self.terms = terms
            self.isEnforced = isEnforced
        }
    }

    package init() {}
}

package struct BanStatus: InterfaceType, Hashable, Sendable {
    package static let interfaceName = "Ban"
    package static let documentation = """
        A source from which nothing may begin for a time.
        source: an IPv4 address, or a /64 of IPv6.
        text: what was seen, or what the operator said.
        since, until: seconds since 1970, UTC; until null: until it is taken back.
        times: how often it was banned within a week.
        packets: how many the kernel has stopped; null: it did not say.
        """

    package var source: Network
    package var reason: Ban.Reason
    package var text: String
    package var since: Int
    package var until: Int?
    package var times: Int
    package var packets: Int?

    package init(
        source: Network, reason: Ban.Reason, text: String, since: Int, until: Int?, times: Int, packets: Int?
    ) {
        self.source = source
        self.reason = reason
        self.text = text
        self.since = since
        self.until = until
        self.times = times
        self.packets = packets
    }
}

package struct AddBan: Call {
    package static let documentation = """
        Bans a source at once: what it has under way ends, and nothing begins. No revision.
        Refused for the gateway's own addresses, its router, its name servers, networks that are spared, and whoever has
        a connection to SSH.
        source: an IPv4 address, or an address or a /64 of IPv6.
        text: why; null: nothing is said.
        until: seconds since 1970, UTC; null: until it is taken back.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var source: Network

        package init(source: Network) { self.source = source }
    }

    package var source: Network
    package var text: String?
    package var until: Int?

    package init(source: Network, text: String? = nil, until: Int? = nil) {
        self.source = source
        self.text = text
        self.until = until
    }
}

package struct RemoveBan: Call {
    package static let documentation = "Takes a ban back at once. No revision. source: as it was banned."

    package struct Reply: Codable, Hashable, Sendable {
        package var source: Network

        package init(source: Network) { self.source = source }
    }

    package var source: Network

    package init(source: Network) { self.source = source }
}

package struct SetBanTerms: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Changes when a source is banned by itself, and for how long: what is null stays as it is.
        guesses, scans, floods: as in BanTerms; 0: nobody is banned for it.
        seconds, secondsAtHome: as in BanTerms.
        """

    package var guesses: Int?
    package var scans: Int?
    package var floods: Int?
    package var seconds: Int?
    package var secondsAtHome: Int?

    package init(
        guesses: Int? = nil, scans: Int? = nil, floods: Int? = nil, seconds: Int? = nil, secondsAtHome: Int? = nil
    ) {
        self.guesses = guesses
        self.scans = scans
        self.floods = floods
        self.seconds = seconds
        self.secondsAtHome = secondsAtHome
    }

    /// Gives `terms` what is not nil here.
    package func change(_ terms: inout BanTerms) {
        if let guesses { terms.guesses = guesses == 0 ? nil : guesses }
        if let scans { terms.scans = scans == 0 ? nil : scans }
        if let floods { terms.floods = floods == 0 ? nil : floods }
        if let seconds { terms.seconds = seconds }
        if let secondsAtHome { terms.secondsAtHome = secondsAtHome }
    }
}

package struct SpareNetwork: Call {
    package typealias Reply = Applied
    package static let documentation = "Nobody in a network is ever banned. A ban that there is stays."

    package var network: Network

    package init(network: Network) { self.network = network }
}

package struct UnspareNetwork: Call {
    package typealias Reply = Applied
    package static let documentation = "A network is no longer spared."

    package var network: Network

    package init(network: Network) { self.network = network }
}
