import Address
import Foundation
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite("Elements of a live set", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct LiveSetTests {
    /// A table that drops what is banned and lets in what has a hole.
    private func ruleset(_ others: [Ruleset.Rule] = [], size: UInt32 = 1 << 17) -> Ruleset {
        Ruleset(chains: [
            .init(
                name: "input", hook: .input, policy: .drop,
                rules: [
                    .init([.among(bans(.ipv4, size))], isCounted: true, .drop, comment: "banned"),
                    .init([.among(bans(.ipv6, size))], isCounted: true, .drop, comment: "banned"),
                    .init([.among(holes(.ipv4))], .accept), .init([.among(holes(.ipv6))], .accept),
                    .init([.destinationPort(.tcp, 22)], .accept),
                ] + others)
        ])
    }

    private func bans(_ family: Match.Family, _ size: UInt32 = 1 << 17) -> LiveSet {
        LiveSet(name: "bans_\(family)", family: family, fields: [.sourceNetwork], size: size, isCounted: true)
    }

    private func holes(_ family: Match.Family) -> LiveSet {
        LiveSet(
            name: "holes_\(family)", family: family, fields: [.source, .destination, .destinationPort(.udp)], size: 1024
        )
    }

    private func ban(_ address: String, _ kind: LiveChange.Kind = .comes(milliseconds: nil)) -> LiveChange {
        let address = IPAddress(address)!
        return LiveChange(
            LiveKey([.address(address.site)]), in: address.isIPv6 ? "bans_ipv6" : "bans_ipv4", kind)
    }

    private func hole(
        _ source: String, _ own: String, _ port: UInt16, _ kind: LiveChange.Kind = .comes(milliseconds: nil)
    ) -> LiveChange {
        LiveChange(
            LiveKey([.address(IPAddress(source)!), .address(IPAddress(own)!), .port(port)]),
            in: source.contains(":") ? "holes_ipv6" : "holes_ipv4", kind)
    }

    /// Frames from the sources to SSH and to a UDP port, and whether they are to pass.
    private func check(_ gate: Gate, _ ruleset: Ruleset, _ elements: LiveElements, _ step: String) throws {
        var frames: [(interface: String, frame: Frame)] = []
        var packets: [Packet] = []
        for (source, own) in [
            ("192.168.77.9", "192.168.77.1"), ("192.168.77.10", "192.168.77.1"), ("fd00:77::9", "fd00:77::1"),
            ("fd00:77::a", "fd00:77::1"), ("fd00:78::9", "fd00:77::1"),
        ] {
            for content in [Packet.Content.tcp(22), .udp(4000), .udp(4001)] {
                let number = UInt16(frames.count) + UInt16.random(in: 10_000..<60_000)
                switch content {
                case .tcp(let port): frames.append(("lan0", .tcp(from: source, number, to: own, port)))
                case .udp(let port): frames.append(("lan0", .udp(from: source, number, to: own, port)))
                default: continue
                }
                packets.append(
                    Packet(
                        interface: "lan0", source: IPAddress(source)!, destination: IPAddress(own)!, content: content))
            }
        }
        for (packet, passed) in zip(packets, try gate.passed(frames)) {
            let judgement = ruleset.verdict(of: packet, among: elements)
            #expect(passed == judgement.isAccepted, "\(step): \(packet) \(judgement)")
        }
    }

    @Test("come and go as they are told, by address, by the network of 64 bits, and by three parts together")
    func elements() throws {
        let gate = try Gate()
        var netlink = try gate.gateway.netlink()
        let ruleset = ruleset()
        var elements = LiveElements.none
        try netlink.apply(ruleset, elements)
        try check(gate, ruleset, elements, "nothing")
        let steps: [[LiveChange]] = [
            [ban("192.168.77.9"), ban("fd00:77::1234")],
            [hole("192.168.77.10", "192.168.77.1", 4000), hole("fd00:78::9", "fd00:77::1", 4001)],
            [ban("192.168.77.9", .goes), ban("fd00:77::9", .goes), ban("192.168.77.77", .goes)],
            [hole("192.168.77.10", "192.168.77.1", 4000, .goes), hole("192.168.77.9", "192.168.77.1", 4001)],
            // Of one that is there the end is another one, and then it has gone by itself.
            [hole("192.168.77.9", "192.168.77.1", 4001, .comes(milliseconds: 60_000)), ban("192.168.77.10")],
        ]
        for (index, step) in steps.enumerated() {
            try netlink.change(step, of: ruleset.liveSets, held: elements)
            for change in step { elements.apply(change) }
            try check(gate, ruleset, elements, "step \(index)")
            #expect(try netlink.state(of: ruleset) == .same)
        }
        // Each element counts what it stopped.
        let listed = try gate.gateway.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4")
        #expect(listed.contains(#/192\.168\.77\.10 counter packets 3 /#), "\(listed)")
    }

    @Test(
        "stay when the rules change, and are there at once where the table is made anew or the program is another one")
    func changes() throws {
        let gate = try Gate()
        var netlink = try gate.gateway.netlink()
        var elements = LiveElements.none
        for change in [ban("192.168.77.9"), ban("fd00:77::1"), hole("192.168.77.10", "192.168.77.1", 4000)] {
            elements.apply(change)
        }
        try netlink.apply(ruleset(), elements)
        try check(gate, ruleset(), elements, "from the beginning")
        let stops = ruleset([.init([.destinationPort(.udp, 9)], .drop)])
        // What the role would write is not asked: the elements are the kernel's.
        try netlink.apply(stops, .none)
        try check(gate, stops, elements, "other rules")
        try gate.gateway.run("nft", "delete", "table", "inet", "gatehouse")
        #expect(try netlink.state(of: stops) == .absent)
        try netlink.apply(stops, elements)
        try check(gate, stops, elements, "made anew")
        try netlink.apply(.trial(new: ruleset(), old: stops, seconds: 60), elements)
        try check(gate, .trial(new: ruleset(), old: stops, seconds: 60), elements, "on trial")
        try netlink.apply(stops, elements)
        // Another program: what came and went meanwhile is not known to it.
        var other = try gate.gateway.netlink()
        elements.remove(LiveKey([.address(IPAddress("192.168.77.9")!)]), from: "bans_ipv4")
        try other.apply(stops, elements)
        try check(gate, stops, elements, "another program")
        try gate.gateway.run("nft", "flush", "set", "inet", "gatehouse", "holes_ipv4")
        try other.refill(stops.liveSets, elements)
        try check(gate, stops, elements, "filled again")
    }

    @Test("go by themselves when their time is up, and one that is gone is no obstacle")
    func time() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        let ruleset = ruleset()
        try netlink.apply(ruleset)
        try netlink.change(
            [ban("192.0.2.1", .comes(milliseconds: 300)), ban("192.0.2.2")], of: ruleset.liveSets, held: .none)
        func listed() throws -> String { try namespace.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4") }
        #expect(try listed().contains("192.0.2.1 "))
        #expect(try eventually { try !listed().contains("192.0.2.1 ") })
        #expect(try listed().contains("192.0.2.2 "))
        // What was there once, and is only remembered, is nothing to the kernel, and goes if it is there.
        var held = LiveElements.none
        held.apply(ban("192.0.2.2"))
        let gone = [ban("192.0.2.1", .comes(milliseconds: 0)), ban("192.0.2.2", .comes(milliseconds: 0))]
        try netlink.change(gone, of: ruleset.liveSets, held: held)
        #expect(try !listed().contains("192.0.2."))
        try netlink.change([ban("192.0.2.2")], of: ruleset.liveSets, held: .none)
        #expect(try listed().contains("192.0.2.2 "))
        try netlink.change([ban("192.0.2.1", .goes), ban("192.0.2.2", .goes)], of: ruleset.liveSets, held: .none)
        #expect(try !listed().contains("192.0.2."))
    }

    @Test("beyond the room of their set are refused, and what was there stays")
    func room() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        let ruleset = ruleset(size: 2)
        try netlink.apply(ruleset)
        try netlink.change([ban("192.0.2.1"), ban("192.0.2.2")], of: ruleset.liveSets, held: .none)
        #expect(throws: FirewallError.self) {
            try netlink.change([ban("192.0.2.3")], of: ruleset.liveSets, held: .none)
        }
        let listed = try namespace.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4")
        #expect(listed.contains("192.0.2.1") && listed.contains("192.0.2.2") && !listed.contains("192.0.2.3"))
    }

    /// The kernel has no time for the rest: one element beside a hundred thousand was a table read twice.
    @Test("are written one by one beside 100 000 others in less than 5 ms, and nothing is read for it")
    func many() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        let ruleset = ruleset()
        var elements = LiveElements.none
        for number in 0..<100_000 {
            elements.insert(LiveKey([.address(.v4(0x0a00_0000 + UInt32(number)))]), in: "bans_ipv4")
        }
        try netlink.apply(ruleset, elements)
        let generation = try netlink.generation()
        var times: [Duration] = []
        for number in 0..<200 {
            let change = ban("192.0.2.\(number)")
            times.append(
                try ContinuousClock().measure {
                    try netlink.change([change], of: ruleset.liveSets, held: elements)
                })
            elements.apply(change)
        }
        times.sort()
        print("one element beside 100 000: \(times[100]) in the middle, \(times[199]) at most")
        #expect(times[100] < .milliseconds(5), "\(times[100])")
        #expect(try netlink.generation() == generation + 200)
        let listed = try namespace.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4")
        #expect(listed.contains("192.0.2.199") && listed.contains("10.1.134.159"))
        // And one that somebody else's change comes between.
        try namespace.run("nft", "add", "table", "inet", "other")
        try netlink.change([ban("198.51.100.1")], of: ruleset.liveSets, held: elements)
        #expect(try namespace.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4").contains("198.51.100.1"))
        #expect(try netlink.state(of: ruleset) == .same)
    }

    /// The role that writes has a table which belongs to its socket: it must not lose it over nothing.
    @Test("of sets that the ruleset does not have are nothing to write, in either direction, and no failure")
    func unknown() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        let ruleset = ruleset()
        try netlink.apply(ruleset)
        let generation = try netlink.generation()
        try netlink.change([ban("192.0.2.1"), ban("fd00:77::1", .goes)], of: [holes(.ipv4)], held: .none)
        try netlink.change([], of: ruleset.liveSets, held: .none)
        try netlink.refill([], .none)
        #expect(try netlink.generation() == generation)
        try netlink.change([ban("192.0.2.1")], of: ruleset.liveSets, held: .none)
        #expect(try namespace.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4").contains("192.0.2.1 "))
    }

    @Test("are known to be what was written as long as nobody else has changed anything")
    func own() throws {
        let namespace = try Namespace()
        var netlink = try namespace.netlink()
        let ruleset = ruleset()
        var elements = LiveElements.none
        #expect(try !netlink.holdsElements(), "nothing was written")
        elements.apply(ban("192.0.2.1"))
        try netlink.apply(ruleset, elements)
        #expect(try netlink.holdsElements())
        try netlink.change([ban("192.0.2.2")], of: ruleset.liveSets, held: elements)
        elements.apply(ban("192.0.2.2"))
        let stops = self.ruleset([.init([.destinationPort(.udp, 9)], .drop)])
        try netlink.apply(stops, elements)
        #expect(try netlink.holdsElements())
        try namespace.run("nft", "flush", "set", "inet", "gatehouse", "bans_ipv4")
        #expect(try !netlink.holdsElements())
        // An element more does not bring back those that were taken.
        try netlink.change([ban("192.0.2.3")], of: stops.liveSets, held: elements)
        elements.apply(ban("192.0.2.3"))
        try netlink.apply(ruleset, elements)
        #expect(try !netlink.holdsElements())
        try netlink.refill(ruleset.liveSets, elements)
        #expect(try netlink.holdsElements())
        let listed = try namespace.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4")
        #expect(["192.0.2.1 ", "192.0.2.2 ", "192.0.2.3 "].allSatisfy(listed.contains), "\(listed)")
        // Another program begins without knowing what the sets hold, and writes it with its first ruleset.
        var other = try namespace.netlink()
        try other.apply(ruleset, elements)
        #expect(try other.holdsElements())
        #expect(try !netlink.holdsElements())
        try namespace.run("nft", "delete", "table", "inet", "gatehouse")
        try other.apply(ruleset, elements)
        #expect(try other.holdsElements())
    }
}
