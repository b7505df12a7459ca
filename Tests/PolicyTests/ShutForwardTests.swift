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
