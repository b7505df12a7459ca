import Address
import Policy
import TestNetwork
import Testing

@testable import Firewall
@testable import Ruleset

@Suite("On trial the kernel itself goes back", .enabled(if: isRoot, "needs root: network namespaces"))
struct TrialTests {
    private let old = Ruleset(
        policy: Policy(openings: [port(22)], lan: ["lan0"], wan: ["wan0"]), surroundings: Surroundings())
    private let new = Ruleset(
        policy: Policy(openings: [port(80)], lan: ["lan0"], wan: ["wan0"]), surroundings: Surroundings())

    private static func port(_ number: UInt16) -> Opening {
        Opening(name: "port \(number)", .ports(.tcp, PortRange(number, number)!))
    }

    private func isOpen(_ gate: Gate, _ port: UInt16, from source: UInt16) throws -> Bool? {
        try gate.passed([("lan0", .tcp(from: "192.168.77.9", source, to: "192.168.77.1", port))])[0]
    }

    @Test func `when the time is up the old rules hold, with no process alive`() throws {
        let gate = try Gate()
        try applyAndLeave(.trial(new: new, old: old, seconds: 2), in: gate.gateway)
        #expect(try isOpen(gate, 80, from: 1001) == true)
        #expect(try isOpen(gate, 22, from: 1002) == false)
        var source: UInt16 = 2000
        #expect(
            try eventually {
                source += 1
                return try isOpen(gate, 22, from: source) == true
            })
        #expect(try isOpen(gate, 80, from: 1003) == false)
    }

    /// The socket is closed, as by a process that is killed.
    private func applyAndLeave(_ ruleset: Ruleset, in namespace: Namespace) throws {
        var netlink = try namespace.netlink()
        try netlink.apply(ruleset)
    }

    @Test func `where nothing was filtered before, nothing is filtered after`() throws {
        let gate = try Gate()
        try applyAndLeave(.trial(new: new, old: Ruleset(chains: []), seconds: 1), in: gate.gateway)
        #expect(try isOpen(gate, 9999, from: 1001) == false)
        var source: UInt16 = 2000
        #expect(
            try eventually {
                source += 1
                return try isOpen(gate, 9999, from: source) == true
            })
    }

    @Test func `a connection that exists goes on when the time is up`() throws {
        let (gateway, host) = (try Namespace(), try Namespace())
        try host.run(
            "ip", "-batch", "-",
            input: """
                link add eth0 type veth peer name lan0 netns \(gateway.path)
                link set eth0 up
                address add 192.168.77.9/24 dev eth0
                """)
        try gateway.run("ip", "-batch", "-", input: "link set lan0 up\naddress add 192.168.77.1/24 dev lan0\n")
        let origin = try Origin(in: gateway, "192.168.77.1", port: 80) { peer in
            while case let bytes = try peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
        }
        try applyAndLeave(.trial(new: new, old: old, seconds: 1), in: gateway)
        let peer = try Peer(to: "192.168.77.1", 80, from: host)
        #expect(
            try eventually {
                try gateway.run("nft", "list", "map", "inet", "gatehouse", "trial_input").contains("elements") == false
            })
        try peer.send("still here")
        #expect(String(decoding: try peer.receive(exactly: 10), as: UTF8.self) == "still here")
        withExtendedLifetime(origin) {}
    }

    @Test func `a trial is what was told of it, before and after`() {
        let trial = Ruleset.trial(new: new, old: old, seconds: 60)
        #expect(trial.isTrial && !new.isTrial)
        for number in [UInt16(22), 80, 443] {
            let packet = Packet(
                interface: "lan0", source: IPAddress("192.168.77.9")!, destination: IPAddress("192.168.77.1")!,
                content: .tcp(number))
            #expect(trial.verdict(of: packet).verdict == new.verdict(of: packet).verdict)
            #expect(trial.verdict(of: packet, isTimeUp: true).verdict == old.verdict(of: packet).verdict)
            // Put back after somebody deleted it.
            #expect(trial.lasting(5).verdict(of: packet).verdict == new.verdict(of: packet).verdict)
            #expect(trial.lasting(0).verdict(of: packet).verdict == old.verdict(of: packet).verdict)
        }
        // What is under way goes on, unless somebody ended it.
        for (device, isAccepted) in [(UInt16(0), true), (.max, false)] {
            var answer = Packet(
                hook: .forward, interface: "lan0", source: .v4(1), destination: .v4(2), content: .tcp(1),
                state: .established)
            (answer.output, answer.device) = ("wan0", device)
            #expect(trial.verdict(of: answer).isAccepted == isAccepted)
            #expect(trial.verdict(of: answer, isTimeUp: true).isAccepted == isAccepted)
        }
        let forwarded = Packet(hook: .forward, interface: "lan0", source: .v4(1), destination: .v4(2), content: .tcp(1))
        #expect(!trial.verdict(of: forwarded).isAccepted)
        let free = Ruleset.trial(new: new, old: Ruleset(chains: []), seconds: 60)
        #expect(!free.verdict(of: forwarded).isAccepted)
        #expect(free.verdict(of: forwarded, isTimeUp: true).isAccepted)
    }
}
