import Address
import Machine
import Policy
import Ruleset
import Testing

import struct Admin.Consequences

@testable import Supervisor

@Suite struct `A trial` {
    private func connection(
        _ client: String, port: UInt16 = 22, to address: String = "192.168.1.1", _ cookie: UInt64 = 1
    )
        -> Connections.Connection
    {
        .init(
            local: Endpoint(address: IPAddress(address)!, port: port),
            remote: Endpoint(address: IPAddress(client)!, port: 50_000), cookie: cookie)
    }

    private func trial(_ endangered: [Connections.Connection], earlier: Set<UInt64>, end: Duration = .seconds(60))
        -> Trial
    {
        Trial(
            revision: Revision(id: 2, time: 0, author: .daemon, summary: "", state: .trial, deadline: 60), end: end,
            former: nil, endangered: endangered, told: [], endings: [], earlier: earlier)
    }

    @Test func `is proven by a newer connection from the same address to the same port, and by no other`() {
        let lost = connection("192.168.1.9", 1)
        let trial = trial([lost], earlier: [1, 2])
        #expect(trial.unproven(by: []) == [lost])
        #expect(trial.unproven(by: [lost]) == [lost])
        #expect(trial.unproven(by: [connection("192.168.1.9", 2)]) == [lost], "it was there before")
        #expect(trial.unproven(by: [connection("192.168.1.8", 3)]) == [lost], "it is somebody else's")
        #expect(trial.unproven(by: [connection("192.168.1.9", port: 80, 3)]) == [lost], "it is to another port")
        #expect(trial.unproven(by: [connection("192.168.1.9", 3)]).isEmpty)
        #expect(trial.unproven(by: [connection("192.168.1.9", to: "203.0.113.1", 3)]).isEmpty)
    }

    /// The clock on the wall is set by hand, by NTP after a boot without a battery, by an attacker: it is only shown.
    @Test func `lasts as long as it was to, whatever happens to the clock on the wall`() {
        let now = Duration.seconds(1000)
        for wall in [0, 1_700_000_000, 4_000_000_000] {
            let clock = TrialClock(sinceBoot: { now }, onTheWall: { wall })
            let trial = trial([], earlier: [], end: clock.sinceBoot() + .seconds(60))
            #expect(trial.remaining(at: now + .seconds(59)) == .seconds(1))
            #expect(trial.remaining(at: now + .seconds(60)) == .zero)
            #expect(trial.remaining(at: now + .seconds(3600)) == .zero)
        }
        let before = TrialClock.system.sinceBoot()
        #expect(before > .zero && TrialClock.system.sinceBoot() >= before)
    }

    @Test func `is needed for connections that the rules before let in and those after do not`() {
        let surroundings = Surroundings(interfaces: [
            .init(name: "lo", addresses: [.init(address: IPAddress("127.0.0.1")!, prefix: 8)], isLoopback: true),
            .init(name: "eth1", addresses: [.init(address: IPAddress("192.168.1.1")!, prefix: 24)]),
            .init(name: "eth0", addresses: [.init(address: IPAddress("203.0.113.1")!, prefix: 24)]),
        ])
        let ssh = Opening(name: "ssh", .ssh, from: .zone(Zone.home))
        let open = Policy(openings: [ssh], zones: [Zone(name: Zone.home, interfaces: ["eth1"])])
        let shut = Policy(zones: open.zones)
        func judge(_ before: Policy?, _ after: Policy?) -> Judgement {
            Judgement(
                before: before.map { Ruleset(policy: $0, surroundings: surroundings) },
                after: after.map { Ruleset(policy: $0, surroundings: surroundings) }, surroundings: surroundings,
                proxies: [Endpoint("192.168.1.1:1080")!],
                way: { address in
                    switch "\(address)" {
                    case let text where text.hasPrefix("192.168.1."): "eth1"
                    case let text where text.hasPrefix("127."): "lo"
                    default: "eth0"
                    }
                })
        }
        let home = connection("192.168.1.9", 1)
        let world = connection("198.51.100.9", to: "203.0.113.1", 2)
        let proxied = connection("192.168.1.9", port: 1080, 3)
        let own = connection("192.168.1.1", 4)
        let all = [home, world, proxied, own]
        #expect(judge(open, shut).endangered(among: all) == [home])
        #expect(judge(shut, open).endangered(among: all).isEmpty)
        #expect(judge(open, open).endangered(among: all).isEmpty)
        #expect(judge(nil, open).endangered(among: all) == [world])
        #expect(judge(nil, shut).endangered(among: all) == [home, world])
        #expect(judge(shut, nil).endangered(among: all).isEmpty)
        // By the WAN's address from the LAN: which of the two interfaces it is cannot be told, so both have to let it in.
        let around = connection("192.168.1.9", to: "203.0.113.1", 5)
        #expect(judge(nil, open).endangered(among: [around]) == [around])
        #expect(judge(open, open).endangered(among: [around]).isEmpty)
    }

    @Test func `is told of with the services that nobody could reach any more`() {
        let surroundings = Surroundings(interfaces: [
            .init(name: "lo", addresses: [.init(address: IPAddress("127.0.0.1")!, prefix: 8)], isLoopback: true),
            .init(name: "eth1", addresses: [.init(address: IPAddress("192.168.1.1")!, prefix: 24)]),
        ])
        let zones = [Zone(name: Zone.home, interfaces: ["eth1"])]
        let after = Policy(openings: [Opening(name: "ssh", .ssh, from: .zone(Zone.home))], zones: zones)
        let judgement = Judgement(
            before: nil, after: Ruleset(policy: after, surroundings: surroundings), surroundings: surroundings,
            proxies: [Endpoint("192.168.1.1:1080")!], way: { _ in nil })
        func socket(
            _ transport: Connections.ListeningSocket.Transport, _ address: String, _ port: UInt16, inode: UInt32 = 1
        ) -> Connections.ListeningSocket {
            .init(
                transport: transport, local: Endpoint(address: IPAddress(address)!, port: port),
                hearsBothFamilies: address == "::", inode: inode)
        }
        let sockets = [
            socket(.tcp, "0.0.0.0", 22), socket(.tcp, "::", 445), socket(.udp, "0.0.0.0", 53),
            socket(.tcp, "127.0.0.1", 631),
            socket(.tcp, "192.168.1.1", 1080), socket(.udp, "0.0.0.0", 40_000),
            socket(.udp, "0.0.0.0", 51_820, inode: 0),
            socket(.udp, "0.0.0.0", 68),
        ]
        let cuts = judgement.cuts(among: sockets, ephemeralPorts: 32_768...60_999)
        #expect(
            cuts.map { "\($0.transport) \($0.port) \($0.interfaces)" } == [
                #"udp 53 ["eth1"]"#, #"tcp 445 ["eth1"]"#, #"udp 51820 ["eth1"]"#,
            ])
    }
}
