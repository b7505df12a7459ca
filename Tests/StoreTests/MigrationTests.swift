import Address
import Policy
import Ruleset
import Testing

@testable import Store

@Suite struct `A store of 0.1.0` {
    let directory = StateDirectory()

    /// As 0.1.0 wrote it: a setup, openings of each shape, a second LAN interface, and a WAN that was named later.
    init() throws {
        do { _ = try Store(directory: directory.path, migrations: Array(Schema.migrations.prefix(2))) }
        try directory.sql(
            """
            INSERT INTO setting (name, value, since) VALUES ('lan', '', 1), ('wan', '', 1);
            INSERT INTO revision VALUES
                (2, 1700000000, 0, 'root', 'setup --lan eth1'), (3, 1700000001, 0, 'root', 'firewall open dns'),
                (4, 1700000002, 0, 'root', 'setup --lan eth1');
            UPDATE setting SET until = 2 WHERE name IN ('lan', 'firewall');
            UPDATE setting SET until = 4 WHERE name = 'wan';
            INSERT INTO setting (name, value, since) VALUES
                ('lan', 'eth1 wlan0', 2), ('wan', 'eth0', 4), ('firewall', 'enforce', 2);
            INSERT INTO listener (endpoint, kind, authentication, interface, since) VALUES
                ('192.168.1.1:1080', 'socks5', 'none', 'eth1', 2), ('192.168.1.1:3128', 'http', 'none', 'eth1', 2),
                ('192.168.1.1:8080', 'mixed', 'none', NULL, 3), ('0.0.0.0:8443', 'http', 'required', NULL, 3);
            INSERT INTO opening (name, transport, port, interface, source, since, until) VALUES
                ('ssh', 'tcp', 22, NULL, NULL, 2, NULL), ('dns', 'udp', 53, 'eth1', NULL, 3, NULL),
                ('backup', 'tcp', 873, NULL, '203.0.113.7/32', 3, 4);
            """)
    }

    @Test func `keeps what it meant: an opening without an interface stays one to everywhere`() throws {
        let store = try Store(directory: directory.path)
        let policy = try store.policy()
        #expect(
            policy.openings == [
                Opening(name: "dns", .init("udp 53")!, from: .interface("eth1")),
                Opening(name: "ssh", .ssh, from: .anywhere),
            ])
        #expect(
            policy.zones == [
                Zone(name: "home", interfaces: ["eth1", "wlan0"], way: .proxy),
                Zone(name: "internet", interfaces: ["eth0"]),
            ])
        #expect(policy.firewall == .enforce)
        #expect(
            policy.listeners.map(\.place) == [.anywhere, .interface("eth1"), .interface("eth1"), .anywhere])
    }

    /// The lines are those that 0.1.0 made of this store.
    @Test func `keeps every verdict`() throws {
        let surroundings = Surroundings(interfaces: [
            .init(name: "eth0", addresses: [.init(address: IPAddress("203.0.113.5")!, prefix: 24)]),
            .init(name: "eth1", addresses: [.init(address: IPAddress("192.168.1.1")!, prefix: 24)]),
        ])
        let ruleset = Ruleset(
            policy: try Store(directory: directory.path).policy(), surroundings: surroundings)
        let lines = ruleset.description.split(separator: "\n").map { $0.trimmingPrefix { $0 == "\t" } }
        #expect(
            lines.filter { $0.contains(" counter accept comment ") }.map(String.init) == [
                #"meta nfproto ipv4 tcp dport 8443 counter accept comment "http 0.0.0.0:8443""#,
                #"iifname "eth1" ip daddr 192.168.1.1 tcp dport 1080 counter accept comment "socks5 192.168.1.1:1080""#,
                #"iifname "eth1" ip saddr . ip daddr . udp dport @associations_ipv4 socket wildcard 0 counter accept comment "socks5 192.168.1.1:1080, datagrams""#,
                #"iifname "eth1" ip daddr 192.168.1.1 tcp dport 3128 counter accept comment "http 192.168.1.1:3128""#,
                #"iifname "eth1" ip daddr 192.168.1.1 tcp dport 8080 counter accept comment "mixed 192.168.1.1:8080""#,
                #"iifname "eth1" ip saddr . ip daddr . udp dport @associations_ipv4 socket wildcard 0 counter accept comment "mixed 192.168.1.1:8080, datagrams""#,
                #"iifname "eth1" udp dport 53 counter accept comment "dns""#,
                #"tcp dport 22 counter accept comment "ssh""#,
            ])
    }

    @Test func `keeps its history`() throws {
        let store = try Store(directory: directory.path)
        #expect(
            try store.policy(at: 1) == Policy(zones: [Zone(name: "home", way: .proxy), Zone(name: "internet")]))
        #expect(
            try store.policy(at: 2).zones == [
                Zone(name: "home", interfaces: ["eth1", "wlan0"], way: .proxy), Zone(name: "internet"),
            ])
        #expect(
            try store.policy(at: 3).openings.first
                == Opening(
                    name: "backup", .init("tcp 873")!, from: .anywhere, source: Network("203.0.113.7/32")!))
        #expect(
            try store.changes(of: 4).lines == [
                "- zone internet without interfaces", "+ zone internet eth0",
                "- opening backup tcp 873 from anywhere, 203.0.113.7/32",
            ])
        #expect(try store.changes(of: 2).lines.contains("+ opening ssh tcp 22 from anywhere"))
    }

    @Test func `goes on from there`() throws {
        let store = try Store(directory: directory.path)
        var policy = try store.policy()
        policy.openings[1].place = .zone("home")
        policy.zones.insert(Zone(name: "guest", interfaces: ["guest0"]), at: 0)
        try store.commit(policy, author: alice, summary: "zones")
        #expect(try store.policy() == policy)
        #expect(
            try store.changes(of: 5).lines == [
                "+ zone guest guest0", "- opening ssh tcp 22 from anywhere", "+ opening ssh tcp 22 from home",
            ])
        try store.commit(try store.policy(at: 3), author: alice, summary: "rollback to revision 3")
        #expect(try store.policy().openings.count == 3)
    }
}
