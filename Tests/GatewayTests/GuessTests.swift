import Foundation
import TestNetwork
import Testing

/// What the operator hears of wrong passwords: from curl on the LAN host to `status` and `what-changed`.
@Suite("Guessed passwords are told", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct GuessTests {
    struct Door: Sendable, CustomTestStringConvertible {
        /// As curl calls it.
        let scheme: String
        let isIPv6: Bool

        var testDescription: String { scheme + (isIPv6 ? " over IPv6" : " over IPv4") }
        var kind: String { scheme == "socks5h" ? "socks5" : scheme }
        var endpoint: String { isIPv6 ? "[fd77::1]:1090" : "192.168.77.1:1090" }
        /// The guesses of a /64 are counted together, and nobody's address of one alone.
        var sources: [String] { isIPv6 ? ["fd77::10", "fd77::11"] : ["192.168.77.10"] }

        static let all = ["socks5h", "http", "https"].flatMap { scheme in
            [false, true].map { Door(scheme: scheme, isIPv6: $0) }
        }
    }

    @Test(
        "`status` and `what-changed` name where ten wrong passwords came from and for whom, and no password",
        arguments: Door.all)
    func told(door: Door) throws {
        let home = try Home.ready()
        try home.lan.run("ip", "address", "add", "fd77::11/64", "dev", "eth0", "nodad")
        try home.ctl("listener", "add", door.kind, door.endpoint, "--interface", "lan0", "--auth", "required")
        try home.ctl("user", "add", "alice", "--password-stdin", input: "right password\n")
        func login(_ password: String, from source: String) throws -> Outcome {
            try home.lan.attempt([
                "curl", "-sS", "--max-time", "30", "--proxy-insecure", "--interface", source, "--proxytunnel",
                "--proxy", "\(door.scheme)://\(door.endpoint)", "--proxy-user", "alice:\(password)",
                "http://\(Home.wanHost):9/",
            ])
        }
        for number in 0..<9 {
            #expect(try login("hunter\(number)", from: door.sources[number % door.sources.count]).status != 0)
        }
        // Once is no guessing, nor is nine times.
        #expect(try !home.ctl("status").contains("wrong passwords"))
        _ = try login("hunter9", from: door.sources[0])
        let place = door.isIPv6 ? "fd77::/64" : "192.168.77.10"
        let status = try #require(
            try eventually { try home.ctl("status").contains("wrong passwords") } ? try home.ctl("status") : nil)
        #expect(status.contains("\(place) has given 10 wrong passwords lately, the last for alice"), "\(status)")
        let changes = try home.ctl("what-changed")
        #expect(changes.contains("\(place) has given 10 wrong passwords lately, the last for alice"), "\(changes)")
        if door.isIPv6 { #expect(status.contains("from fd77::10") && changes.contains("from fd77::10")) }
        for text in [status, changes, try home.ctl("session", "log"), home.daemon?.said ?? ""] {
            #expect(!text.contains("hunter"))
        }
        // The right password goes through as before: the origin's port 9 refuses.
        let right = try login("right password", from: door.sources[0])
        #expect(right.status != 0 && !right.errors.contains("407"), "\(right)")
        let log = try home.ctl("session", "log", "--denied")
        #expect(log.contains("wrong name or password") && log.contains("alice"), "\(log)")
    }
}
