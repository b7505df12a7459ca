import Foundation
import TestNetwork
import Testing

/// What else than its removal shuts a forward: somebody who is banned, and a rule.
@Suite(
    "A forward that is shut", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(2)))
struct ForwardEndTests {
    private let routed: RoutedHome
    private let services: Services
    private let echo6: DatagramPeer
    private var home: Home { routed.home }

    init() throws {
        routed = try RoutedHome.ready()
        let home = routed.home
        services = try Services(in: home.lan, at: RoutedHome.lanHost, ports: [8080])
        echo6 = try DatagramPeer.echo(in: home.lan, RoutedHome.lanHost6, port: 8080)
        for address in ["203.0.112.12/24", "2001:db9:999::1/64", "2001:db9:998::1/64"] {
            let outcome = try home.wan.attempt(
                ["ip", "address", "add", address, "dev", "eth0"] + (address.contains(":") ? ["nodad"] : []))
            #expect(outcome.status == 0, "\(outcome)")
        }
        for network in ["2001:db9:999::/64", "2001:db9:998::/64"] {
            try home.gateway.run("ip", "route", "add", network, "via", Home.wanHost6)
        }
        try home.ctl("device", "name", try routed.nameOfLANHost(), "server")
        // Its address is known as soon as the device has used it.
        #expect(try routed.pings(home.lan, "2001:db9:77::1"))
        #expect(
            try eventually(within: .seconds(20)) { try home.ctl("device", "list").contains(RoutedHome.lanHost6) })
        try home.ctl("forward", "add", "web", "tcp", "8080", "to", "server")
        try home.ctl("forward", "add", "game", "udp", "8080", "to", "server")
    }

    @Test(
        "to somebody who is banned has within a second none of their flows any more, and those of all others go on",
        arguments: [
            (Home.gatewayOnWAN, "203.0.112.11", "203.0.112.12"),
            (RoutedHome.lanHost6, "2001:db9:999::1", "2001:db9:998::1"),
        ])
    func banned(door: String, source: String, neighbour: String) throws {
        func stream(_ source: String) throws -> Peer {
            let peer = try Peer(to: door, 8080, from: home.wan, source: source)
            peer.setPatience(seconds: 1)
            try peer.send("word")
            #expect(try peer.receive(exactly: 4) == Array("word".utf8))
            return peer
        }
        func isAnswered(_ peer: DatagramPeer) throws -> Bool {
            try peer.send(Array("going".utf8), to: door, 8080)
            return try peer.receive(within: .milliseconds(300)) != nil
        }
        let (going, staying) = (try stream(source), try stream(neighbour))
        let (goingDatagrams, stayingDatagrams) = (
            try DatagramPeer(in: home.wan, source), try DatagramPeer(in: home.wan, neighbour)
        )
        for peer in [goingDatagrams, stayingDatagrams] { #expect(try eventually { try isAnswered(peer) }) }
        try home.ctl("ban", "add", source)
        let begin = ContinuousClock.now
        // What reaches the device is seen on its wire, whether it answers or not.
        let capture = try Capture(in: home.lan, interface: "eth0")
        func reaches() throws -> Bool {
            try? going.send("going")
            try goingDatagrams.send(Array("going".utf8), to: door, 8080)
            // Behind them in the same line.
            try staying.send("stay")
            #expect(try staying.receive(exactly: 4) == Array("stay".utf8))
            return try capture.frames().contains { String(decoding: $0, as: UTF8.self).contains("going") }
        }
        #expect(try eventually(within: .seconds(1)) { try !reaches() })
        print("a banned source's flows through a forward ended after \(ContinuousClock.now - begin)")
        for _ in 0..<5 { #expect(try !reaches()) }
        #expect(try isAnswered(stayingDatagrams))
        let anew = try home.wan.attempt([
            "timeout", "1", "nc", source.contains(":") ? "-6" : "-4", "-s", source, "-z", door, "8080",
        ])
        #expect(anew.status != 0, "\(anew)")
        let left = try home.ctl("session", "list")
        #expect(!left.contains(source) && left.contains(neighbour), "\(left)")
        try home.ctl("ban", "remove", source)
        let again = try stream(source)
        for peer in [going, again] { peer.resetAtClose() }
    }

    @Test(
        "to somebody who floods it, who is banned, and to nobody else",
        arguments: [
            (Home.gatewayOnWAN, "203.0.112.12", "203.0.112.11", true),
            (Home.gatewayOnWAN, "203.0.112.12", "203.0.112.11", false),
            (RoutedHome.lanHost6, "2001:db9:999::1", "2001:db9:998::1", true),
            (RoutedHome.lanHost6, "2001:db9:999::1", "2001:db9:998::1", false),
        ])
    func flooded(door: String, source: String, neighbour: String, isTCP: Bool) throws {
        // Of a /64 eight times as much would have to come as fast.
        if source.contains(":") { try home.ctl("limit", "set", "client", "--rate", "10/s") }
        let segment = try Segment(in: home.wan, interface: "eth0")
        let (there, here) = (try home.gateway.hardware(of: "wan0"), try home.wan.hardware(of: "eth0"))
        func begin(_ count: UInt16) throws {
            for port in 2000..<2000 + count {
                let frame: Frame =
                    isTCP
                    ? .tcp(from: source, port, to: door, 8080) : .udp(from: source, port, to: door, 8080, [1])
                try segment.send(frame, to: there, from: here)
            }
        }
        func isBanned() throws -> Bool {
            try home.ctl("ban", "list").contains(source.contains(":") ? "2001:db9:999::/64" : source)
        }
        // As much as a source may begin at once is no flood.
        try begin(600)
        #expect(routed.connects(home.wan, door, 8080))
        try begin(2500)
        #expect(try eventually(within: .seconds(1)) { try isBanned() })
        #expect(try home.ctl("ban", "list").contains("flood"))
        let anew = try home.wan.attempt([
            "timeout", "1", "nc", source.contains(":") ? "-6" : "-4", "-s", source, "-z", door, "8080",
        ])
        #expect(anew.status != 0, "\(anew)")
        let other = try home.wan.attempt([
            "timeout", "5", "nc", source.contains(":") ? "-6" : "-4", "-s", neighbour, "-z", door, "8080",
        ])
        #expect(other.status == 0, "\(other)")
    }

    @Test("by a rule of the operator's is told at once, and as long as it is")
    func ruled() throws {
        func warns(_ arguments: String...) throws -> Bool {
            let outcome = try home.attempt(arguments)
            #expect(outcome.status == 0, "\(outcome)")
            return outcome.errors.contains("lets nobody in")
        }
        #expect(routed.connects(home.wan, Home.gatewayOnWAN, 8080))
        // What the device itself begins, and another port, is nothing to the forward.
        #expect(try !warns("rule", "add", "deny", "--device", "server", "--port", "8080"))
        #expect(try !warns("rule", "add", "deny", "--port", "8081"))
        #expect(routed.connects(home.wan, Home.gatewayOnWAN, 8080))
        let outcome = try home.attempt("rule", "add", "deny", "--port", "8080", "--protocol", "tcp")
        let told = "the forward web lets nobody in: rule 3 denies it (deny protocol tcp port 8080); "
        #expect(outcome.errors.contains(told + "`gatehousectl rule remove 3` opens it"), "\(outcome)")
        #expect(!outcome.errors.contains("forward game"), "\(outcome)")
        #expect(!routed.connects(home.wan, Home.gatewayOnWAN, 8080))
        #expect(!routed.connects(home.wan, RoutedHome.lanHost6, 8080))
        #expect(try routed.answers(home.wan, Home.gatewayOnWAN, 8080))
        #expect(try home.ctl("status").contains(told))
        try home.ctl("rule", "remove", "3")
        #expect(try !home.ctl("status").contains("lets nobody in"))
        #expect(routed.connects(home.wan, Home.gatewayOnWAN, 8080))
        // Of one version of IP alone.
        let four = try home.attempt("rule", "add", "deny", "--to", "192.168.77.0/24")
        #expect(four.errors.contains("the forward web lets nobody in over IPv4: rule 4 denies it"), "\(four)")
        #expect(!routed.connects(home.wan, Home.gatewayOnWAN, 8080))
        #expect(routed.connects(home.wan, RoutedHome.lanHost6, 8080))
    }
}
