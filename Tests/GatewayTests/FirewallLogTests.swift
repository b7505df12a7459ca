import Foundation
import Glibc
import TestNetwork
import Testing

@Suite("What the firewall stopped can be seen", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct FirewallLogTests {
    private struct Reply: Decodable {
        struct Packet: Decodable {
            var interface: String
            var output: String?
            var source: String
            var destination: String
            var port: Int?
            var device: String?
            var reason: String
        }
        struct Total: Decodable {
            var reason: String
            var packets: Int
        }
        var packets: [Packet]
        var totals: [Total]
    }

    private func log(_ home: Home, _ words: String...) throws -> [Reply.Packet] { try reply(home, words).packets }

    private func reply(_ home: Home, _ words: [String] = []) throws -> Reply {
        let text = try home.ctl(["--json", "firewall", "log"] + words)
        return try JSONDecoder().decode(Reply.self, from: Data(text.utf8))
    }

    @Test("with who it was, where to, and what for; of each source a few, so that a flood hides nobody")
    func shown() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        try home.meetDevice()
        try home.ctl("device", "name", RoutedHome.lanHost, "camera")
        try home.ctl("rule", "add", "deny", "--device", "camera", "--port", "6667")
        let tcp = { (host: Namespace, address: String, port: Int) in
            try host.attempt(["timeout", "0.5", "bash", "-c", "exec 3<>/dev/tcp/\(address)/\(port)"])
        }
        _ = try tcp(home.wan, Home.gatewayOnWAN, 2323)
        _ = try tcp(home.lan, RoutedHome.far, 6667)
        _ = try home.wan.attempt([
            "timeout", "0.5", "bash", "-c", "exec 3<>/dev/udp/\(Home.gatewayOnWAN6)/5353; echo >&3",
        ])
        let wanted: [(String, Int, String?, String)] = [
            (Home.gatewayOnWAN, 2323, nil, "the rest"), (RoutedHome.far, 6667, "camera", "rule 1"),
            (Home.gatewayOnWAN6, 5353, nil, "the rest"),
        ]
        let isTold = try eventually {
            let packets = try log(home)
            return wanted.allSatisfy { address, port, device, reason in
                packets.contains {
                    $0.destination == address && $0.port == port && $0.device == device && $0.reason == reason
                }
            }
        }
        #expect(isTold, "\(String(describing: try? log(home)))")
        let camera = try log(home, "--device", "camera")
        #expect(!camera.isEmpty && camera.allSatisfy { $0.device == "camera" && $0.output == "wan0" }, "\(camera)")
        #expect(try home.ctl("firewall", "log").contains("rule 1"))
        // A message of ICMP is judged by what kind it is: that of a router is nobody's business on the internet's side.
        _ = try home.wan.attempt(["rdisc6", "-1", "-r", "1", "-w", "300", "eth0"])
        let isSolicited = try eventually {
            try log(home).contains { $0.destination == "ff02::2" && $0.reason == "the rest" }
        }
        #expect(isSolicited)
        // Nothing of what is let in or through.
        _ = try tcp(home.lan, Home.gatewayOnLAN, 1080)
        let all = try log(home)
        #expect(all.allSatisfy { $0.port != 1080 })

        // One that floods, and another one behind it.
        _ = try home.wan.attempt([
            "nmap", "-n", "-Pn", "-sS", "-p-", "--min-rate", "10000", "--max-retries", "0", Home.gatewayOnWAN,
        ])
        try home.wan.run("ip", "address", "add", "203.0.112.77/24", "dev", "eth0")
        _ = try home.wan.attempt([
            "timeout", "0.5", "python3", "-c",
            "import socket; s = socket.socket(); s.bind(('203.0.112.77', 0)); s.connect(('\(Home.gatewayOnWAN)', 2424))",
        ])
        let isSeen = try eventually { try log(home).contains { $0.source == "203.0.112.77" && $0.port == 2424 } }
        #expect(isSeen)
        let flood = try log(home, "--limit", "2000").filter { $0.source == Home.wanHost }
        #expect(flood.count < 100, "\(flood.count) of 65535 packets")
        // Each is counted all the same.
        let totals = try reply(home).totals
        #expect(
            totals.first { $0.reason == "the rest" || $0.reason == "banned" }.map { $0.packets > 1000 } == true,
            "\(totals)")
        #expect(totals.contains { $0.reason == "rule 1" && $0.packets > 0 }, "\(totals)")
        #expect(try home.ctl("firewall", "log").contains("STOPPED BY"))
        #expect(try home.attempt("firewall", "log", "--limit", "0").status != 0)
    }

    @Test(
        "of lists, bans and forged sources, too, by what stopped them; however many they are, they hide nothing else")
    func barred() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        try home.meetDevice()
        try home.ctl("device", "name", RoutedHome.lanHost, "camera")
        try home.ctl("firewall", "open", "lab", "--tcp", "4002", "--from", "anywhere")
        // Nobody is banned for what follows.
        try home.ctl("ban", "set", "--scans", "off", "--floods", "off")
        let file = home.directory + "/list"
        try "198.18.0.0/15\n2001:db9:999::/48\n".write(toFile: file, atomically: true, encoding: .utf8)
        try home.ctl("blocklist", "add", "spam-1", file, "--format", "networks", "--direction", "in")
        try "\(RoutedHome.far)\n".write(toFile: file, atomically: true, encoding: .utf8)
        try home.ctl("blocklist", "add", "malware", file, "--format", "networks", "--direction", "out")
        try home.ctl("ban", "add", "203.0.112.11", "--for", "10s")
        try home.ctl("ban", "add", "2001:db9:998::1")
        let (wan, lan) = (
            try Segment(in: home.wan, interface: "eth0"), try Segment(in: home.lan, interface: "eth0")
        )
        let (gateway, inside) = (
            (wan: try home.gateway.hardware(of: "wan0"), lan: try home.gateway.hardware(of: "lan0")),
            (wan: try home.wan.hardware(of: "eth0"), lan: try home.lan.hardware(of: "eth0"))
        )
        func knock(_ source: String, _ port: UInt16 = 4002) throws {
            let destination = source.contains(":") ? Home.gatewayOnWAN6 : Home.gatewayOnWAN
            try wan.send(.tcp(from: source, 1025, to: destination, port), to: gateway.wan, from: inside.wan)
        }
        let stopped = [
            ("198.18.0.1", "blocklist spam-1"), ("2001:db9:999::1", "blocklist spam-1"), ("203.0.112.11", "banned"),
            ("2001:db9:998::1", "banned"), ("2001:db9:9::9", "forged sources"),
        ]
        try knock("203.0.112.77", 2525)
        for (source, reason) in stopped where reason != "forged sources" { try knock(source) }
        // Of IPv4 the kernel itself drops one that is forged, before any rule is asked (rp_filter).
        try lan.send(.tcp(from: "2001:db9:9::9", 1025, to: "fd77::1", 4002), to: gateway.lan, from: inside.lan)
        _ = try home.lan.attempt(["timeout", "1", "nc", "-z", RoutedHome.far, "443"])
        let wanted = stopped + [(RoutedHome.lanHost, "blocklist malware"), ("203.0.112.77", "the rest")]
        func untold() throws -> [String] {
            let packets = try log(home)
            return wanted.filter { source, reason in
                !packets.contains { $0.source == source && $0.reason == reason }
            }.map { "\($0) \($1)" }
        }
        let isTold = try eventually { try untold().isEmpty }
        let missing = try untold()
        let shown = try home.ctl("firewall", "log")
        #expect(isTold, "\(missing) of \(shown)")
        let camera = try log(home, "--device", "camera")
        #expect(camera.contains { $0.reason == "blocklist malware" && $0.destination == RoutedHome.far }, "\(camera)")
        let totals = try reply(home).totals
        for reason in Set(wanted.map(\.1)) { #expect(totals.contains { $0.reason == reason }, "\(reason): \(totals)") }
        // A ban that is over was a ban all the same.
        #expect(try eventually(within: .seconds(15)) { try !home.ctl("ban", "list").contains("203.0.112.11") })
        #expect(try untold().isEmpty)

        // One that floods, and a thousand sources of a list.
        let role = try #require(try home.processes()["firewall"]?.first)
        let before = try processorTime(of: role)
        for _ in 0..<20_000 { try knock("2001:db9:998::1") }
        let afterOne = try processorTime(of: role)
        for number in 0..<2000 { for _ in 0..<5 { try knock("198.18.\(number / 250).\(number % 250 + 1)") } }
        let afterMany = try processorTime(of: role)
        print("the firewall role: \(afterOne - before) s for 20 000 packets of one source, ", terminator: "")
        print("\(afterMany - afterOne) s for 10 000 of 2 000 sources")
        #expect(afterOne - before < 0.2)
        try knock("203.0.112.78", 2626)
        #expect(try eventually { try log(home).contains { $0.source == "203.0.112.78" && $0.port == 2626 } })
        let all = try log(home)
        #expect(all.count <= 100 && all.contains { $0.source == "203.0.112.77" }, "\(all.count)")
        #expect(all.contains { $0.source == RoutedHome.lanHost && $0.reason == "blocklist malware" })
        let counted = try reply(home).totals
        #expect(counted.first { $0.reason == "banned" }.map { $0.packets >= 20_000 } == true, "\(counted)")
        #expect(counted.first { $0.reason == "blocklist spam-1" }.map { $0.packets >= 10_000 } == true, "\(counted)")
    }
}
