import Foundation
import Glibc
import Synchronization
import TestNetwork
import TestProcess
import Testing

/// What the gateway knows of the devices of a home, and what it does with it.
@Suite("Devices", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct DeviceTests {
    private static let hardware = "52:54:00:aa:00:10"

    private struct Listed: Decodable {
        var name: String
        var isNamed: Bool
        var hardware: String
        var number: Int?
        var isRandomised: Bool
        var zone: String?
        var way: String?
        var stop: String?
        var isPresent: Bool
        var addresses: [String]
        var sentToday: Int
        var receivedToday: Int
    }

    private struct List: Decodable { var devices: [Listed] }

    /// A gateway whose LAN host has this hardware address.
    private func home() throws -> Home {
        let home = try Home()
        try home.lan.run("ip", "link", "set", "eth0", "address", Self.hardware)
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        // As the gateway's kernel settings will have it.
        try home.gateway.run("sysctl", "-qw", "net.ipv4.tcp_fwmark_accept=1")
        return home
    }

    private func devices(of home: Home) throws -> [Listed] {
        try JSONDecoder().decode(List.self, from: Data(try home.ctl("--json", "device", "list").utf8)).devices
    }

    private func device(_ home: Home) throws -> Listed? {
        try devices(of: home).first { $0.hardware == Self.hardware }
    }

    /// Waits until the gateway has seen the LAN host.
    private func meet(_ home: Home) throws {
        try home.lan.run("ping", "-c1", "-W2", Home.gatewayOnLAN)
        #expect(try eventually { try device(home)?.addresses.contains("192.168.77.10") == true })
    }

    @Test("a device that shows itself is announced, with its zone and its way, and keeps its place over a restart")
    func seen() throws {
        let home = try home()
        try meet(home)
        let found = try #require(try device(home))
        #expect(found.zone == "home" && found.way == "routed" && found.isPresent && !found.isNamed)
        #expect(found.name == "device-aa0010" && found.isRandomised)
        #expect(home.daemon?.said.contains("a new device in the zone home: device-aa0010, \(Self.hardware)") == true)
        #expect(try home.ctl("status").contains("new since yesterday: device-aa0010"))
        // The WAN's host is nobody's device.
        try home.wan.run("ping", "-c1", "-W2", Home.gatewayOnWAN)
        #expect(try devices(of: home).count == 1)
        try home.ctl("device", "name", "192.168.77.10", "tv")
        #expect(try device(home)?.name == "tv")
        #expect(try !home.ctl("status").contains("new since yesterday"))
        try home.stop()
        try home.start()
        #expect(try device(home)?.name == "tv")
        try home.ctl("device", "way", "tv", "proxy")
        #expect(try device(home)?.way == "proxy")
        try home.ctl("device", "way", "tv", "default")
        #expect(try device(home)?.way == "routed")
        let twice = try home.attempt("device", "name", "52:54:00:aa:00:99", "tv")
        #expect(twice.status == 1 && twice.errors.contains("there is a device tv already"))
    }

    @Test("what is wrong with a command about a device is told with what to do")
    func mistakes() throws {
        let home = try home()
        try meet(home)
        for (command, complaint) in [
            (["name", "nobody", "tv"], "there is no device nobody"),
            (["name", Self.hardware, "The TV"], "The TV is no name for a device"),
            (["way", "192.168.77.99", "blocked"], "no device has the address 192.168.77.99"),
            (["address", Self.hardware, "fd77::5"], "fd77::5 is no IPv4 address"),
            (["schedule", Self.hardware, "--allow", "mon 25:00-26:00"], "25:00-26:00 are no hours"),
            (["schedule", Self.hardware], "Give the hours with --allow, or --none"),
            (["forget", "52:54:00:00:00:99"], "nothing is known of the device 52:54:00:00:00:99"),
        ] {
            let outcome = try home.attempt(["device"] + command)
            #expect(outcome.status != 0 && outcome.errors.contains(complaint), "\(command): \(outcome)")
        }
        let rule = try home.attempt("rule", "add", "deny", "--device", "nobody")
        #expect(rule.status == 1 && rule.errors.contains("there is no device nobody"))
    }

    // MARK: what the proxies do

    /// Has connections from the LAN host carry its device's number, as far as the gateway's own table does not yet say so.
    private func mark(_ home: Home) throws {
        let number = try #require(try device(home)?.number)
        try home.gateway.run(
            "nft",
            "add table inet marks; add chain inet marks first { type filter hook prerouting priority -290; }; "
                + "add rule inet marks first iifname lan0 ether saddr \(Self.hardware) meta mark set \(number)")
    }

    private func refusals(_ home: Home, _ host: String, at gateway: String = Home.gatewayOnLAN, from source: String)
        throws -> UInt8
    {
        let client = try Peer(to: gateway, 1080, from: home.lan, source: source)
        try client.send([5, 1, 0])
        guard try client.receive(exactly: 2) == [5, 0] else { throw Failure("the SOCKS5 greeting was refused") }
        try client.send(SOCKS5.connect(host, 9))
        return try SOCKS5.reply(from: client).code
    }

    @Test("a rule for a device holds at each of its addresses and for nobody else, and sessions tell the device")
    func rules() throws {
        let home = try home()
        try meet(home)
        try home.ctl("listener", "add", "socks5", "[fd77::1]:1080", "--from", "home")
        let origin = try echo(in: home)
        try mark(home)
        try home.ctl("device", "name", Self.hardware, "kid")
        let other = try home.tunnel(.socks5, origin.port)
        let games = try home.tunnel(.socks5, to: "origin.example", origin.port)
        #expect(try home.sessions("--device", "kid").count == 2)
        #expect(try home.sessions("--device", "192.168.77.10").first?["device"] as? String == "kid")
        try home.ctl("rule", "add", "deny", "--device", "kid", "--domain", "origin.example")
        // A change ends what it no longer allows, and nothing else.
        #expect(try eventually { try home.sessions().count == 1 })
        // It is reset.
        #expect(throws: (any Error).self) { try games.receive() }
        try other.send("hello")
        #expect(try other.receive(exactly: 5).count == 5)
        for (gateway, source) in [(Home.gatewayOnLAN, "192.168.77.10"), ("fd77::1", "fd77::10")] {
            #expect(try refusals(home, "origin.example", at: gateway, from: source) == 2)
            // Nobody listens there, and it is asked all the same.
            #expect(try refusals(home, Home.wanHost, at: gateway, from: source) == 5)
        }
        let log = try home.ctl("session", "log", "--denied", "--device", "kid")
        #expect(log.contains("origin.example is not allowed: rule 1 denies it") && log.contains("kid"), "\(log)")
        #expect(try home.ctl("rule", "list").contains("kid"))
        let forgotten = try home.attempt("device", "forget", "kid")
        #expect(forgotten.status == 1 && forgotten.errors.contains("rule 1 names the device kid"))
        try home.ctl("device", "name", "kid", "anna")
        #expect(try home.ctl("rule", "list").contains("anna"))
    }

    /// Whether the LAN host gets a connection by the proxy. It speaks HTTP to an echo, which curl takes for HTTP/0.9: its status 1.
    private func isServed(_ home: Home, _ port: UInt16) throws -> Bool {
        try home.lan.attempt([
            "curl", "-s", "-o", "/dev/null", "--max-time", "1", "-x", "socks5://\(Home.gatewayOnLAN):1080",
            "http://\(Home.wanHost):\(port)/",
        ]).status == 1
    }

    /// Whether the origin's end of a session closes within a second.
    private func ends(_ isOver: () -> Bool) -> Bool { eventually(within: .seconds(1), isOver) }

    @Test(
        "a device that is paused, blocked or out of its hours loses its sessions within a second, and gets no new ones")
    func stops() throws {
        let home = try home()
        try meet(home)
        try mark(home)
        let open = Gauge()
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            open.add(1)
            defer { open.add(-1) }
            while case let bytes = try peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
        }
        func runs(_ stop: [String], until resume: [String]) throws {
            let tunnel = try home.tunnel(.socks5, origin.port)
            try tunnel.send("hello")
            #expect(try tunnel.receive(exactly: 5).count == 5)
            try home.ctl(["device"] + stop)
            #expect(ends { open.value == 0 }, "\(stop)")
            #expect(try device(home)?.stop != nil)
            #expect(try !isServed(home, origin.port))
            try home.ctl(["device"] + resume)
            #expect(try device(home)?.stop == nil && isServed(home, origin.port))
            _ = try home.tunnel(.http, origin.port)
        }
        try home.ctl("device", "name", Self.hardware, "kid")
        try runs(["pause", "kid"], until: ["resume", "kid"])
        try runs(["way", "kid", "blocked"], until: ["way", "kid", "default"])
        // By the clock on the wall it is some other day now.
        let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(Self.weekday() + 3) % 7]
        try runs(["schedule", "kid", "--allow", "\(day) 00:00-00:01"], until: ["schedule", "kid", "--none"])
        // Zone by zone, too.
        let tunnel = try home.tunnel(.socks5, origin.port)
        try tunnel.send("hello")
        #expect(try tunnel.receive(exactly: 5).count == 5)
        try home.ctl("device", "way", "kid", "routed")
        try home.ctl("zone", "set", "home", "--way", "blocked")
        #expect(!ends { open.value == 0 }, "the device has a way of its own")
        try home.ctl("device", "way", "kid", "default")
        #expect(ends { open.value == 0 })
    }

    private static func weekday() -> Int {
        var (now, parts) = (time(nil), tm())
        localtime_r(&now, &parts)
        return (Int(parts.tm_wday) + 6) % 7
    }

    @Test("what a device moves through the proxies is counted for it, over the daemon's restart")
    func traffic() throws {
        let home = try home()
        try meet(home)
        try mark(home)
        let origin = try echo(in: home)
        let over = try home.tunnel(.socks5, origin.port)
        try over.send([UInt8](repeating: 7, count: 3000))
        #expect(try over.receive(exactly: 3000).count == 3000)
        over.finish()
        #expect(try over.receive().isEmpty)
        let open = try home.tunnel(.http, origin.port)
        try open.send([UInt8](repeating: 7, count: 2000))
        #expect(try open.receive(exactly: 2000).count == 2000)
        func isCounted(_ device: Listed?) -> Bool {
            // Midnight begins a new day.
            device.map { $0.sentToday >= 5000 && $0.receivedToday >= 5000 && $0.sentToday < 6000 } ?? false
        }
        #expect(try eventually { isCounted(try device(home)) })
        let picture = try home.ctl("device", "list")
        #expect(picture.contains("RECEIVED TODAY") && picture.contains("5.0 kB"), "\(picture)")
        kill(try #require(home.daemon).identifier, SIGTERM)
        #expect(home.daemon?.ended() == 0)
        try home.stop()
        try home.start()
        #expect(isCounted(try device(home)))
    }

    @Test("a pause ends by itself, and then a revision says so")
    func pause() throws {
        let home = try home()
        try meet(home)
        try mark(home)
        let origin = try echo(in: home)
        try home.ctl("device", "name", Self.hardware, "kid")
        try home.ctl("device", "pause", "kid", "--for", "3s")
        #expect(try device(home)?.stop == "paused")
        #expect(eventually { (try? home.tunnel(.socks5, origin.port)) != nil })
        #expect(try eventually { try home.ctl("revision", "list").contains("device resume kid: the time is up") })
        #expect(try device(home)?.stop == nil)
    }

    @Test("a device is one client for limits, whatever addresses it takes, and may have a limit of its own")
    func limits() throws {
        let home = try home()
        // Two more, as privacy addresses are (RFC 8981).
        for address in ["fd77::a1", "fd77::a2"] {
            try home.lan.run("ip", "address", "add", "\(address)/64", "dev", "eth0", "nodad")
        }
        try meet(home)
        try mark(home)
        try home.ctl("listener", "add", "socks5", "[fd77::1]:1080", "--from", "home")
        let origin = try echo(in: home)
        try home.ctl("limit", "set", "client", "--sessions", "2")
        var tunnels: [Peer] = []
        for source in ["fd77::a1", "fd77::a2"] {
            let client = try Peer(to: "fd77::1", 1080, from: home.lan, source: source)
            try client.send([5, 1, 0])
            #expect(try client.receive(exactly: 2) == [5, 0])
            try client.send(SOCKS5.connect(Home.wanHost, origin.port))
            #expect(try SOCKS5.reply(from: client).code == 0)
            tunnels.append(client)
        }
        #expect(try refusals(home, Home.wanHost, from: "192.168.77.10") == 2)
        #expect(try refusals(home, Home.wanHost, at: "fd77::1", from: "fd77::10") == 2)
        try home.ctl("limit", "set", "device", Self.hardware, "--sessions", "3")
        #expect(try refusals(home, Home.wanHost, from: "192.168.77.10") == 5)
        #expect(try home.ctl("limit", "list").contains("device device-aa0010"))
        withExtendedLifetime(tunnels) {}
    }

    // MARK: what the kernel does

    /// A connection from the LAN host straight to an echo on the WAN host, with what it is answered.
    private func routed(_ home: Home, to port: UInt16) throws -> Peer {
        let peer = try Peer(to: Home.wanHost, port, from: home.lan)
        try peer.send("hello")
        guard try peer.receive(exactly: 5).count == 5 else { throw Failure("nothing is routed") }
        return peer
    }

    /// Whether the LAN host gets a new connection straight to the WAN host.
    private func reaches(_ home: Home, _ port: UInt16) throws -> Bool {
        let outcome = try home.lan.attempt([
            "curl", "-s", "-o", "/dev/null", "--max-time", "1", "http://\(Home.wanHost):\(port)/",
        ])
        // curl's 28 is a timeout, 7 a refusal: any other end is that of a connection that there was.
        return outcome.status != 28 && outcome.status != 7
    }

    /// Whether the far end still answers, now and for a second.
    private func isAnswered(_ peer: Peer) -> Bool {
        peer.setPatience(seconds: 1)
        guard (try? peer.send("again")) != nil else { return false }
        return (try? peer.receive(exactly: 5).count) == 5
    }

    @Test("what the kernel passes on stands beside the sessions, with its device, and can be ended for good")
    func flows() throws {
        let home = try home()
        try meet(home)
        try home.ctl("device", "name", Self.hardware, "tv")
        let origin = try echo(in: home)
        let (first, second) = (try routed(home, to: origin.port), try routed(home, to: origin.port))
        let proxied = try home.tunnel(.socks5, origin.port)
        let sessions = try home.sessions("--device", "tv")
        #expect(sessions.count == 3 && sessions.first?["kind"] as? String == "socks5", "\(sessions)")
        let flow = try #require(sessions.first { $0["client"] as? String == first.nearEnd })
        #expect(flow["kind"] as? String == "routed" && flow["transport"] as? String == "tcp")
        #expect(flow["origin"] as? String == "\(Home.wanHost):\(origin.port)" && flow["listener"] == nil)
        #expect((flow["sent"] as? Int ?? 0) > 5 && (flow["received"] as? Int ?? 0) > 5)
        #expect(try home.ctl("session", "list").contains("routed tcp"))
        #expect(try home.ctl("top", "--device", "tv").contains("3 sessions"))
        let id = try #require(flow["id"] as? Int)
        #expect(try home.ctl("session", "kill", "\(id)").contains("1 session ended"))
        #expect(!isAnswered(first) && isAnswered(second))
        #expect(try !home.sessions().contains { $0["id"] as? Int == id })
        #expect(try eventually { try device(home)?.sentToday ?? 0 > 100 })
        withExtendedLifetime(proxied) {}
    }

    @Test("a pause and the hours end what is routed within a second, and hold with the daemon and all roles dead")
    func routedStops() throws {
        let home = try home()
        home.killsRoles = true
        try meet(home)
        try home.ctl("device", "name", Self.hardware, "kid")
        let origin = try echo(in: home)
        for (stop, resume) in [
            (["pause", "kid", "--for", "1h"], ["resume", "kid"]),
            (["way", "kid", "blocked"], ["way", "kid", "default"]),
            (["way", "kid", "proxy"], ["way", "kid", "default"]),
        ] {
            let flow = try routed(home, to: origin.port)
            try home.ctl(["device"] + stop)
            #expect(!isAnswered(flow), "\(stop)")
            #expect(try !reaches(home, origin.port))
            try home.ctl(["device"] + resume)
            _ = try routed(home, to: origin.port)
        }
        let other = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(Self.weekday() + 3) % 7]
        let flow = try routed(home, to: origin.port)
        try home.ctl("device", "schedule", "kid", "--allow", "\(other) 00:00-00:01")
        #expect(!isAnswered(flow))
        try home.stop()
        #expect(try !reaches(home, origin.port))
    }
}

/// Counts, for several threads.
private final class Gauge: Sendable {
    private let count = Atomic<Int>(0)

    func add(_ difference: Int) { count.add(difference, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}
