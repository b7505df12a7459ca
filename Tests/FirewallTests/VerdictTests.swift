import Address
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite("A verdict is told before the kernel gives it")
struct VerdictTests {
    private func judge(_ packet: Packet) -> Ruleset.Judgement { home.verdict(of: packet) }

    @Test func `a listener's port is open where it is, and the rule says whose it is`() {
        let packet = Packet(
            interface: "eth1", source: IPAddress("192.168.77.9")!, destination: IPAddress("192.168.77.1")!,
            content: .tcp(1080))
        #expect(judge(packet).isAccepted)
        #expect(judge(packet).rule?.comment == "socks5 192.168.77.1:1080")
        var other = packet
        other.interface = "eth0"
        #expect(judge(other) == .init(verdict: .drop, rule: home.chains[0].rules.last, chain: "input"))
        other.state = .established
        #expect(judge(other).rule?.comment == "answers")
        other = packet
        other.hook = .forward
        other.output = "eth9"
        #expect(!judge(other).isAccepted && judge(other).chain == "refuse")
        other.interface = "eth9"
        #expect(!judge(other).isAccepted && judge(other).chain == "forward")
        other.hook = .output
        #expect(judge(other).isAccepted && judge(other).chain == "strangers")
    }

    @Test func `jumps come back, goto does not, and what nobody decides the policy does`() {
        func ruleset(_ first: Ruleset.Verdict, _ inner: Ruleset.Verdict) -> Ruleset {
            Ruleset(chains: [
                .init(name: "input", hook: .input, policy: .drop, rules: [.init([], first), .init([], .accept)]),
                .init(name: "a", rules: [.init([], inner)]),
                .init(name: "b"),
            ])
        }
        let packet = Packet(interface: "x", source: .v4(1), destination: .v4(2), content: .other(50))
        #expect(ruleset(.jump("a"), .return).verdict(of: packet).isAccepted)
        #expect(ruleset(.jump("a"), .goto("b")).verdict(of: packet).isAccepted)
        #expect(!ruleset(.jump("a"), .drop).verdict(of: packet).isAccepted)
        #expect(!ruleset(.goto("a"), .return).verdict(of: packet).isAccepted)
        #expect(ruleset(.goto("a"), .return).verdict(of: packet).rule == nil)
        #expect(!ruleset(.goto("a"), .jump("a")).verdict(of: packet).isAccepted, "a circle ends")
    }

    /// Random policies, loaded into the kernel, and random packets sent to it.
    @Test(.enabled(if: isRoot, "needs root: network namespaces"))
    func `for any policy and any packet the kernel does as was told`() throws {
        let gate = try Gate()
        var netlink = try gate.gateway.netlink()
        // Bound sockets, of which a rule may ask.
        let sockets = try [("192.168.77.1", 40000), ("0.0.0.0", 40001), ("fd00:77::1", 40002)].map {
            try DatagramPeer(in: gate.gateway, $0.0, port: $0.1)
        }
        var random = Random(seed: UInt64.random(in: 0...UInt64.max))
        let seed = random.state
        var (compared, accepted) = (0, 0)
        for _ in 0..<(isThorough ? 150 : 60) {
            let ruleset = random.ruleset()
            try netlink.apply(ruleset)
            let tracer = try Tracer("\(ruleset)")
            let samples = (0..<40).map { _ in random.packet() }
            let passed = try gate.passed(samples.map { ($0.packet.interface, $0.frame) })
            for (sample, passed) in zip(samples, passed) {
                // The kernel had the packet for itself, such as one from a source that cannot be.
                guard let passed else { continue }
                let judgement = ruleset.verdict(of: sample.packet)
                let traced = tracer.accepts(sample.packet)
                compared += 1
                accepted += passed ? 1 : 0
                #expect(
                    judgement.isAccepted == passed && traced == passed,
                    "seed \(seed): \(sample.packet)\nthe kernel's verdict is \(passed), ours \(judgement), by the text \(traced)\n\(ruleset)"
                )
            }
        }
        #expect(compared > 1500 && accepted > 200, "compared \(compared), accepted \(accepted)")
        withExtendedLifetime(sockets) {}
    }
}

/// SplitMix64, so that a failure can be had again.
private struct Random: RandomNumberGenerator {
    var state: UInt64
    private var port: UInt16 = 10000

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    private mutating func one<Element>(of choices: [Element]) -> Element { choices.randomElement(using: &self)! }
    private mutating func some<Element>(of choices: [Element]) -> [Element] {
        choices.filter { _ in Bool.random(using: &self) }
    }

    private static let networks = [
        "0.0.0.0/0", "192.168.77.0/24", "192.168.77.8/30", "203.0.113.0/24", "198.51.100.7", "::/0", "fd00:77::/64",
        "fd00:77::8/127", "2001:db8::/33", "2001:db8:113::9",
    ].map { Network($0)! }
    private static let ports: [UInt16] = [22, 53, 67, 68, 546, 547, 1080, 3128, 40000, 40001, 40002, 50000, 65535]

    mutating func ruleset() -> Ruleset {
        var zones = [Zone(name: Zone.home), Zone(name: Zone.internet), Zone(name: "guest")]
        for interface in ["lan0", "wan0"] where Int.random(in: 0..<5, using: &self) > 0 {
            zones[Int.random(in: 0..<3, using: &self)].interfaces.append(interface)
        }
        let places = [Place.anywhere, .zone(Zone.home), .zone(Zone.internet), .zone("guest"), .interface("lan0")]
        let openings = (0..<Int.random(in: 0..<6, using: &self)).map { number in
            let port = one(of: Self.ports)
            let upper = Bool.random(using: &self) ? port : UInt16.random(in: port...65535, using: &self)
            let services: [Opening.Service] = [
                .ports(.tcp, PortRange(port, upper)!), .ports(.udp, PortRange(port, upper)!),
                .other(IPProtocol(number: one(of: [41, 47, 50, 112]))),
            ]
            return Opening(
                name: "opening \(number)", services: [one(of: services), one(of: services)], place: one(of: places),
                source: Bool.random(using: &self) ? one(of: Self.networks) : nil)
        }
        let endpoints = ["192.168.77.1:1080", "[fd00:77::1]:1080", "0.0.0.0:3128", "[::]:3128", "203.0.113.2:22"]
        let listeners = (0..<Int.random(in: 0..<4, using: &self)).map { _ in
            Listener(
                kind: one(of: Listener.Kind.allCases), endpoint: Endpoint(one(of: endpoints))!,
                interface: Bool.random(using: &self) ? "lan0" : nil,
                clients: Bool.random(using: &self) ? [] : some(of: Self.networks),
                socks: .init(
                    udpPorts: Bool.random(using: &self) ? nil : PortRange(40000, 40001), bindPorts: PortRange(53, 53)))
        }
        let surroundings = Surroundings(interfaces: [
            .init(
                name: "lan0",
                addresses: [
                    .init(address: IPAddress("192.168.77.1")!, prefix: 24),
                    .init(address: IPAddress("fd00:77::1")!, prefix: 64),
                ]),
            .init(name: "wan0", addresses: [.init(address: IPAddress("203.0.113.2")!, prefix: 24)]),
        ])
        let plain = Ruleset(
            policy: Policy(listeners: listeners, openings: openings, zones: zones), surroundings: surroundings)
        guard Int.random(in: 0..<4, using: &self) == 0 else { return plain }
        // A trial that goes on.
        return .trial(new: plain, old: Bool.random(using: &self) ? .foundation : Ruleset(chains: []), seconds: 600)
    }

    mutating func packet() -> (packet: Packet, frame: Frame) {
        let interface = one(of: ["lan0", "wan0"])
        let isIPv4 = Bool.random(using: &self)
        let source = one(
            of: isIPv4
                ? ["192.168.77.9", "192.168.77.200", "203.0.113.9", "198.51.100.7", "0.0.0.0"]
                : ["fd00:77::9", "fd00:77:1::9", "2001:db8:113::9", "2001:db8:8000::1", "fe80::9", "::"])
        let destination = one(
            of: isIPv4
                ? ["192.168.77.1", "203.0.113.2", "255.255.255.255", "224.0.0.1"]
                : interface == "lan0"
                    ? ["fd00:77::1", "2001:db8:113::2", "fe80::77:1", "ff02::1"]
                    : ["fd00:77::1", "2001:db8:113::2", "fe80::113:2", "ff02::1"])
        let hopLimit = one(of: [UInt8(1), 64, 254, 255])
        // Each belongs to a connection of its own.
        port += 1
        let own = [UInt8(port >> 8), UInt8(port & 0xff)]
        let (content, frame): (Packet.Content, Frame)
        switch Int.random(in: 0..<5, using: &self) {
        case 0:
            let port = one(of: Self.ports)
            content = .tcp(port)
            frame = .tcp(from: source, self.port, to: destination, port)
        case 1, 2:
            let port = one(of: Self.ports)
            content = .udp(port)
            frame = .udp(from: source, self.port, to: destination, port)
        case 3:
            // No errors, which would have to name a connection, nor redirects, for which there is another hook.
            let type = one(of: isIPv4 ? [UInt8(8), 13, 3, 11] : [128, 130, 131, 133, 134, 135, 136, 143, 2])
            content = isIPv4 ? .icmp(type) : .icmpv6(type)
            frame = .icmp(from: source, to: destination, type: type, hopLimit: hopLimit, own + [0, 1])
        default:
            let number = one(of: [UInt8(2), 41, 50, 112, 200])
            content = .other(number)
            frame = .ip(from: source, to: destination, protocol: number, hopLimit: hopLimit, own + [0, 0, 0, 0, 0, 0])
        }
        let port: UInt16? = if case .udp(let port) = content { port } else { nil }
        let hasBoundSocket = [("192.168.77.1", 40000), ("fd00:77::1", 40002)].contains {
            $0.0 == destination && $0.1 == port
        }
        // In IPv6 a default route is one back by its interface to whatever there is. Nobody has to have an address yet to ask
        // everybody on his network.
        let isLAN = ["192.168.77.0/24", "fd00:77::/64"].contains { Network($0)!.contains(IPAddress(source)!) }
        let isKnown =
            source == "0.0.0.0" || (source == "::" && interface == "wan0")
            || Network("fe80::/10")!.contains(IPAddress(source)!)
            || (interface == "lan0") == isLAN
        let usesHopLimit = if case .tcp = content { false } else if case .udp = content { false } else { true }
        var packet = Packet(
            interface: interface, source: IPAddress(source)!, destination: IPAddress(destination)!, content: content,
            hopLimit: usesHopLimit ? hopLimit : 64, hasBoundSocket: hasBoundSocket)
        packet.hasForgedSource = !isKnown
        return (packet, frame)
    }
}
