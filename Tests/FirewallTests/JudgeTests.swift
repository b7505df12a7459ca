import Address
import Foundation
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

/// nft(8), which shares no line of code with the ruleset's compiler, as the judge of it.
@Suite("nft reads the ruleset as it was meant", .enabled(if: isRoot, "needs root: network namespaces"))
struct JudgeTests {
    static let rulesets = [Ruleset.foundation, .closed, home, chosen, everything]

    @Test("nft accepts the text", arguments: rulesets)
    func accepted(ruleset: Ruleset) throws {
        #expect(try Namespace().run("env", "TZ=UTC", "nft", "-c", "-f", "-", input: ruleset.description) == "")
    }

    /// A box was shut at boot by other rules than those that hold when its store is gone.
    @Test func `the file that shuts the door at boot is the foundation`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "etc/shut.nft"), encoding: .utf8)
        #expect(text.replacing(/^(#.*\n)+/, with: "") == Ruleset.foundation.description)
    }

    @Test("nft lists what was applied with the very text that we show", arguments: rulesets)
    func listed(ruleset: Ruleset) throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        try netlink.apply(ruleset)
        let listing = try namespace.listing()
        #expect(listing == ruleset.description, "\(difference(listing, ruleset.description))")
    }

    @Test("nft compiles the text to the instructions that we send", arguments: rulesets)
    func compiled(ruleset: Ruleset) throws {
        let namespace = try Namespace()
        let trace = try namespace.run(
            "env", "TZ=UTC", "nft", "-c", "--debug=netlink", "-f", "-", input: ruleset.description)
        #expect(
            instructions(inTrace: trace) == ruleset.chains.flatMap(\.rules).map { $0.instructions.map(\.description) })
    }

    @Test("what nft loads from the text passes for what we would have sent", arguments: rulesets)
    func loaded(ruleset: Ruleset) throws {
        let namespace = try Namespace()
        try namespace.run("env", "TZ=UTC", "nft", "-f", "-", input: ruleset.description)
        var netlink = try namespace.netlink()
        #expect(try netlink.state(of: ruleset) == .same)
    }

    @Test func `nft's JSON has the chains, the verdicts, the comments and the counters`() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        try netlink.apply(home)
        let json = try namespace.run("nft", "-j", "list", "ruleset")
        let listing = try JSONDecoder().decode(Listing.self, from: Data(json.utf8)).nftables
        #expect(listing.compactMap(\.table).map(\.name) == ["gatehouse"])
        let chains = listing.compactMap(\.chain)
        #expect(chains.map(\.name) == home.chains.map(\.name))
        #expect(chains.map(\.hook) == home.chains.map { $0.base.map { "\($0.hook)" } })
        #expect(chains.map(\.prio) == home.chains.map { $0.base.map { Int($0.priority) } })
        #expect(chains.map(\.policy) == home.chains.map { $0.base.map { "\($0.policy)" } })
        let (rules, wanted) = (listing.compactMap(\.rule), home.chains.flatMap(\.rules))
        #expect(rules.map(\.comment) == wanted.map(\.comment))
        #expect(rules.map { $0.expr.contains { $0.counter != nil } } == wanted.map(\.isCounted))
    }
}

extension Ruleset: CustomTestStringConvertible {
    package var testDescription: String { "\(chains.map { "\($0.name) with \($0.rules.count) rules" })" }
}

/// Listeners that serve some networks only.
private let chosen = Ruleset(
    policy: Policy(
        listeners: [
            Listener(
                kind: .socks5, endpoint: Endpoint("192.168.77.1:1080")!,
                clients: ["192.168.77.0/25", "10.1.2.3", "0.0.0.0/0"].map { Network($0)! }),
            Listener(
                kind: .http, endpoint: Endpoint("0.0.0.0:3128")!, authentication: .required,
                clients: ["192.168.77.0/24", "0.0.0.0/0"].map { Network($0)! }),
            Listener(
                kind: .http, endpoint: Endpoint("[::]:3128")!, authentication: .required, interface: "eth1",
                clients: ["fd00:77::/64", "2001:db8::1"].map { Network($0)! }),
        ]), surroundings: surroundings)

/// Everything that the vocabulary has, and the corners of it.
private let everything = Ruleset(
    meters: [
        .init(name: "four", family: .ipv4, size: 100, seconds: 3661),
        .init(name: "six", family: .ipv6, size: 65535, seconds: 90),
    ],
    deviceMaps: [
        .init(
            name: "numbers",
            content: .numbers([
                sender("lan0", "02:00:00:00:00:09"): 7, sender("lan0", "01:00:00:00:00:10"): 9,
                sender("guest0", "02:00:00:00:00:01"): 1, sender("lan0", "02:00:00:00:00:01"): 65535,
                sender("a-long-name-15c", "fe:dc:ba:98:76:54"): 256,
            ])),
        .init(name: "nobody", content: .numbers([:])),
        .init(
            name: "fates",
            content: .verdicts([
                300: .drop, 0x1_0002: .drop, 2: .jump("deeper"), 1: .goto("elsewhere"), 65535: .accept, 4: .drop,
                5: .drop, 6: .return,
                7: .drop, 8: .drop, 9: .drop, 10: .drop,
            ])),
        .init(name: "fateless", content: .verdicts([:])),
        .init(
            name: "places",
            content: .destinations(
                .ipv4,
                [
                    IPAddress("192.168.77.20")!: .drop, IPAddress("10.0.0.9")!: .jump("deeper"),
                    IPAddress("192.168.77.3")!: .goto("elsewhere"), IPAddress("9.1.1.1")!: .accept,
                ])),
        .init(
            name: "places6",
            content: .destinations(
                .ipv6, [IPAddress("fd00:77::9")!: .drop, IPAddress("2001:db8::1")!: .goto("elsewhere")])),
        .init(name: "nowhere", content: .destinations(.ipv6, [:])),
    ],
    maps: [.init(name: "soon", seconds: 86400, verdict: .goto("elsewhere"))],
    chains: [
        .init(
            name: "elsewhere",
            rules: [
                .init(
                    decision: .byState([.invalid: .drop, .untracked: .return, .new: .jump("deeper"), .related: .accept])
                ),
                .init(
                    [.icmp([.echoRequest]), .withinRate(.init(meter: "four", family: .ipv4, perSecond: 1, burst: 7))],
                    .accept),
                .init(
                    [.withinRate(.init(meter: "six", family: .ipv6, perSecond: 1000, burst: 1))],
                    .return),
                .init(
                    [.family(.ipv4), .transport(IPProtocol(number: 41))], isCounted: true, .accept, comment: "tunnel"),
                .init([.transport(IPProtocol(number: 47))], isCounted: true, .accept),
                .init([.transport(IPProtocol(number: 250))], .accept),
            ]),
        .init(name: "deeper", rules: [.init([.icmpv6([.routerSolicitation, .routerAdvertisement])], .return)]),
        .init(
            name: "near", base: .init(hook: .prerouting, priority: -155, policy: .accept),
            rules: [
                .init([.device(0)], .jump("deeper")),
                .init([.device(65535)], .drop),
                .init(decision: .identify("numbers"), comment: "who it is"),
                .init([.inputInterface(["eth0"])], decision: .assign(300)),
            ]),
        .init(
            name: "target", base: .init(kind: .nat, hook: .prerouting, priority: -100, policy: .accept),
            rules: [
                .init(
                    [.inputInterface(["eth0"]), .family(.ipv4), .destinationPort(.tcp, 443)], isCounted: true,
                    decision: .forward(.v4(0xc0a8_0a14), 8443), comment: "forward web"),
                .init(
                    [.destination(Network("203.0.113.2")!), .destinationPort(.udp, 443)],
                    decision: .forward(.v4(0xc0a8_0a14), nil)),
                .init(
                    [.family(.ipv6), .destinationPort(.tcp, 443)],
                    decision: .forward(IPAddress("fd00:77::9")!, 8443)),
                .init(
                    [.inputInterface(["eth1"]), .foreignDestination, .destinationPort(.udp, 53)], decision: .redirect),
                .init([.ownDestination, .family(.ipv4)], decision: .redirect),
            ]),
        .init(
            name: "source", base: .init(kind: .nat, hook: .postrouting, priority: 101, policy: .accept),
            rules: [
                .init([.outputInterface(["eth0"]), .family(.ipv4)], decision: .masquerade),
                .init(
                    [.inputInterface(["eth1"]), .outputInterface(["eth2", "eth1"]), .translated],
                    decision: .masquerade),
            ]),
        .init(
            name: "hours",
            rules: [
                .init([.time(1_800_000_000...1_800_003_599)], .return),
                .init([.time(0...1)], isCounted: true, .return),
                .init([.before(951_782_399)], .drop),
                .init([.before(951_782_400)], .drop, comment: "a leap day"),
                .init([.before(4_102_444_800)], .drop),
            ]),
        .init(name: "route", base: .init(kind: .route, hook: .output, priority: -20, policy: .accept)),
        .init(
            name: "input", hook: .input, policy: .drop,
            rules: [
                .init(decision: .byState([.established: .accept]), comment: "one"),
                .init(decision: .byMap("soon"), comment: "for a day"),
                .init([.among(banned4)], isCounted: true, .drop, comment: "banned"),
                .init([.among(banned6)], .drop),
                .init([.inputInterface(["eth0"]), .among(holes4)], isCounted: true, .accept),
                .init([.among(holes6), .boundSocket], .accept),
                .init([.inputInterface(["eth7"])], .jump("deeper")),
                .init([.inputInterface(["eth8"])], .goto("elsewhere")),
                .init([.inputInterface(["zz1", "aa2", "b", "a-long-name-15c"])], .accept),
                .init([.connection([.invalid, .established, .related])], .drop, comment: "ü – not ASCII"),
                .init([.family(.ipv4), .destinationPort(.udp, 65535)], isCounted: true, .accept),
                .init([.family(.ipv6), .destinationPort(.tcp, 80)], .accept),
                .init([.hopLimit(1)], .accept),
                .init([.source(Network("10.0.0.0/8")!), .destination(Network("192.168.0.0/17")!)], .accept),
                .init([.source(Network("2001:db8::/33")!), .destinationPort(.tcp, 1)], .drop),
                .init([.source(Network("2001:db8::/64")!), .destination(Network("ff02::1")!)], .drop),
                .init([.source(Network("128.0.0.0/1")!)], .drop),
                .init([.source(Network("192.0.2.254/31")!)], .drop),
                .init([.inputInterface(["eth0"]), .icmp([.echoRequest])], .accept),
                .init([.icmpv6([.neighbourSolicitation])], .accept),
                .init([.destinationPorts(.udp, PortRange(1024, 65535)!), .boundSocket], isCounted: true, .accept),
                .init([.family(.ipv6), .destinationPorts(.tcp, PortRange(300, 301)!)], .accept),
                .init([.destinationPorts(.tcp, PortRange(80, 80)!), .boundSocket], .drop),
                .init([], isCounted: true, .drop, comment: "the rest"),
            ]),
        .init(
            name: "forward", hook: .forward, policy: .accept,
            rules: [
                .init(decision: .byDevice("fates")),
                .init(decision: .byMark("fates"), comment: "the whole mark"),
                .init([.inputInterface(["eth0"])], decision: .noteHours),
                .init(decision: .bySource(.ipv4, "places")),
                .init(decision: .bySource(.ipv6, "places6"), comment: "from some"),
                .init(decision: .byDestination(.ipv4, "places"), comment: "towards some"),
                .init(decision: .byDestination(.ipv6, "places6")),
                .init(decision: .byDestination(.ipv6, "nowhere")),
                .init([.destinationPort(.tcp, 8443), .translated, .soughtPort(443)], .accept),
                .init([.destinationPort(.udp, 53), .soughtPort(5353)], isCounted: true, .drop),
                .init([.inputInterface(["eth0"])], decision: .byDevice("fateless"), comment: "none"),
                .init([.handshake], decision: .clampSegments),
                .init([.family(.ipv6), .handshake], decision: .clampSegments),
                .init(decision: .byInput(["wan0": .drop, "lan0": .jump("deeper"), "lan1": .goto("hours")])),
                .init([.translated], decision: .byOutput(["wan0": .accept])),
                .init([.transport(.udp), .unconfirmed], isCounted: true, .drop),
                .init(decision: .byOutput(["eth1": .drop, "eth0": .goto("elsewhere")])),
                .init([.forgedSource], isCounted: true, .drop, comment: "forged"),
                .init([.inputInterface(["eth0"])], decision: .note(.scan)),
                .init([.family(.ipv6)], decision: .note(.barred, reason: "blocklist some-1_2")),
                .init(decision: .tell),
                .init(
                    [.beyondRate(.init(meter: "four", family: .ipv4, perSecond: 1000, burst: 4000))], isCounted: true,
                    .drop),
                .init([.beyondRate(.init(meter: "six", family: .ipv6, perSecond: 1, burst: 4))], .drop),
                .init([.transport(IPProtocol(number: 6))], isCounted: true, decision: .refuse(.reset)),
                .init([], isCounted: true, decision: .refuse(.prohibited), comment: "the rest"),
            ]),
    ])

private let banned4 = LiveSet(
    name: "banned4", family: .ipv4, fields: [.sourceNetwork], size: 65536, isCounted: true)
private let banned6 = LiveSet(name: "banned6", family: .ipv6, fields: [.sourceNetwork], size: 65536, isCounted: true)
private let holes4 = LiveSet(
    name: "holes4", family: .ipv4, fields: [.source, .destination, .destinationPort(.udp)], size: 4096)
private let holes6 = LiveSet(
    name: "holes6", family: .ipv6, fields: [.source, .destination, .destinationPort(.tcp)], size: 4096)

private func sender(_ interface: String, _ hardware: String) -> Ruleset.Sender {
    .init(interface: interface, hardware: HardwareAddress(hardware)!)
}

/// The lines that only one of them has.
private func difference(_ left: String, _ right: String) -> [String] {
    right.split(separator: "\n").difference(from: left.split(separator: "\n")).map { "\($0)" }
}

/// The instructions of each rule; the name of a set is replaced by its elements, which nft prints just before the rule.
private func instructions(inTrace trace: String) -> [[String]] {
    var rules: [[String]] = []
    var elements = ""
    for line in trace.split(separator: "\n").map({ $0.trimmingCharacters(in: .whitespaces) }) {
        if line.hasPrefix("element ") {
            elements = line.matches(
                of: /element ([0-9a-f ]+?) +: ((?:accept|drop|return|(?:jump|goto) -> \w+) )?0 \[end\]/
            )
            .map { found in
                let key = found.1.split(separator: " ").map { "0x\($0)" }.joined(separator: " ")
                return key + (found.2.map { " : " + $0.trimmingCharacters(in: .whitespaces) } ?? "")
            }.joined(separator: ", ")
        } else if line.hasPrefix("inet gatehouse ") {
            rules.append([])
        } else if line.hasPrefix("[ ") {
            var text = line
            if text.hasPrefix("[ counter") { text = "[ counter ]" }
            for name in ["__set%d", "__map%d"] { text.replace("set \(name)", with: "set { \(elements) }") }
            rules[rules.count - 1].append(text)
        }
    }
    return rules
}

private struct Listing: Decodable {
    var nftables: [Entry]

    struct Entry: Decodable {
        var table: Table?
        var chain: Chain?
        var rule: Rule?
    }
    struct Table: Decodable {
        var name: String
    }
    struct Chain: Decodable {
        var name: String
        var hook: String?
        var prio: Int?
        var policy: String?
    }
    struct Rule: Decodable {
        var comment: String?
        var expr: [Expression]
    }
    struct Expression: Decodable {
        var counter: Counter?
    }
    struct Counter: Decodable {
        var packets: Int
    }
}
