import Address
import Glibc
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite("What a kernel does not know costs no more than itself", .enabled(if: isRoot, "needs root: network namespaces"))
struct LackTests {
    /// As in an LXC container whose host has not loaded nft_socket: the whole firewall was refused, with "No such file or
    /// directory". Here the kernel refuses the same expression because it stands in a chain in which it has no meaning.
    @Test func `a refusal names nft_socket and what to do, and the ruleset without it is taken`() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        var ruleset = home
        let rule = Ruleset.Rule(
            [.destinationPorts(.udp, PortRange(1024, 65535)!), .boundSocket], .accept, comment: "x")
        let forward = try #require(ruleset.chains.firstIndex { $0.name == "forward" })
        ruleset.chains[forward].rules.insert(rule, at: 0)
        let error = try #require(#expect(throws: FirewallError.self) { try netlink.apply(ruleset) })
        #expect(error.lacksSocketMatch)
        #expect(
            error.description.contains("this kernel has no nft_socket, which SOCKS5's UDP and BIND need"), "\(error)")
        #expect(error.description.contains("modprobe nft_socket"), "\(error)")
        #expect(!error.isInterruption)
        let rest = ruleset.withoutBoundSockets
        try netlink.apply(rest)
        #expect(try lines(namespace.listing()) == lines(rest.description))
        #expect(!rest.description.contains("socket") && rest.description.contains("tcp dport 1080"))
    }

    /// As where the host of a container has not loaded nfnetlink_log: the rule is taken there, or refused by name.
    @Test func `without what cannot be told of, a ruleset lets through and refuses the same`() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        let rest = home.withoutNotes
        try netlink.apply(rest)
        #expect(try lines(namespace.listing()) == lines(rest.description))
        #expect(home.description.contains("log group") && !rest.description.contains("log group"))
        let out = Packet(
            hook: .output, interface: "", source: IPAddress("192.168.77.1")!, destination: IPAddress("9.9.9.9")!,
            content: .tcp(6667))
        #expect(home.verdict(of: out) == rest.verdict(of: out))
    }

    /// All is one batch: a refused rule took the default drop with it, and a box came up with nothing loaded.
    @Test func `where a ruleset is refused and there is no table, everything is shut`() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        var bad = home
        bad.chains.append(.init(name: String(repeating: "x", count: 300), hook: .input, policy: .drop))
        #expect(throws: FirewallError.self) { try netlink.apply(bad) }
        try netlink.shut()
        #expect(try lines(namespace.listing()) == lines(Ruleset.foundation.description))
        // A table that is there is better.
        try netlink.apply(home)
        try netlink.shut()
        #expect(try lines(namespace.listing()) == lines(home.description))
    }

    @Test func `a kernel without the module says so of a rule that needs it, and of no other`() {
        let needs = Batch.Step.addRule(.init([.boundSocket], .accept), chain: "input")
        let needsNot = Batch.Step.addRule(.init([.hopLimit(1)], .accept), chain: "input")
        for code in [ENOENT, EOPNOTSUPP, EINVAL] {
            #expect(FirewallError("cannot do it", errno: code, step: needs).lacksSocketMatch)
            #expect(!FirewallError("cannot do it", errno: code, step: needsNot).lacksSocketMatch)
            #expect(!FirewallError("cannot do it", errno: code).lacksSocketMatch)
        }
        #expect(!FirewallError("cannot do it", errno: EPERM, step: needs).lacksSocketMatch)
    }

    @Test func `a kernel that knows no owners of tables, or none that they outlive, refuses the table alone`() {
        #expect(FirewallError("cannot do it", errno: EOPNOTSUPP, step: .addTable).lacksTableFlags)
        #expect(FirewallError("cannot do it", errno: EINVAL, step: .addTable).lacksTableFlags)
        #expect(!FirewallError("cannot do it", errno: EPERM, step: .addTable).lacksTableFlags)
        #expect(!FirewallError("cannot do it", errno: EINVAL, step: .addChain("input")).lacksTableFlags)
    }
}
