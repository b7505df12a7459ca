import Address
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite("What a rule has counted outlives a change", .enabled(if: isRoot, "needs root: network namespaces"))
struct CounterTests {
    private func ruleset(_ ports: UInt16...) -> Ruleset {
        let openings = ports.map { Opening(name: "port \($0)", .ports(.tcp, PortRange($0, $0)!)) }
        return Ruleset(policy: Policy(openings: openings, lan: ["lan0"], wan: ["wan0"]), surroundings: Surroundings())
    }

    private func knock(_ gate: Gate, _ port: UInt16, times: Int) throws {
        _ = try gate.passed(
            (0..<times).map { ("lan0", .tcp(from: "192.168.77.9", UInt16(20000 + $0), to: "192.168.77.1", port)) })
    }

    private func packets(_ netlink: borrowing Netlink, _ ruleset: Ruleset) -> [String: UInt64] {
        Dictionary(
            netlink.counts(of: ruleset).map { ($0.comment ?? "", $0.counter.packets) }, uniquingKeysWith: +
        )
        .filter { $0.value > 0 }
    }

    /// Every change made the table anew and counted from nothing; nothing ever read what was counted.
    @Test func `another opening, a trial and its end, and a flush leave it alone`() throws {
        let gate = try Gate()
        var netlink = try gate.gateway.netlink()
        try netlink.apply(ruleset(22, 80))
        try knock(gate, 22, times: 3)
        try knock(gate, 9999, times: 2)
        #expect(try netlink.state(of: ruleset(22, 80)) == .same)
        #expect(packets(netlink, ruleset(22, 80))["port 22"] == 3)
        try netlink.apply(ruleset(22, 443))
        #expect(packets(netlink, ruleset(22, 443)) == ["port 22": 3, "the rest": 2])
        let trial = Ruleset.trial(new: ruleset(22), old: ruleset(22, 443), seconds: 60)
        try netlink.apply(trial)
        try knock(gate, 22, times: 4)
        #expect(try netlink.state(of: trial) == .same)
        #expect(packets(netlink, trial)["port 22"] == 7)
        try netlink.apply(ruleset(22))
        #expect(packets(netlink, ruleset(22))["port 22"] == 7)
        try gate.gateway.run("nft", "delete", "table", "inet", "gatehouse")
        try netlink.apply(ruleset(22, 80))
        #expect(try netlink.state(of: ruleset(22, 80)) == .same)
        #expect(packets(netlink, ruleset(22, 80)) == ["port 22": 7, "the rest": 2])
        let listing = try gate.gateway.run("nft", "list", "chain", "inet", "gatehouse", "input")
        #expect(listing.contains("tcp dport 22 counter packets 7 bytes 280 accept"), "\(listing)")
    }
}
