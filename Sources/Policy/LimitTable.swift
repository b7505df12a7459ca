package import Address

/// Finds the limit that holds for somebody. Where several are about them the most specific holds, and it alone: a user's own
/// before that of each user, the narrowest network before a wider one and before each client.
package struct LimitTable: Sendable {
    private var eachClient: Limit?
    private var eachUser: Limit?
    /// The narrowest first.
    private var networks: [(network: Network, limit: Limit)] = []
    private var users: [String: Limit] = [:]

    package init(_ limits: [Limit] = []) {
        for limit in limits {
            switch limit.subject {
            case .eachClient: eachClient = limit
            case .eachUser: eachUser = limit
            case .client(let network): networks.append((network, limit))
            case .user(let name): users[name] = limit
            }
        }
        networks.sort { $0.network.prefix > $1.network.prefix }
    }

    package var isEmpty: Bool { eachClient == nil && eachUser == nil && networks.isEmpty && users.isEmpty }

    /// - Parameter address: never v4-mapped.
    package func limit(forClient address: IPAddress) -> Limit? {
        networks.first { $0.network.contains(address) }?.limit ?? eachClient
    }

    package func limit(forUser name: String) -> Limit? { users[name] ?? eachUser }
}
