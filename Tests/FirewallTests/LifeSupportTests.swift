import Address
import Policy
import Ruleset
import TestNetwork
import Testing

@testable import Firewall

/// A frame and what is right.
struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let interface: String
    let frame: Frame
    let passes: Bool

    init(_ description: String, _ interface: String, _ frame: Frame, passes: Bool) {
        (testDescription, self.interface, self.frame, self.passes) = (description, interface, frame, passes)
    }
}

@Suite(
    "The box keeps its own network, and nobody at home can move it",
    .enabled(if: isRoot, "needs root: network namespaces"))
struct LifeSupportTests {
    private let gate: Gate

    init() throws {
        gate = try Gate()
    }

    private func expect(_ cases: [Case]) throws {
        let passed = try gate.passed(cases.map { ($0.interface, $0.frame) })
        for (wanted, passed) in zip(cases, passed) {
            #expect(passed == wanted.passes, "\(wanted.testDescription) at \(wanted.interface)")
        }
    }

    private func apply(_ policy: Policy) throws {
        var netlink = try gate.gateway.netlink()
        try netlink.apply(Ruleset(policy: policy, surroundings: Surroundings()))
    }

    /// Router advertisements and DHCPv6 replies were taken on every interface: a guest's laptop could make itself the
    /// gateway's IPv6 router and name server, and carry everybody's traffic.
    @Test("51: routes and name servers are taken from the internet's side alone") func routes() throws {
        try apply(Policy(lan: ["lan0"], wan: ["wan0"]))
        let advertisement = Frame.icmp(from: "fe80::9", to: "ff02::1", type: 134, hopLimit: 255)
        let reply = Frame.udp(from: "fe80::9", 547, to: "fe80::113:2", 546)
        try expect([
            Case("a router advertisement", "wan0", advertisement, passes: true),
            Case("a router advertisement", "lan0", advertisement, passes: false),
            Case(
                "a router advertisement from a global address", "wan0",
                .icmp(from: "2001:db8:113::9", to: "ff02::1", type: 134, hopLimit: 255), passes: false),
            Case(
                "a router advertisement that a router passed on", "wan0",
                .icmp(from: "fe80::9", to: "ff02::1", type: 134, hopLimit: 254), passes: false),
            Case("a DHCPv6 reply", "wan0", reply, passes: true),
            Case("a DHCPv6 reply", "lan0", .udp(from: "fe80::9", 547, to: "fe80::77:1", 546), passes: false),
            Case("a DHCP reply", "lan0", .udp(from: "192.168.77.9", 67, to: "192.168.77.1", 68), passes: false),
        ])
    }

    /// Some providers' DHCPv6 servers answer from a global address, and the rule asked for a link-local one.
    @Test("50: a lease is renewed by whoever answers, from whatever address and port") func lease() throws {
        try apply(Policy(lan: ["lan0"], wan: ["wan0"]))
        try expect([
            Case(
                "DHCPv6 from a global address", "wan0", .udp(from: "2001:db8::1", 547, to: "fe80::113:2", 546),
                passes: true),
            Case(
                "DHCPv6 from another port", "wan0", .udp(from: "2001:db8::1", 40000, to: "fe80::113:2", 546),
                passes: true),
            Case(
                "DHCPv6 to a global address", "wan0", .udp(from: "fe80::9", 547, to: "2001:db8:113::2", 546),
                passes: false),
            // The renewal went to the server that gave the lease; a relay, or the server's second address, answers.
            Case(
                "a DHCP renewal from elsewhere", "wan0", .udp(from: "198.51.100.1", 67, to: "203.0.113.2", 68),
                passes: true),
            Case(
                "a DHCP renewal from another port", "wan0", .udp(from: "198.51.100.1", 4011, to: "203.0.113.2", 68),
                passes: true),
            Case(
                "a DHCP answer to all", "wan0", .udp(from: "203.0.113.1", 67, to: "255.255.255.255", 68), passes: true),
            Case(
                "DHCP to the server's port", "wan0", .udp(from: "198.51.100.1", 68, to: "203.0.113.2", 67),
                passes: false),
        ])
    }

    @Test func `neighbours are found everywhere, and groups are managed`() throws {
        try apply(Policy(lan: ["lan0"], wan: ["wan0"]))
        for interface in ["lan0", "wan0"] {
            let own = interface == "lan0" ? "fd00:77::1" : "2001:db8:113::2"
            try expect([
                Case(
                    "a neighbour solicitation", interface, .icmp(from: "fe80::9", to: own, type: 135, hopLimit: 255),
                    passes: true),
                Case(
                    "a solicitation of duplicate detection", interface,
                    .icmp(from: "::", to: "ff02::1", type: 135, hopLimit: 255), passes: true),
                Case(
                    "a neighbour advertisement", interface, .icmp(from: "fe80::9", to: own, type: 136, hopLimit: 255),
                    passes: true),
                Case(
                    "a neighbour advertisement from far", interface,
                    .icmp(from: "fe80::9", to: own, type: 136, hopLimit: 64), passes: false),
                Case(
                    "a listener query", interface, .icmp(from: "fe80::9", to: "ff02::1", type: 130, hopLimit: 1),
                    passes: true),
                Case(
                    "a listener report of a host without address", interface,
                    .icmp(from: "::", to: "ff02::1", type: 143, hopLimit: 1), passes: true),
                Case(
                    "a listener query from a global address", interface,
                    .icmp(from: "2001:db8::9", to: "ff02::1", type: 130, hopLimit: 1), passes: false),
                Case(
                    "the path's MTU", interface, .icmp(from: "2001:db8::9", to: own, type: 2, [0, 0, 5, 0]),
                    passes: true),
            ])
        }
        try expect([
            Case(
                "a router solicitation", "lan0", .icmp(from: "fe80::9", to: "ff02::1", type: 133, hopLimit: 255),
                passes: true),
            Case(
                "a router solicitation", "wan0", .icmp(from: "fe80::9", to: "ff02::1", type: 133, hopLimit: 255),
                passes: false),
            Case(
                "a group query", "lan0",
                .ipv4(from: "192.168.77.9", to: "224.0.0.1", protocol: 2, [0x11, 0, 0, 0, 0, 0, 0, 0]), passes: true),
            Case(
                "a group query", "wan0",
                .ipv4(from: "203.0.113.9", to: "224.0.0.1", protocol: 2, [0x11, 0, 0, 0, 0, 0, 0, 0]), passes: false),
            Case("a redirect", "lan0", .icmp(from: "192.168.77.9", to: "192.168.77.1", type: 5), passes: false),
            Case(
                "a redirect", "lan0", .icmp(from: "fe80::9", to: "fd00:77::1", type: 137, hopLimit: 255), passes: false),
        ])
    }

    /// A box with one interface has no side of the internet of its own.
    @Test func `a box that knows no side of the internet keeps its network on every interface`() throws {
        try apply(Policy(lan: ["lan0"]))
        try expect([
            Case(
                "a router advertisement", "lan0", .icmp(from: "fe80::9", to: "ff02::1", type: 134, hopLimit: 255),
                passes: true),
            Case("a DHCPv6 reply", "lan0", .udp(from: "2001:db8::1", 547, to: "fe80::77:1", 546), passes: true),
            Case("a DHCP reply", "lan0", .udp(from: "192.168.77.9", 67, to: "192.168.77.1", 68), passes: true),
            Case("a name server", "lan0", .udp(from: "192.168.77.9", 53, to: "192.168.77.1", 53), passes: false),
        ])
    }

    /// The kernel says `invalid` of such a packet on some versions, and that was dropped before any opening was asked.
    @Test func `a DHCP server behind an opening hears a device that has no address yet`() throws {
        let opening = Opening(name: "dhcp", .ports(.udp, PortRange(67, 67)!))
        try apply(Policy(openings: [opening], lan: ["lan0"], wan: ["wan0"]))
        let server = try DatagramPeer(in: gate.gateway, "0.0.0.0", port: 67)
        let discovery = Frame.udp(from: "0.0.0.0", 68, to: "255.255.255.255", 67, [1, 1, 6, 0])
        try expect([
            Case("a DHCP discovery", "lan0", discovery, passes: true),
            Case("a DHCP discovery", "wan0", discovery, passes: false),
        ])
        #expect(try server.receive()?.bytes == [1, 1, 6, 0])
    }

    @Test func `a host that floods with pings is held to its rate, and takes nothing from others`() throws {
        try apply(Policy(lan: ["lan0"], wan: ["wan0"]))
        let flood = Array(repeating: Frame.icmp(from: "203.0.113.66", to: "203.0.113.2", type: 8), count: 300)
        let passed = try gate.passed(flood.map { ("wan0", $0) }).count { $0 == true }
        #expect((40...200).contains(passed), "of 300 at once \(passed) passed")
        // An IPv6 host changes its address as it likes, within its network.
        let flood6 = (1...300).map { Frame.icmp(from: "2001:db8:666::\($0)", to: "2001:db8:113::2", type: 128) }
        let passed6 = try gate.passed(flood6.map { ("wan0", $0) }).count { $0 == true }
        #expect((40...200).contains(passed6), "of 300 at once \(passed6) passed")
        try expect([
            Case("a ping", "wan0", .icmp(from: "203.0.113.67", to: "203.0.113.2", type: 8), passes: true),
            Case("a ping", "wan0", .icmp(from: "2001:db8:667::1", to: "2001:db8:113::2", type: 128), passes: true),
            Case("a ping from home", "lan0", .icmp(from: "192.168.77.9", to: "192.168.77.1", type: 8), passes: true),
        ])
    }

    @Test func `packets that no rule decided on are counted`() throws {
        try apply(Policy(lan: ["lan0"], wan: ["wan0"]))
        let strays = (1...5).map { Frame.tcp(from: "203.0.113.9", 40000, to: "203.0.113.2", UInt16($0)) }
        #expect(try gate.passed(strays.map { ("wan0", $0) }) == Array(repeating: false, count: 5))
        let listing = try gate.gateway.run("nft", "list", "chain", "inet", "gatehouse", "input")
        #expect(listing.contains("counter packets 5 bytes 200 drop comment \"the rest\""), "\(listing)")
    }
}
