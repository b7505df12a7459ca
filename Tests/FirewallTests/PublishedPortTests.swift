import Ruleset
import TestNetwork
import Testing

@testable import Firewall

@Suite("Ports that other tables lead on are read", .enabled(if: isRoot, "needs root: network namespaces"))
struct PublishedPortTests {
    private func ports(_ prepare: (Namespace) throws -> Void) throws -> [PublishedPort] {
        let namespace = try Namespace()
        try prepare(namespace)
        var netlink = try namespace.netlink()
        try netlink.apply(home)
        return try netlink.publishedPorts(try netlink.foreignChains())
    }

    private func shown(_ ports: [PublishedPort]) -> [String] {
        ports.map { port in
            "\(port.transport) \(port.ports)" + (port.address.map { " at \($0)" } ?? "")
                + (port.entrance.map { " by \($0)" } ?? "")
                + (port.exceptions.isEmpty ? "" : " not by \(Set(port.exceptions).sorted().joined(separator: ","))")
                + " to \(port.destination)" + (port.port.map { " \($0)" } ?? "") + (port.isSure ? "" : ", perhaps")
        }
    }

    @Test("as iptables-nft writes them, through the chains that lead to them")
    func xtables() throws {
        let found = try ports { namespace in
            for (command, rules) in [
                (
                    "iptables-nft",
                    """
                    -N DOCKER
                    -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
                    -A DOCKER -i docker0 -j RETURN
                    -A DOCKER ! -i br-1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
                    -A DOCKER -d 192.168.77.1/32 -p udp -m udp --dport 8081 -j DNAT --to-destination 172.17.0.2:53
                    -A DOCKER -d 127.0.0.0/8 -p tcp -m tcp --dport 8082 -j DNAT --to-destination 172.17.0.2:80
                    -A DOCKER -p tcp -m multiport --dports 8083,8085:8086 -j DNAT --to-destination 172.17.0.3:80
                    -A DOCKER -p tcp -m tcp --dport 9000:9010 -j DNAT --to-destination 172.17.0.2
                    -A DOCKER -p tcp -m tcp --dport 8087 --tcp-option 2 -j DNAT --to-destination 172.17.0.2:87
                    -A DOCKER -p tcp -m tcp --dport 8088 -m statistic --mode random --probability 0.5 -j DNAT --to-destination 172.17.0.2:88
                    -N HOST
                    -A PREROUTING -p tcp --dport 8089 -j HOST
                    -A HOST -p tcp -j DNAT --to-destination 172.17.0.4:89
                    -A HOST -p udp -j DNAT --to-destination 172.17.0.4:89
                    -A HOST -p sctp -j DNAT --to-destination 172.17.0.4:89
                    -A HOST -j RETURN
                    -A HOST -p tcp -j DNAT --to-destination 172.17.0.5:89
                    -A OUTPUT -p tcp --dport 8090 -j DNAT --to-destination 172.17.0.2:80
                    """
                ),
                (
                    "ip6tables-nft",
                    "-A PREROUTING -d fd77::/64 -i wan+ -p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd17::2]:80"
                ),
            ] {
                for rule in rules.split(separator: "\n") {
                    let outcome = try namespace.attempt(
                        [command, "-t", "nat"] + rule.split(separator: " ").map(String.init))
                    #expect(outcome.status == 0, "\(rule): \(outcome)")
                }
            }
        }
        #expect(
            shown(found) == [
                "tcp 8080 not by br-1,docker0 to 172.17.0.2 80",
                "udp 8081 at 192.168.77.1/32 not by docker0 to 172.17.0.2 53",
                "tcp 8082 at 127.0.0.0/8 not by docker0 to 172.17.0.2 80",
                "tcp 8083 not by docker0 to 172.17.0.3 80",
                "tcp 8085-8086 not by docker0 to 172.17.0.3 80",
                "tcp 9000-9010 not by docker0 to 172.17.0.2",
                "tcp 8087 not by docker0 to 172.17.0.2 87, perhaps",
                "tcp 8088 not by docker0 to 172.17.0.2 88, perhaps",
                "tcp 8089 to 172.17.0.4 89",
                "tcp 8080 at fd77::/64 by wan* to fd17::2 80",
            ])
        #expect(found.first?.holder == "table ip nat (Docker), chain DOCKER")
        #expect(found.last?.holder == "table ip6 nat (iptables), chain PREROUTING")
    }

    @Test("as nft writes them, with sets, maps and ranges, in any table")
    func native() throws {
        let found = try ports { namespace in
            try namespace.run(
                "nft", "-f", "-",
                input: """
                    table ip docker-bridges {
                        chain nat-prerouting-and-output {
                            iifname != "docker0" tcp dport 8080 counter dnat to 172.17.0.2:80 comment "DNAT"
                            ip daddr 192.168.77.1 udp dport 8081 counter dnat to 172.17.0.2:53
                        }
                        chain nat-PREROUTING {
                            type nat hook prerouting priority dstnat; policy accept;
                            fib daddr type local counter jump nat-prerouting-and-output
                        }
                    }
                    table inet mine {
                        map doors { type inet_service : ipv4_addr . inet_service; elements = { 8010 : 10.0.0.1 . 80, 8011 : 10.0.0.2 . 81 }; }
                        chain in {
                            type nat hook prerouting priority dstnat; policy accept;
                            iifname "wan0" tcp dport { 80, 443 } dnat ip to 10.0.0.5
                            tcp dport { 8000-8002, 8005 } dnat ip to 10.0.0.6:80
                            udp dport 9000-9010 dnat ip6 to fd17::2
                            dnat ip to tcp dport map { 8020 : 10.0.0.7, 8021 : 10.0.0.8 }
                            dnat ip to tcp dport map @doors
                            tcp dport 8030 ip saddr 203.0.113.0/24 dnat ip to 10.0.0.9:80
                            meta l4proto tcp redirect to :3128
                        }
                    }
                    """)
        }
        #expect(
            shown(found) == [
                "tcp 8080 not by docker0 to 172.17.0.2 80",
                "udp 8081 at 192.168.77.1/32 to 172.17.0.2 53",
                "tcp 80 by wan0 to 10.0.0.5",
                "tcp 443 by wan0 to 10.0.0.5",
                "tcp 8000-8002 to 10.0.0.6 80",
                "tcp 8005 to 10.0.0.6 80",
                "udp 9000-9010 to fd17::2",
                "tcp 8020 to 10.0.0.7",
                "tcp 8021 to 10.0.0.8",
                "tcp 8010 to 10.0.0.1 80",
                "tcp 8011 to 10.0.0.2 81",
                "tcp 8030 to 10.0.0.9 80, perhaps",
            ])
        #expect(found.first?.holder == "table ip docker-bridges (Docker), chain nat-prerouting-and-output")
        #expect(found.last?.holder == "table inet mine, chain in")
    }

    private func native(_ table: String) throws -> [String] {
        shown(try ports { try $0.run("nft", "-f", "-", input: table) })
    }

    private static let baseChain = "type nat hook prerouting priority dstnat; policy accept;"

    @Test(
        "Whatever a set of ports holds, from the first port to the last and all others",
        arguments: [
            ("0-1023, *", ["1-65535"]), ("*", ["1-65535"]), ("0-1023", ["1-1023"]), ("0-65535", ["1-65535"]),
            ("0, 80", ["80"]), ("0-9, 10-19, 8000-65535", ["1-9", "10-19", "8000-65535"]),
        ])
    func sets(_ elements: String, _ ports: [String]) throws {
        let found = try native(
            """
            table inet t {
                set s { type inet_service; flags interval; elements = { \(elements) }; }
                chain in {
                    \(Self.baseChain)
                    tcp dport @s dnat ip to 10.0.0.2
                    udp dport @s dnat ip6 to fd17::2
                }
            }
            """)
        #expect(found == ports.map { "tcp \($0) to 10.0.0.2" } + ports.map { "udp \($0) to fd17::2" })
    }

    @Test("A map's ranges are told whole, and what it has for all other ports last")
    func maps() throws {
        let found = try native(
            """
            table inet t {
                map m { type inet_service : ipv4_addr . inet_service; flags interval; elements = { * : 10.0.0.4 . 84, 8000-8010 : 10.0.0.3 . 83, 0-7 : 10.0.0.5 . 85 }; }
                chain in {
                    \(Self.baseChain)
                    dnat ip to tcp dport map { 80 : 10.0.0.2, 8000-8010 : 10.0.0.3, 8011-65535 : 10.0.0.4 }
                    dnat ip6 to udp dport map { 80 : fd17::2, 8000-8010 : fd17::3 }
                    tcp dport 8005-9000 dnat ip to tcp dport map @m
                }
            }
            """)
        #expect(
            found == [
                "tcp 80 to 10.0.0.2", "tcp 8000-8010 to 10.0.0.3", "tcp 8011-65535 to 10.0.0.4",
                "udp 80 to fd17::2", "udp 8000-8010 to fd17::3",
                "tcp 8005-8010 to 10.0.0.3 83", "tcp 8005-9000 to 10.0.0.4 84",
            ])
    }

    @Test("Where a port and something else are asked for together, it is not sure")
    func concatenations() throws {
        let found = try native(
            """
            table inet t {
                set s { type inet_service . ipv4_addr; flags interval; elements = { 8000-8010 . 10.0.0.0/24 }; }
                chain in {
                    \(Self.baseChain)
                    dnat ip to tcp dport . ip saddr map { 80 . 203.0.113.7 : 10.0.0.9 }
                    dnat ip6 to udp dport . ip6 saddr map { 80 . fd77::7 : fd17::9 }
                    tcp dport . ip saddr { 81 . 203.0.113.7 } dnat ip to 10.0.0.9
                    udp dport . ip saddr @s dnat ip to 10.0.0.9
                }
            }
            """)
        #expect(
            found == [
                "tcp 80 to 10.0.0.9, perhaps", "udp 80 to fd17::9, perhaps", "tcp 81 to 10.0.0.9, perhaps",
                "udp 8000-8010 to 10.0.0.9, perhaps",
            ])
    }

    @Test(
        "What leaves in a chain that another leads to does not come back, and what returns does",
        arguments: [
            ("jump sub", "ip saddr 192.168.77.0/24 accept", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("jump sub", "iifname lan0 accept", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("jump sub", "meta l4proto tcp redirect to :3128", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("jump sub", "tcp dport vmap { 8080 : accept }", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("jump sub", "accept", []),
            ("jump sub", "jump last", []),
            ("iifname lan0 jump sub", "accept", ["tcp 8080 not by lan0 to 10.0.0.2"]),
            ("iifname lan0 jump sub", "iifname lan0 ip saddr 192.168.77.1 accept", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("jump sub", "iifname lan0 return; accept", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("meta nfproto ipv4 accept", "return", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("fib daddr type broadcast accept", "return", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("fib daddr type broadcast jump sub", "accept", ["tcp 8080 to 10.0.0.2, perhaps"]),
            ("fib daddr type local jump sub", "iifname lan0 return", ["tcp 8080 to 10.0.0.2"]),
            ("jump sub", "return; accept", ["tcp 8080 to 10.0.0.2"]),
            ("jump sub", "iifname lan0 return", ["tcp 8080 to 10.0.0.2"]),
            ("goto sub", "iifname lan0 return", []),
            ("iifname lan0 goto sub", "iifname lan0 return", ["tcp 8080 not by lan0 to 10.0.0.2"]),
            ("tcp dport vmap { 8080 : accept }", "return", ["tcp 8080 to 10.0.0.2, perhaps"]),
            (
                "iifname lan0 jump sub", "iifname wan0 tcp dport 80 dnat ip to 10.0.0.3",
                ["tcp 80 by wan0 to 10.0.0.3, perhaps", "tcp 8080 to 10.0.0.2"]
            ),
            (
                "ip daddr 10.0.0.1 jump sub", "ip daddr 10.0.0.0/8 tcp dport 80 dnat ip to 10.0.0.3",
                ["tcp 80 at 10.0.0.0/8 to 10.0.0.3, perhaps", "tcp 8080 to 10.0.0.2"]
            ),
        ])
    func departures(_ rule: String, _ sub: String, _ ports: [String]) throws {
        let found = try native(
            """
            table inet t {
                chain last { accept; }
                chain sub { \(sub); }
                chain in {
                    \(Self.baseChain)
                    \(rule)
                    tcp dport 8080 dnat ip to 10.0.0.2
                }
            }
            """)
        #expect(found == ports)
    }

    @Test("chains that lead to one another in very many ways are not followed for ever")
    func many() throws {
        let found = try ports { namespace in
            let chains = (0..<9).map { depth in
                "chain c\(depth) { " + String(repeating: "jump c\(depth + 1); ", count: 4) + "}"
            }
            try namespace.run(
                "nft", "-f", "-",
                input: "table ip deep { chain c9 { tcp dport 80 dnat to 10.0.0.1; }; "
                    + chains.reversed().joined(separator: "; ")
                    + "; chain in { type nat hook prerouting priority -100; jump c0; }; }")
        }
        #expect(shown(found) == ["tcp 80 to 10.0.0.1"])
    }
}
