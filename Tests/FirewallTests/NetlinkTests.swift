import Foundation
import Glibc
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite(
    "The kernel holds the ruleset, the whole ruleset, and nobody else's table changes",
    .enabled(if: isRoot, "needs root: network namespaces"))
struct NetlinkTests {
    let namespace: Namespace

    init() throws {
        namespace = try Namespace()
    }

    @Test func `what was applied is what the kernel and nft say is there`() throws {
        var netlink = try namespace.netlink()
        #expect(try netlink.state(of: home) == .absent)
        try netlink.apply(home)
        #expect(try netlink.state(of: home) == .same)
        #expect(try lines(namespace.listing()) == lines(home.description))
    }

    @Test func `applying again replaces everything in one step`() throws {
        var netlink = try namespace.netlink()
        try netlink.apply(home)
        try netlink.apply(.closed)
        #expect(try lines(namespace.listing()) == lines(Ruleset.closed.description))
        guard case .different(let detail) = try netlink.state(of: home) else {
            Issue.record("the kernel's closed ruleset passes for the home's")
            return
        }
        #expect(detail == "the kernel has no set associations_ipv4", "\(detail)")
        try netlink.apply(home)
        #expect(try lines(namespace.listing()) == lines(home.description))
    }

    @Test func `removing deletes the table, and is no error when there is none`() throws {
        var netlink = try namespace.netlink()
        try netlink.remove()
        try netlink.apply(home)
        try netlink.remove()
        #expect(try netlink.state(of: home) == .absent)
        #expect(try namespace.run("nft", "list", "tables") == "")
    }

    @Test func `other tables stay as they are`() throws {
        let foreign = """
            table inet other {
            \tset hosts {
            \t\ttype ipv4_addr
            \t\telements = { 192.0.2.1, 192.0.2.2 }
            \t}

            \tchain input {
            \t\ttype filter hook input priority filter; policy accept;
            \t\ttcp dport { 22, 80 } accept
            \t}
            }
            table ip gatehouse {
            \tchain input {
            \t\tip daddr { 192.0.2.7, 192.0.2.8 } drop
            \t}
            }

            """
        try namespace.run("nft", "-f", "-", input: foreign)
        var netlink = try namespace.netlink()
        #expect(try netlink.state(of: home) == .absent)
        try netlink.apply(home)
        try netlink.apply(.closed)
        #expect(try netlink.state(of: .closed) == .same)
        try netlink.remove()
        #expect(try namespace.run("nft", "list", "ruleset") == foreign)
    }

    @Test func `a ruleset that the kernel refuses changes nothing, and the error names the rule and the reason`() throws
    {
        var netlink = try namespace.netlink()
        try netlink.apply(home)
        var bad = Ruleset.closed
        // The kernel's names are shorter than 128 bytes (NFT_NAME_MAXLEN).
        bad.chains.append(.init(name: String(repeating: "x", count: 300), hook: .input, policy: .drop))
        let error = #expect(throws: FirewallError.self) { try netlink.apply(bad) }
        let text = try #require(error).description
        #expect(text.hasPrefix("cannot add chain xxx"), "\(text)")
        #expect(text.contains(String(cString: strerror(error?.errno ?? 0))), "\(text)")
        #expect(try lines(namespace.listing()) == lines(home.description))
        // The connection is as good as before.
        try netlink.apply(.closed)
        #expect(try netlink.state(of: .closed) == .same)
    }

    @Test(
        "a change by another hand is noticed, and the next apply puts it right",
        arguments: [
            ("add rule inet gatehouse input tcp dport 23 accept", "rule 27: the kernel has"),
            ("insert rule inet gatehouse input accept", "rule 1: the kernel has"),
            ("insert rule inet gatehouse input iifname { \"eth0\", \"eth9\" } accept", "rule 1: the kernel has"),
            ("insert rule inet gatehouse input limit rate 1/second accept", "rule 1: the kernel has '[ limit"),
            (
                "insert rule inet gatehouse input ip saddr { \((1...200).map { "10.0.0.\($0)" }.joined(separator: ", ")) } accept",
                "rule 1: the kernel has '[ "
            ),
            (
                "insert rule inet gatehouse input accept comment \"the gateway itself\"",
                "another rule by the name of \"the gateway itself\""
            ),
            (
                "flush chain inet gatehouse input",
                "rule 1: the kernel has nothing instead of the rule \"the gateway itself\""
            ),
            ("add chain inet gatehouse input { policy accept; }", "policy accept;' instead of"),
            ("delete chain inet gatehouse forward", "the kernel has no chain forward"),
            ("add chain inet gatehouse late { type filter hook output priority 9; }", "a chain late that is none"),
            ("add set inet gatehouse banned { type ipv4_addr; }", "a set banned that is none of ours"),
            ("flush map inet gatehouse stopped", "the map stopped has other elements than it is to have"),
            ("add element inet gatehouse stopped { 7 : accept }", "the map stopped has other elements"),
            ("add table inet gatehouse { flags dormant; }", "the table is dormant"),
        ])
    func change(command: String, expected: String) throws {
        var netlink = try namespace.netlink()
        try netlink.apply(home)
        try namespace.run("nft", command)
        guard case .different(let detail) = try netlink.state(of: home) else {
            Issue.record("'\(command)' was not noticed")
            return
        }
        #expect(detail.contains(expected), "\(detail)")
        // It is a line of status, and was 1.3 kB of the kernel's instructions.
        #expect(detail.count < 250, "\(detail)")
        try netlink.apply(home)
        #expect(try lines(namespace.listing()) == lines(home.description))
    }

    @Test func `counters that moved are no difference`() throws {
        var netlink = try namespace.netlink()
        try netlink.apply(home)
        var text = home.description
        text.replace("counter", with: "counter packets 7 bytes 420")
        try namespace.run("nft", "-f", "-", input: "delete table inet gatehouse\n" + text)
        #expect(try namespace.run("nft", "list", "table", "inet", "gatehouse").contains("packets 7 bytes 420"))
        #expect(try netlink.state(of: home) == .same)
    }

    @Test func `a batch that was made for an older state of the kernel is refused and changes nothing`() throws {
        var netlink = try namespace.netlink()
        try netlink.apply(home)
        var late = Batch(generation: try netlink.generation())
        late.replaceTable(with: .closed, exists: true)
        late.end()
        try namespace.run("nft", "add table ip other")
        #expect(try netlink.commit(late) == false)
        #expect(try netlink.state(of: home) == .same)
    }

    @Test func `nft changing its own tables all the while is waited out`() async throws {
        var netlink = try namespace.netlink()
        async let other: Void = disturb(namespace, rounds: 60)
        for round in 0..<60 {
            let wanted = round.isMultiple(of: 2) ? home : .closed
            try netlink.apply(wanted)
            #expect(try netlink.state(of: wanted) == .same)
        }
        try await other
        #expect(try namespace.run("nft", "list", "table", "ip", "other").contains("tcp dport 59"))
    }

    @Test func `thousands of openings fit into one batch and come back`() throws {
        let openings = (1...5000).map { Opening(name: "number \($0)", .init("tcp \($0)")!, from: .anywhere) }
        let interfaces = (0..<3000).map { "if\($0)" }
        let ruleset = Ruleset(policy: Policy(openings: openings, lan: interfaces), surroundings: surroundings)
        var netlink = try namespace.netlink()
        try netlink.apply(ruleset)
        #expect(try netlink.state(of: ruleset) == .same)
        #expect(try namespace.listing().split(separator: "\n").count { $0.contains("number ") } == 5000)
    }

    @Test func `CAP_NET_ADMIN is the only privilege that it takes`() throws {
        let networkAdministrator: UInt64 = 1 << 12
        let with = namespace.unprivileged(capabilities: networkAdministrator) {
            report {
                var netlink = try Netlink()
                try netlink.apply(home)
                return "\(try netlink.state(of: home))"
            }
        }
        #expect(with == "same")
        #expect(try lines(namespace.listing()) == lines(home.description))
    }

    @Test func `without CAP_NET_ADMIN the error says what to do`() throws {
        let without = namespace.unprivileged(capabilities: 0) {
            report {
                var netlink = try Netlink()
                try netlink.apply(home)
                return "applied"
            }
        }
        #expect(without.contains("Operation not permitted"), "\(without)")
        #expect(
            without.hasSuffix(
                "it needs CAP_NET_ADMIN (run gatehoused as root; without it --firewall observe shows the ruleset)"),
            "\(without)")
        #expect(try namespace.run("nft", "list", "tables") == "")
    }
}

private func report(_ body: () throws -> String) -> String {
    do { return try body() } catch { return "\(error)" }
}

private func disturb(_ namespace: Namespace, rounds: Int) async throws {
    for round in 0..<rounds {
        try namespace.run("nft", "add table ip other; add chain ip other c; add rule ip other c tcp dport \(round)")
    }
}

extension Namespace {
    func netlink() throws -> Netlink {
        try enter { try Netlink() }
    }

    /// What the independent judge sees.
    func listing() throws -> String { try #require(try tableListing()) }
}
