import Address
import Glibc
import Policy
import Testing

@testable import Store

@Suite struct `Revisions` {
    let directory = StateDirectory()

    @Test func `a new store holds the empty policy as revision 1`() throws {
        let store = try Store(directory: directory.path)
        #expect(try store.current().id == 1)
        #expect(try store.policy() == Policy())
    }

    @Test func `a committed policy comes back from a later opening, with its author`() throws {
        let before = time(nil)
        do {
            let store = try Store(directory: directory.path)
            #expect(try store.commit(.example, author: alice, summary: "everything").id == 2)
        }
        let store = try Store(directory: directory.path)
        #expect(try store.policy() == .example)
        let revision = try store.current()
        #expect(revision.id == 2)
        #expect(revision.author == alice)
        #expect(revision.summary == "everything")
        #expect((before...time(nil)).contains(revision.time))
    }

    @Test func `committing the policy that is in force makes no revision`() throws {
        let store = try Store(directory: directory.path)
        try store.commit(.example, author: alice, summary: "everything")
        var shuffled = Policy.example
        shuffled.listeners.reverse()
        #expect(try store.commit(shuffled, author: alice, summary: "the same").id == 2)
        #expect(try store.revisions(limit: 10).map(\.id) == [2, 1])
    }

    @Test func `every old revision can be read and put in force again`() throws {
        let store = try Store(directory: directory.path)
        try store.commit(.example, author: alice, summary: "everything")
        var changed = Policy.example
        changed.listeners[0].authentication = .required
        changed.users.removeFirst()
        changed.rules[1] = Rule(id: 4, action: .allow, destination: Network("10.0.0.0/8")!)
        changed.rules.swapAt(1, 2)
        changed.listeners[2].clients.removeLast()
        changed.limits[0].rate = nil
        changed.limits.removeLast()
        changed.defaultAction = .allow
        changed.openings[1].services = [.init("tcp 2222")!, .init("protocol gre")!]
        changed.openings[1].until = 1_800_000_000
        changed.firewall = .observe
        changed.wan = []
        try store.commit(changed, author: alice, summary: "changed")
        #expect(try store.policy(at: 1) == Policy())
        #expect(try store.policy(at: 2) == .example)
        #expect(try store.policy(at: 3) == changed)

        try store.commit(try store.policy(at: 2), author: alice, summary: "rollback to 2")
        #expect(try store.policy() == .example)
        #expect(try store.policy(at: 3) == changed)
        #expect(try store.current().id == 4)
        #expect(try store.changes(of: 4).lines.contains("- rule 4 allow to 10.0.0.0/8"))
    }

    @Test func `a revision tells what it changed`() throws {
        let store = try Store(directory: directory.path)
        try store.commit(.example, author: alice, summary: "everything")
        #expect(
            try store.changes(of: 2).lines == [
                "+ zone guest wlan1, 192.168.20.1/24, proxy, new devices blocked, serves dhcp, "
                    + "range 192.168.20.9-192.168.20.19, stray names refused",
                "- zone home without interfaces",
                "+ zone home eth1 wlan0, serves dhcp, names",
                "- zone internet without interfaces",
                "+ zone internet eth0",
                "+ listener socks5 127.0.0.1:1080, no password",
                "+ listener http [fd00::1]:3128, with password, on eth1",
                "+ listener mixed [fd00::1]:8080, with password, from fd00::/64 fd01::7/128, users anna berta, "
                    + "SOCKS4 too, advertises 2001:db8::5, UDP ports 5000-5100, BIND ports 6000",
                "+ user anna",
                "+ user berta",
                "+ rule 1 allow to 127.0.0.0/8",
                "+ rule 2 deny to 2001:db8::/32",
                "+ rule 3 deny device kid user anna from 10.0.0.0/8 domain example.com port 80-443",
                "+ limit client: 100 sessions, 20 new sessions per second, 1000000 bytes per second, "
                    + "300 questions per second",
                "+ limit device kid: 500000 bytes per second",
                "+ limit user anna: 10 sessions",
                "+ opening dns udp 53 from interface:eth1, 10.0.0.0/8",
                "+ opening ssh tcp 22 from anywhere",
                "- firewall observe",
                "+ firewall enforce",
                "- rule default allow",
                "+ rule default deny",
                "+ device tv 02:00:00:00:00:0a, proxy, at 192.168.1.20, paused until 2027-01-15 08:00:00 UTC",
                "+ device kid 02:00:00:00:00:0b, paused, allowed mon-fri 07:00-21:00,sat 09:00-01:00",
                "+ passage guest to home, tcp 631, udp 5353",
                "+ passage home to guest",
                "+ forward game udp 3074 to kid",
                "+ forward web tcp 8080 to tv:80, from 203.0.113.0/24, until 2027-01-15 08:00:00 UTC",
                "+ blocklist ads, 100000 names",
                "+ blocklist games, 2 names, for the device kid",
                "+ blocklist late, 1 name, for guest",
                "- trusted domains none",
                "+ trusted domains home.example and plex.direct",
                "- bans after 20 wrong passwords, 100 tries at shut ports or 1000 beginnings beyond the rate, for 1 h, "
                    + "at home for 5 min",
                "+ bans after 5 wrong passwords or 300 beginnings beyond the rate, for 10 min, at home for 1 min; "
                    + "never 192.0.2.0/24",
            ])
        var changed = Policy.example
        changed.users[0].passwordHash = "scrypt$3"
        changed.rules.removeFirst()
        changed.openings[1].source = Network("192.0.2.0/24")!
        try store.commit(changed, author: alice, summary: "changed")
        #expect(
            try store.changes(of: 3).lines == [
                "~ user anna, new password",
                "- rule 1 allow to 127.0.0.0/8",
                "- opening ssh tcp 22 from anywhere",
                "+ opening ssh tcp 22 from anywhere, 192.0.2.0/24",
            ])
    }

    @Test func `a rule's number is never given twice`() throws {
        let store = try Store(directory: directory.path)
        #expect(try store.nextRuleID() == 1)
        try store.commit(.example, author: alice, summary: "two rules")
        try store.commit(Policy(), author: alice, summary: "none")
        #expect(try store.nextRuleID() == 4)
        var other = Policy.example.rules[2]
        other.user = nil
        for reused in [Rule(id: 2, action: .allow, destination: Network("0.0.0.0/0")!), other] {
            #expect(throws: StoreError.ruleNumberReused(reused.id)) {
                try store.commit(Policy(rules: [reused]), author: alice, summary: "reuse")
            }
        }
        #expect(try store.policy() == Policy())
        try store.commit(Policy(rules: [Policy.example.rules[2]]), author: alice, summary: "the very same rule")
    }

    @Test func `the hardware of interfaces is kept apart from the policy, and openings tell since when they are there`()
        throws
    {
        do {
            let store = try Store(directory: directory.path)
            let before = Int(time(nil))
            try store.commit(.example, author: alice, summary: "everything")
            #expect(try store.openingTimes().keys.sorted() == ["dns", "ssh"])
            #expect(try store.openingTimes().values.allSatisfy { (before...Int(time(nil))).contains($0) })
            try store.remember([
                "eth1": HardwareAddress("52:54:00:00:00:01")!, "eth0": HardwareAddress("52:54:00:00:00:02")!,
            ])
            try store.remember(["eth1": HardwareAddress("52:54:00:00:00:03")!])
            #expect(try store.current().id == 2)
        }
        let store = try Store(directory: directory.path)
        #expect(
            try store.hardware() == [
                "eth1": HardwareAddress("52:54:00:00:00:03")!, "eth0": HardwareAddress("52:54:00:00:00:02")!,
            ])
    }

    @Test func `a revision that does not exist is named`() throws {
        let store = try Store(directory: directory.path)
        #expect(throws: StoreError.noSuchRevision(7, newest: 1)) { try store.policy(at: 7) }
        #expect(throws: StoreError.noSuchRevision(0, newest: 1)) { try store.changes(of: 0) }
    }

    @Test func `a pending change is invisible until it is committed`() throws {
        let store = try Store(directory: directory.path)
        let pending = try store.prepare(.example, author: alice, summary: "everything")
        let (id, isChange) = (pending.revision.id, pending.isChange)
        #expect(id == 2)
        #expect(isChange)
        #expect(try store.policy() == Policy())
        #expect(try store.current().id == 1)
        try pending.commit()
        #expect(try store.policy() == .example)
    }

    @Test func `a pending change that is dropped leaves nothing`() throws {
        let store = try Store(directory: directory.path)
        do {
            let pending = try store.prepare(.example, author: alice, summary: "everything")
            #expect(throws: StoreError.changePending) {
                try store.commit(Policy(lan: ["eth1"]), author: alice, summary: "second")
            }
            _ = pending.isChange
        }
        #expect(try store.policy() == Policy())
        #expect(try store.commit(.example, author: alice, summary: "again").id == 2)
    }
}
