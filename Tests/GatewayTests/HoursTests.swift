import Foundation
import Glibc
import TestNetwork
import Testing

/// A device's hours end while no process of the gateway lives: the kernel alone stops what is under way, also what another device
/// began, whose mark the flow has.
@Suite(
    "The end of a device's hours", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(3)))
struct HoursTests {
    /// The next full minute that is far enough away, as seconds since 1970, and the hours until then as a schedule says them.
    private static func soon() -> (end: Int, hours: String) {
        let end = (time(nil) + 25 + 59) / 60 * 60
        func wall(_ instant: Int) -> (day: String, time: String) {
            var (seconds, parts) = (instant, tm())
            localtime_r(&seconds, &parts)
            func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
            let days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
            return (days[Int(parts.tm_wday)], "\(two(parts.tm_hour)):\(two(parts.tm_min))")
        }
        let (from, to) = (wall(end - 300), wall(end))
        return (end, "\(from.day) \(from.time)-\(to.time == "00:00" ? "24:00" : to.time)")
    }

    @Test("ends what it has begun and what others began towards it, both ways, and nothing else")
    func flows() throws {
        let routed = try RoutedHome.ready()
        let (home, guest) = (routed.home, routed.guest)
        home.killsRoles = true
        let services = try Services(in: home.lan, at: RoutedHome.lanHost, ports: [8080])
        let far = try Services(in: home.wan, at: RoutedHome.far, ports: [8080])
        // What comes to the device is seen there, whether or not it is answered.
        let stream = try DatagramPeer(in: home.lan, "0.0.0.0", port: 9000)
        let name = try routed.nameOfLANHost()
        try home.ctl("device", "name", name, "kid")
        try home.ctl("zone", "allow", "guest", "to", "home")
        // The guest's host is a device of its own, and its flows are its own: those of nobody would become the other end's.
        try home.meet(guest, as: "visitor", at: "10.66.0.1")
        // One flow is from before there were hours.
        let early = try Peer(to: RoutedHome.lanHost, 8080, from: guest)
        try early.send("word")
        #expect(try early.receive(exactly: 4) == Array("word".utf8))
        let (end, hours) = Self.soon()
        try home.ctl("device", "schedule", "kid", "--allow", hours)
        let towards = try Peer(to: RoutedHome.lanHost, 8080, from: guest)
        let own = try Peer(to: RoutedHome.far, 8080, from: home.lan)
        let other = try Peer(to: RoutedHome.far, 8080, from: guest)
        let flows = ["early": early, "towards": towards, "own": own, "other": other]
        func answers(_ peer: Peer) -> Bool {
            peer.setPatience(seconds: 1)
            do {
                try peer.send("word")
                return try peer.receive(exactly: 4).count == 4
            } catch {
                return false
            }
        }
        let (asking, streaming) = (try DatagramPeer(in: guest, "0.0.0.0"), try DatagramPeer(in: guest, "0.0.0.0"))
        func isAsked() throws -> Bool {
            try asking.send([1], to: RoutedHome.lanHost, 8080)
            return try asking.receive(within: .milliseconds(300)) != nil
        }
        try streaming.send([1], to: RoutedHome.lanHost, 9000)
        let place = try #require(try stream.receive(within: .seconds(2))?.from.split(separator: ":").last)
        func isStreamed() throws -> Bool {
            try stream.send([1], to: RoutedHome.guestHost, UInt16(place)!)
            return try streaming.receive(within: .milliseconds(300)) != nil
        }
        // The one from before, too.
        #expect(
            try eventually {
                let shown = try home.gateway.run("conntrack", "-L", "-p", "tcp", "--orig-src", RoutedHome.guestHost)
                let inside = shown.split(separator: "\n").filter { $0.contains(" dst=\(RoutedHome.lanHost) ") }
                let marks = inside.compactMap { $0.firstMatch(of: #/mark=(\d+)/#).flatMap { Int($0.1) } }
                return marks.count == 2 && marks.allSatisfy { $0 > 1 << 16 && $0 < 1 << 17 }
            })
        let processes = try home.processes().values.joined()
        for process in processes { kill(process, SIGKILL) }
        #expect(
            eventually {
                processes.allSatisfy {
                    (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8)) ?? "" == ""
                }
            })
        // Flows that nobody uses would end by themselves.
        var (turns, next) = (0, time(nil))
        while time(nil) < end - 3 {
            for (name, flow) in flows { #expect(answers(flow), "\(name)") }
            #expect(try isAsked() && isStreamed())
            turns += 1
            next += 2
            #expect(eventually { time(nil) >= next })
        }
        #expect(turns > 0, "the machine is too slow for this test")
        // Within a second of the minute's end.
        #expect(eventually { time(nil) >= end + 1 })
        #expect(try !isAsked() && !isStreamed())
        for (name, flow) in flows { #expect(answers(flow) == (name == "other"), "\(name)") }
        #expect(!routed.connects(guest, RoutedHome.lanHost, 8080) && routed.connects(guest, RoutedHome.far, 8080))
        for flow in flows.values { flow.resetAtClose() }
        withExtendedLifetime((services, far)) {}
    }
}
