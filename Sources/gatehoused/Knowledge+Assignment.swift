import Address
import Policy
import Resolver
import Supervisor
import Wire

extension Knowledge {
    /// What follows from the policy and from what is seen of the home.
    ///
    /// - Parameter lists: the names of blocklists, by their contents.
    init(_ assignment: NamesAssignment, lists: [String: NameSet]) {
        let surroundings = assignment.surroundings
        self.init(
            home: HomeNames(domain: Self.domain, gateway: Self.gateway, hosts: assignment.hosts),
            filter: NameFilter(assignment, lists),
            trusted: Set(assignment.trustedDomains.compactMap { DNSName($0) }),
            announced: NameSet(domains: assignment.policy.addressRules.compactMap(\.domain)),
            isInside: Self.isInside(surroundings, assignment.policy),
            questionsPerSecond: Self.questionsPerSecond(assignment))
    }

    private static func questionsPerSecond(_ assignment: NamesAssignment) -> @Sendable (Visitor) -> Int? {
        let limits = LimitTable(assignment.limits, in: assignment.surroundings, standings: assignment.standings)
        return { visitor in
            let address = visitor.source.endpoint?.address.unmapped ?? .v4(0)
            return limits.limit(forClient: address, device: visitor.member).questions
        }
    }

    /// RFC 8375.
    fileprivate static let domain = "home.arpa"
    fileprivate static let gateway = "gatehouse"

    /// The gateway's address towards the internet is no place inside: a name that leads there is how the home's own services are
    /// known outside, and its devices come back to them by a forward.
    private static func isInside(
        _ surroundings: Surroundings, _ policy: Policy
    ) -> @Sendable (IPAddress) -> Bool {
        let inner = surroundings.interfaces.filter {
            policy.zone(of: $0.name).map { $0.name != Zone.internet } ?? false
        }
        let own = Set(inner.flatMap(\.addresses).map(\.address))
        return { address in
            let real = address.unmapped
            // What a name server says of a name that it refuses leads nowhere.
            if real.isUnspecified { return false }
            let embedded = real.embedded.map { IPAddress.v4($0).special != nil } ?? false
            return real.special != nil || embedded || own.contains(real)
        }
    }
}

extension NamesAssignment {
    /// The gateway, what the operator named, and what names itself; the first that claims a name has it.
    fileprivate var hosts: [HomeNames.Host] {
        let served = zones.filter(\.answersNames).flatMap(\.interfaces)
        let own = surroundings.interfaces.filter { served.contains($0.name) }.flatMap(\.addresses).map(\.address)
        var hosts = [HomeNames.Host(labels: [Knowledge.gateway], addresses: own.filter { $0.special != .linkLocal })]
        for device in devices {
            let member = surroundings.household.member(device.hardware)
            let addresses = member.map(\.known) ?? []
            let fixed = device.address.map { addresses.contains($0) ? [] : [$0] } ?? []
            hosts.append(.init(labels: [device.name], addresses: addresses + fixed))
        }
        let names = policy.deviceNames(in: surroundings.household)
        for member in byPresence {
            let labels = [names[member.number], member.ownName].compactMap(\.self)
            hosts.append(.init(labels: labels.filter { !Self.reserved.contains($0) }, addresses: member.known))
        }
        return hosts
    }

    /// Who is there goes before who is away, and the home before other zones: a card that is gone, or a guest, keeps nobody from
    /// a name.
    private var byPresence: [Household.Member] {
        let ranked = surroundings.household.members.map { member in
            let isHome = policy.zone(of: member.interface)?.name == Zone.home
            return (rank: (member.known.isEmpty ? 2 : 0) + (isHome ? 0 : 1), member: member)
        }
        return ranked.sorted { ($0.rank, $0.member.number) < ($1.rank, $1.member.number) }.map(\.member)
    }

    /// Names by which programs find what they trust: no device gets one by asking for it (RFC 7858 is no help there; WPAD,
    /// CERT/CC VU#598349).
    private static let reserved: Set<String> = [
        "wpad", "isatap", "localhost", "local", "gatehouse", "gateway", "router", "proxy", "autodiscover",
    ]
}

extension Household.Member {
    /// The addresses that mean something beyond one link.
    fileprivate var known: [IPAddress] { addresses.filter { $0.special != .linkLocal } }
}

extension NameFilter {
    fileprivate init(_ assignment: NamesAssignment, _ contents: [String: NameSet]) {
        let policy = assignment.policy
        let members = Dictionary(assignment.standings.map { ($0.name, $0.number) }) { first, _ in first }
        let names = Dictionary(assignment.standings.map { ($0.number, $0.name) }) { first, _ in first }
        var (general, byZone, byMember): (Lists, [UInt16: Lists], [UInt16: Lists]) = (0, [:], [:])
        for (index, list) in assignment.blocklists.prefix(Self.mostLists).enumerated() {
            let bit: Lists = 1 << Lists(index)
            if let name = list.device {
                if let member = members[name] { byMember[member, default: 0] |= bit }
            } else if let zone = list.zone {
                byZone[policy.number(ofZone: zone), default: 0] |= bit
            } else {
                general |= bit
            }
        }
        let lists = assignment.blocklists.map { List(name: $0.name, names: contents[$0.content] ?? .empty) }
        let domains = policy.rules.filter { $0.action == .deny }.compactMap(\.domain)
        self.init(
            lists: lists, general: general, byZone: byZone, byMember: byMember, ruledNames: NameSet(domains: domains)
        ) { name, visitor in
            guard let client = visitor.source.endpoint?.address else { return nil }
            return policy.ruleAgainst(name: "\(name)", from: client, device: names[visitor.member])
        }
    }
}
