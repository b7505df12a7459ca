import TestNetwork
import Testing

/// The door that the operator came in by.
@Suite("An operator who came over SSH")
struct SSHTests {
    private static let onLAN = "192.168.77.10 50000 192.168.77.1 22"
    private static let onWAN = "203.0.113.10 50000 203.0.113.1 22"

    private func attempt(_ home: Home, over connection: String, _ arguments: String...) throws -> Outcome {
        try home.gateway.attempt(
            ["env", "SSH_CONNECTION=\(connection)", programs + "gatehousectl", "--socket", home.socket] + arguments)
    }

    /// setup takes the opening `ssh` along, so that what admits the session now does not admit it afterwards.
    @Test("is not shut out by a setup that moves the opening away, and may move it to where it helps")
    func moved() throws {
        let home = try Home()
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0", "--allow-ssh")
        let away = try attempt(home, over: Self.onLAN, "setup", "--lan", "wan0", "--wan", "lan0")
        #expect(away.status == 1 && away.errors.contains("on lan0, would be shut out"), "\(away)")
        #expect(try home.openings().contains { $0.contains("\"ssh\"") && $0.contains("lan0") })
        let same = try attempt(home, over: Self.onLAN, "setup", "--lan", "lan0", "--wan", "wan0")
        #expect(same.status == 0, "\(same)")
        let here = try attempt(home, over: Self.onWAN, "setup", "--lan", "wan0", "--wan", "lan0", "--allow-ssh")
        #expect(here.status == 0, "\(here)")
        #expect(try home.openings().contains { $0.contains("\"ssh\"") && $0.contains("wan0") })
    }

    /// Linux takes packets for an address by whichever interface they come.
    @Test("to an address of another interface than the one that it comes in by is not taken for admitted")
    func weakHost() throws {
        let home = try Home()
        try home.start()
        try home.ctl("firewall", "open", "ssh", "--tcp", "22", "--interface", "lan0")
        let around = try attempt(home, over: "203.0.113.10 50000 192.168.77.1 22", "firewall", "enforce")
        #expect(around.status == 1 && around.errors.contains("would be shut out"), "\(around)")
        let straight = try attempt(home, over: Self.onLAN, "firewall", "enforce")
        #expect(straight.status == 0, "\(straight)")
    }
}
