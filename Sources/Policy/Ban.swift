package import Address

/// A source from which nothing may begin for a time. It is state, and of no revision.
package struct Ban: Codable, Hashable, Sendable {
    package enum Reason: String, Codable, Hashable, Sendable, CaseIterable {
        /// Too many wrong passwords came from there.
        case guesses
        /// Too many ports that are shut were tried from there.
        case scan
        /// Far more was begun from there than one source may begin.
        case flood
        /// The operator said so.
        case order
    }

    /// One address of IPv4; a network of 64 bits of IPv6, of which a host has as many addresses as it likes; or, where the gateway
    /// itself is in such a network, one address of it.
    package var source: Network
    package var reason: Reason
    /// What was seen, or what the operator says about it.
    package var text: String
    /// Seconds since 1970, UTC.
    package var since: Int
    /// nil: until it is taken back.
    package var until: Int?
    /// How often it was banned within a week, this time among them.
    package var times: Int

    package init(
        source: Network, reason: Reason, text: String, since: Int, until: Int?, times: Int = 1
    ) {
        self.source = source
        self.reason = reason
        self.text = text
        self.since = since
        self.until = until
        self.times = times
    }

    package func isInForce(at now: Int) -> Bool { until.map { now < $0 } ?? true }

    /// Seconds. The kernel counts an element's time in nanoseconds, of 64 bits.
    package static let longest = 100 * 365 * 86_400

    /// For how long an element of the kernel's stands for it; nil: it does not go by itself. A clock that is not right yet makes no
    /// ban longer than it was.
    package func millisecondsLeft(at now: Int) -> Int? {
        guard let until else { return nil }
        let (left, isBeyond) = until.subtractingReportingOverflow(min(max(now, since), until))
        return max(1, isBeyond ? Self.longest : min(left, Self.longest)) * 1000
    }

    /// What a ban is about where somebody at `address` is banned.
    ///
    /// - Parameter own: the gateway's own addresses.
    package static func source(of address: IPAddress, beside own: [IPAddress]) -> Network {
        switch address.unmapped {
        case .v4: return Network(address.unmapped, prefix: 32)
        case .v6:
            let network = Network(address, prefix: 64)
            return own.contains(where: network.contains) ? Network(address, prefix: 128) : network
        }
    }

    /// What a ban can be about, as the operator wrote it.
    ///
    /// - Parameter own: the gateway's own addresses.
    package static func source(_ network: Network, beside own: [IPAddress]) throws(Refusal) -> Network {
        switch (network.base, network.prefix) {
        case (.v4, 32), (.v6, 64): return network
        case (.v6, 65...128): return source(of: network.base, beside: own)
        case (.v4, _):
            throw Refusal(
                "\(network): a ban is of one IPv4 address; `gatehousectl blocklist add --direction in` takes networks")
        case (.v6, _):
            throw Refusal(
                "\(network): a ban is of one /64 of IPv6; `gatehousectl blocklist add --direction in` takes networks")
        }
    }
}
