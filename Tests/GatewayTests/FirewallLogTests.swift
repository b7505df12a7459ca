import Foundation
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
}
