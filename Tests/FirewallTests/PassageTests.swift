import Address
import Glibc
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

/// What passes through the box, as told beforehand, as decided by the policy, and as the kernel does it.
@Suite("What passes is told before the kernel lets it pass")
struct PassageTests {
    @Test(.enabled(if: isRoot, "needs root: network namespaces"))
    func `for any policy and any packet that is to pass, the kernel does as was told`() throws {
        let gate = try Gate(forwards: true)
        var netlink = try gate.gateway.netlink()
        var random = Draw(seed: UInt64.random(in: 0...UInt64.max))
        let seed = random.state
        var (compared, accepted, refused) = (0, 0, 0)
        // Of two senders that claim one flow the first one's it is, as it is in the kernel's list of flows.
        var flows: Set<String> = []
        for _ in 0..<(isThorough ? 150 : 60) {
            let count = 40
            let senders = (0..<UInt32(count)).map { HardwareAddress(bytes: Gate.sender(gate.count + $0))! }
            let home = random.home(devices: senders, now: Int(time(nil)))
            let ruleset = Ruleset(policy: home.policy, surroundings: home.surroundings)
            let isTrial = random.chance(4)
            let old = isTrial ? random.home(devices: [], now: 0) : home
            try netlink.apply(
                isTrial
                    ? .trial(
                        new: ruleset, old: Ruleset(policy: old.policy, surroundings: old.surroundings), seconds: 600)
                    : ruleset)
            let tracer = try Tracer("\(ruleset)")
            let samples = senders.map { random.packet(from: $0, in: home) }
            let passed = try gate.passed(samples.map { ($0.packet.interface, $0.frame) })
            for (sample, passed) in zip(samples, passed) {
                let packet = sample.packet
                guard flows.insert("\(packet.source) \(packet.destination) \(packet.content)").inserted else {
                    continue
                }
                guard let passed else { continue }
                let judgement = ruleset.verdict(of: sample.packet)
                let traced = tracer.accepts(sample.packet)
                compared += 1
                if passed { accepted += 1 } else { refused += 1 }
                #expect(
                    judgement.isAccepted == passed && traced == passed,
                    "seed \(seed): \(sample.packet)\nthe kernel's verdict is \(passed), ours \(judgement), by the text \(traced)\n\(ruleset)"
                )
            }
        }
        #expect(
            compared > 1200 && accepted > 60 && refused > 200,
            "compared \(compared), accepted \(accepted), refused \(refused)")
    }

    @Test func `how a device is carried is one decision, for the policy and for the kernel`() {
        var random = Draw(seed: UInt64.random(in: 0...UInt64.max))
        let seed = random.state
        var seen: [Way: Int] = [:]
        let devices = (0..<40).map { HardwareAddress(bytes: [2, 0, 0, 0, 1, $0])! }
        for _ in 0..<500 {
            var home = random.home(devices: devices, now: 1000)
            home.policy.passages = []
            home.policy.forwards = []
            (home.policy.rules, home.policy.defaultAction) = ([], .allow)
            home.policy.listeners = [
                Listener(kind: .socks5, endpoint: Endpoint("0.0.0.0:1080")!, authentication: .required)
            ]
            guard !home.policy.wan.isEmpty else { continue }
            let ruleset = Ruleset(policy: home.policy, surroundings: home.surroundings)
            for hardware in devices {
                for zone in home.policy.zones where zone.name != Zone.internet {
                    for interface in zone.interfaces {
                        let way = home.policy.way(of: hardware, in: zone)
                        let pause = home.policy.device(with: hardware)?.pause
                        let isStopped = way == .blocked || pause == .forever || pause == .until(2000)
                        var packet = Packet(
                            hook: .forward, interface: interface, source: .v4(1), destination: IPAddress("9.9.9.9")!,
                            content: .tcp(443))
                        (packet.output, packet.hardware, packet.time) = (home.policy.wan[0], hardware, 1000)
                        // Written only where it is wanted: a ruleset is long.
                        var detail: String {
                            "seed \(seed): \(hardware) at \(interface), \(way), \(String(describing: pause))\n\(ruleset)"
                        }
                        #expect(
                            ruleset.verdict(of: packet).isAccepted == (way == .routed && !isStopped), "\(detail)")
                        (packet.hook, packet.output, packet.content) = (.input, nil, .tcp(1080))
                        #expect(ruleset.verdict(of: packet).isAccepted == !isStopped, "\(detail)")
                        // What is under way is stopped with the rest, in both directions.
                        (packet.hook, packet.output, packet.state) = (.forward, home.policy.wan[0], .established)
                        #expect(ruleset.verdict(of: packet).isAccepted == !isStopped, "\(detail)")
                        seen[isStopped ? .blocked : way, default: 0] += 1
                    }
                }
            }
        }
        #expect(Way.allCases.allSatisfy { (seen[$0] ?? 0) > 1000 }, "\(seen)")
    }

    /// The numbers of devices where they had not been seen were dealt out anew in each ruleset: with a newcomer in the household a
    /// connection under way had the number of another device, whose pause ended it, or whose being let go on saved it.
    @Test func `a connection stays its own device's in the next ruleset, whoever comes, goes or moves meanwhile`() {
        var random = Draw(seed: UInt64.random(in: 0...UInt64.max))
        let seed = random.state
        let devices = (0..<40).map { HardwareAddress(bytes: [2, 0, 0, 0, 1, $0])! }
        func numbers(_ ruleset: Ruleset) -> [Ruleset.Sender: UInt16] {
            for map in ruleset.deviceMaps { if case .numbers(let numbers) = map.content { return numbers } }
            return [:]
        }
        var (compared, stopped) = (0, 0)
        for _ in 0..<300 {
            var home = random.home(devices: devices, now: 1000)
            home.policy.forwards = []
            (home.policy.rules, home.policy.defaultAction) = ([], .allow)
            home.surroundings.household.members.removeAll { $0.interface == "eth9" }
            var moved = random.home(devices: devices, now: 1000).surroundings
            moved.household.members.removeAll { $0.interface == "eth9" }
            // A device about which something is decided is not forgotten.
            moved.household.members += home.surroundings.household.members.filter {
                home.policy.device(with: $0.hardware) != nil && moved.household.member($0.hardware) == nil
            }
            let before = Ruleset(policy: home.policy, surroundings: home.surroundings)
            let after = Ruleset(policy: home.policy, surroundings: moved)
            let owners = Dictionary(grouping: numbers(after), by: \.value).mapValues { $0.map(\.key.hardware) }
            let detail: () -> String = { "seed \(seed):\n\(before)\n\(after)" }
            for (sender, number) in numbers(before) {
                compared += 1
                #expect(owners[number, default: []].allSatisfy { $0 == sender.hardware }, "\(detail())")
                guard let device = home.policy.device(with: sender.hardware), !home.policy.wan.isEmpty else { continue }
                guard device.pause == .forever || device.way != nil else { continue }
                var packet = Packet(
                    hook: .forward, interface: sender.interface, source: .v4(1), destination: IPAddress("9.9.9.9")!,
                    content: .tcp(443), state: .established)
                (packet.output, packet.hardware, packet.device) = (home.policy.wan[0], sender.hardware, number)
                let isStopped = device.pause == .forever || device.way == .blocked
                if case .until? = device.pause { continue }
                stopped += isStopped ? 1 : 0
                #expect(after.verdict(of: packet).isAccepted == !isStopped, "\(sender) \(number) \(detail())")
            }
        }
        #expect(compared > 5000 && stopped > 1000, "\(compared), \(stopped)")
        // Nor does what the operator decides about others give a device another number.
        var home = random.home(devices: [], now: 1000)
        let all = devices.map { Device(name: "d\($0.bytes[5])", hardware: $0) }
        home.policy.devices = all.filter { $0.hardware.bytes[5] % 3 == 1 }
        let some = numbers(Ruleset(policy: home.policy, surroundings: home.surroundings))
        home.policy.devices = all
        let more = numbers(Ruleset(policy: home.policy, surroundings: home.surroundings))
        #expect(some.count == 26 && some.allSatisfy { more[$0.key] == $0.value })
    }
}

/// SplitMix64, so that a failure can be had again.
private struct Draw: RandomNumberGenerator {
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

    mutating func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &self) == 0 }
    private mutating func one<Element>(of choices: [Element]) -> Element { choices.randomElement(using: &self)! }

    struct House {
        var policy: Policy
        var surroundings: Surroundings
    }

    private static let places = ["lan0": "192.168.77.", "guest0": "10.66.0.", "wan0": "203.0.113."]
    private static let places6 = ["lan0": "fd00:77::", "guest0": "fd00:66::", "wan0": "2001:db8:113::"]
    static let ports: [UInt16] = [22, 80, 443, 631, 853, 8443]

    /// - Parameters:
    ///   - devices: of which some are known, some have something decided about them, and some both.
    ///   - now: what pauses are around.
    mutating func home(devices: [HardwareAddress], now: Int) -> House {
        var zones = [Zone(name: Zone.home), Zone(name: Zone.internet), Zone(name: "guest")]
        if !chance(8) { zones[1].interfaces = ["wan0"] }
        zones[0].interfaces = ["lan0"]
        zones[chance(4) ? 0 : 2].interfaces.append("guest0")
        for index in [0, 2] {
            zones[index].way = one(of: Way.allCases)
            if chance(3) { zones[index].newDevices = one(of: Way.allCases) }
            if chance(2) {
                zones[index].service = Zone.Service(
                    dhcp: chance(2), names: chance(2), strayNames: one(of: Zone.StrayNames.allCases))
            }
        }
        var members: [Household.Member] = []
        var decided: [Device] = []
        for (number, hardware) in devices.enumerated() {
            if chance(2) {
                let interface = one(of: ["lan0", "guest0", "eth9"])
                var addresses: [IPAddress] = []
                if let place = Self.places[interface] { addresses.append(IPAddress(place + "\(number % 40 + 100)")!) }
                if let place = Self.places6[interface] {
                    addresses.append(IPAddress(place + "1:\(number % 40 + 100)")!)
                }
                members.append(
                    .init(
                        number: UInt16(number + 1), hardware: hardware, interface: interface, addresses: addresses))
            }
            if chance(2) {
                let pauses: [Device.Pause?] = [nil, nil, nil, .forever, .until(max(0, now - 500)), .until(now + 1000)]
                decided.append(
                    Device(
                        name: "d\(number)", hardware: hardware, way: chance(2) ? one(of: Way.allCases) : nil,
                        pause: one(of: pauses)))
            }
        }
        var passages: [Passage] = []
        for (from, to) in [("home", "guest"), ("guest", "home"), ("guest", "internet")] where chance(2) {
            let services: [Opening.Service] =
                chance(3)
                ? []
                : [
                    .ports(one(of: [.tcp, .udp]), PortRange(one(of: Self.ports), 65535)!),
                    .other(IPProtocol(number: 47)),
                ]
            passages.append(Passage(from: from, to: to, services: services))
        }
        let sources = [nil, nil, Network("203.0.113.0/24"), Network("2001:db8::/32"), Network("0.0.0.0/0")]
        let forwards =
            decided.isEmpty
            ? []
            : (0..<4).map { number in
                Forward(
                    name: "f\(number)", transport: one(of: [.tcp, .udp]), port: one(of: Self.ports),
                    device: one(of: decided).name, devicePort: chance(2) ? 8443 : nil, source: one(of: sources),
                    until: chance(4) ? one(of: [max(0, now - 500), now + 1000]) : nil)
            }
        let policy = Policy(
            rules: rules(about: decided), defaultAction: chance(3) ? .deny : .allow, firewall: .enforce, zones: zones,
            devices: decided, passages: passages, forwards: forwards)
        let surroundings = Surroundings(
            interfaces: ["lan0", "guest0", "wan0"].map { name in
                .init(
                    name: name,
                    addresses: [
                        .init(address: IPAddress(Self.places[name]! + (name == "wan0" ? "2" : "1"))!, prefix: 24),
                        .init(address: IPAddress(Self.places6[name]! + (name == "wan0" ? "2" : "1"))!, prefix: 64),
                    ])
            }, household: Household(members: members))
        return House(policy: policy, surroundings: surroundings)
    }

    private mutating func rules(about devices: [Device]) -> [Rule] {
        guard !chance(3) else { return [] }
        let (clients, networks): ([Network?], [Network?]) = (
            [nil, nil, nil, Network("192.168.77.0/26"), Network("fd00:77::/64"), Network("0.0.0.0/0")],
            [nil, nil, nil, Network("9.9.9.9"), Network("10.0.0.0/8"), Network("2620:fe::/32"), Network("::/0")]
        )
        return (1...Int.random(in: 1...6, using: &self)).map { id in
            let transport = one(of: [nil, nil, .tcp, .udp, .icmp, IPProtocol(number: 50)])
            let hasPorts = [nil, .tcp, .udp].contains(transport) && chance(2)
            return Rule(
                id: id, action: one(of: Rule.Action.allCases),
                device: !devices.isEmpty && chance(2) ? one(of: devices).name : nil, client: one(of: clients),
                destination: one(of: networks), transport: transport,
                ports: hasPorts ? PortRange(one(of: Self.ports), 1000) : nil)
        }
    }

    /// A first packet that is to pass through the box, as the hook `forward` sees it, and as it comes.
    mutating func packet(from hardware: HardwareAddress, in home: House) -> (packet: Packet, frame: Frame) {
        let interface = one(of: ["lan0", "guest0", "wan0"])
        let isIPv4 = chance(2)
        let own = (isIPv4 ? Self.places : Self.places6)[interface]! + "\(Int.random(in: 20...90, using: &self))"
        let strange =
            isIPv4 ? ["198.51.100.9", "192.168.77.9", "10.66.0.9"] : ["2001:db8:9::9", "fd00:77::9", "fd00:66::9"]
        let source = chance(6) ? one(of: strange) : own
        let known = home.surroundings.household.members.flatMap(\.addresses).filter {
            if case .v4 = $0 { isIPv4 } else { !isIPv4 }
        }
        let far =
            isIPv4
            ? ["192.168.77.200", "10.66.0.200", "203.0.113.200", "9.9.9.9", "9.9.9.9", "10.9.9.9", "172.20.0.1"]
            : ["fd00:77::200", "fd00:66::200", "2001:db8:113::200", "2620:fe::9", "2620:fe::9", "fd99::1"]
        var destination = chance(4) && !known.isEmpty ? "\(one(of: known))" : one(of: far)
        port += 1
        let mark = [UInt8(port >> 8), UInt8(port & 0xff)]
        var state = Ruleset.State.new
        let transport: Opening.Transport = chance(2) ? .tcp : .udp
        var target = one(of: Self.ports)
        // At a door of the gateway's own, which leads on.
        var isTranslated = false
        let sought = target
        var written = destination
        var number: UInt16 = 0
        if isIPv4, chance(3), interface == "wan0" || chance(2) {
            let now = Int(time(nil))
            for forward in home.policy.forwards
            where forward.transport == transport && forward.port == target && (forward.until ?? .max) > now {
                if let network = forward.source, !network.contains(IPAddress(source)!) { continue }
                guard let device = home.policy.device(named: forward.device),
                    let address = home.surroundings.household.member(device.hardware)?.addresses.first(where: {
                        if case .v4 = $0 { true } else { false }
                    }), !home.policy.wan.isEmpty
                else { continue }
                written = "203.0.113.2"
                destination = "\(address)"
                target = forward.devicePort ?? forward.port
                isTranslated = true
                if interface == "wan0" {
                    let forwarding = Forwarding(policy: home.policy, surroundings: home.surroundings, blockade: .none)
                    number = forwarding.roster.number(of: device.hardware) ?? 0
                }
                break
            }
        }
        let (content, frame): (Packet.Content, Frame)
        switch isTranslated ? 0 : Int.random(in: 0..<6, using: &self) {
        case 0...3:
            content = transport == .tcp ? .tcp(target) : .udp(target)
            frame =
                transport == .tcp
                ? .tcp(from: source, port, to: written, sought) : .udp(from: source, port, to: written, sought)
        case 4:
            let type = one(of: isIPv4 ? [UInt8(8), 8, 3, 11] : [128, 128, 1, 2, 3])
            let isError = ![8, 128].contains(type)
            if isError { state = .invalid }
            content = isIPv4 ? .icmp(type) : .icmpv6(type)
            frame = .icmp(from: source, to: destination, type: type, mark + [0, 1])
        default:
            let number = one(of: [UInt8(41), 50, 200])
            content = .other(number)
            frame = .ip(from: source, to: destination, protocol: number, mark + [0, 0, 0, 0, 0, 0])
        }
        var packet = Packet(
            hook: .forward, interface: interface, source: IPAddress(source)!, destination: IPAddress(destination)!,
            content: content, state: state)
        packet.output =
            home.surroundings.interfaces.first {
                $0.addresses.contains { $0.network.contains(packet.destination) }
            }?.name ?? "wan0"
        packet.hardware = hardware
        packet.time = Int(time(nil))
        packet.isTranslated = isTranslated
        packet.soughtPort = isTranslated ? sought : nil
        // Of every address there is one way back, and by the internet's interface a default route.
        packet.hasForgedSource =
            interface != "wan0"
            && home.surroundings.interface(named: interface)?.addresses.contains {
                $0.network.contains(packet.source)
            } != true
        // As the door's own rule has it.
        packet.device = number
        return (packet, frame)
    }
}
