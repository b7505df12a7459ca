package import Address

/// Finds the limit that holds for somebody. Where several are about them the most specific holds, and it alone: a user's own
/// before that of each user, the narrowest network before a wider one and before each client. Until the operator has limited each
/// client, or said that none is, each has the standard limit.
///
/// A class: each session asks, and would copy all of it.
package final class LimitTable: Sendable {
    private let eachClient: Limit
    private let eachUser: Limit?
    /// The narrowest first.
    private let networks: [(network: Network, limit: Limit)]
    private let users: [String: Limit]
    /// The /64 networks that this machine has an address in.
    private let near: Set<IPAddress>

    /// As whom a client is counted.
    package struct Client: Hashable, Sendable {
        /// The client's own address, or the first one of its network.
        package let key: IPAddress
        /// The first address of a network that is counted as well, of which the client is one of several; nil: it is counted alone.
        package let neighbourhood: IPAddress?
    }

    /// How many clients' worth a neighbourhood may have.
    package static let neighbours = 8

    package init(_ limits: [Limit] = [], in surroundings: Surroundings = Surroundings()) {
        near = Set(surroundings.interfaces.flatMap(\.addresses).compactMap { $0.address.first64 })
        var eachClient = Limit.standard
        var eachUser: Limit?
        var networks: [(network: Network, limit: Limit)] = []
        var users: [String: Limit] = [:]
        for limit in limits {
            switch limit.subject {
            case .eachClient: eachClient = limit
            case .eachUser: eachUser = limit
            case .client(let network): networks.append((network, limit))
            case .user(let name): users[name] = limit
            }
        }
        self.eachClient = eachClient
        self.eachUser = eachUser
        self.networks = networks.sorted { $0.network.prefix > $1.network.prefix }
        self.users = users
    }

    /// - Parameter address: never v4-mapped.
    package func limit(forClient address: IPAddress) -> Limit {
        networks.first { $0.network.contains(address) }?.limit ?? eachClient
    }

    package func limit(forUser name: String) -> Limit? { users[name] ?? eachUser }

    /// As whom the client at `address` (never v4-mapped) is counted.
    ///
    /// Somebody far away has a whole /64 (RFC 6177), and is counted by it: to go by addresses would bind nobody. A home is a /64 as
    /// well, and there its devices are counted one by one, or the busiest would use up everybody's; but all of them together
    /// have no more than some clients have, so that a device that takes a new address each time gets no further.
    package func client(at address: IPAddress) -> Client {
        guard let network = address.first64 else { return Client(key: address, neighbourhood: nil) }
        return near.contains(network)
            ? Client(key: address, neighbourhood: network) : Client(key: network, neighbourhood: nil)
    }
}

extension IPAddress {
    /// The first address of the /64 that an IPv6 address is in; nil: it is an IPv4 address.
    package var first64: IPAddress? {
        if case .v6(let bits) = self { .v6((bits >> 64) << 64) } else { nil }
    }
}
