import Address
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite("Sets of networks in the kernel", .enabled(if: isRoot, "needs root: network namespaces"))
struct NetworkSetTests {
    let namespace: Namespace

    init() throws {
        namespace = try Namespace()
    }

    private func ruleset(_ content: String, _ networks: [String], _ direction: Blocklist.Direction = .both) -> Ruleset {
        let policy = Policy(
            lan: ["lan0"], wan: ["wan0"],
            blocklists: [Blocklist(name: "bad", direction: direction, count: networks.count, content: content)])
        return Ruleset(policy: policy, surroundings: surroundings) { _ in
            AddressRanges(networks.map { Network($0)! })
        }
    }

    @Test("hold the ranges of the list, merged, up to the last address")
    func ranges() throws {
        var netlink = try namespace.netlink()
        let wanted = ruleset(
            "0000000000000001",
            ["192.0.2.0/25", "192.0.2.128/25", "198.51.100.7", "240.0.0.0/4", "2001:db8::/32", "ff00::/8"])
        try netlink.apply(wanted)
        #expect(try netlink.state(of: wanted) == .same)
        let ipv4 = try namespace.run("nft", "list", "set", "inet", "gatehouse", "networks_ipv4_0000000000000001")
        #expect(ipv4.contains("elements = { 192.0.2.0/24, 198.51.100.7,\n\t\t\t     240.0.0.0/4 }"), "\(ipv4)")
        let ipv6 = try namespace.run("nft", "list", "set", "inet", "gatehouse", "networks_ipv6_0000000000000001")
        #expect(ipv6.contains("elements = { 2001:db8::/32,\n\t\t\t     ff00::/8 }"), "\(ipv6)")
        // What is shown is what nft reads, and all but the elements is what it shows.
        let shown = wanted.description.split(separator: "\n").filter { !$0.contains("# its ") }
        let listed = try namespace.listing().replacing(
            #/flags interval\n\t\telements = \{[^}]*\}/#, with: "flags interval"
        ).split(separator: "\n")
        #expect(listed == shown)
    }

    @Test("come and go beside the rest of the table, whose counters stay")
    func change() throws {
        var netlink = try namespace.netlink()
        let first = ruleset("0000000000000001", ["192.0.2.0/24"])
        try netlink.apply(first)
        let replacement = netlink.lastReplacement
        let second = ruleset("0000000000000002", ["198.51.100.0/24"])
        try netlink.apply(second)
        #expect(try netlink.state(of: second) == .same && netlink.lastReplacement != replacement)
        let sets = try namespace.run("nft", "list", "sets", "inet")
        #expect(!sets.contains("0000000000000001") && sets.contains("0000000000000002"))
        let without = Ruleset(policy: Policy(lan: ["lan0"], wan: ["wan0"]), surroundings: surroundings)
        try netlink.apply(without)
        #expect(try netlink.state(of: without) == .same)
        #expect(try !namespace.run("nft", "list", "sets", "inet").contains("networks_"))
    }

    @Test("of 100 000 networks are written in one transaction, and are there whole")
    func many() throws {
        var netlink = try namespace.netlink()
        let networks = (0..<100_000).map { "\(11 + $0 / 32768).\($0 / 128 % 256).\($0 % 128 * 2).0/24" }
        let wanted = ruleset("0000000000000003", networks)
        try netlink.apply(wanted)
        #expect(try netlink.state(of: wanted) == .same)
        let listed = try namespace.run("nft", "list", "set", "inet", "gatehouse", "networks_ipv4_0000000000000003")
        #expect(listed.count { $0 == "/" } == 100_000)
    }

    @Test("stop who is in them in the directions of the list, past the proxies and through them")
    func directions() {
        func accepts(_ direction: Blocklist.Direction, _ packet: Packet) -> Bool {
            ruleset("0000000000000001", ["192.0.2.0/24"], direction).verdict(of: packet).isAccepted
        }
        let (bad, good, device) = (IPAddress("192.0.2.1")!, IPAddress("198.51.100.1")!, IPAddress("192.168.1.7")!)
        func out(_ hook: Ruleset.Hook, _ to: IPAddress) -> Packet {
            var packet = Packet(
                hook: hook, interface: hook == .output ? "" : "lan0", source: device, destination: to, content: .tcp(80)
            )
            packet.output = "wan0"
            return packet
        }
        for direction in Blocklist.Direction.allCases {
            for hook in [Ruleset.Hook.forward, .output] {
                #expect(accepts(direction, out(hook, bad)) == (direction == .in), "\(direction) \(hook)")
                #expect(accepts(direction, out(hook, good)), "\(direction) \(hook)")
            }
        }
    }
}
