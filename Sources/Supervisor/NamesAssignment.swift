package import Policy

/// The share of the role that answers questions for names.
package struct NamesAssignment: Codable, Hashable, Sendable {
    /// The listeners that it serves.
    package var accounts: [RelayAssignment.Account]
    /// By their places in this list, from 1 on, zones are told apart in questions that relays ask for others.
    package var zones: [Zone]
    package var devices: [Device]
    /// Those that are about names.
    package var rules: [Rule]
    /// Those of clients.
    package var limits: [Limit]
    package var blocklists: [Blocklist]
    package var trustedDomains: [String]
    /// How the devices stand at present.
    package var standings: [DeviceStanding]
    package var surroundings: Surroundings

    init(_ estate: Estate, for role: Role) {
        accounts = estate.live.filter { $0.listener.role == role }
        zones = estate.policy.zones
        devices = estate.policy.devices
        // A rule that allows everything stands before those that it keeps from being asked.
        rules = estate.policy.rules.contains { $0.domain != nil } ? estate.policy.rules : []
        limits = estate.policy.limits.filter(\.isForClients)
        blocklists = estate.policy.nameLists
        trustedDomains = estate.policy.trustedDomains
        standings = estate.standings
        surroundings = estate.surroundings
    }

    /// The part of the policy by which the role decides.
    package var policy: Policy { Policy(rules: rules, zones: zones, devices: devices) }
}
