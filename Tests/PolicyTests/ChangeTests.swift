import Address
import Policy
import Testing

private func network(_ text: String) -> Network { Network(text)! }
private let web = PortRange("80-443")

@Suite struct ChangeTests {
    @Test func `A listener is added once, found by its endpoint, and removed`() throws {
        var policy = Policy(lan: ["eth1"])
        let listener = Listener(kind: .http, endpoint: endpoint("127.0.0.1:3128"))
        try policy.add(listener, in: home)
        #expect(policy.listeners == [listener])
        #expect(throws: Refusal.self) { try policy.add(listener, in: home) }
        #expect(throws: Refusal.self) {
            try policy.add(Listener(kind: .socks5, endpoint: endpoint("203.0.112.5:1080")), in: home)
        }
        #expect(policy.listeners == [listener])
        #expect(
            refusal { () throws(Refusal) in try policy.removeListener(on: endpoint("127.0.0.1:1080")) }
                == "no listener on 127.0.0.1:1080; `gatehousectl listener list` shows what there is")
        #expect(try policy.removeListener(on: listener.endpoint) == listener)
        #expect(policy.listeners.isEmpty)
    }

    @Test func `A broken listener can be removed while another is broken`() throws {
        let gone = { (port: Int) in
            Listener(kind: .socks5, endpoint: endpoint("10.9.9.9:\(port)"), authentication: .required)
        }
        var policy = Policy(listeners: [gone(1), gone(2)])
        try policy.removeListener(on: endpoint("10.9.9.9:1"))
        #expect(policy.listeners == [gone(2)])
    }

    @Test func `A user is added, given another password and removed`() throws {
        var policy = Policy()
        try policy.add(User(name: "alice", passwordHash: hash))
        #expect(
            refusal { () throws(Refusal) in try policy.add(User(name: "alice", passwordHash: hash)) }
                == "there is a user alice already; `gatehousectl user passwd alice` gives a new password")
        try policy.setPasswordHash("other", ofUser: "alice")
        #expect(policy.users == [User(name: "alice", passwordHash: "other")])
        #expect(
            refusal { () throws(Refusal) in try policy.setPasswordHash("x", ofUser: "bob") }
                == "no user bob; `gatehousectl user list` shows who there is")
        #expect(throws: Refusal.self) { try policy.removeUser(named: "bob") }
        #expect(throws: Refusal.self) { try policy.add(User(name: "a:b", passwordHash: hash)) }
        try policy.removeUser(named: "alice")
        #expect(policy.users.isEmpty)
    }

    @Test func `A listener is changed where it stands, or not at all`() throws {
        var policy = Policy(
            listeners: [Listener(kind: .http, endpoint: endpoint("127.0.0.1:3128"))],
            users: [User(name: "alice", passwordHash: hash)], lan: ["eth1"])
        let lan = Network("127.1.0.0/16")!
        try policy.changeListener(on: endpoint("127.0.0.1:3128"), in: home) { listener in
            listener.clients = [lan]
            listener.authentication = .required
            listener.users = ["alice"]
            listener.endpoint = endpoint("127.0.0.1:1")
        }
        let changed = Listener(
            kind: .http, endpoint: endpoint("127.0.0.1:3128"), authentication: .required, clients: [lan],
            users: ["alice"])
        #expect(policy.listeners == [changed])
        #expect(
            refusal { () throws(Refusal) in
                try policy.changeListener(on: endpoint("127.0.0.1:3128"), in: home) { $0.users = ["bob"] }
            } == "there is no user bob; `gatehousectl user add bob` first")
        #expect(
            refusal { () throws(Refusal) in try policy.changeListener(on: endpoint("127.0.0.1:1"), in: home) { _ in } }
                == "no listener on 127.0.0.1:1; `gatehousectl listener list` shows what there is")
        #expect(policy.listeners == [changed])
    }

    @Test func `Whom a listener, a rule or a limit names cannot be removed`() throws {
        let alice = User(name: "alice", passwordHash: hash)
        let named = [
            Policy(
                listeners: [
                    Listener(
                        kind: .http, endpoint: endpoint("127.0.0.1:3128"), authentication: .required, users: ["alice"])
                ], users: [alice]),
            Policy(users: [alice], rules: [Rule(id: 3, action: .deny, user: "alice")]),
            Policy(users: [alice], limits: [Limit(subject: .user("alice"), sessions: 1)]),
        ]
        let texts = [
            "the listener on 127.0.0.1:3128 names user alice; `gatehousectl listener set 127.0.0.1:3128` with other "
                + "users first",
            "rule 3 names user alice; `gatehousectl rule remove 3` first",
            "there is a limit for user alice; `gatehousectl limit remove user alice` first",
        ]
        for (policy, text) in zip(named, texts) {
            var policy = policy
            #expect(refusal { () throws(Refusal) in try policy.removeUser(named: "alice") } == text)
            #expect(policy.users == [alice])
        }
    }

    @Test(
        arguments: [
            (Rule(id: 2, action: .deny, destination: network("10.0.0.0/8")), "(allow to 10.0.0.0/8) is about the same"),
            (Rule(id: 2, action: .deny, destination: network("10.1.0.0/16")), "(allow to 10.0.0.0/8) comes first and"),
            (
                Rule(id: 2, action: .deny, user: "kid", destination: network("10.1.0.0/16"), domain: "x", ports: web),
                "(allow to 10.0.0.0/8) comes first and covers it"
            ),
            (Rule(id: 2, action: .deny, destination: network("0.0.0.0/0")), nil),
            (Rule(id: 2, action: .deny, destination: network("2001:db9::/32")), nil),
            (
                Rule(id: 2, action: .deny, user: "kid", domain: "a.example.com"),
                "(deny user kid domain example.com) com"
            ),
            (Rule(id: 2, action: .deny, user: "kid", domain: "anexample.com"), nil),
            (Rule(id: 2, action: .deny, domain: "example.com"), nil),
            (Rule(id: 2, action: .deny, ports: PortRange("6881-6889")), "(deny port 6881-6889) is about the same"),
            (Rule(id: 2, action: .deny, ports: PortRange("6885")), "(deny port 6881-6889) comes first"),
            (Rule(id: 2, action: .deny, ports: PortRange("6880-6885")), nil),
            (Rule(id: 2, action: .deny, client: network("192.168.1.7")), "(deny from 192.168.1.0/29) comes first"),
            (Rule(id: 2, action: .deny, client: network("192.168.1.8")), nil),
            (
                Rule(id: 2, action: .deny),
                "a rule names a device, a user, a network, a domain, a protocol or a port; `gatehousectl rule def"
            ),
            (Rule(id: 2, action: .deny, user: "bob"), "there is no user bob; `gatehousectl user add bob` first"),
            (Rule(id: 2, action: .deny, domain: "Example.org"), "Example.org is not how a domain is written here"),
            (Rule(id: 2, action: .deny, domain: "example.org."), "example.org. is not how a domain is written here"),
            (Rule(id: 2, action: .deny, domain: "1.2.3.4"), "1.2.3.4 is not how a domain is written here"),
            (Rule(id: 2, action: .deny, domain: "a..b"), "the host \"a..b\" is no name"),
            (Rule(id: 2, action: .allow, destination: network("0.0.0.0")), "nobody is ever taken to 0.0.0.0/32"),
            (Rule(id: 2, action: .allow, destination: network("::")), "nobody is ever taken to ::/128, whatever the"),
            (Rule(id: 2, action: .allow, destination: network("64:ff9b::")), "nobody is ever taken to 64:ff9b::/128"),
            (Rule(id: 2, action: .allow, destination: network("2002::/48")), "nobody is ever taken to 2002::/48"),
            (Rule(id: 2, action: .allow, destination: network("2002::/47")), nil),
            (Rule(id: 2, action: .allow, destination: network("::/127")), nil),
            (
                Rule(id: 2, action: .deny, destination: network("::ffff:1.2.3.0/120")),
                "::ffff:1.2.3.0/120 is IPv4; write 1.2.3.0/24"
            ),
            (Rule(id: 2, action: .deny, client: network("::ffff:1.2.3.4")), "is IPv4; write 1.2.3.4/32"),
            (
                Rule(id: 2, action: .deny, destination: network("1.2.3.4"), origin: .hold),
                "a rule of a hold names the device that is held (`--device NAME`)"
            ),
        ] as [(Rule, String?)])
    func `A rule that would never decide is refused, and so is what is no rule`(_ rule: Rule, _ text: String?) throws {
        let there = [
            Rule(id: 1, action: .allow, destination: network("10.0.0.0/8")),
            Rule(id: 7, action: .deny, user: "kid", domain: "example.com"),
            Rule(id: 8, action: .deny, ports: PortRange("6881-6889")),
            Rule(id: 9, action: .deny, client: network("192.168.1.0/29")),
        ]
        var policy = Policy(users: [User(name: "kid", passwordHash: hash)], rules: there)
        let told = refusal { () throws(Refusal) in try policy.add(rule) }
        if let text {
            #expect(told?.contains(text) == true, "\(told ?? "no refusal")")
            #expect(policy.rules == there)
        } else {
            #expect(told == nil)
            #expect(policy.rules == there + [rule])
        }
    }

    @Test func `A network that is spared is written as its addresses are seen`() throws {
        var policy = Policy()
        #expect(
            refusal { () throws(Refusal) in try policy.spare(network("::ffff:1.2.3.0/120")) }
                == "::ffff:1.2.3.0/120 is IPv4; write 1.2.3.0/24")
        try policy.spare(network("1.2.3.0/24"))
        #expect(policy.bans.spares(network("1.2.3.4")))
    }

    @Test func `A rule is removed by its number`() throws {
        var policy = Policy(rules: [Rule(id: 2, action: .deny, domain: "example.com")])
        #expect(
            refusal { () throws(Refusal) in try policy.removeRule(1) }
                == "no rule 1; `gatehousectl rule list` shows what there is")
        #expect(try policy.removeRule(2).domain == "example.com")
        #expect(policy.rules.isEmpty)
    }

    @Test func `A limit takes the place of the one for the same, and is removed`() throws {
        var policy = Policy(users: [User(name: "kid", passwordHash: hash)])
        try policy.set(Limit(subject: .eachClient, sessions: 500))
        try policy.set(Limit(subject: .user("kid"), sessions: 10, rate: 5))
        try policy.set(Limit(subject: .user("kid"), bandwidth: 1024))
        #expect(
            policy.limits == [
                Limit(subject: .eachClient, sessions: 500), Limit(subject: .user("kid"), bandwidth: 1024),
            ])
        #expect(
            refusal { () throws(Refusal) in try policy.removeLimit(for: .eachUser) }
                == "no limit for user; `gatehousectl limit list` shows what there is")
        try policy.removeLimit(for: .user("kid"))
        #expect(policy.limits == [Limit(subject: .eachClient, sessions: 500)])
    }

    @Test(
        arguments: [
            (Limit(subject: .user("bob"), sessions: 1), "there is no user bob; `gatehousectl user add bob` first"),
            (
                Limit(subject: .eachUser),
                "a limit has `--sessions`, `--rate` or `--bandwidth`; `gatehousectl limit remove user` takes one away"
            ),
            (Limit(subject: .eachUser, sessions: 0), "0 sessions is out of range; give 1 to 1000000"),
            (Limit(subject: .eachUser, rate: -1), "-1 new sessions per second is out of range; give 1 to 1000000"),
            (
                Limit(subject: .eachUser, bandwidth: 1023),
                "1023 bytes per second is out of range; give 1024 to 1000000000000"
            ),
            (
                Limit(subject: .client(network("::ffff:10.0.0.0/104")), sessions: 1),
                "::ffff:10.0.0.0/104 is IPv4; write 10.0.0.0/8"
            ),
        ] as [(Limit, String)])
    func `A limit that limits nobody or nothing is refused`(_ limit: Limit, _ text: String) {
        var policy = Policy()
        #expect(refusal { () throws(Refusal) in try policy.set(limit) } == text)
        #expect(policy.limits.isEmpty)
        policy.limits = [limit]
        #expect(refusal { () throws(Refusal) in try policy.check(in: home) } == text)
    }

    @Test func `An opening is opened and closed by its name`() throws {
        var policy = Policy()
        let ssh = Opening(name: "ssh", .ssh, from: .interface("eth1"))
        try policy.open(ssh, in: home)
        #expect(throws: Refusal.self) { try policy.open(ssh, in: home) }
        #expect(throws: Refusal.self) {
            try policy.open(Opening(name: "web", .init("tcp 80")!, from: .interface("eth9")), in: home)
        }
        #expect(
            refusal { () throws(Refusal) in try policy.closeOpening(named: "web") }
                == "no opening web; `gatehousectl firewall list` shows what there is")
        #expect(try policy.closeOpening(named: "ssh") == ssh)
        #expect(policy.openings.isEmpty)
    }
}

@Suite struct SetupTests {
    private func setup(_ policy: inout Policy, _ surroundings: Surroundings = home) throws {
        try policy.setup(lan: "eth1", wan: "eth0", allowSSH: true, surroundings: surroundings)
    }

    @Test func `One step makes a gateway, and a second changes nothing`() throws {
        var policy = Policy()
        try setup(&policy)
        #expect(
            policy
                == Policy(
                    listeners: [
                        Listener(kind: .socks5, endpoint: endpoint("192.168.1.1:1080"), zone: "home"),
                        Listener(kind: .http, endpoint: endpoint("192.168.1.1:3128"), zone: "home"),
                    ], openings: [Opening(name: "ssh", .ssh)],
                    firewall: .enforce, lan: ["eth1"], wan: ["eth0"]))
        let once = policy
        try setup(&policy)
        #expect(policy == once)
        try policy.setup(lan: "eth1", wan: nil, allowSSH: false, surroundings: home)
        #expect(policy == once)
    }

    @Test func `The listeners move along with the LAN's address and keep whom they serve`() throws {
        var policy = Policy(users: [User(name: "alice", passwordHash: hash)])
        try setup(&policy)
        policy.listeners[0].authentication = .required
        policy.listeners[0].users = ["alice"]
        policy.listeners[0].socks.udpPorts = PortRange("5000-5009")
        policy.listeners[1].clients = [network("10.0.0.0/25")]
        let before = policy
        var moved = home
        moved.interfaces[2].addresses = [.init(address: IPAddress("10.0.0.1")!, prefix: 24)]
        try setup(&policy, moved)
        #expect(policy.listeners.map(\.endpoint) == [endpoint("10.0.0.1:1080"), endpoint("10.0.0.1:3128")])
        #expect(policy.listeners.map(\.authentication) == [.required, .none])
        #expect(policy.listeners.map(\.users) == before.listeners.map(\.users))
        #expect(policy.listeners.map(\.clients) == before.listeners.map(\.clients))
        #expect(policy.listeners.map(\.socks) == before.listeners.map(\.socks))
        try setup(&policy, moved)
        #expect(policy.listeners.count == 2)
    }

    /// The interfaces swapped, the opening stayed where it was: to the WAN, and not to the LAN.
    @Test func `The opening for SSH moves along with the LAN, and one for something else is refused`() throws {
        var swapped = home
        (swapped.interfaces[1].addresses, swapped.interfaces[2].addresses) = (
            home.interfaces[2].addresses, home.interfaces[1].addresses
        )
        var policy = Policy()
        try setup(&policy)
        try policy.setup(lan: "eth0", wan: "eth1", allowSSH: false, surroundings: swapped)
        #expect(policy.openings == [Opening(name: "ssh", .ssh)])
        policy = Policy(openings: [Opening(name: "ssh", .ssh, from: .interface("eth1"))], lan: ["eth1"], wan: ["eth0"])
        try policy.setup(lan: "eth0", wan: "eth1", allowSSH: false, surroundings: swapped)
        #expect(policy.openings == [Opening(name: "ssh", .ssh)])
        for other in [
            Opening(name: "ssh", .init("tcp 2222")!, from: .interface("eth1")),
            Opening(name: "ssh", .ssh, from: .interface("eth0")),
        ] {
            policy = Policy(openings: [other])
            let told = refusal { () throws(Refusal) in
                try policy.setup(lan: "eth1", wan: "eth0", allowSSH: true, surroundings: home)
            }
            #expect(told?.contains("does not let SSH in on eth1; `gatehousectl firewall close ssh`") == true)
            #expect(policy.openings == [other])
        }
    }

    @Test func `Listeners that the operator added stay`() throws {
        var policy = Policy(listeners: [Listener(kind: .socks5, endpoint: endpoint("127.0.0.1:1080"))])
        try setup(&policy)
        #expect(policy.listeners.count == 3)
    }

    @Test
    func `A home without IPv4 is set up on its own IPv6 address, before the provider's and never on a link-local one`()
        throws
    {
        let addresses = ["fe80::1", "2001:db9:1::1", "fd00:1::1"].map {
            InterfaceAddress(address: IPAddress($0)!, prefix: 64)
        }
        let eth1 = try #require(home.interfaces.firstIndex { $0.name == "eth1" })
        for (count, expected) in [(3, "[fd00:1::1]:1080"), (2, "[2001:db9:1::1]:1080")] {
            var surroundings = home
            surroundings.interfaces[eth1].addresses = Array(addresses.prefix(count))
            surroundings.interfaces.removeAll { $0.name != "eth1" && $0.name != "eth0" }
            for index in surroundings.interfaces.indices {
                surroundings.interfaces[index].hasDefaultRoute = surroundings.interfaces[index].name == "eth0"
            }
            var policy = Policy()
            try policy.setup(lan: "eth1", wan: "eth0", allowSSH: false, surroundings: surroundings)
            #expect(policy.listeners.first?.endpoint == endpoint(expected))
            #expect(Sides.proposed(in: surroundings)?.home == "eth1")
        }
        var surroundings = home
        surroundings.interfaces[eth1].addresses = Array(addresses.prefix(1))
        var policy = Policy()
        #expect(
            refusal { () throws(Refusal) in
                try policy.setup(lan: "eth1", wan: nil, allowSSH: false, surroundings: surroundings)
            }?.hasPrefix("eth1 has no address yet") == true)
    }

    @Test
    func `A home without an address is given the one that was named, or one of a free network, and is served if asked`()
        throws
    {
        var policy = Policy()
        try policy.setup(lan: "eth2", wan: "eth0", allowSSH: false, surroundings: home)
        #expect(policy.zone(named: "home")?.addresses == [home.freeNetwork])
        #expect(policy.zone(named: "home")?.service == nil)
        #expect(policy.listeners.map(\.endpoint.address) == [home.freeNetwork.address, home.freeNetwork.address])
        try policy.setup(
            lan: "eth2", wan: "eth0", allowSSH: false, address: InterfaceAddress("10.20.0.1/24")!, serves: true,
            surroundings: home)
        #expect(policy.zone(named: "home")?.addresses == [InterfaceAddress("10.20.0.1/24")!])
        #expect(policy.zone(named: "home")?.service == Zone.Service())
        #expect(policy.listeners.map(\.endpoint.address) == [IPAddress("10.20.0.1")!, IPAddress("10.20.0.1")!])
        // Renumbered while the former address is still there: its listeners move along, and what is IPv6 stays.
        let eth2 = try #require(home.interfaces.firstIndex { $0.name == "eth2" })
        var numbered = home
        numbered.interfaces[eth2].addresses = [InterfaceAddress("10.20.0.1/24")!]
        policy.zones[try #require(policy.zones.firstIndex { $0.name == "home" })].addresses.append(
            InterfaceAddress("fd77::1/64")!)
        try policy.setup(
            lan: "eth2", wan: "eth0", allowSSH: false, address: InterfaceAddress("10.30.0.1/24")!,
            surroundings: numbered)
        #expect(policy.zone(named: "home")?.addresses.map(\.description) == ["10.30.0.1/24", "fd77::1/64"])
        #expect(policy.listeners.map(\.endpoint.address) == [IPAddress("10.30.0.1")!, IPAddress("10.30.0.1")!])
        let before = policy
        try policy.setup(lan: "eth2", wan: "eth0", allowSSH: false, surroundings: home)
        #expect(policy.zones == before.zones)
        // Half of the service is made whole.
        let zone = try #require(policy.zones.firstIndex { $0.name == "home" })
        policy.zones[zone].service = Zone.Service(dhcp: false, strayNames: .refused)
        try policy.setup(lan: "eth2", wan: "eth0", allowSSH: false, serves: true, surroundings: home)
        #expect(policy.zones[zone].service == Zone.Service(strayNames: .refused))
        policy.zones[zone].service = before.zones[zone].service
        try policy.setup(lan: "eth2", wan: "eth0", allowSSH: false, serves: false, surroundings: home)
        #expect(policy.zone(named: "home")?.service == nil)
    }

    @Test func `What cannot be set up leaves the policy as it was`() {
        var policy = Policy()
        let attempts: [(String, String?, String)] = [
            ("eth9", nil, "there is no interface eth9; "), ("eth1", "eth9", "there is no interface eth9; "),
            ("eth1", "eth1", "eth1 cannot be LAN and WAN at once"), ("lo", "eth0", "lo leads to nobody but"),
            ("eth1", "lo", "lo leads to nobody but"), ("", nil, "there is no interface without a name; "),
            ("eth2", nil, "eth2 has no address yet"),
        ]
        for (lan, wan, text) in attempts {
            let told = refusal { () throws(Refusal) in
                try policy.setup(lan: lan, wan: wan, allowSSH: true, surroundings: home)
            }
            #expect(told?.hasPrefix(text) == true, "\(told ?? "no refusal")")
            #expect(policy == Policy())
        }
        policy = Policy(listeners: [
            Listener(kind: .http, endpoint: endpoint("192.168.1.1:1080"), authentication: .required)
        ])
        let before = policy
        #expect(
            refusal { () throws(Refusal) in
                try policy.setup(lan: "eth1", wan: nil, allowSSH: false, surroundings: home)
            }?.hasPrefix("192.168.1.1:1080 is taken by the http listener") == true)
        #expect(policy == before)
    }
}
