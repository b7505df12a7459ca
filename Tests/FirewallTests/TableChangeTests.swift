import Address
import Foundation
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite(
    "A change touches what it is about and nothing else", .enabled(if: isRoot, "needs root: network namespaces"))
struct TableChangeTests {
    /// Every new device made the table anew, and each source had its whole rate before it once more.
    @Test func `what a meter remembers of a source outlives a new device and one that is stopped`() throws {
        let gate = try Gate()
        var netlink = try gate.gateway.netlink()
        try netlink.apply(household(2))
        let table = try handle(of: gate.gateway)
        // The frames of one source, of which so many are within its rate at once.
        func knock(_ count: Int) throws -> Int {
            try gate.passed(
                (0..<count).map { _ in
                    ("lan0", .icmp(from: "192.168.77.9", to: "192.168.77.1", type: 8, [0, 1, 0, 1]))
                }
            ).count { $0 == true }
        }
        #expect(try knock(200) < 150, "beyond its rate")
        let metered = try gate.gateway.run("nft", "list", "set", "inet", "gatehouse", "echo_ipv4")
        #expect(metered.contains("192.168.77.9 limit rate 20/second"), "\(metered)")
        for next in [household(3), household(3, stopped: [1]), household(3, paused: [0, 2]), household(1)] {
            try netlink.apply(next)
            #expect(try netlink.state(of: next) == .same)
            #expect(try lines(gate.gateway.listing()) == lines(next.description))
            let after = try gate.gateway.run("nft", "list", "set", "inet", "gatehouse", "echo_ipv4")
            #expect(after.contains("192.168.77.9 limit rate"), "\(after)")
        }
        #expect(try handle(of: gate.gateway) == table, "the table is the one that it was")
        // And so are counters of the rules beside.
        let counted = try gate.gateway.run("nft", "list", "chain", "inet", "gatehouse", "echo")
        #expect(counted.contains(#/counter packets [1-9]\d* .*pings beyond the rate/#), "\(counted)")
    }

    /// A client whose limit was lifted while it sent, and one whose limit was lowered, went on as before for as long as they sent.
    @Test func `a rate that is another one holds for the sources that are known as well, and other meters keep theirs`()
        throws
    {
        let gate = try Gate()
        var netlink = try gate.gateway.netlink()
        func rated(_ perSecond: UInt32) throws -> Ruleset {
            var ruleset = household(2)
            let chain = try #require(ruleset.chains.firstIndex { $0.name == Ruleset.echo })
            ruleset.chains[chain].rules[0].matches = [
                .withinRate(.init(meter: "echo_ipv4", family: .ipv4, perSecond: perSecond, burst: perSecond * 10))
            ]
            return ruleset
        }
        try netlink.apply(rated(1))
        let table = try handle(of: gate.gateway)
        func knock(_ count: Int) throws -> Int {
            try gate.passed(
                (0..<count).map { _ in
                    ("lan0", .icmp(from: "192.168.77.9", to: "192.168.77.1", type: 8, [0, 1, 0, 1]))
                }
            ).count { $0 == true }
        }
        #expect(try (10..<20).contains(knock(100)))
        try netlink.apply(rated(100))
        #expect(try knock(100) == 100)
        try netlink.apply(rated(2))
        #expect(try (20..<40).contains(knock(100)))
        #expect(try handle(of: gate.gateway) == table)
        let change = try #require(TableChange(from: KernelTable(rated(2), flags: 0), to: rated(3), flags: 0))
        #expect(change.emptiedMeters == ["echo_ipv4"])
    }

    @Test func `a device that comes, goes or is stopped changes elements alone`() throws {
        func change(_ from: Ruleset, _ to: Ruleset) throws -> TableChange {
            try #require(TableChange(from: KernelTable(from, flags: 0), to: to, flags: 0))
        }
        let new = try change(household(40), household(41))
        #expect(new.addedElements.mapValues(\.count) == ["numbers": 1, "stopped": 1])
        #expect(new.deletedElements.isEmpty && new.filledChains.isEmpty && new.emptiedChains.isEmpty)
        let gone = try change(household(41), household(40))
        #expect(gone.deletedElements == new.addedElements && gone.addedElements.isEmpty)
        // Its number, and where it is, of either family.
        let stopped = try change(household(41, stopped: [1]), household(41, stopped: [1, 5]))
        // And what it would be known by where it has not been yet.
        #expect(
            Set(stopped.addedElements.keys)
                == ["stopped", "towards_ipv4", "towards_ipv6", "ways_home", "numbers", "ways_guest"])
        #expect(stopped.addedChains.isEmpty && stopped.filledChains.isEmpty)
        #expect(stopped.deletedElements.mapValues(\.count) == ["stopped": 1])
        // What is said of an element changes: it is another element. One for the member and one for each place, by either mark.
        let hours = try change(household(2, stopped: [0, 1]), household(2, stopped: [1], paused: [0]))
        #expect(hours.deletedElements["stopped"]?.count == 6 && hours.addedElements["stopped"]?.count == 6)
        #expect(
            hours.addedChains.map(\.name)
                == ["hours_020000000000", "towards_hours_020000000000", "both_hours_020000000000"])
        #expect(hours.deletedChains.isEmpty)
        #expect(try change(household(3), household(3)).isEmpty)
    }

    @Test func `a trial, and a chain or a set of another kind, make the table anew`() {
        let home = household(3)
        let held = KernelTable(home, flags: 0)
        #expect(TableChange(from: held, to: .trial(new: home, old: home, seconds: 60), flags: 0) == nil)
        let trial = KernelTable(.trial(new: home, old: home, seconds: 60), flags: 0)
        #expect(TableChange(from: trial, to: home, flags: 0) == nil)
        #expect(TableChange(from: held, to: home, flags: 1) == nil)
        var other = home
        other.chains.append(.init(name: "late", hook: .postrouting, policy: .accept))
        #expect(TableChange(from: held, to: other, flags: 0)?.addedChains.map(\.name) == ["late"])
        #expect(TableChange(from: KernelTable(other, flags: 0), to: home, flags: 0)?.deletedChains == ["late"])
        other.chains[other.chains.count - 1].base?.priority = 7
        var before = home
        before.chains.append(.init(name: "late", hook: .postrouting, policy: .accept))
        #expect(TableChange(from: KernelTable(before, flags: 0), to: other, flags: 0) == nil)
        other = home
        other.meters[0].size += 1
        #expect(TableChange(from: held, to: other, flags: 0) == nil)
    }

    /// Any two rulesets, one after the other, of which most are changes and no new tables.
    @Test func `from any household to any other the kernel comes to hold the other one exactly`() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        var random = SystemRandomNumberGenerator()
        func some(_ count: Int) -> Set<Int> {
            Set((0..<count).filter { _ in Int.random(in: 0..<4, using: &random) == 0 })
        }
        try netlink.apply(household(5))
        let table = try handle(of: namespace)
        for _ in 0..<60 {
            let count = Int.random(in: 1...12, using: &random)
            let next = household(
                count, stopped: some(count), paused: some(count), doors: some(count), passes: Bool.random(),
                serves: Bool.random())
            try netlink.apply(next)
            #expect(try lines(namespace.listing()) == lines(next.description))
        }
        #expect(try handle(of: namespace) == table)
    }

    @Test func `one device more beside 1024 is two elements more, and the table stays`() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        let former = household(1024, stopped: Set(0..<64))
        try netlink.apply(former)
        let table = try handle(of: namespace)
        let next = household(1025, stopped: Set(0..<64))
        let change = try #require(TableChange(from: KernelTable(former, flags: 0), to: next, flags: 0))
        #expect(change.addedElements.mapValues(\.count) == ["numbers": 1, "stopped": 1])
        #expect(change.deletedElements.isEmpty)
        let time = try ContinuousClock().measure { try netlink.apply(next) }
        print("two elements beside 1 024 devices, read back: \(time)")
        #expect(try handle(of: namespace) == table)
        #expect(try netlink.state(of: next) == .same)
    }

    private func handle(of namespace: Namespace) throws -> String {
        try #require(
            try namespace.run("nft", "-a", "list", "table", "inet", "gatehouse").firstMatch(of: #/# handle (\d+)/#)?
                .output.1
        ).description
    }
}

/// A line for each thing; where a chain or a map stands among the others means nothing.
func lines(_ listing: String) -> [Substring] { listing.split(separator: "\n").sorted() }

/// A home with so many devices, of which some are blocked, paused for a time, or have a door.
private func household(
    _ count: Int, stopped: Set<Int> = [], paused: Set<Int> = [], doors: Set<Int> = [], passes: Bool = false,
    serves: Bool = false
) -> Ruleset {
    func hardware(_ number: Int) -> HardwareAddress {
        HardwareAddress(bytes: [2, 0, 0, 0, UInt8(number >> 8), UInt8(number & 0xff)])!
    }
    let members = (0..<count).map { number in
        Household.Member(
            number: UInt16(number + 1), hardware: hardware(number), interface: "lan0",
            addresses: [
                IPAddress("192.168.\(64 + number >> 8).\(number & 0xff)")!, IPAddress("fd00:77::1:\(number % 10000)")!,
            ])
    }
    let devices = stopped.union(paused).union(doors).filter { $0 < count }.sorted().map { number in
        Device(
            name: "d\(number)", hardware: hardware(number), way: stopped.contains(number) ? .blocked : nil,
            pause: paused.contains(number) ? .until(4_000_000_000) : nil)
    }
    var zones = [Zone(name: Zone.home), Zone(name: Zone.internet), Zone(name: "guest")]
    (zones[0].interfaces, zones[1].interfaces, zones[2].interfaces) = (["lan0"], ["wan0"], ["guest0"])
    if serves { zones[0].service = Zone.Service() }
    let policy = Policy(
        firewall: .enforce, zones: zones, devices: devices,
        passages: passes ? [Passage(from: "guest", to: "home", services: [])] : [],
        forwards: doors.filter { $0 < count }.sorted().map {
            Forward(
                name: "f\($0)", transport: .tcp, port: UInt16(8000 + $0), device: "d\($0)", devicePort: 443,
                source: nil, until: nil)
        })
    return Ruleset(
        policy: policy, surroundings: Surroundings(interfaces: [], household: Household(members: members)))
}
