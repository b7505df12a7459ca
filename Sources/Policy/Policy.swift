// Policy: what the operator wants, as plain values, and the decisions that follow from it.
//
// It knows addresses, listeners, users, rules and openings. It must never do I/O, read a clock or keep state: the same
// policy and the same surroundings always give the same answer, so that every decision can be tested as a table.

package import Address

/// Everything that the operator has decided. One value, one revision.
package struct Policy: Codable, Hashable, Sendable {
    /// Listeners, each with an endpoint of its own.
    package var listeners: [Listener]
    /// Users, by name.
    package var users: [User]
    /// Rules on who may go where; the first that matches decides.
    package var rules: [Rule]
    /// What holds where no rule matches.
    package var defaultAction: Rule.Action
    /// What clients and users may use up.
    package var limits: [Limit]
    /// Openings that the operator asked for beside those of the listeners (SSH, say).
    package var openings: [Opening]
    /// Whether the kernel holds the ruleset, or it is only shown.
    package var firewall: FirewallMode
    /// The zones, `home` and `internet` among them.
    package var zones: [Zone]
    /// Where it is told what comes of sessions.
    package var sessionLogging: SessionLogging
    /// The devices about which something was decided.
    package var devices: [Device]
    /// Which zones may begin conversations with which others, beside those of each zone with the internet.
    package var passages: [Passage]
    /// Doors from the internet to devices.
    package var forwards: [Forward]
    /// Names that are not told.
    package var blocklists: [Blocklist]
    /// What becomes of what the box itself begins.
    package var egress: EgressMode
    /// What its programs may begin where that is strict.
    package var exits: [Exit]
    /// The domains whose answers from outside may lead into the home, each with all that is below it; in ascending order.
    package var trustedDomains: [String]
    /// When a source is banned by itself, and for how long.
    package var bans: BanTerms

    /// - Parameters:
    ///   - lan: the interfaces of the zone `home`; empty: as `zones` has them.
    ///   - wan: the interfaces of the zone `internet`; empty: as `zones` has them.
    package init(
        listeners: [Listener] = [], users: [User] = [], rules: [Rule] = [], defaultAction: Rule.Action = .allow,
        limits: [Limit] = [], openings: [Opening] = [], firewall: FirewallMode = .observe,
        zones: [Zone] = Zone.builtIn, lan: [String] = [], wan: [String] = [],
        sessionLogging: SessionLogging = .quiet, devices: [Device] = [], passages: [Passage] = [],
        forwards: [Forward] = [], blocklists: [Blocklist] = [], egress: EgressMode = .observe, exits: [Exit] = [],
        trustedDomains: [String] = [], bans: BanTerms = BanTerms()
    ) {
        self.listeners = listeners
        self.users = users
        self.rules = rules
        self.defaultAction = defaultAction
        self.limits = limits
        self.openings = openings
        self.firewall = firewall
        self.zones = zones
        self.sessionLogging = sessionLogging
        self.devices = devices
        self.passages = passages
        self.forwards = forwards
        self.blocklists = blocklists
        self.egress = egress
        self.exits = exits
        self.trustedDomains = trustedDomains
        self.bans = bans
        if !lan.isEmpty { self.lan = lan }
        if !wan.isEmpty { self.wan = wan }
    }

    /// A copy that a version before kept has no word on how sessions are logged, and none on devices.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        listeners = try container.decode([Listener].self, forKey: .listeners)
        users = try container.decode([User].self, forKey: .users)
        rules = try container.decode([Rule].self, forKey: .rules)
        defaultAction = try container.decode(Rule.Action.self, forKey: .defaultAction)
        limits = try container.decode([Limit].self, forKey: .limits)
        openings = try container.decode([Opening].self, forKey: .openings)
        firewall = try container.decode(FirewallMode.self, forKey: .firewall)
        zones = try container.decode([Zone].self, forKey: .zones)
        sessionLogging = try container.decodeIfPresent(SessionLogging.self, forKey: .sessionLogging) ?? .quiet
        devices = try container.decodeIfPresent([Device].self, forKey: .devices) ?? []
        passages = try container.decodeIfPresent([Passage].self, forKey: .passages) ?? []
        forwards = try container.decodeIfPresent([Forward].self, forKey: .forwards) ?? []
        blocklists = try container.decodeIfPresent([Blocklist].self, forKey: .blocklists) ?? []
        egress = try container.decodeIfPresent(EgressMode.self, forKey: .egress) ?? .observe
        exits = try container.decodeIfPresent([Exit].self, forKey: .exits) ?? []
        trustedDomains = try container.decodeIfPresent([String].self, forKey: .trustedDomains) ?? []
        bans = try container.decodeIfPresent(BanTerms.self, forKey: .bans) ?? BanTerms()
    }
}

package enum FirewallMode: String, Codable, Hashable, Sendable, CaseIterable {
    /// The kernel holds the ruleset.
    case enforce
    /// The ruleset is computed and shown; the kernel is not touched.
    case observe
}

/// A port on which a proxy accepts clients.
package struct Listener: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
        case socks5, http
        /// The HTTP proxy, spoken to inside TLS (RFC 9110 §4.2.2).
        case https
        /// SOCKS5 or HTTP, told apart by the client's first byte.
        case mixed
        /// Questions for names (RFC 1035), over UDP and TCP. It follows from a zone that is served, and is never added by hand.
        case dns

        /// Whether it is one that the operator adds.
        package var isProxy: Bool { self != .dns }

        /// Whether clients may speak SOCKS5 to it.
        package var speaksSOCKS: Bool { self == .socks5 || self == .mixed }
        /// Whether clients may speak HTTP to it, inside TLS or not.
        package var speaksHTTP: Bool { [.http, .https, .mixed].contains(self) }
    }

    package enum Authentication: String, Codable, Hashable, Sendable, CaseIterable {
        /// Whoever can reach the port may use it.
        case none
        /// User and password (RFC 1929; RFC 7617).
        case required
    }

    package var kind: Kind
    package var endpoint: Endpoint
    package var authentication: Authentication
    /// The interface that the socket is bound to (SO_BINDTODEVICE, socket(7)); nil: whichever holds the address.
    package var interface: String?
    /// The zone from whose interfaces clients come; nil: `interface` says, or the address alone. Never beside an `interface`.
    package var zone: String?
    /// The networks from which clients are served; empty: every one.
    package var clients: [Network]
    /// The users who may use it, by name; empty: every user there is. Only where a password is asked for.
    package var users: [String]
    /// What a listener that speaks SOCKS5 does beside CONNECT.
    package var socks: SOCKSOptions

    package struct SOCKSOptions: Codable, Hashable, Sendable {
        /// Whether SOCKS4 and SOCKS4a are spoken too, which know no password.
        package var allowsVersion4: Bool
        /// The address that a reply to UDP ASSOCIATE names (RFC 1928 §6, BND.ADDR) in place of the socket's own: for
        /// clients that reach the gateway through NAT.
        package var advertisedAddress: IPAddress?
        /// The ports that UDP associations receive on; nil: whichever the kernel gives (ip_local_port_range, ip(7)).
        package var udpPorts: PortRange?
        /// The ports that BIND listens on, open to the outside while it does; nil: whichever the kernel gives, and the
        /// firewall opens none of them.
        package var bindPorts: PortRange?

        package init(
            allowsVersion4: Bool = false, advertisedAddress: IPAddress? = nil, udpPorts: PortRange? = nil,
            bindPorts: PortRange? = nil
        ) {
            self.allowsVersion4 = allowsVersion4
            self.advertisedAddress = advertisedAddress
            self.udpPorts = udpPorts
            self.bindPorts = bindPorts
        }
    }

    package init(
        kind: Kind, endpoint: Endpoint, authentication: Authentication = .none, interface: String? = nil,
        zone: String? = nil, clients: [Network] = [], users: [String] = [], socks: SOCKSOptions = SOCKSOptions()
    ) {
        self.kind = kind
        self.endpoint = endpoint
        self.authentication = authentication
        self.interface = interface
        self.zone = zone
        self.clients = clients
        self.users = users
        self.socks = socks
    }

    /// Where its clients come in.
    package var place: Place {
        get { if let interface { .interface(interface) } else if let zone { .zone(zone) } else { .anywhere } }
        set {
            (interface, zone) = (nil, nil)
            switch newValue {
            case .anywhere: break
            case .zone(let name): zone = name
            case .interface(let name): interface = name
            }
        }
    }

    /// What is left out is as `init` has it.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        kind = try container.decode(Kind.self, forKey: .kind)
        endpoint = try container.decode(Endpoint.self, forKey: .endpoint)
        authentication = try container.decode(Authentication.self, forKey: .authentication)
        interface = try container.decodeIfPresent(String.self, forKey: .interface)
        zone = try container.decodeIfPresent(String.self, forKey: .zone)
        clients = try container.decodeIfPresent([Network].self, forKey: .clients) ?? []
        users = try container.decodeIfPresent([String].self, forKey: .users) ?? []
        socks = try container.decodeIfPresent(SOCKSOptions.self, forKey: .socks) ?? SOCKSOptions()
    }
}

/// Somebody who may use the listeners that ask for a password.
package struct User: Codable, Hashable, Sendable {
    /// 1 to 255 bytes (RFC 1929 §2), no colon (RFC 7617 §2), no control character.
    package var name: String
    /// `scrypt$LOG2N$R$P$SALT$KEY`, salt and key in hexadecimal (`PasswordHash`).
    package var passwordHash: String

    package init(name: String, passwordHash: String) {
        self.name = name
        self.passwordHash = passwordHash
    }
}

/// Says for whoever it is about whether they may go where it is about, through the proxies and past them by the kernel. What a
/// rule does not name it does not ask for: one that names nothing is about everybody and everywhere.
package struct Rule: Codable, Hashable, Sendable {
    package enum Action: String, Codable, Hashable, Sendable, CaseIterable {
        case allow, deny
    }

    /// Unique; rules are tried in ascending order.
    package var id: Int
    package var action: Action
    /// The device that asks, by name.
    package var device: String?
    /// The user who asks, by name: a rule that names one is about the proxies alone.
    package var user: String?
    /// The network from which the client comes.
    package var client: Network?
    /// The network in which the destination's address is. An `allow` that names one opens it, even where
    /// the built-in guard (`DestinationGuard`) would deny it; an `allow` that names none leaves the guard in force.
    package var destination: Network?
    /// The name that the client asked for, or a parent of it: `example.com` is about `www.example.com` too. Normalised as
    /// by `Host`.
    package var domain: String?
    /// What carries it. ICMP stands for ICMPv6 as well. The proxies speak TCP and UDP alone.
    package var transport: IPProtocol?
    /// The destination's port, of TCP and UDP.
    package var ports: PortRange?
    /// What made the rule and takes it away.
    package var origin: Origin

    package enum Origin: String, Codable, Hashable, Sendable, CaseIterable {
        /// The operator.
        case hand
        /// `device hold`, and `device release`.
        case hold
    }

    /// What the kernel's rules are called that are made of this one.
    package var ruleName: String { "rule \(id)" }
    /// What those are called that stand behind all, where the default is to deny.
    package static let noneAllows = "no rule allows it"

    package init(
        id: Int, action: Action, device: String? = nil, user: String? = nil, client: Network? = nil,
        destination: Network? = nil, domain: String? = nil, transport: IPProtocol? = nil, ports: PortRange? = nil,
        origin: Origin = .hand
    ) {
        self.id = id
        self.action = action
        self.device = device
        self.user = user
        self.client = client
        self.destination = destination
        self.domain = domain
        self.transport = transport
        self.ports = ports
        self.origin = origin
    }

    /// A copy that a version before kept has no word on what made the rule.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(Int.self, forKey: .id)
        action = try container.decode(Action.self, forKey: .action)
        device = try container.decodeIfPresent(String.self, forKey: .device)
        user = try container.decodeIfPresent(String.self, forKey: .user)
        client = try container.decodeIfPresent(Network.self, forKey: .client)
        destination = try container.decodeIfPresent(Network.self, forKey: .destination)
        domain = try container.decodeIfPresent(String.self, forKey: .domain)
        transport = try container.decodeIfPresent(IPProtocol.self, forKey: .transport)
        ports = try container.decodeIfPresent(PortRange.self, forKey: .ports)
        origin = try container.decodeIfPresent(Origin.self, forKey: .origin) ?? .hand
    }
}

/// What somebody may use up, over both proxies together. What is nil is not limited.
package struct Limit: Codable, Hashable, Sendable {
    /// Whom it holds for. One that names a device goes before one that names a network; one that names a user or a network goes
    /// before the one for each.
    package enum Subject: Hashable, Sendable {
        /// Each client address on its own.
        case eachClient
        /// Each client address of this network on its own.
        case client(Network)
        /// A device of the home, at all its addresses together.
        case device(String)
        /// Each user on their own.
        case eachUser
        case user(String)
    }

    /// Unique.
    package var subject: Subject
    /// Sessions at once, from 1.
    package var sessions: Int?
    /// New sessions per second, from 1; five seconds' worth may come at once.
    package var rate: Int?
    /// Bytes per second, each way, from 1024.
    package var bandwidth: Int?
    /// Of a client: sessions at once whose client has not said yet what it wants (TLS, login and request), from 1.
    package var handshakes: Int?
    /// Of a client: names being looked up at once, by each thread of a proxy, from 1. What is beyond it waits.
    package var lookups: Int?
    /// Of a client of a served zone: questions for names per second, from 1; a second's worth may come at once. What is beyond it
    /// is not answered.
    package var questions: Int?

    package init(
        subject: Subject, sessions: Int? = nil, rate: Int? = nil, bandwidth: Int? = nil, handshakes: Int? = nil,
        lookups: Int? = nil, questions: Int? = nil
    ) {
        self.subject = subject
        self.sessions = sessions
        self.rate = rate
        self.bandwidth = bandwidth
        self.handshakes = handshakes
        self.lookups = lookups
        self.questions = questions
    }

    /// What holds for each client until the operator says otherwise: more than a household's busiest device comes to (a browser opens
    /// some hundred connections at once, a file sharing program some thousand), and little enough that a single one cannot use up
    /// the machine.
    package static let standard = Limit(
        subject: .eachClient, sessions: 4096, rate: 100, handshakes: 512, lookups: 64, questions: 1000)

    /// As `standard`, on a machine that may be small: no client has more than a quarter of what one proxy can carry.
    package static func standard(in surroundings: Surroundings) -> Limit {
        var limit = standard
        if let capacity = surroundings.capacity, let most = limit.sessions {
            limit.sessions = min(most, max(capacity / 4, 1))
            limit.handshakes = limit.handshakes.map { min($0, max(capacity / 8, 1)) }
        }
        return limit
    }

    /// What a limit for `subject` begins with, before the operator has said anything.
    package static func initial(for subject: Subject, in surroundings: Surroundings) -> Limit {
        var limit = Limit(subject: subject)
        switch subject {
        case .eachUser, .user: break
        case .eachClient, .client, .device:
            limit = .standard(in: surroundings)
            limit.subject = subject
        }
        return limit
    }

    /// Whether it is about addresses, and not about who logs in.
    package var isForClients: Bool {
        switch subject {
        case .eachClient, .client, .device: true
        case .eachUser, .user: false
        }
    }

    /// Whether it bounds nothing.
    package var isEmpty: Bool {
        sessions == nil && rate == nil && bandwidth == nil && handshakes == nil && lookups == nil && questions == nil
    }
}
