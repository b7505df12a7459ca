import TestNetwork
import Testing

@testable import Firewall

/// `accept` is not final: a packet that one table drops is dropped, whatever another one says.
@Suite("Other tables that stand in the way are named", .enabled(if: isRoot, "needs root: network namespaces"))
struct ForeignChainTests {
    private func findings(_ tables: String) throws -> [String] {
        let namespace = try Namespace()
        try namespace.run("nft", "-f", "-", input: tables)
        var netlink = try namespace.netlink()
        try netlink.apply(home)
        return ForeignChain.findings(try netlink.foreignChains())
    }

    @Test func `a box with no other table has none`() throws {
        #expect(try findings("") == [])
        #expect(
            try findings("table inet empty { chain input { type filter hook input priority 0; policy accept; }; }")
                == [])
        #expect(try findings("table bridge b { chain x { type filter hook input priority 0; policy drop; }; }") == [])
    }

    @Test func `a table that drops input is named with its chain, by policy or by its last rule`() throws {
        let strict = """
            table inet strict {
                chain inp { type filter hook input priority 10; policy drop; ct state established accept; }
            }
            table ip last {
                chain in { type filter hook input priority 0; policy accept; tcp dport 22 accept; counter reject; }
                chain out { type filter hook output priority 0; policy drop; accept; }
            }
            table ip6 fine {
                chain in { type filter hook input priority 0; policy accept; tcp dport 22 drop; }
            }
            """
        #expect(
            try findings(strict) == [
                "table inet strict, chain inp, drops input by policy: clients of listeners and openings may be cut there, "
                    + "whatever Gatehouse lets in",
                "table ip last, chain in, drops input by its last rule: clients of listeners and openings may be cut there, "
                    + "whatever Gatehouse lets in",
                "table ip last, chain out, drops output by policy: the proxies may not reach the internet",
            ])
    }

    @Test(
        "the program that makes such tables is known by their names",
        arguments: [
            (
                "table ip filter { chain DOCKER-USER { }; chain FORWARD { type filter hook forward priority 0; policy drop; }; }",
                "table ip filter (Docker) decides what is forwarded"
            ),
            (
                "table ip nat { chain DOCKER { }; chain POSTROUTING { type nat hook postrouting priority 100; masquerade; }; }",
                "table ip nat (Docker) translates addresses"
            ),
            (
                "table ip libvirt_network { chain f { type filter hook forward priority 0; accept; }; }",
                "table ip libvirt_network (libvirt) decides what is forwarded"
            ),
            (
                "table inet firewalld { chain i { type filter hook input priority 10; policy accept; reject; }; }",
                "table inet firewalld (firewalld), chain i, drops input by its last rule"
            ),
            (
                "table ip filter { chain ufw-user-input { }; chain INPUT { type filter hook input priority 0; policy drop; }; }",
                "table ip filter (ufw), chain INPUT, drops input by policy"
            ),
            (
                "table inet lxd { chain fwd.lxdbr0 { type filter hook forward priority 0; accept; }; }",
                "table inet lxd (LXD) decides what is forwarded"
            ),
            (
                "table ip6 filter { chain INPUT { type filter hook input priority 0; policy drop; }; }",
                "table ip6 filter (iptables), chain INPUT, drops input by policy"
            ),
        ])
    func program(tables: String, expected: String) throws {
        let found = try findings(tables)
        #expect(found.count == 1 && found[0].hasPrefix(expected), "\(found)")
    }
}

@Suite("What the kernel tells is looked through for our table")
struct BulletinTests {
    private func message(subsystem: UInt8 = 10, family: UInt8 = 1, _ attributes: [UInt8]) -> [UInt8] {
        let length = UInt8(20 + attributes.count)
        return [length, 0, 0, 0, 2, subsystem] + [UInt8](repeating: 0, count: 10) + [family, 0, 0, 0] + attributes
    }

    private let ours = [UInt8]([14, 0, 1, 0] + Array("gatehouse\0".utf8) + [0, 0])

    private func concerns(_ bytes: [UInt8]) -> Bool { !Bulletin.Topic.table.authors(bytes[...]).isEmpty }

    @Test func `only messages about it concern us, and whatever cannot be read`() {
        #expect(concerns(message(ours)))
        #expect(concerns(message([8, 0, 2, 0, 0, 0, 0, 1] + ours)))
        #expect(!concerns(message(family: 2, ours)))
        #expect(!concerns(message(subsystem: 1, ours)))
        #expect(!concerns(message([10, 0, 1, 0] + Array("other\0".utf8) + [0, 0])))
        #expect(!concerns(message([15, 0, 1, 0] + Array("gatehouse2\0".utf8) + [0])))
        #expect(!concerns(message([])))
        #expect(concerns(message([]) + message(ours)))
        // What was lost, or cut short, may have been about it.
        #expect(concerns([]))
        #expect(concerns(message([0, 0, 0, 0])))
        #expect(concerns([200, 0, 0, 0, 2, 10] + [UInt8](repeating: 0, count: 20)))
    }
}
