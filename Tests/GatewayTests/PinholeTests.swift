import Foundation
import TestNetwork
import Testing

/// A forward over IPv6: the device is reached at its own address, which nobody puts in another's place.
@Suite(
    "A forward to a device's IPv6 address", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(2)))
struct PinholeTests {
    private let routed: RoutedHome
    private let services: Services
    private let card: String
    private var home: Home { routed.home }
    /// Where the WAN host is another one.
    private static let other6 = "2001:db9:113::11"

    init() throws {
        routed = try RoutedHome.ready()
        let home = routed.home
        services = try Services(in: home.lan, at: RoutedHome.lanHost6, ports: [8080, 8081])
        try home.wan.run("ip", "address", "add", "\(Self.other6)/64", "dev", "eth0", "nodad")
        card = try routed.nameOfLANHost()
        try home.ctl("device", "name", card, "server")
        // Its address is known as soon as the device has used it.
        #expect(try routed.pings(home.lan, "2001:db9:77::1"))
        let list = home
        #expect(try eventually(within: .seconds(20)) { try list.ctl("device", "list").contains(RoutedHome.lanHost6) })
    }

    /// Whether a stream from the WAN has an answer.
    ///
    /// - Parameter isTold: the device itself says that there is nothing; the gateway tells the internet nothing.
    private func reaches(_ port: UInt16, from source: String = Home.wanHost6, isTold: Bool = false) throws -> Bool {
        let outcome = try home.wan.attempt([
            "timeout", "1", "nc", "-6", "-s", source, "-z", "-v", RoutedHome.lanHost6, "\(port)",
        ])
        #expect(outcome.errors.contains("refused") == isTold, "\(outcome)")
        return outcome.status == 0
    }

    /// The same with a datagram.
    private func answers(_ port: UInt16, from source: String = Home.wanHost6) throws -> Bool {
        let peer = try DatagramPeer(in: home.wan, source)
        for _ in 0..<3 {
            try peer.send([1], to: RoutedHome.lanHost6, port)
            if let answer = try peer.receive(within: .milliseconds(400)) {
                #expect(answer.from == "\(RoutedHome.lanHost6):\(port)")
                return true
            }
        }
        return false
    }

    @Test("leads there from the internet without translation, by its port and its transport alone")
    func port() throws {
        #expect(try !reaches(8080) && !answers(8080))
        try home.ctl("forward", "add", "web", "tcp", "8080", "to", "server")
        #expect(try reaches(8080))
        #expect(try !reaches(8081) && !answers(8080))
        // Either end sees the other one's own address.
        let origin = try Origin(in: home.lan, RoutedHome.lanHost6, port: 9000) { try $0.send($0.farEnd) }
        #expect(try !reaches(9000))
        try home.ctl("forward", "add", "seen", "tcp", "9000", "to", "server")
        let peer = try Peer(to: RoutedHome.lanHost6, 9000, from: home.wan)
        #expect(try String(decoding: peer.receiveToEnd(), as: UTF8.self) == peer.nearEnd)
        // Another port of the device's is a matter of IPv4, which has one address for all: here nothing is translated, and what
        // was not named as the door's port stays shut.
        try home.ctl("forward", "add", "alt", "tcp", "8443", "to", "server:8081")
        #expect(try !reaches(8443, isTold: true) && !reaches(8081))
        #expect(routed.connects(home.wan, Home.gatewayOnWAN, 8443), "over IPv4")
        try home.ctl("forward", "add", "game", "udp", "8081", "to", "server")
        #expect(try answers(8081) && !reaches(8081))
        // What is open to the internet is told as long as it is.
        #expect(try home.ctl("status").contains("web"))
        withExtendedLifetime(origin) {}
    }

    @Test("is for whom and for as long as it was said")
    func bounds() throws {
        try home.ctl("forward", "add", "web", "tcp", "8080", "to", "server", "--from", "\(Self.other6)/128")
        #expect(try reaches(8080, from: Self.other6) && !reaches(8080))
        try home.ctl("forward", "add", "game", "udp", "8081", "to", "server", "--from", "2001:db9:113:0:8000::/65")
        #expect(try !answers(8081))
        try home.ctl("forward", "remove", "game")
        try home.ctl("forward", "add", "game", "udp", "8081", "to", "server", "--from", "2001:db9:113::/64")
        #expect(try answers(8081))
        // A source of IPv4 opens nothing here, and the other way round.
        try home.ctl("forward", "add", "old", "tcp", "8081", "to", "server", "--from", Home.wanHost)
        #expect(try !reaches(8081) && routed.connects(home.wan, Home.gatewayOnWAN, 8081))
        #expect(!routed.connects(home.wan, Home.gatewayOnWAN, 8080))
        try home.ctl("forward", "remove", "old")
        try home.ctl("forward", "add", "short", "tcp", "8081", "to", "server", "--for", "3s")
        let flow = try Peer(to: RoutedHome.lanHost6, 8081, from: home.wan)
        flow.setPatience(seconds: 1)
        try flow.send("word")
        #expect(try flow.receive(exactly: 4) == Array("word".utf8))
        #expect(try eventually { try !reaches(8081) }, "its time is over")
        // The kernel shuts it; what came in by it is ended by the daemon, which looks every five seconds.
        #expect(
            eventually(within: .seconds(10)) {
                try? flow.send("more")
                return (try? flow.receive(exactly: 4))?.count != 4
            })
        #expect(try !home.ctl("forward", "list").contains("short"))
    }

    @Test("that is removed has within a second no flow any more, in neither direction, and takes no other's with it")
    func removed() throws {
        try home.ctl("forward", "add", "web", "tcp", "8080", "to", "server")
        try home.ctl("forward", "add", "game", "udp", "8081", "to", "server")
        try home.ctl("forward", "add", "other", "tcp", "8081", "to", "server")
        let (going, staying) = (
            try Peer(to: RoutedHome.lanHost6, 8080, from: home.wan),
            try Peer(to: RoutedHome.lanHost6, 8081, from: home.wan)
        )
        let datagrams = try DatagramPeer(in: home.wan, Home.wanHost6)
        for flow in [going, staying] {
            flow.setPatience(seconds: 1)
            try flow.send("word")
            #expect(try flow.receive(exactly: 4) == Array("word".utf8))
        }
        #expect(
            try eventually {
                try datagrams.send([1], to: RoutedHome.lanHost6, 8081)
                return try datagrams.receive(within: .milliseconds(500)) != nil
            })
        // What reaches the device is seen on its wire, whether it answers or not.
        let (inside, outside) = (
            try Capture(in: home.lan, interface: "eth0"), try Capture(in: home.wan, interface: "eth0")
        )
        for name in ["web", "game"] { try home.ctl("forward", "remove", name) }
        let begin = ContinuousClock.now
        #expect(
            try eventually(within: .seconds(1)) {
                try? going.send("going")
                try datagrams.send(Array("going".utf8), to: RoutedHome.lanHost6, 8081)
                _ = try outside.frames()
                return try inside.frames().allSatisfy { !String(decoding: $0, as: UTF8.self).contains("going") }
            })
        for _ in 0..<5 {
            try? going.send("going")
            try datagrams.send(Array("going".utf8), to: RoutedHome.lanHost6, 8081)
        }
        try staying.send("stay")
        #expect(try staying.receive(exactly: 4) == Array("stay".utf8))
        for capture in [inside, outside] {
            #expect(try capture.frames().allSatisfy { !String(decoding: $0, as: UTF8.self).contains("going") })
        }
        #expect(ContinuousClock.now - begin < .seconds(2))
        #expect(try !reaches(8080) && !answers(8081) && reaches(8081))
        going.resetAtClose()
    }
}
