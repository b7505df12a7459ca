import Address
import Testing

@testable import Policy

@Suite struct BlocklistTests {
    @Test(
        arguments: [
            ("", .domains, []), ("# a comment", .hosts, []), ("ads.example  # and why", .domains, [".ads.example"]),
            ("*.Ads.Example", .domains, [".ads.example"]),
            ("0.0.0.0 a.example B.example", .hosts, ["a.example", "b.example"]),
            ("127.0.0.1 localhost", .hosts, []), ("::1 ip6-localhost ip6-loopback", .hosts, []),
            ("0.0.0.0 0.0.0.0", .hosts, []), (":: tracker_1.example", .hosts, ["tracker_1.example"]),
        ] as [(String, Blocklist.Format, [String])])
    func `A line names what it names`(line: String, format: Blocklist.Format, names: [String]) throws {
        #expect(try format.names(in: Substring(line)) == names)
    }

    @Test(
        arguments: [
            ("0.0.0.0 ads.example", .domains), ("ads..example", .domains), ("10.0.0.1", .domains),
            ("ads.example", .hosts),
            ("0.0.0.0", .hosts), ("0.0.0.0 ads/example", .hosts), ("||ads.example^", .domains),
        ] as [(String, Blocklist.Format)])
    func `A line that is none of such a file is refused`(line: String, format: Blocklist.Format) {
        #expect(throws: Refusal.self) { try format.names(in: Substring(line)) }
    }

    @Test func `A list is for everybody, for a zone or for a device that there are`() throws {
        var policy = Policy(
            zones: Zone.builtIn + [Zone(name: "guest")],
            devices: [Device(name: "kid", hardware: HardwareAddress("52:54:00:00:00:01")!)])
        let list = Blocklist(name: "ads", count: 2, content: "0123456789abcdef")
        try policy.set(list)
        var other = list
        other.count = 3
        try policy.set(other)
        #expect(policy.blocklists == [other])
        for (zone, device) in [("guest", nil), (nil, "kid")] as [(String?, String?)] {
            try policy.set(Blocklist(name: "games", zone: zone, device: device, count: 1, content: "0123456789abcdee"))
        }
        for (zone, device) in [("nowhere", nil), (nil, "nobody"), ("internet", nil), ("guest", "kid")]
            as [(String?, String?)]
        {
            #expect(throws: Refusal.self) {
                var copy = policy
                try copy.set(Blocklist(name: "x", zone: zone, device: device, count: 1, content: "0123456789abcdee"))
            }
        }
        policy.devices = []
        #expect(throws: Refusal.self) { try policy.check(in: Surroundings()) }
        try policy.removeBlocklist(named: "games")
        try policy.removeBlocklist(named: "ads")
        #expect(throws: Refusal.self) { try policy.removeBlocklist(named: "ads") }
        #expect(policy.changes(from: Policy(blocklists: [list])).lines.contains("- blocklist ads, 2 names"))
    }

    @Test func `A rule keeps a name from whoever it is about, and one that asks for more than a name does not`() {
        let rules = [
            Rule(id: 1, action: .allow, client: Network("192.168.1.9")!, domain: "games.example"),
            Rule(id: 2, action: .deny, domain: "games.example"),
            Rule(id: 3, action: .deny, domain: "ports.example", ports: PortRange(25, 25)!),
            Rule(id: 4, action: .deny, user: "kid", domain: "user.example"),
            Rule(id: 6, action: .deny, device: "kid", domain: "device.example"),
            Rule(id: 5, action: .deny, client: Network("192.168.1.0/24")!),
        ]
        let policy = Policy(rules: rules)
        let (kid, parent) = (IPAddress("192.168.1.5")!, IPAddress("192.168.1.9")!)
        #expect(policy.ruleAgainst(name: "www.games.example", from: kid, device: nil) == 2)
        #expect(policy.ruleAgainst(name: "games.example", from: parent, device: nil) == nil)
        #expect(policy.ruleAgainst(name: "device.example", from: kid, device: "kid") == 6)
        for name in ["device.example", "badgames.example", "ports.example", "user.example", "example"] {
            #expect(policy.ruleAgainst(name: name, from: kid, device: nil) == nil, "\(name)")
        }
    }
}
