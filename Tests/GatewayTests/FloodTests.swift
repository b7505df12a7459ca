import Foundation
import Glibc
import TestNetwork
import Testing

/// What a source sends in a flood are frames, as they are: no socket sends so much, and none with so many ports and addresses.
@Suite("Floods", .serialized, .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(4)))
struct FloodTests {
    private let home: Home
    private let services: Services
    private let segment: Segment
    private let cards: (gateway: [UInt8], wan: [UInt8])
    /// A network behind the WAN host, of which one host floods with as many addresses as it likes.
    private static let far = "2001:db9:999::"
    /// As many at once as a source of IPv4 may begin (`limit list`: twice 100 a second, for four seconds).
    private static let burst = 800

    init() throws {
        home = try Home.ready()
        try home.ctl("firewall", "open", "lab", "--tcp", "4002", "--udp", "4002", "--from", "anywhere")
        services = try Services(in: home.gateway, at: Home.gatewayOnWAN, ports: [4002])
        for number in [12, 13, 14] {
            try home.wan.run("ip", "address", "add", "203.0.112.\(number)/24", "dev", "eth0")
        }
        for address in ["2001:db9:999::1", "2001:db9:998::1"] {
            try home.wan.run("ip", "address", "add", "\(address)/64", "dev", "eth0", "nodad")
            try home.gateway.run("ip", "route", "add", "\(address)/64", "via", Home.wanHost6)
        }
        segment = try Segment(in: home.wan, interface: "eth0")
        cards = (try home.gateway.hardware(of: "wan0"), try home.wan.hardware(of: "eth0"))
    }

    private enum Kind: String, CaseIterable { case syn, datagram }

    /// As many beginnings as it says, each of another port, and of IPv6 of another address as well where `source` ends with a colon.
    private func flood(_ kind: Kind, from source: String, to port: UInt16, count: Int) throws {
        for number in 0..<count {
            let from = source.hasSuffix(":") ? source + String(number % 50_000 + 16, radix: 16) : source
            let to = source.contains(":") ? Home.gatewayOnWAN6 : Home.gatewayOnWAN
            let own = UInt16(1024 + number % 60_000)
            let frame: Frame =
                switch kind {
                case .syn: .tcp(from: from, own, to: to, port)
                case .datagram: .udp(from: from, own, to: to, port, [1])
                }
            try segment.send(frame, to: cards.gateway, from: cards.wan)
        }
    }

    private func opens(from source: String, port: UInt16 = 4002) -> Bool {
        let (family, to) = source.contains(":") ? ("-6", Home.gatewayOnWAN6) : ("-4", Home.gatewayOnWAN)
        return
            (try? home.wan.attempt(["timeout", "1", "nc", family, "-s", source, "-z", to, "\(port)"]).status) == 0
    }

    private struct Bans: Decodable {
        struct Ban: Decodable {
            var source: String
            var reason: String
            var packets: Int?
        }
        var bans: [Ban]
    }

    private func bans() throws -> [Bans.Ban] {
        try JSONDecoder().decode(Bans.self, from: Data(home.ctl("--json", "ban", "list").utf8)).bans
    }

    @Test(
        "of connections or of datagrams, to what is open or shut, ban their source at once, which is told, and nobody else",
        arguments: [
            ("syn", UInt16(4002), "203.0.112.11/32", "flood"), ("datagram", 4002, "203.0.112.11/32", "flood"),
            ("syn", 4009, "203.0.112.11/32", "scan"), ("datagram", 4009, "203.0.112.11/32", "scan"),
            ("syn", 4002, "2001:db9:999::/64", "flood"), ("datagram", 4002, "2001:db9:999::/64", "flood"),
            ("syn", 4009, "2001:db9:999::/64", "scan"), ("datagram", 4009, "2001:db9:999::/64", "scan"),
        ])
    func bans(kind: String, port: UInt16, source: String, reason: String) throws {
        let isSix = source.contains(":")
        let (one, neighbour) = isSix ? ("2001:db9:999::1", "2001:db9:998::1") : ("203.0.112.11", "203.0.112.12")
        #expect(opens(from: one) && opens(from: neighbour))
        // A /64 is as many clients as live in one: eight times as much would have to come as fast.
        if isSix { try home.ctl("limit", "set", "client", "--rate", "50/s") }
        let count = port == 4002 ? Self.burst + 8000 : 1000
        try flood(try #require(Kind(rawValue: kind)), from: isSix ? Self.far : one, to: port, count: count)
        let isBanned = try eventually(within: .seconds(1)) { try bans().contains { $0.source == source } }
        #expect(isBanned)
        let found = try bans()
        #expect(found.map(\.source) == [source] && found.first?.reason == reason, "\(found)")
        #expect(!opens(from: one) && opens(from: neighbour), "it, and no other")
        // What it goes on with is stopped and counted.
        try flood(.syn, from: isSix ? Self.far : one, to: port, count: 100)
        #expect(try bans().first?.packets.map { $0 >= 100 } == true)
        #expect(try home.ctl("what-changed").contains("\(source) is banned for 1 h"))
        #expect(try home.ctl("status").contains("1 source; `gatehousectl ban list` says who"))
        try home.ctl("ban", "remove", source)
        #expect(opens(from: one))
    }

    @Test("by the operator, who is connected to SSH, ban nobody; a connection to something else protects nobody")
    func operators() throws {
        let home = home
        try home.ctl("firewall", "open", "ssh", "--tcp", "22", "--from", "anywhere")
        let ssh = try Services(in: home.gateway, at: Home.gatewayOnWAN, ports: [22])
        func stream(_ source: String, _ port: UInt16) throws -> Peer {
            let peer = try Peer(to: Home.gatewayOnWAN, port, from: home.wan, source: source)
            peer.setPatience(seconds: 2)
            try peer.send("word")
            #expect(try peer.receive(exactly: 4) == Array("word".utf8))
            return peer
        }
        let (operators, others) = (try stream("203.0.112.12", 22), try stream("203.0.112.13", 4002))
        for kind in Kind.allCases { try flood(kind, from: "203.0.112.12", to: 4002, count: Self.burst + 4000) }
        #expect(
            eventually {
                home.daemon?.said.contains("203.0.112.12/32 is not banned, it has a connection to SSH") == true
            })
        try operators.send("word")
        #expect(try operators.receive(exactly: 4) == Array("word".utf8))
        #expect(try bans().isEmpty)
        try flood(.syn, from: "203.0.112.13", to: 4002, count: Self.burst + 4000)
        #expect(try eventually { try bans().map(\.source) == ["203.0.112.13/32"] })
        #expect(throws: (any Error).self) {
            try others.send("word")
            guard try others.receive(exactly: 4).count == 4 else { throw Failure("ended") }
        }
        withExtendedLifetime(ssh) {}
    }

    @Test(
        "are none of who only is busy, however strict the operator is: a browser, a game, a stream that nobody answers")
    func busy() throws {
        try home.ctl("ban", "set", "--floods", "3", "--scans", "3")
        // A browser's hundred at once, and again.
        for _ in 0..<3 {
            let peers = try (0..<100).map { _ in
                try Peer(to: Home.gatewayOnWAN, 4002, from: home.wan, source: "203.0.112.12")
            }
            for peer in peers {
                peer.setPatience(seconds: 5)
                try peer.send("word")
                #expect(try peer.receive(exactly: 4) == Array("word".utf8))
                peer.resetAtClose()
            }
        }
        // Sixty packets a second of a game for a minute, as fast as they are answered.
        let game = try DatagramPeer(in: home.wan, "203.0.112.13")
        for _ in 0..<3600 {
            try game.send([1, 2, 3], to: Home.gatewayOnWAN, 4002)
            _ = try game.receive()
        }
        // A camera's stream to where nobody answers: each of its datagrams is the first one by the kernel's word.
        try home.ctl("firewall", "open", "stream", "--udp", "4005", "--from", "anywhere")
        let sink = try DatagramPeer(in: home.gateway, Home.gatewayOnWAN, port: 4005)
        let stream = try DatagramPeer(in: home.wan, "203.0.112.14")
        let frame = [UInt8](repeating: 7, count: 1200)
        for _ in 0..<4 * Self.burst { try stream.send(frame, to: Home.gatewayOnWAN, 4005) }
        // A download, of which the other end says no more than that it came.
        let load = try Origin(in: home.gateway, "::", port: 4006) { peer in
            for _ in 0..<800 { try peer.send([UInt8](repeating: 1, count: 65_536)) }
        }
        try home.ctl("firewall", "open", "load", "--tcp", "4006", "--from", "anywhere")
        let reader = try Peer(to: Home.gatewayOnWAN, 4006, from: home.wan, source: "203.0.112.12")
        #expect(try reader.receiveToEnd().count == 800 * 65_536)
        for source in ["203.0.112.12", "203.0.112.13", "203.0.112.14"] { #expect(opens(from: source), "\(source)") }
        // Whatever the kernel had to tell is told by now: the same terms ban one who floods.
        try flood(.syn, from: "203.0.112.11", to: 4002, count: Self.burst + 2000)
        #expect(try eventually { try !bans().isEmpty })
        #expect(try bans().map(\.source) == ["203.0.112.11/32"])
        let said = home.daemon?.said ?? ""
        #expect(!said.contains("is not banned"), "\(said)")
        withExtendedLifetime((sink, load)) {}
    }

    @Test("lead to a ban as early as the operator says, which can be seen, and to none where they are off")
    func terms() throws {
        try home.ctl("limit", "set", "client", "--rate", "10/s")
        try home.ctl("ban", "set", "--floods", "off", "--scans", "off")
        #expect(try home.ctl("ban", "list").contains("after 20 wrong passwords, for"))
        for kind in Kind.allCases { try flood(kind, from: "203.0.112.11", to: 4002, count: 6000) }
        // Its rate holds all the same, until it has been quiet for a while.
        #expect(!opens(from: "203.0.112.11") && opens(from: "203.0.112.12"))
        #expect(try !home.ruleset().contains("log group 26473"))
        #expect(try bans().isEmpty)
        try home.ctl("ban", "set", "--floods", "300")
        #expect(try home.ctl("ban", "list").contains("or 300 beginnings beyond the rate"))
        try flood(.syn, from: "203.0.112.11", to: 4002, count: 200)
        #expect(try bans().isEmpty)
        try flood(.datagram, from: "203.0.112.11", to: 4002, count: 1000)
        #expect(try eventually(within: .seconds(1)) { try bans().map(\.source) == ["203.0.112.11/32"] })
    }
}
