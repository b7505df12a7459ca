package import Address
package import Policy
package import Ruleset

/// Everything that shares are made of. No role ever sees all of it.
struct Estate {
    var policy: Policy
    var surroundings: Surroundings
    /// The listeners that have a socket, with the accounts of their sessions. A listener without one gets no opening, and is
    /// named to nobody.
    var live: [RelayAssignment.Account]
    /// How the devices stand at present.
    var standings: [DeviceStanding] = []
    /// The devices that time keeps from everything at present.
    var held: Set<HardwareAddress> = []
    /// nil: there is no https listener, or nothing to show for it.
    var identity: ServerIdentity?
    /// The certificate of the gateway's own authority, as PEM; nil: `identity` is not by it.
    var authority: String?
    var hold: FirewallAssignment.Hold
    /// The table is marked as the firewall role's own, where the kernel can do that.
    var ownsTable: Bool
    /// nil: no change is on trial, or it alters no rule of the firewall.
    var former: FirewallAssignment.Former?
}

/// A role's share, made by the role's row of the table. It names what it takes: a field that is new to the policy reaches a
/// role only when somebody writes it down here.
enum Share: Hashable {
    case relay(RelayAssignment)
    case firewall(FirewallAssignment)
    case names(NamesAssignment)

    /// - Parameter former: the share that the process has. nil: it has none.
    func encode(since former: Share?) -> [UInt8] {
        switch self {
        case .relay(let share): Message.encode(RelayAlteration(to: share, from: former?.relay))
        case .firewall(let share): Message.encode(share)
        case .names(let share): Message.encode(share)
        }
    }

    private var relay: RelayAssignment? { if case .relay(let share) = self { share } else { nil } }

    /// The listeners whose sockets the role has to have.
    var accounts: [RelayAssignment.Account] {
        switch self {
        case .relay(let share): share.accounts
        case .names(let share): share.accounts
        case .firewall: []
        }
    }

    /// The blocklists whose names or networks the role has to have.
    var blocklists: [Blocklist] {
        switch self {
        case .names(let share): share.blocklists
        case .firewall(let share): share.blocklists + (share.former?.policy?.blocklists ?? [])
        case .relay: []
        }
    }

    /// nil: it has no certificate to show.
    var identity: ServerIdentity? {
        if case .relay(let share) = self { share.identity } else { nil }
    }
}

/// A relay's share.
package struct RelayAssignment: Codable, Hashable, Sendable {
    package struct Account: Codable, Hashable, Sendable {
        package var listener: Listener
        /// Where its sessions are counted.
        package var number: UInt16
    }

    /// The listeners that the relay serves.
    package var accounts: [Account]
    /// The listeners of all roles, which the PAC file names and the destination guard knows.
    package var listeners: [Listener]
    /// Empty where no listener of the role asks for a password: a role that needs no hashes gets none.
    package var users: [User]
    package var rules: [Rule]
    package var defaultAction: Rule.Action
    package var limits: [Limit]
    package var zones: [Zone]
    package var sessionLogging: SessionLogging
    /// How the devices stand at present.
    package var standings: [DeviceStanding]
    /// Without the household, of which `standings` tells what is needed.
    package var surroundings: Surroundings
    /// The certificate of its https listeners. nil: the role has no such listener, or there is no certificate.
    package var identity: ServerIdentity?
    /// The certificate, as PEM, that devices have to trust for that, and can fetch; nil: `identity` is by another authority.
    package var authority: String?

    init(_ estate: Estate, for role: Role) {
        let policy = estate.policy
        accounts = estate.live.filter { $0.listener.role == role }
        listeners = estate.live.map(\.listener)
        users = accounts.contains { $0.listener.authentication == .required } ? policy.users : []
        rules = policy.rules
        defaultAction = policy.defaultAction
        limits = policy.limits
        zones = policy.zones
        sessionLogging = policy.sessionLogging
        standings = estate.standings
        surroundings = Surroundings(
            interfaces: estate.surroundings.interfaces, capacity: estate.surroundings.capacity)
        identity = accounts.contains { $0.listener.kind == .https } ? estate.identity : nil
        authority = identity == nil ? nil : estate.authority
    }

    /// The part of the policy by which the relay decides.
    package var policy: Policy {
        Policy(
            listeners: listeners, users: users, rules: rules, defaultAction: defaultAction, limits: limits,
            zones: zones, sessionLogging: sessionLogging)
    }
}

/// The firewall role's share.
package struct FirewallAssignment: Codable, Hashable, Sendable {
    /// What the kernel is asked to hold.
    package enum Hold: String, Codable, Hashable, Sendable {
        /// The kernel holds the ruleset.
        case enforced
        /// The ruleset is shown only. A table from before is left alone.
        case shown
        /// The ruleset is shown only, and the table that the kernel holds, or may hold, goes.
        case released
    }

    package var hold: Hold
    /// The table is marked as the role's own, where the kernel can do that.
    package var ownsTable: Bool
    /// The listeners that have a socket.
    package var listeners: [Listener]
    package var openings: [Opening]
    /// Those about no user: the kernel knows none.
    package var rules: [Rule]
    package var defaultAction: Rule.Action
    package var zones: [Zone]
    package var devices: [Device]
    package var passages: [Passage]
    package var forwards: [Forward]
    /// Those of networks.
    package var blocklists: [Blocklist]
    package var egress: EgressMode
    package var exits: [Exit]
    package var bans: BanTerms
    /// The devices that time keeps from everything at present. The kernel knows by itself; but what is under way with them has to be
    /// ended when that changes.
    package var held: Set<HardwareAddress>
    /// Those of clients, from which it follows how fast they may knock.
    package var limits: [Limit]
    package var surroundings: Surroundings
    /// The rules to which the kernel goes back by itself, with every process dead. nil: nothing is on trial.
    package var former: Former?
    /// True if the change on trial is that nothing is filtered.
    package var isOpen: Bool

    /// The parts of policies from which rules follow that were in force once and may have let something begin that is under way, and that
    /// no role has judged by what came after them.
    package var earlier: [Policy] = []

    /// The rules before the change that is on trial.
    package struct Former: Codable, Hashable, Sendable {
        /// The part of the former policy from which its ruleset follows. nil: nothing was filtered.
        package var policy: Policy?
        /// When the trial's time is up, in nanoseconds since the machine was started (CLOCK_BOOTTIME, clock_gettime(2)).
        package var end: Int64
    }

    init(_ estate: Estate) {
        ownsTable = estate.ownsTable
        // A trial is always one of the kernel's table, be it one that filters nothing.
        hold = estate.former == nil ? estate.hold : .enforced
        former = estate.former
        isOpen = estate.former != nil && estate.hold != .enforced
        listeners = estate.live.map(\.listener)
        openings = estate.policy.openings
        rules = estate.policy.rules.filter { $0.user == nil }
        defaultAction = estate.policy.defaultAction
        zones = estate.policy.zones
        devices = estate.policy.devices
        passages = estate.policy.passages
        forwards = estate.policy.forwards
        blocklists = estate.policy.networkLists
        egress = estate.policy.egress
        exits = estate.policy.exits
        bans = estate.policy.bans
        held = estate.held
        limits = estate.policy.limits.filter(\.isForClients)
        surroundings = estate.surroundings
    }

    /// As it is told to a role that has not judged what these let begin. Their listeners went with the daemon.
    func following(_ earlier: [Policy]) -> FirewallAssignment {
        var share = self
        share.earlier = earlier.map { policy in
            let estate = Estate(policy: policy, surroundings: surroundings, live: [], hold: hold, ownsTable: ownsTable)
            return FirewallAssignment(estate).policy
        }
        return share
    }

    /// The part of the policy from which the ruleset follows.
    package var policy: Policy {
        Policy(
            listeners: listeners, rules: rules, defaultAction: defaultAction, limits: limits, openings: openings,
            zones: zones, devices: devices, passages: passages, forwards: forwards, blocklists: blocklists,
            egress: egress, exits: exits, bans: bans)
    }

    /// What the kernel is to hold, or what is shown; a trial lasts as long as it has left.
    ///
    /// - Parameter networks: those of a blocklist, by its content; nil: they cannot be had.
    package func ruleset(_ networks: (String) -> AddressRanges?) -> Ruleset {
        func ruleset(_ policy: Policy) -> Ruleset {
            Ruleset(policy: policy, surroundings: surroundings, networks: networks)
        }
        let now = isOpen ? Ruleset(chains: []) : ruleset(policy)
        guard let former else { return now }
        let before = former.policy.map(ruleset) ?? Ruleset(chains: [])
        let left = Duration.nanoseconds(former.end) - TrialClock.system.sinceBoot()
        return .trial(new: now, old: before, seconds: UInt32(max(1, (left / .seconds(1)).rounded(.up))))
    }
}
