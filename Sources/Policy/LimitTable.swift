package import Address

/// Finds the limit that holds for somebody. Where several are about them the most specific holds, and it alone: a user's own
/// before that of each user, a device's own before the narrowest network, that before a wider one and before each client. Until the operator has limited each
/// client, or said that none is, each has the standard limit.
///
/// A class: each session asks, and would copy all of it.
package final class LimitTable: Sendable {
    private let eachClient: Limit
    private let eachUser: Limit?
    /// The narrowest first.
    private let networks: [(network: Network, limit: Limit)]
    private let users: [String: Limit]
    /// By the devices' numbers.
    private let devices: [UInt16: Limit]
    /// The numbers of all devices that are known.
    private let numbers: Set<UInt16>
    /// The /64 networks that this machine has an address in.
    private let near: Set<IPAddress>

    /// As whom a client is counted.
    package struct Client: Hashable, Sendable {
        package enum Key: Hashable, Sendable {
            /// The client's own address, or the first one of its network.
            case address(IPAddress)
            /// The client's device, whatever address it has taken.
            case device(UInt16)

            /// An address that is this key's alone: of a device one that no client has (0.0.0.0/8, RFC 1122 §3.2.1.3).
            package var address: IPAddress {
                switch self {
                case .address(let address): address
                case .device(let number): .v4(UInt32(number))
                }
            }
        }

        package let key: Key
        /// The first address of a network that is counted as well, of which the client is one of several; nil: it is counted alone.
        package let neighbourhood: IPAddress?
    }

    /// How many clients' worth a neighbourhood may have.
    package static let neighbours = 8

    package init(
        _ limits: [Limit] = [], in surroundings: Surroundings = Surroundings(), standings: [DeviceStanding] = []
    ) {
        let named = Dictionary(standings.map { ($0.name, $0.number) }) { first, _ in first }
        var devices: [UInt16: Limit] = [:]
        near = Set(surroundings.interfaces.flatMap(\.addresses).compactMap { $0.address.first64 })
        var eachClient = Limit.standard(in: surroundings)
        var eachUser: Limit?
        var networks: [(network: Network, limit: Limit)] = []
        var users: [String: Limit] = [:]
        for limit in limits {
            switch limit.subject {
            case .eachClient: eachClient = limit
            case .eachUser: eachUser = limit
            case .client(let network): networks.append((network, limit))
            case .user(let name): users[name] = limit
            case .device(let name): if let number = named[name] { devices[number] = limit }
            }
        }
        self.eachClient = eachClient
        self.eachUser = eachUser
        self.networks = networks.sorted { $0.network.prefix > $1.network.prefix }
        self.users = users
        self.devices = devices
        numbers = Set(standings.map(\.number))
    }

    /// - Parameters:
    ///   - address: never v4-mapped.
    ///   - device: its number; 0: nobody knows.
    package func limit(forClient address: IPAddress, device: UInt16 = 0) -> Limit {
        devices[device] ?? networks.first { $0.network.contains(address) }?.limit ?? eachClient
    }

    package func limit(forUser name: String) -> Limit? { users[name] ?? eachUser }

    /// As whom the client at `address` (never v4-mapped) is counted.
    ///
    /// A device of the home is one client, however many addresses it has (RFC 8981). Otherwise the address has to do. Somebody far away has a whole /64 (RFC 6177), and is counted by it: to go by addresses would bind nobody. A home is a /64 as
    /// well, and there its devices are counted one by one, or the busiest would use up everybody's; but all of them together
    /// have no more than some clients have, so that a device that takes a new address each time gets no further.
    ///
    /// - Parameter device: its number; 0: nobody knows.
    package func client(at address: IPAddress, device: UInt16 = 0) -> Client {
        let own: Client.Key? = numbers.contains(device) ? .device(device) : nil
        guard let network = address.first64 else { return Client(key: own ?? .address(address), neighbourhood: nil) }
        return near.contains(network)
            ? Client(key: own ?? .address(address), neighbourhood: network)
            : Client(key: own ?? .address(network), neighbourhood: nil)
    }
}

extension IPAddress {
    /// The first address of the /64 that an IPv6 address is in; nil: it is an IPv4 address.
    package var first64: IPAddress? {
        if case .v6(let bits) = self { .v6((bits >> 64) << 64) } else { nil }
    }
}

extension Policy {
    /// The new sessions per second that any client may have; nil: there is one whose sessions are not limited by it.
    package var highestClientRate: Int? {
        var eachClient = Limit.standard
        var rates: [Int?] = []
        for limit in limits {
            switch limit.subject {
            case .eachClient: eachClient = limit
            case .client, .device: rates.append(limit.rate)
            case .eachUser, .user: break
            }
        }
        rates.append(eachClient.rate)
        return rates.contains(nil) ? nil : rates.compactMap(\.self).max()
    }
}
