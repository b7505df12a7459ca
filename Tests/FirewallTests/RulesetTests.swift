import Address
import Firewall
import Foundation
import Policy
import Testing

@testable import Ruleset

extension Ruleset {
    /// No listener, no opening.
    static let closed = Ruleset(policy: Policy(), surroundings: Surroundings())
}

@Suite("The ruleset follows from the policy")
struct RulesetTests {
    @Test func `without listeners and openings everything is shut`() {
        #expect(Ruleset.closed.description == shut)
    }

    @Test func `a home with both proxies and SSH reads as nft would print it`() {
        let openings = """
            \t\tiifname "eth1" ip daddr 192.168.77.1 tcp dport 1080 counter accept comment "socks5 192.168.77.1:1080"
            \t\tiifname "eth1" ip saddr . ip daddr . udp dport @associations_ipv4 socket wildcard 0 counter accept comment "socks5 192.168.77.1:1080, datagrams"
            \t\tiifname "eth1" ip6 daddr fd00:77::1 tcp dport 3128 counter accept comment "http [fd00:77::1]:3128"
            \t\tiifname "eth1" ip saddr 192.168.77.0/24 tcp dport 22 counter accept comment "ssh"

            """
        #expect(home.description == text(openings))
    }

    @Test func `a listener that is added or taken away changes its opening and nothing else`() {
        var policy = homePolicy
        let taken = policy.listeners.removeLast()
        let without = Ruleset(policy: policy, surroundings: surroundings)
        let lost = Set(home.chains[0].rules).subtracting(without.chains[0].rules)
        #expect(lost.map(\.comment) == ["http \(taken.endpoint)"])
        #expect(Set(without.chains[0].rules).isSubset(of: home.chains[0].rules))
        policy.listeners.append(taken)
        #expect(Ruleset(policy: policy, surroundings: surroundings) == home)
    }

    @Test(
        "a SOCKS listener opens its associations to the clients that have them, and BIND to the peers that are awaited",
        arguments: [
            ("192.168.77.1:1080", #"iifname "eth1" ip daddr 192.168.77.1"#, #"iifname "eth1" ip saddr . ip daddr"#),
            ("[fd00:77::1]:1080", #"iifname "eth1" ip6 daddr fd00:77::1"#, #"iifname "eth1" ip6 saddr . ip6 daddr"#),
            ("0.0.0.0:1080", "meta nfproto ipv4", "ip saddr . ip daddr"),
            // Its clients need no opening, the peers of BIND do.
            ("127.0.0.1:1080", nil, ""),
        ] as [(String, String?, String)])
    func socks(endpoint: String, way: String?, datagrams: String) {
        for kind in [Listener.Kind.socks5, .mixed] {
            let listener = Listener(
                kind: kind, endpoint: Endpoint(endpoint)!,
                socks: .init(udpPorts: PortRange(50000, 50100), bindPorts: PortRange(21000, 21000)))
            let own = way.map { way in
                [
                    "\(way) tcp dport 1080 counter accept comment \"\(kind) \(endpoint)\"",
                    "\(datagrams) . udp dport @associations_\(datagrams.contains("ip6") ? "ipv6" : "ipv4") "
                        + "socket wildcard 0 counter accept comment \"\(kind) \(endpoint), datagrams\"",
                ]
            }
            #expect(
                openings(of: listener) == (own ?? [])
                    + [
                        "ip saddr . ip daddr . tcp dport @rendezvous_ipv4",
                        "ip daddr . tcp dport @open_rendezvous_ipv4",
                        "ip6 saddr . ip6 daddr . tcp dport @rendezvous_ipv6",
                        "ip6 daddr . tcp dport @open_rendezvous_ipv6",
                    ].map { "\($0) socket wildcard 0 counter accept comment \"BIND\"" })
        }
    }

    private func openings(of listener: Listener) -> [String] {
        let rules = Ruleset(policy: Policy(listeners: [listener]), surroundings: surroundings).chains[0].rules
        return rules.dropFirst(Ruleset.closed.chains[0].rules.count - 2).dropLast(2).map(\.description)
            .filter { !$0.hasSuffix(" jump newcomers") && $0 != "jump banned" }
    }

    @Test(
        "each kind of listener has exactly its opening",
        arguments: [
            ("127.0.0.1:1080", nil, nil),
            ("[::1]:1080", nil, nil),
            ("192.168.77.1:1080", "lo", nil),
            ("198.51.100.9:1080", nil, nil),
            ("192.168.77.1:1080", nil, #"iifname "eth1" ip daddr 192.168.77.1 tcp dport 1080"#),
            ("192.168.77.1:1080", "br0", #"iifname "br0" ip daddr 192.168.77.1 tcp dport 1080"#),
            ("[fd00:77::1]:1080", nil, #"iifname "eth1" ip6 daddr fd00:77::1 tcp dport 1080"#),
            ("[::ffff:192.168.77.1]:1080", nil, #"iifname "eth1" ip daddr 192.168.77.1 tcp dport 1080"#),
            ("0.0.0.0:1080", nil, "meta nfproto ipv4 tcp dport 1080"),
            ("[::]:1080", "eth1", #"iifname "eth1" meta nfproto ipv6 tcp dport 1080"#),
        ] as [(String, String?, String?)])
    func opening(endpoint: String, interface: String?, expected: String?) throws {
        let listener = Listener(kind: .http, endpoint: Endpoint(endpoint)!, interface: interface)
        #expect(
            openings(of: listener) == (expected.map { [$0 + " counter accept comment \"http \(endpoint)\""] } ?? []))
    }

    @Test(
        "a listener's opening is for the networks that it serves, one rule each",
        arguments: [
            (
                "192.168.77.1:1080", ["192.168.77.0/25"],
                [#"iifname "eth1" ip saddr 192.168.77.0/25 ip daddr 192.168.77.1"#]
            ),
            (
                "192.168.77.1:1080", ["192.168.77.5/32", "10.0.0.0/8"],
                [
                    #"iifname "eth1" ip saddr 192.168.77.5 ip daddr 192.168.77.1"#,
                    #"iifname "eth1" ip saddr 10.0.0.0/8 ip daddr 192.168.77.1"#,
                ]
            ),
            (
                "[fd00:77::1]:1080", ["fd00:77::/64"], [#"iifname "eth1" ip6 saddr fd00:77::/64 ip6 daddr fd00:77::1"#]
            ),
            ("0.0.0.0:1080", ["10.0.0.0/8"], ["ip saddr 10.0.0.0/8"]),
            ("0.0.0.0:1080", ["0.0.0.0/0"], ["meta nfproto ipv4"]),
            ("[::]:1080", ["2001:db8::/32"], ["ip6 saddr 2001:db8::/32"]),
            ("192.168.77.1:1080", ["0.0.0.0/0"], [#"iifname "eth1" ip daddr 192.168.77.1"#]),
            ("127.0.0.1:1080", ["127.0.0.0/8"], []),
        ] as [(String, [String], [String])])
    func clients(endpoint: String, clients: [String], expected: [String]) throws {
        let listener = Listener(kind: .socks5, endpoint: Endpoint(endpoint)!, clients: clients.map { Network($0)! })
        let family = endpoint.contains("[") ? ("ip6", "ipv6") : ("ip", "ipv4")
        let interface = expected.first?.hasPrefix("iifname") == true ? "iifname \"eth1\" " : ""
        let datagrams =
            "\(interface)\(family.0) saddr . \(family.0) daddr . udp dport @associations_\(family.1) socket wildcard 0 "
            + "counter accept comment \"socks5 \(endpoint), datagrams\""
        let rules =
            expected.map { "\($0) tcp dport 1080 counter accept comment \"socks5 \(endpoint)\"" }
            + (expected.isEmpty ? [] : [datagrams])
        #expect(openings(of: listener) == rules)
    }

    @Test func `an opening for everybody of one family asks for no address`() throws {
        let opening = Opening(name: "web", .init("udp 443")!, from: .anywhere, source: Network(.v6(0), prefix: 0))
        let rules = Ruleset(policy: Policy(openings: [opening]), surroundings: surroundings).chains[0].rules
        #expect(rules.dropLast(2).last?.description == #"meta nfproto ipv6 udp dport 443 counter accept comment "web""#)
    }

    @Test func `how fast anybody may knock follows the limit for clients, and without one nobody counts`() {
        func knocks(_ limits: [Limit]) -> [String] {
            var policy = homePolicy
            policy.limits = limits
            let ruleset = Ruleset(policy: policy, surroundings: surroundings)
            return (ruleset.chains.first { $0.name == "newcomers" }?.rules ?? []).map(\.description)
        }
        #expect(knocks([]) == knocks([.standard]) && knocks([])[0].contains("over 200/second burst 800"))
        let wide = Limit(subject: .client(Network("10.0.0.0/8")!), rate: 800)
        #expect(knocks([wide])[0].contains("over 1600/second burst 6400"))
        #expect(knocks([Limit(subject: .eachClient, sessions: 5)]).isEmpty)
    }

    @Test func `a name cannot end its own comment, and a long one is cut between letters`() {
        let name = "a\" accept\n" + String(repeating: "ü", count: 100)
        let rule = Ruleset.Rule([], .accept, comment: name)
        #expect(rule.comment == "a' accept " + String(repeating: "ü", count: 58))
    }
}

let surroundings = Surroundings(interfaces: [
    .init(name: "lo", addresses: [.init(address: .v4(0x7f00_0001), prefix: 8)]),
    .init(name: "eth0", addresses: [.init(address: .v4(0xcb00_7102), prefix: 24)]),
    .init(
        name: "eth1",
        addresses: [
            .init(address: .v4(0xc0a8_4d01), prefix: 24),
            .init(address: .v6(0xfd00_0077_0000_0000_0000_0000_0000_0001), prefix: 64),
        ]),
])

let homePolicy = Policy(
    listeners: [
        Listener(kind: .socks5, endpoint: Endpoint("192.168.77.1:1080")!),
        Listener(kind: .http, endpoint: Endpoint("[fd00:77::1]:3128")!, authentication: .required),
    ],
    openings: [
        Opening(name: "ssh", .ssh, from: .interface("eth1"), source: Network("192.168.77.0/24")!)
    ],
    firewall: .enforce, lan: ["eth1"], wan: ["eth0"])

let home = Ruleset(policy: homePolicy, surroundings: surroundings)

private let liveSets = """
    \tset associations_ipv4 {
    \t\ttype ipv4_addr . ipv4_addr . inet_service
    \t\tsize 65536
    \t\tflags timeout
    \t}

    \tset bans_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 65536
    \t\tflags timeout
    \t\tcounter
    \t}

    \tset bans_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 65536
    \t\tflags timeout
    \t\tcounter
    \t}

    \tset bans_neighbours {
    \t\ttype ipv6_addr
    \t\tsize 65536
    \t\tflags timeout
    \t\tcounter
    \t}


    """

/// The box of `homePolicy` with these openings.
private func text(_ openings: String) -> String {
    """
    table inet gatehouse {
    \(liveSets)\tset echo_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 4096
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset echo_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 4096
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset told_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 1024
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset told_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 1024
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset newcomers_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 16384
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset newcomers_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 16384
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset scans_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 16384
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset scans_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 16384
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset floods_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 16384
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset floods_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 16384
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset reported_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 16384
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset reported_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 16384
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset barred_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 1024
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset barred_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 1024
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset egress_ipv4 {
    \t\ttype ipv4_addr
    \t\tsize 64
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tset egress_ipv6 {
    \t\ttype ipv6_addr
    \t\tsize 64
    \t\tflags dynamic,timeout
    \t\ttimeout 1m
    \t}

    \tmap stopped {
    \t\ttype mark : verdict
    \t\tsize 1024
    \t\telements = { 0x0000ffff : goto ended, 0x00010000 : jump between, 0x0001ffff : goto ended }
    \t}

    \tmap towards_ipv4 {
    \t\ttype ipv4_addr : verdict
    \t\tsize 1024
    \t}

    \tmap towards_ipv6 {
    \t\ttype ipv6_addr : verdict
    \t}

    \tchain input {
    \t\ttype filter hook input priority filter; policy drop;
    \t\tiifname "lo" accept comment "the gateway itself"
    \t\tct mark & 0x0001ffff vmap @stopped comment "devices that are stopped"
    \t\ticmp type echo-request goto echo
    \t\ticmpv6 type echo-request goto echo
    \t\tct state vmap { established : accept, related : accept } comment "answers"
    \t\tip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept comment "neighbour discovery"
    \t\tiifname "eth0" ip6 saddr fe80::/10 ip6 hoplimit 255 icmpv6 type nd-router-advert accept comment "router advertisements"
    \t\tiifname "eth1" ip6 hoplimit 255 icmpv6 type nd-router-solicit accept comment "router solicitations"
    \t\tip6 saddr fe80::/10 icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept comment "multicast listener discovery"
    \t\tip6 saddr :: icmpv6 type mld2-listener-report accept comment "multicast listener discovery"
    \t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept comment "errors that IP needs"
    \t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } accept comment "errors that IP needs"
    \t\tiifname "eth1" meta nfproto ipv4 meta l4proto igmp accept comment "multicast group management"
    \t\tiifname "eth0" meta nfproto ipv4 udp dport 68 accept comment "DHCP client"
    \t\tiifname "eth0" ip6 daddr fe80::/10 udp dport 546 accept comment "DHCPv6 client"
    \t\tiifname "eth1" fib saddr . iif oif missing goto bar_forged
    \t\tjump banned
    \t\tmeta l4proto tcp jump newcomers
    \t\tiifname "eth0" meta l4proto udp ct status ! confirmed jump newcomers
    \(openings)\t\tiifname "eth0" ct state new fib daddr type local jump scans
    \t\tjump told
    \t\tcounter drop comment "the rest"
    \t}

    \tchain echo {
    \t\tupdate @echo_ipv4 { ip saddr limit rate 20/second burst 40 packets } accept comment "ping"
    \t\tupdate @echo_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate 20/second burst 40 packets } accept comment "ping"
    \t\tcounter drop comment "pings beyond the rate of their source"
    \t}

    \tchain banned {
    \t\tiifname "eth0" ip saddr @bans_ipv4 goto bar_banned
    \t\tiifname "eth0" ip6 saddr & ffff:ffff:ffff:ffff:: == @bans_ipv6 goto bar_banned
    \t\tiifname "eth0" ip6 saddr @bans_neighbours goto bar_banned
    \t\tmeta l4proto tcp ip saddr @bans_ipv4 goto bar_banned
    \t\tmeta l4proto tcp ip6 saddr & ffff:ffff:ffff:ffff:: == @bans_ipv6 goto bar_banned
    \t\tmeta l4proto tcp ip6 saddr @bans_neighbours goto bar_banned
    \t}

    \tchain newcomers {
    \t\tupdate @newcomers_ipv4 { ip saddr limit rate over 200/second burst 800 packets } counter goto floods comment "beginnings beyond the rate of their source"
    \t\tupdate @newcomers_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over 1600/second burst 6400 packets } counter goto floods comment "beginnings beyond the rate of their source"
    \t}

    \tchain floods {
    \t\tiifname "eth0" update @floods_ipv4 { ip saddr limit rate over 1/second burst 1000 packets } update @reported_ipv4 { ip saddr limit rate 1/second burst 1 packets } log group 26473
    \t\tiifname "eth0" update @floods_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over 1/second burst 1000 packets } update @reported_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate 1/second burst 1 packets } log group 26473
    \t\tdrop
    \t}

    \tchain scans {
    \t\tupdate @scans_ipv4 { ip saddr limit rate over 1/second burst 100 packets } update @reported_ipv4 { ip saddr limit rate 1/second burst 1 packets } log group 26472
    \t\tupdate @scans_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over 1/second burst 100 packets } update @reported_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate 1/second burst 1 packets } log group 26472
    \t}

    \tchain bar_forged {
    \t\tupdate @barred_ipv4 { ip saddr limit rate 1/second burst 10 packets } log prefix "forged sources" group 26477
    \t\tupdate @barred_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate 1/second burst 10 packets } log prefix "forged sources" group 26477
    \t\tcounter drop comment "forged sources"
    \t}

    \tchain bar_banned {
    \t\tupdate @barred_ipv4 { ip saddr limit rate 1/second burst 10 packets } log prefix "banned" group 26477
    \t\tupdate @barred_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate 1/second burst 10 packets } log prefix "banned" group 26477
    \t\tcounter drop comment "banned"
    \t}

    \tchain forward {
    \t\ttype filter hook forward priority filter; policy drop;
    \t\tct mark & 0x0001ffff vmap @stopped comment "devices that are stopped"
    \t\ttcp flags syn / fin,syn,rst tcp option maxseg size set rt mtu
    \t\tct state vmap { established : accept, related : accept } comment "answers"
    \t\tct state untracked counter drop comment "of no connection"
    \t\tip daddr vmap @towards_ipv4 comment "towards devices that are stopped"
    \t\tip6 daddr vmap @towards_ipv6 comment "towards devices that are stopped"
    \t\tiifname vmap { "eth0" : goto from_internet, "eth1" : goto from_home }
    \t\tjump told
    \t\tcounter drop comment "the rest"
    \t}

    \tchain told {
    \t\tupdate @told_ipv4 { ip saddr limit rate 1/second burst 10 packets } log group 26475
    \t\tupdate @told_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate 1/second burst 10 packets } log group 26475
    \t}

    \tchain between {
    \t\tip daddr vmap @towards_ipv4
    \t\tip6 daddr vmap @towards_ipv6
    \t\tip saddr vmap @towards_ipv4
    \t\tip6 saddr vmap @towards_ipv6
    \t}

    \tchain ended {
    \t\tmeta l4proto tcp counter reject with tcp reset comment "connections that were ended"
    \t\tcounter drop comment "connections that were ended"
    \t}

    \tchain from_home {
    \t\tfib saddr . iif oif missing goto bar_forged
    \t\tgoto routed_home
    \t}

    \tchain routed_home {
    \t\toifname vmap { "eth0" : goto to_internet, "eth1" : accept }
    \t\tgoto refuse
    \t}

    \tchain from_internet {
    \t\toifname "eth1" icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept comment "errors that IP needs"
    \t\toifname "eth1" icmpv6 type echo-request goto echo
    \t\tjump told
    \t\tcounter drop comment "unasked from the internet"
    \t}

    \tchain to_internet {
    \t\tct state invalid counter drop comment "of no connection, and so not translated"
    \t\tip daddr 10.0.0.0/8 goto refuse comment "private networks"
    \t\tip daddr 100.64.0.0/10 goto refuse comment "private networks"
    \t\tip daddr 169.254.0.0/16 goto refuse comment "private networks"
    \t\tip daddr 172.16.0.0/12 goto refuse comment "private networks"
    \t\tip daddr 192.168.0.0/16 goto refuse comment "private networks"
    \t\tip6 daddr fc00::/7 goto refuse comment "private networks"
    \t\tip6 daddr fec0::/10 goto refuse comment "private networks"
    \t\ticmp type echo-request goto echo
    \t\ticmpv6 type echo-request goto echo
    \t\tcounter accept comment "to the internet"
    \t}

    \tchain refuse {
    \t\tjump told
    \t\tmeta l4proto tcp counter reject with tcp reset comment "refused"
    \t\tcounter reject with icmpx admin-prohibited comment "refused"
    \t}

    \tchain srcnat {
    \t\ttype nat hook postrouting priority srcnat; policy accept;
    \t\tiifname "eth1" oifname "eth0" meta nfproto ipv4 masquerade comment "one address for all"
    \t}

    \tchain output {
    \t\ttype filter hook output priority filter; policy accept;
    \t\tct state vmap { established : accept, related : accept } comment "answers"
    \t\toifname "lo" accept comment "the gateway itself"
    \t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, mld-listener-query, mld-listener-report, mld-listener-done, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept comment "what IP needs"
    \t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } accept comment "what IP needs"
    \t\tmeta l4proto igmp accept comment "multicast group management"
    \t\ttcp flags syn / fin,syn,rst goto strangers
    \t\tmeta l4proto tcp accept comment "under way"
    \t\tgoto strangers
    \t}

    \tchain strangers {
    \t\tupdate @egress_ipv4 { ip saddr limit rate 20/second burst 100 packets } log group 26474
    \t\tupdate @egress_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate 20/second burst 100 packets } log group 26474
    \t\tcounter accept comment "what nothing lets out"
    \t}
    }

    """
}

/// Nothing is known of the interfaces: each may be the one that leads to the internet.
private var shut: String {
    var blocks = text("").replacing(liveSets, with: "").components(separatedBy: "\n\n").filter { block in
        ![
            "newcomers", "ban", "bar", "scans", "floods", "reported", "map ", "forward", "between", "ended", "_home",
            "_internet", "refuse", "srcnat",
        ].contains {
            block.split(separator: "{", maxSplits: 1)[0].contains($0)
        }
    }
    let passing = """
        \tchain forward {
        \t\ttype filter hook forward priority filter; policy drop;
        \t\tjump told
        \t\tcounter drop comment "the rest"
        \t}
        """
    // Before those that it leads to, and those of what goes out.
    blocks.insert(passing, at: blocks.count - 3)
    var lines = blocks.joined(separator: "\n\n").components(separatedBy: "\n")
    lines.removeAll { line in
        ["router solicitations", "newcomers", "banned", "scans", "@stopped", "forged"].contains { line.contains($0) }
    }
    return lines.map { $0.replacing("iifname \"eth0\" ", with: "").replacing("iifname \"eth1\" ", with: "") }
        .joined(separator: "\n")
}
