import Foundation
import TestNetwork
import TestProcess
import Testing

/// What clients can make a relay keep in memory, and for how long.
@Suite("Memory has a bound, and what a burst took is given back", .serialized, .enabled(if: isRoot && !isSanitized))
struct MemoryTests {
    let home: Home

    init() throws {
        raiseDescriptorLimit()
        home = try Home()
    }

    private func ready() throws {
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        // All of the many come from one address.
        try home.liftClientLimit()
    }

    /// What of the process is in memory, in kB.
    private func memory(of process: pid_t) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        guard let value = status.firstMatch(of: /VmRSS:\s+(\d+) kB/)?.1 else { throw Failure(status) }
        return Int(value) ?? 0
    }

    /// Clients that have each said this and no more.
    private func clients(_ count: Int, _ port: UInt16, saying bytes: [UInt8]) throws -> [Peer] {
        try (0..<count).map { _ in
            let client = try Peer(to: Home.gatewayOnLAN, port, from: home.lan)
            client.resetAtClose()
            try client.send(bytes)
            return client
        }
    }

    /// The allocator kept what 4 000 handshakes at once had taken, and after six times it was 451 MB in place of 38.
    @Test("48: 24 000 TLS handshakes that are begun and left behind: a minute later the memory is back")
    func handshakes() throws {
        try ready()
        try home.ctl("listener", "add", "https", "192.168.77.1:3129", "--interface", "lan0")
        let role = try #require(try home.processes()["http"]?.first)
        // What a household with its many small devices does at once takes what every role takes once.
        let descriptors = try openDescriptors(of: role)
        do {
            let household = try clients(150, 3129, saying: [0x16, 3, 1, 2, 0])
            #expect(try eventually { try openDescriptors(of: role) >= descriptors + 145 })
            withExtendedLifetime(household) {}
        }
        #expect(try eventually { try openDescriptors(of: role) <= descriptors + 10 })
        let idle = try memory(of: role)
        var most = 0
        for _ in 0..<6 {
            let wave = try clients(4000, 3129, saying: [0x16, 3, 1, 2, 0])
            #expect(try eventually(within: .seconds(20)) { try openDescriptors(of: role) >= descriptors + 1450 })
            most = max(most, try memory(of: role))
            withExtendedLifetime(wave) {}
        }
        #expect(most > 3 * idle, "\(most) kB: nothing that could be given back")
        let isBack = try eventually(within: .seconds(60)) { try memory(of: role) * 2 <= idle * 3 }
        let last = try memory(of: role)
        #expect(isBack, "\(last) kB instead of \(idle) kB, and \(most) kB between")
    }

    @Test(
        "Beyond the bound the clients that ask for nothing go, the others are served, and the log says so once",
        arguments: ["handshakes", "heads"])
    func bound(by what: String) throws {
        let head = Array("GET http://a/ HTTP/1.1\r\nX: ".utf8) + [UInt8](repeating: 0x61, count: 15_000)
        let bytes = what == "heads" ? head : [0x16, 3, 1, 2, 0]
        home.memory = "400M"
        try ready()
        try home.ctl("listener", "add", "https", "192.168.77.1:3129", "--interface", "lan0")
        let origin = try echo(in: home)
        let role = try #require(try home.processes()["http"]?.first)
        let standing = try home.tunnel(.http, origin.port)
        var most = 0
        var flood: [Peer] = []
        for _ in 0..<16 {
            flood += try clients(500, bytes[0] == 0x16 ? 3129 : 3128, saying: bytes)
            most = max(most, try memory(of: role))
            let began = ContinuousClock.now
            let tunnel = try home.tunnel(.http, origin.port)
            try tunnel.send("ping")
            #expect(try tunnel.receive(exactly: 4) == Array("ping".utf8))
            #expect(.now - began < .seconds(5))
        }
        // A quarter of 400 MiB, and what comes in the fiftieth of a second in which nobody looks.
        #expect(most < 130 << 10, "\(most) kB")
        try standing.send("still there")
        #expect(try standing.receive(exactly: 11) == Array("still there".utf8))
        let said = home.daemon?.said ?? ""
        let lines = said.components(separatedBy: "memory is short").count - 1
        let pauses = said.components(separatedBy: "accepting pauses").count - 1
        #expect(lines + pauses >= 1 && lines <= 1 && pauses <= 2, "\(said)")
        withExtendedLifetime((flood, standing)) {}
    }
}
