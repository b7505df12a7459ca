import Address
import Policy
import Testing

@testable import Ruleset

@Suite("The operator's rules hold for what is routed")
struct RoutedRuleTests {
    /// The LAN and a guests' network, each with three devices that were seen and one that was not.
    private static let devices = (0..<8).map { number in
        Device(name: "d\(number)", hardware: HardwareAddress(bytes: [2, 0, 0, 0, 3, UInt8(number)])!)
    }

    private static let surroundings = Surroundings(
        interfaces: [
            .init(name: "lan0", addresses: [InterfaceAddress("192.168.77.1/24")!, InterfaceAddress("fd77::1/64")!]),
            .init(name: "guest0", addresses: [InterfaceAddress("10.66.0.1/24")!]),
            .init(name: "wan0", addresses: [InterfaceAddress("192.168.178.2/24")!]),
        ],
        household: Household(
            members: devices.enumerated().filter { $0.offset % 4 != 3 }.map { offset, device in
                .init(
                    number: UInt16(offset + 1), hardware: device.hardware, interface: offset < 4 ? "lan0" : "guest0",
                    addresses: [])
            }))

    private static func policy(_ rules: [Rule], default action: Rule.Action = .allow) -> Policy {
        Policy(
            rules: rules, defaultAction: action, firewall: .enforce,
            zones: [
                Zone(name: Zone.home, interfaces: ["lan0"]), Zone(name: Zone.internet, interfaces: ["wan0"]),
                Zone(name: "guest", interfaces: ["guest0"]),
            ], devices: devices)
    }

    private static let sources = [
        "192.168.77.20", "192.168.77.200", "10.66.0.20", "fd77::20", "2001:db8:77::20",
    ].map { IPAddress($0)! }
    private static let destinations = [
        "9.9.9.9", "9.9.8.8", "1.2.3.4", "10.9.9.9", "192.168.178.1", "192.168.5.5", "2620:fe::9", "2620:fe::fe",
        "fd99::1",
    ].map { IPAddress($0)! }
    private static let networks: [Network?] =
        [nil, nil]
        + ["9.9.9.0/24", "9.9.0.0/16", "0.0.0.0/0", "::/0", "10.0.0.0/8", "192.168.178.1", "2620:fe::/32", "fd99::1"]
        .map { Network($0)! }
    private static let clients: [Network?] =
        [nil, nil, nil] + ["192.168.77.128/25", "192.168.77.0/24", "fd77::/64", "0.0.0.0/0"].map { Network($0)! }
    private static let ports: [PortRange?] = [nil, nil, PortRange(443, 443), PortRange(100, 500)]
    private static let transports: [IPProtocol?] = [nil, nil, .tcp, .udp, .icmp, IPProtocol(number: 47)]
    private static let contents: [(Packet.Content, IPProtocol, UInt16?)] = [
        (.tcp(443), .tcp, 443), (.tcp(80), .tcp, 80), (.udp(443), .udp, 443), (.udp(123), .udp, 123),
        (.icmp(8), .icmp, nil), (.icmpv6(128), .icmpv6, nil), (.other(47), IPProtocol(number: 47), nil),
    ]

    @Test func `of devices that learn the kernel is told, and nothing else is different`() {
        let policy = Self.policy([Rule(id: 1, action: .deny, device: "d1", ports: PortRange(25, 25))])
        var learning = Self.surroundings
        learning.household.learners = [Self.devices[1].hardware, Self.devices[3].hardware]
        let former = Ruleset(policy: policy, surroundings: Self.surroundings)
        var ruleset = Ruleset(policy: policy, surroundings: learning)
        // d1 by its number, and both wherever they turn up next: d3 was never seen.
        let marks = ruleset.deviceMaps.first { $0.name == "learning" }
        guard case .verdicts(let verdicts)? = marks?.content else { return #expect(Bool(false), "\(ruleset)") }
        #expect(verdicts.count == 5 && verdicts[2] == .jump("learning"))
        let forward = ruleset.chains.first { $0.name == "forward" }?.rules.map(\.decision) ?? []
        let (asks, answers) = (
            forward.firstIndex(of: .byDevice("learning")),
            forward.firstIndex(of: .byState([.established: .accept, .related: .accept]))
        )
        #expect(asks.map { asks in answers.map { $0 < asks } ?? false } == true, "what is under way is not asked")
        ruleset.deviceMaps.removeAll { $0.name == "learning" }
        ruleset.meters.removeAll { $0.name.hasPrefix("learning_") }
        ruleset.chains.removeAll { $0.name == "learning" }
        for index in ruleset.chains.indices {
            ruleset.chains[index].rules.removeAll { $0.decision == .byDevice("learning") }
        }
        #expect(ruleset == former)
    }

    @Test func `for any rules and any packet the kernel and the proxies decide the same`() {
        var random = SystemRandomNumberGenerator()
        var (allowed, denied) = (0, 0)
        for _ in 0..<1500 {
            var rules: [Rule] = []
            for id in 1...Int.random(in: 1...7, using: &random) {
                let transport = Self.transports.randomElement()!
                rules.append(
                    Rule(
                        id: id, action: Rule.Action.allCases.randomElement()!,
                        device: Bool.random() ? Self.devices.randomElement()!.name : nil,
                        // Of users the kernel knows nothing.
                        user: id == 6 ? "anna" : nil, client: Self.clients.randomElement()!,
                        destination: Self.networks.randomElement()!, domain: id == 5 ? "example.com" : nil,
                        transport: transport,
                        ports: [nil, .tcp, .udp].contains(transport) ? Self.ports.randomElement()! : nil))
            }
            let policy = Self.policy(rules, default: Rule.Action.allCases.randomElement()!)
            let ruleset = Ruleset(policy: policy, surroundings: Self.surroundings)
            // Of the domains of rules the addresses that were told.
            var elements = LiveElements.none
            for rule in rules where rule.domain != nil {
                for address in Self.destinations where Bool.random(using: &random) {
                    let set = Ruleset.addresses(ofRule: rule.id, address.isIPv6 ? .ipv6 : .ipv4)
                    elements.insert(LiveKey([.address(address)]), in: set.name)
                }
            }
            let access = Access(
                policy, surroundings: Self.surroundings,
                standings: policy.standings(in: Self.surroundings, at: 1000))
            for _ in 0..<40 {
                let member = Self.surroundings.household.members.randomElement()!
                let (content, transport, port) = Self.contents.randomElement()!
                let source = Self.sources.randomElement()!
                let destination = Self.destinations.filter { $0.isIPv6 == source.isIPv6 }.randomElement()!
                if transport == .icmp && source.isIPv6 || transport == .icmpv6 && !source.isIPv6 { continue }
                var packet = Packet(
                    hook: .forward, interface: member.interface, source: source, destination: destination,
                    content: content)
                (packet.output, packet.hardware) = ("wan0", member.hardware)
                let judgement = ruleset.verdict(of: packet, among: elements)
                let named = rules.filter { rule in
                    elements.contains(
                        LiveKey([.address(destination)]),
                        in: Ruleset.addresses(ofRule: rule.id, destination.isIPv6 ? .ipv6 : .ipv4).name)
                }
                let (verdict, rule) = access.verdict(
                    onRouted: destination, named: Set(named.map(\.id)), port: port, over: transport, from: source,
                    device: member.number)
                if verdict == .allow { allowed += 1 } else { denied += 1 }
                var detail: String {
                    "\(member)\n\(packet)\n\(rules.map { "\($0.id) \($0)" }) \(verdict)\n\(judgement)\n\(ruleset)"
                }
                #expect(judgement.isAccepted == (verdict == .allow), "\(detail)")
                // The rule that denies is the one that is counted and named.
                if case .deny(.rule(let id)) = verdict { #expect(judgement.rule?.comment == "rule \(id)", "\(detail)") }
                if verdict == .deny(.noRule) { #expect(judgement.rule?.comment == Rule.noneAllows, "\(detail)") }
                if let rule { #expect(rules.contains { $0.id == rule && $0.action == .allow }, "\(detail)") }
            }
        }
        #expect(allowed > 5000 && denied > 5000, "\(allowed), \(denied)")
    }

    @Test func `a packet is asked the rules about its device and about everybody, and none about another`() {
        var rules = [Rule(id: 1, action: .deny, ports: PortRange(25, 25))]
        for device in Self.devices {
            for port in 0..<20 {
                rules.append(
                    Rule(
                        id: rules.count + 1, action: .allow, device: device.name, transport: .tcp,
                        ports: PortRange(UInt16(1000 + port), UInt16(1000 + port))))
            }
        }
        let ruleset = Ruleset(policy: Self.policy(rules, default: .deny), surroundings: Self.surroundings)
        let longest = ruleset.chains.filter { $0.name.hasPrefix("decisions") }.map(\.rules.count).max()
        // Four for the rule about everybody: TCP is told otherwise than UDP that it is refused, and each is noted before.
        #expect(longest == 24, "\(ruleset)")
    }

    @Test func `without rules, and where the default is to allow, there is not one rule more`() {
        let plain = Ruleset(policy: Self.policy([]), surroundings: Self.surroundings)
        let others = [Rule(id: 1, action: .deny, user: "anna")]
        #expect(Ruleset(policy: Self.policy(others), surroundings: Self.surroundings) == plain)
    }

    @Test func `between zones and from the internet a rule shuts what a passage or a forward opens, and opens nothing`()
    {
        func isPassed(
            _ rules: [Rule], default action: Rule.Action = .allow, from interface: String, to output: String,
            port: UInt16 = 631
        ) -> Bool {
            var policy = Self.policy(rules, default: action)
            policy.passages = [Passage(from: "guest", to: "home", services: [.ports(.tcp, PortRange(631, 632)!)])]
            policy.devices[0].address = IPAddress("192.168.77.20")!
            policy.forwards = [Forward(name: "web", transport: .tcp, port: 631, device: "d0")]
            let ruleset = Ruleset(policy: policy, surroundings: Self.surroundings)
            var packet = Packet(
                hook: .forward, interface: interface,
                source: IPAddress(interface == "wan0" ? "9.9.9.9" : "10.66.0.20")!,
                destination: IPAddress("192.168.77.20")!, content: .tcp(port))
            packet.output = output
            packet.hardware = interface == "wan0" ? nil : Self.devices[4].hardware
            (packet.isTranslated, packet.device) = (interface == "wan0", interface == "wan0" ? 1 : 0)
            return ruleset.verdict(of: packet).isAccepted
        }
        let printing = PortRange(631, 631)
        for interface in ["guest0", "wan0"] {
            #expect(isPassed([], from: interface, to: "lan0"))
            #expect(isPassed([], default: .deny, from: interface, to: "lan0"), "it was opened for that")
            #expect(!isPassed([Rule(id: 1, action: .deny, ports: printing)], from: interface, to: "lan0"))
            let order = [
                Rule(id: 1, action: .allow, destination: Network("192.168.77.20")!),
                Rule(id: 2, action: .deny, ports: printing),
            ]
            #expect(isPassed(order, from: interface, to: "lan0"), "the first decides")
            #expect(!isPassed([order[0]], from: interface, to: "lan0", port: 22), "it opens nothing")
        }
        let own = [Rule(id: 1, action: .deny, device: "d4", ports: printing)]
        #expect(!isPassed(own, from: "guest0", to: "lan0"))
        #expect(isPassed(own, from: "wan0", to: "lan0"))
        // Who comes in by the forward is not the device to which it leads.
        #expect(isPassed([Rule(id: 1, action: .deny, device: "d0", ports: printing)], from: "wan0", to: "lan0"))
    }
}
