import Address
import Policy

/// Policies as an operator could make them on the gateway of a `Home`, drawn at random: each thing goes through the check that
/// it would go through there.
struct PolicyDraw: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    // splitmix64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    private mutating func one<Element>(of choices: [Element]) -> Element { choices.randomElement(using: &self)! }
    private mutating func several<Element>(of choices: [Element]) -> [Element] {
        choices.filter { _ in Bool.random(using: &self) }
    }
    private mutating func perhaps<Element>(_ value: Element) -> Element? { Bool.random(using: &self) ? value : nil }
    private mutating func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &self) }
    private mutating func perhaps(_ range: ClosedRange<Int>) -> Int? { perhaps(number(range)) }

    private static func address(_ text: String) -> InterfaceAddress { InterfaceAddress(text)! }
    private static let own = (v4: address("192.168.10.1/24"), v6: address("fd12:3456:789a:1::1/64"))

    /// - Parameter now: seconds since 1970; what ends by itself ends a day later or more.
    mutating func policy(now: Int) throws -> Policy {
        var policy = Policy(zones: zones())
        let surroundings = Self.surroundings(policy)
        policy.firewall = one(of: FirewallMode.allCases)
        policy.defaultAction = one(of: Rule.Action.allCases)
        policy.sessionLogging = one(of: SessionLogging.allCases)
        policy.devices = devices(policy, now)
        policy.users = several(of: ["anna", "bob o'neil", "-dash", "zoë $HOME \"x\"", "b\\ackslash"]).map { name in
            User(name: name, passwordHash: hash())
        }
        for passage in passages(policy) { try? policy.allow(passage) }
        for listener in listeners(policy) { try? policy.add(listener, in: surroundings) }
        for _ in 0..<number(0...6) { addRule(to: &policy) }
        for limit in limits(policy) { try? policy.set(limit) }
        for opening in openings(policy, now) { try? policy.open(opening, in: surroundings) }
        for forward in forwards(policy, now) { try? policy.add(forward, in: surroundings) }
        for list in blocklists(policy) { try policy.set(list) }
        policy.egress = one(of: EgressMode.allCases)
        for exit in exits() { try policy.add(exit) }
        for domain in several(of: ["plex.direct", "home.example", "xn--bcher-kva.example"]) {
            try policy.trust(domain: domain)
        }
        try policy.set(
            BanTerms(
                guesses: perhaps(3...100), scans: perhaps(3...100), floods: perhaps(3...10_000),
                seconds: number(10...86_400), secondsAtHome: number(10...3600)))
        for network in several(of: ["192.0.2.0/24", "2001:db8:5::/48", "198.51.100.7/32"]) {
            try policy.spare(Network(network)!)
        }
        try policy.check(in: surroundings)
        return policy
    }

    /// The names of a list, as it keeps them.
    static func names(of list: Blocklist) -> [String] {
        if list.direction != nil { return (0..<list.count).map { "198.51.\(2 * $0).0/24" } }
        return (0..<list.count).map { "\($0 % 2 == 0 ? "." : "")\(list.name)\($0).example" }
    }

    /// The gateway of a `Home` that has the addresses of the policy.
    private static func surroundings(_ policy: Policy) -> Surroundings {
        let given = policy.zones.filter { $0.interfaces.first == "lan0" }.flatMap(\.addresses)
        return Surroundings(interfaces: [
            .init(name: "lo", addresses: [address("127.0.0.1/8"), address("::1/128")], isLoopback: true),
            .init(name: "lan0", addresses: [address("192.168.77.1/24"), address("fd77::1/64")] + given),
            .init(name: "wan0", addresses: [address("203.0.112.1/24"), address("2001:db9:113::1/64")]),
        ])
    }

    private mutating func zones() -> [Zone] {
        var home = Zone(name: Zone.home, interfaces: one(of: [["lan0"], ["lan0", "wlan9"], ["lan0"], []]))
        if !home.interfaces.isEmpty { home.addresses = one(of: [[], [Self.own.v4], [Self.own.v4, Self.own.v6]]) }
        home.way = one(of: Way.allCases)
        home.newDevices = perhaps(one(of: Way.allCases))
        // A zone whose devices get addresses, and that has none of IPv6, is given one, or keeps the one that it had. The gateway's
        // own addresses are the first interface's, and on the others it would have none.
        home.service = service(
            "192.168.10", canGive: home.addresses.contains(Self.own.v6) && home.interfaces.count == 1)
        let internet = Zone(
            name: Zone.internet, interfaces: one(of: [["wan0"], ["wan0", "ppp0"], []]),
            way: one(of: [.routed, .routed, .proxy]))
        var zones = [home, internet]
        if Bool.random(using: &self) {
            var guest = Zone(name: "guest", interfaces: one(of: [["guest0"], ["guest0", "guest1"]]))
            if !home.addresses.isEmpty, Bool.random(using: &self) {
                guest.addresses = [Self.address("192.168.20.1/24")]
            }
            guest.way = one(of: Way.allCases)
            guest.service = service("192.168.20", canGive: !guest.addresses.isEmpty && guest.interfaces.count == 1)
            zones.append(guest)
        }
        if Bool.random(using: &self) { zones.append(Zone(name: "my-things_2", newDevices: perhaps(.blocked))) }
        return zones.sorted { $0.name < $1.name }
    }

    private mutating func service(_ network: String, canGive: Bool) -> Zone.Service? {
        guard Bool.random(using: &self) else { return nil }
        var service = Zone.Service(dhcp: canGive && Bool.random(using: &self), names: Bool.random(using: &self))
        if !service.dhcp { service.names = true }
        if service.dhcp { service.range = perhaps(AddressRange("\(network).100-\(network).\(number(101...199))")!) }
        service.strayNames = one(of: Zone.StrayNames.allCases)
        return service
    }

    private mutating func devices(_ policy: Policy, _ now: Int) -> [Device] {
        let served = policy.zones.filter { $0.service?.dhcp == true }.map(\.name)
        let isFixed =
            policy.zone(named: Zone.home)?.addresses.isEmpty == false && (served.isEmpty || served.contains(Zone.home))
        return several(of: Array(["kid", "tv", "nas", "anna-phone"].enumerated())).map { index, name in
            var device = Device(name: name, hardware: HardwareAddress("02:00:00:00:00:0\(index + 1)")!)
            device.way = perhaps(one(of: Way.allCases))
            if isFixed { device.address = perhaps(IPAddress("192.168.10.2\(index)")!) }
            device.pause = one(of: [nil, .forever, .until(now + number(86_400...864_000))])
            device.schedule = perhaps(
                Schedule(one(of: ["mon-fri 07:00-21:00,sat-sun 09:00-22:00", "fri-sat 18:00-01:00"]))!)
            return device
        }
    }

    /// `scrypt$LOG2N$R$P$SALT$KEY`: nobody has to log in with it.
    private mutating func hash() -> String {
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
        return PasswordHash(log2N: number(10...14), r: 8, p: 1, salt: bytes(16), key: bytes(32)).description
    }

    private mutating func listeners(_ policy: Policy) -> [Listener] {
        let addresses = ["127.0.0.1", "::1", "192.168.77.1", "fd77::1", "192.168.10.1", "0.0.0.0", "::"]
        return (0..<number(0...6)).map { index in
            // A port of 0.0.0.0 cannot be opened before the same one of another address is shut, which comes after it: each
            // address has ports of its own.
            let place = number(0...addresses.count - 1)
            let address = IPAddress(addresses[place])!
            let isIPv6 = if case .v6 = address { true } else { false }
            var listener = Listener(
                kind: one(of: [.socks5, .http, .https, .mixed]),
                endpoint: Endpoint(address: address, port: UInt16(10_000 + 10 * index + place)))
            listener.authentication = one(of: Listener.Authentication.allCases)
            listener.place = one(of: [.anywhere, .zone(Zone.home), .zone("guest"), .interface("lan0")])
            // A socket that is bound to an interface needs it.
            if listener.place == .zone("guest") { listener.authentication = .required }
            listener.clients = several(
                of: (isIPv6 ? ["fd77::/64", "2001:db8::7"] : ["192.168.77.0/25", "10.0.0.0/8"])
            )
            .map { Network($0)! }
            if listener.authentication == .required { listener.users = several(of: policy.users.map(\.name)) }
            guard listener.kind.speaksSOCKS else { return listener }
            listener.socks.allowsVersion4 = listener.authentication == .none && Bool.random(using: &self)
            listener.socks.advertisedAddress = perhaps(IPAddress(isIPv6 ? "2001:db8::9" : "203.0.113.9")!)
            let first = 20_000 + 100 * index
            listener.socks.udpPorts = perhaps(PortRange("\(first)-\(first + 9)")!)
            listener.socks.bindPorts = perhaps(PortRange("\(first + 50)")!)
            return listener
        }
    }

    private mutating func addRule(to policy: inout Policy) {
        let transport = perhaps(one(of: [IPProtocol.tcp, .udp, .icmp, IPProtocol(number: 47)]))
        let hasPorts = [nil, .tcp, .udp].contains(transport)
        var rule = Rule(
            id: policy.rules.count + 1, action: one(of: Rule.Action.allCases),
            device: policy.devices.randomElement(using: &self).flatMap { perhaps($0.name) },
            user: policy.users.randomElement(using: &self).flatMap { perhaps($0.name) },
            client: perhaps(Network(one(of: ["192.168.77.0/24", "fd77::/64", "192.168.77.8"]))!),
            destination: perhaps(Network(one(of: ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]))!),
            domain: perhaps(one(of: ["example.com", "games.example"])),
            transport: transport, ports: hasPorts ? perhaps(PortRange(one(of: ["25", "6881-6889"]))!) : nil)
        if rule.device != nil, rule.action == .allow { rule.origin = one(of: Rule.Origin.allCases) }
        // One that says what another has said already is none that anybody could add.
        try? policy.add(rule)
    }

    private mutating func limits(_ policy: Policy) -> [Limit] {
        var subjects: [Limit.Subject] = [.eachClient, .eachUser, .client(Network("192.168.77.0/25")!)]
        subjects += policy.users.map { .user($0.name) } + policy.devices.map { .device($0.name) }
        return several(of: subjects).map { subject in
            var limit = Limit(subject: subject)
            (limit.sessions, limit.rate) = (perhaps(1...5000), perhaps(1...500))
            limit.bandwidth = perhaps(1024...9_999_999)
            if limit.isForClients {
                (limit.handshakes, limit.lookups, limit.questions) = (
                    perhaps(1...512), perhaps(1...64), perhaps(1...1000)
                )
            }
            return limit
        }
    }

    private mutating func openings(_ policy: Policy, _ now: Int) -> [Opening] {
        let services = ["tcp 22", "tcp 8000-8010", "udp 51820", "protocol gre", "protocol 99"]
        return several(of: ["ssh", "-vpn", "it's", "print"]).map { name in
            Opening(
                name: name, services: several(of: services).map { Opening.Service($0)! },
                place: one(of: [.anywhere, .zone(Zone.home), .zone(Zone.internet), .zone("guest"), .interface("lan0")]),
                source: perhaps(Network(one(of: ["10.9.0.0/16", "2001:db8:9::/48"]))!),
                until: perhaps(now + 86_400...now + 864_000))
        }
    }

    private mutating func passages(_ policy: Policy) -> [Passage] {
        let names = policy.zones.map(\.name)
        let services = ["tcp 631", "udp 5353", "protocol esp"]
        return names.flatMap { from in names.map { (from, $0) } }.compactMap { from, to in
            guard Bool.random(using: &self) else { return nil }
            return Passage(from: from, to: to, services: several(of: services).map { Opening.Service($0)! })
        }
    }

    private mutating func forwards(_ policy: Policy, _ now: Int) -> [Forward] {
        guard !policy.devices.isEmpty else { return [] }
        return several(of: ["web", "game", "-x"]).enumerated().map { index, name in
            Forward(
                name: name, transport: one(of: Opening.Transport.allCases), port: UInt16(40_000 + index),
                device: one(of: policy.devices.map(\.name)), devicePort: perhaps(UInt16(80 + index)),
                source: perhaps(Network("198.51.100.0/24")!), until: perhaps(now + 86_400...now + 864_000))
        }
    }

    private mutating func exits() -> [Exit] {
        let services = [
            Opening.Service("tcp 22")!, Opening.Service("udp 5000-5100")!, Opening.Service("protocol gre")!,
        ]
        return several(of: ["backup", "mail", "it's"]).map { name in
            Exit(
                name: name, user: perhaps(one(of: ["root", "games"])),
                destination: perhaps(Network(one(of: ["203.0.112.7", "2001:db8::/32", "0.0.0.0/0"]))!),
                services: [services[0]] + several(of: Array(services[1...])))
        }
    }

    private mutating func blocklists(_ policy: Policy) -> [Blocklist] {
        several(of: ["ads", "late", "games"]).map { name in
            var list = Blocklist(name: name, count: number(1...9), content: "")
            switch number(0...2) {
            case 0: list.zone = Zone.home
            case 1: list.device = policy.devices.randomElement(using: &self)?.name
            default: list.direction = one(of: [nil, .in, .out, .both])
            }
            return list
        }
    }
}
