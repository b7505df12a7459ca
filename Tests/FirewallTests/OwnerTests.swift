import Address
import Glibc
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite(
    "A table of ours is nobody else's to change, and outlives us",
    .enabled(if: isRoot && knowsOwners, "needs root and Linux 6.9: tables that outlive their owner"))
struct OwnerTests {
    let namespace: Namespace

    init() throws {
        namespace = try Namespace()
    }

    /// `systemctl restart nftables` flushes; so does `nft -f /etc/nftables.conf` as Debian has it.
    @Test func `nobody can flush, change or delete it`() throws {
        var netlink = try namespace.enter { try Netlink(ownsTable: true) }
        try netlink.apply(home)
        try namespace.run("nft", "flush", "ruleset")
        #expect(try lines(namespace.listing()) == lines(home.description))
        for command in ["delete table inet gatehouse", "insert rule inet gatehouse input accept"] {
            #expect(try namespace.attempt(["nft", command]).status != 0, "\(command)")
        }
        #expect(try netlink.state(of: home) == .same)
        // Its owner can.
        try netlink.apply(.closed)
        #expect(try lines(namespace.listing()) == lines(Ruleset.closed.description))
        try netlink.remove()
        #expect(try namespace.run("nft", "list", "tables") == "")
    }

    @Test func `it outlives its owner, and the next one takes it over with its counters`() throws {
        try applyAndLeave()
        #expect(try lines(namespace.listing()) == lines(home.description))
        var next = try namespace.enter { try Netlink(ownsTable: true) }
        #expect(try next.state(of: home) == .different("the table has no owner"))
        try next.apply(home)
        #expect(try next.state(of: home) == .same)
        try namespace.run("nft", "flush", "ruleset")
        #expect(try lines(namespace.listing()) == lines(home.description))
    }

    private func applyAndLeave() throws {
        var netlink = try namespace.enter { try Netlink(ownsTable: true) }
        try netlink.apply(home)
    }

    /// An upgrade, or a start with the flags switched off: the table that is there is of the other kind.
    @Test func `a table without an owner and an owned one follow one another`() throws {
        var plain = try namespace.netlink()
        try plain.apply(home)
        try takeOver()
        try plain.apply(.closed)
        #expect(try plain.state(of: .closed) == .same)
        try namespace.run("nft", "flush", "ruleset")
        #expect(try plain.state(of: .closed) == .absent)
    }

    private func takeOver() throws {
        var owner = try namespace.enter { try Netlink(ownsTable: true) }
        try owner.apply(home)
        try namespace.run("nft", "flush", "ruleset")
        #expect(try owner.state(of: home) == .same)
    }

    @Test func `a table that another program owns is refused, and the error says so`() throws {
        var other = try namespace.enter { try Netlink(ownsTable: true) }
        try other.apply(.closed)
        var netlink = try namespace.netlink()
        let error = #expect(throws: FirewallError.self) { try netlink.apply(home) }
        let text = try #require(error).description
        #expect(text.contains("inet gatehouse") && text.contains("another program"), "\(text)")
        #expect(try other.state(of: .closed) == .same)
    }
}

/// Whether the kernel has tables that outlive their owner.
private let knowsOwners: Bool = {
    guard isRoot, let namespace = try? Namespace(), var netlink = try? namespace.enter({ try Netlink(ownsTable: true) })
    else { return false }
    try? netlink.apply(.closed)
    return netlink.ownsTable
}()
