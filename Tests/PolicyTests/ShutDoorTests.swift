import Address
import Policy
import Testing

@Suite struct `A forward that a rule shuts` {
    private static let nas = Device(name: "nas", hardware: HardwareAddress("02:00:00:00:00:01")!)
    private static let surroundings = Surroundings(
        interfaces: home.interfaces,
        household: Household(members: [
            .init(
                number: 1, hardware: nas.hardware, interface: "eth1",
                addresses: [IPAddress("192.168.1.20")!, IPAddress("fe80::20")!, IPAddress("2001:db9:2::20")!])
        ]))

    private func told(
        _ rules: [Rule], from source: String? = nil, devicePort: UInt16? = nil, in surroundings: Surroundings? = nil
    ) -> [String] {
        let policy = Policy(
            rules: rules, devices: [Self.nas],
            forwards: [
                Forward(
                    name: "web", transport: .tcp, port: 443, device: "nas", devicePort: devicePort,
                    source: source.map { Network($0)! })
            ])
        return policy.warnings(in: surroundings ?? Self.surroundings).filter { $0.hasPrefix("the forward") }
            .map { String($0.prefix { $0 != "(" }) }
    }

    private let all = ["the forward web lets nobody in: rule 1 denies it "]
    private let ipv4 = ["the forward web lets nobody in over IPv4: rule 1 denies it "]
    private let ipv6 = ["the forward web lets nobody in over IPv6: rule 1 denies it "]

    @Test func `is told with the rule, for whichever version of IP it is`() {
        #expect(told([]) == [])
        #expect(told([Rule(id: 1, action: .deny)]) == all)
        #expect(told([Rule(id: 1, action: .deny, ports: PortRange(400, 500)!)]) == all)
        #expect(told([Rule(id: 1, action: .deny, transport: .tcp, ports: PortRange(443, 443)!)]) == all)
        #expect(told([Rule(id: 1, action: .deny, transport: .udp)]) == [])
        #expect(told([Rule(id: 1, action: .deny, destination: Network("192.168.1.0/24"))]) == ipv4)
        #expect(told([Rule(id: 1, action: .deny, destination: Network("2001:db9:2::/64"))]) == ipv6)
        #expect(told([Rule(id: 1, action: .deny, client: Network("0.0.0.0/0"))]) == ipv4)
        // What of two rules each shuts one version is told of both.
        let both = told([
            Rule(id: 1, action: .deny, client: Network("0.0.0.0/0")), Rule(id: 2, action: .deny),
        ])
        #expect(both == ipv4 + ["the forward web lets nobody in over IPv6: rule 2 denies it "])
    }

    @Test func `is asked for the device's own port, which in IPv6 is the forward's`() {
        let rule = Rule(id: 1, action: .deny, ports: PortRange(8443, 8443)!)
        #expect(told([rule]) == [])
        #expect(told([rule], devicePort: 8443) == ipv4)
        #expect(told([Rule(id: 1, action: .deny, ports: PortRange(443, 443)!)], devicePort: 8443) == ipv6)
    }

    @Test func `is for those whom it is for: a rule about some of them is as it was meant`() {
        let rule = Rule(id: 1, action: .deny, client: Network("203.0.113.0/24"))
        #expect(told([rule]) == [])
        #expect(told([rule], from: "203.0.113.7") == all)
        #expect(told([rule], from: "203.0.112.0/22") == [])
        #expect(told([Rule(id: 1, action: .deny)], from: "2001:db9:5::/48") == all)
        // An earlier rule that allows some of it leaves the forward a use.
        let allowing = Rule(id: 1, action: .allow, client: Network("198.51.100.0/24"))
        let denying = Rule(id: 2, action: .deny)
        #expect(told([allowing, denying]) == ["the forward web lets nobody in over IPv6: rule 2 denies it "])
        #expect(told([allowing, denying], from: "198.51.100.7") == [])
        #expect(told([denying, Rule(id: 3, action: .allow)]).count == 1)
    }

    @Test func `is none by a rule about a device, a user or a name, nor where nobody knows where the device is`() {
        #expect(told([Rule(id: 1, action: .deny, device: "nas")]) == [])
        #expect(told([Rule(id: 1, action: .deny, user: "alice")]) == [])
        #expect(told([Rule(id: 1, action: .deny, domain: "example.com")]) == [])
        #expect(told([Rule(id: 1, action: .deny)], in: home) == [])
    }
}

@Suite struct `A passage that a rule shuts` {
    private static let surroundings = Surroundings(interfaces: [
        .init(name: "eth1", addresses: [InterfaceAddress("192.168.1.1/24")!, InterfaceAddress("2001:db9:1::1/64")!]),
        .init(name: "eth2", addresses: [InterfaceAddress("192.168.2.1/24")!, InterfaceAddress("2001:db9:2::1/64")!]),
    ])

    private func told(_ rules: [Rule], to zone: String = "printers", _ services: [Opening.Service] = []) -> [String] {
        let policy = Policy(
            rules: rules,
            zones: [
                Zone(name: Zone.internet, interfaces: ["eth0"]), Zone(name: "guest", interfaces: ["eth1"]),
                Zone(name: "printers", interfaces: ["eth2"]),
            ], passages: [Passage(from: "guest", to: zone, services: services)])
        return policy.warnings(in: Self.surroundings).filter { $0.hasPrefix("the passage") }
            .map { String($0.prefix { $0 != "(" }) }
    }

    private static let printing = Opening.Service.ports(.tcp, PortRange(631, 631)!)

    @Test func `is told with the rule, for each service that passes`() {
        let all = ["the passage from guest to printers lets nothing through: rule 1 denies it "]
        #expect(told([]) == [])
        #expect(told([Rule(id: 1, action: .deny)]) == all)
        #expect(told([Rule(id: 1, action: .deny, ports: PortRange(631, 631)!)]) == [], "the rest passes")
        let port = ["the passage from guest to printers, tcp 631, lets nothing through: rule 1 denies it "]
        #expect(told([Rule(id: 1, action: .deny, ports: PortRange(600, 700)!)], [Self.printing]) == port)
        let two = [Self.printing, .ports(.udp, PortRange(161, 162)!), .other(IPProtocol(number: 47))]
        #expect(told([Rule(id: 1, action: .deny, ports: PortRange(600, 700)!)], two) == port)
        #expect(told([Rule(id: 1, action: .deny, ports: PortRange(162, 162)!)], two) == [])
        #expect(told([Rule(id: 1, action: .deny, transport: .tcp)], two) == port)
        #expect(told([Rule(id: 1, action: .deny)], two).count == 3)
    }

    @Test func `is told of the networks that the zones have, in each version of IP`() {
        let ipv4 = ["the passage from guest to printers lets nothing through over IPv4: rule 1 denies it "]
        #expect(told([Rule(id: 1, action: .deny, destination: Network("192.168.2.0/24"))]) == ipv4)
        #expect(told([Rule(id: 1, action: .deny, client: Network("192.168.0.0/16"))]) == ipv4)
        #expect(told([Rule(id: 1, action: .deny, destination: Network("192.168.2.7/32"))]) == [])
        #expect(told([Rule(id: 1, action: .deny, destination: Network("192.168.1.0/24"))]) == [])
        let ipv6 = ["the passage from guest to printers lets nothing through over IPv6: rule 1 denies it "]
        #expect(told([Rule(id: 1, action: .deny, destination: Network("2001:db9:2::/64"))]) == ipv6)
        // An earlier rule that allows some of it leaves it a use.
        let allowing = Rule(id: 1, action: .allow, destination: Network("192.168.2.7/32"))
        #expect(told([allowing, Rule(id: 2, action: .deny, destination: Network("192.168.0.0/16"))]) == [])
        #expect(told([Rule(id: 1, action: .deny)], to: Zone.internet).count == 1)
        #expect(told([Rule(id: 1, action: .deny, destination: Network("9.9.9.9/32"))], to: Zone.internet) == [])
    }
}
