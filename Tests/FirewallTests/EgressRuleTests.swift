import Address
import Policy
import Testing

@testable import Ruleset

@Suite("What the box itself may begin follows from the policy")
struct EgressRuleTests {
    private static let accounts = LocalAccounts(
        numbers: ["root": 0, "_apt": 42, "systemd-resolve": 101, "systemd-timesync": 102, "games": 5],
        relays: 990, companion: 991)

    private static func ruleset(
        _ mode: EgressMode, exits: [Exit] = [], internet: String = "wan0", lists: [Blocklist] = []
    ) -> Ruleset {
        let home = Zone(
            name: Zone.home, interfaces: internet == "wan0" ? ["lan0"] : ["wan0"],
            service: Zone.Service(dhcp: internet == "wan0"))
        let policy = Policy(
            firewall: .enforce,
            zones: [home, Zone(name: Zone.internet, interfaces: internet == "wan0" ? ["wan0"] : [])],
            blocklists: lists, egress: mode, exits: exits)
        return Ruleset(
            policy: policy,
            surroundings: Surroundings(
                interfaces: [
                    .init(name: "lan0", addresses: [InterfaceAddress("192.168.77.1/24")!]),
                    .init(name: "wan0", addresses: [InterfaceAddress("192.168.178.2/24")!]),
                ], accounts: accounts, nameServers: [IPAddress("192.168.178.1")!, IPAddress("127.0.0.53")!]),
            networks: { _ in AddressRanges(lines: Array("198.51.100.0/24\n".utf8)) })
    }

    private static func packet(
        _ user: UInt32?, _ destination: String, _ content: Packet.Content, by output: String = "wan0",
        state: Ruleset.State = .new
    ) -> Packet {
        let address = IPAddress(destination)!
        var packet = Packet(
            hook: .output, interface: "", source: address.isIPv6 ? .v6(1) : .v4(1), destination: address,
            content: content, state: state)
        (packet.output, packet.user) = (output, user)
        return packet
    }

    @Test(
        "strict: what the gateway needs goes out, and what a program that calls home wants does not, with one interface or two",
        arguments: ["wan0", "none"])
    func strict(internet: String) {
        let ruleset = Self.ruleset(.strict, internet: internet)
        let passing: [(UInt32?, String, Packet.Content)] = [
            (990, "9.9.9.9", .tcp(6667)), (990, "2620:fe::9", .udp(4000)), (0, "9.9.9.9", .tcp(443)),
            (42, "2620:fe::9", .tcp(80)), (0, "192.168.178.1", .udp(53)), (42, "192.168.178.1", .tcp(53)),
            (101, "9.9.9.9", .udp(53)), (101, "9.9.9.9", .tcp(853)), (102, "9.9.9.9", .udp(123)),
            (0, "192.168.178.1", .udp(67)), (nil, "ff02::2", .icmpv6(133)), (nil, "fe80::1", .icmpv6(135)),
            (nil, "9.9.9.9", .icmp(3)), (nil, "224.0.0.22", .other(2)), (0, "9.9.9.9", .icmp(8)),
        ]
        for (user, destination, content) in passing {
            let judgement = ruleset.verdict(of: Self.packet(user, destination, content))
            #expect(judgement.isAccepted, "\(String(describing: user)) \(destination) \(content)")
        }
        let refused: [(UInt32?, String, Packet.Content)] = [
            (5, "9.9.9.9", .tcp(6667)), (5, "9.9.9.9", .tcp(443)), (5, "9.9.9.9", .udp(53)), (5, "9.9.9.9", .icmp(8)),
            (0, "9.9.9.9", .tcp(6667)), (42, "9.9.9.9", .tcp(25)), (102, "9.9.9.9", .tcp(123)),
            (5, "192.168.178.1", .udp(53)), (nil, "192.168.178.1", .udp(53)),
            (nil, "9.9.9.9", .udp(51820)), (5, "2620:fe::9", .tcp(6667)), (991, "9.9.9.9", .udp(68)),
        ]
        for (user, destination, content) in refused {
            let judgement = ruleset.verdict(of: Self.packet(user, destination, content))
            #expect(!judgement.isAccepted, "\(String(describing: user)) \(destination) \(content)")
            #expect(judgement.rule?.comment == "egress is strict")
            let under = ruleset.verdict(of: Self.packet(user, destination, content, state: .established))
            #expect(under.isAccepted, "what is under way goes on")
            #expect(ruleset.verdict(of: Self.packet(user, destination, content, by: "lo")).isAccepted)
            #expect(
                Self.ruleset(.observe, internet: internet).verdict(of: Self.packet(user, destination, content))
                    .isAccepted)
        }
    }

    @Test func `an exit is for what it names, and for nothing where the account is none of the machine's`() {
        let exits = [
            Exit(name: "chat", user: "games", destination: Network("9.9.9.0/24")!, services: [.init("tcp 6667")!]),
            Exit(name: "vpn", services: [.init("udp 51820")!]), Exit(name: "gone", user: "nobody-here"),
        ]
        let ruleset = Self.ruleset(.strict, exits: exits)
        func goesOut(_ user: UInt32?, _ destination: String, _ content: Packet.Content) -> Bool {
            ruleset.verdict(of: Self.packet(user, destination, content)).isAccepted
        }
        #expect(goesOut(5, "9.9.9.9", .tcp(6667)) && !goesOut(5, "9.9.9.9", .tcp(6668)))
        #expect(!goesOut(5, "9.9.8.9", .tcp(6667)) && !goesOut(0, "9.9.9.9", .tcp(6667)))
        #expect(goesOut(nil, "2620:fe::9", .udp(51820)) && goesOut(5, "9.9.9.9", .udp(51820)))
        #expect(!goesOut(7, "9.9.9.9", .tcp(22)))
    }

    @Test func `whoever has an exit asks the name servers, and everybody where an exit is for all`() {
        func asks(_ user: UInt32?, _ exits: [Exit]) -> Bool {
            let packets = [Packet.Content.udp(53), .tcp(53)].map { Self.packet(user, "192.168.178.1", $0) }
            let verdicts = packets.map { Self.ruleset(.strict, exits: exits).verdict(of: $0).isAccepted }
            #expect(Set(verdicts).count == 1)
            return verdicts[0]
        }
        let (own, gone) = (
            Exit(name: "chat", user: "games", services: [.init("tcp 6667")!]), Exit(name: "gone", user: "x")
        )
        #expect(asks(0, []) && !asks(5, []) && !asks(nil, []))
        #expect(asks(5, [gone, own]) && !asks(7, [gone, own]) && !asks(nil, [own]))
        #expect(asks(7, [own, Exit(name: "vpn", services: [.init("udp 51820")!])]))
    }

    @Test func `a list of networks keeps out what egress lets out, in either mode`() {
        let list = Blocklist(name: "bad", direction: .out, count: 1, content: "c")
        for mode in EgressMode.allCases {
            let ruleset = Self.ruleset(mode, lists: [list])
            for user: UInt32 in [0, 990] {
                let judgement = ruleset.verdict(of: Self.packet(user, "198.51.100.7", .tcp(443)))
                #expect(!judgement.isAccepted && judgement.rule?.comment == list.ruleName)
                #expect(ruleset.verdict(of: Self.packet(user, "198.51.101.7", .tcp(443))).isAccepted)
            }
        }
    }
}
