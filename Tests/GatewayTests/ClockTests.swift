import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// A box without a battery begins in the year of its making, and what the operator has timed is not to go by that.
@Suite(
    "A clock that cannot be right decides nothing", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"))
struct ClockTests {
    private static let hardware = "52:54:00:aa:00:10"
    private let day = 86_400

    private func stop(of home: Home) throws -> String? {
        let list = try JSONSerialization.jsonObject(with: Data(home.ctl("--json", "device", "list").utf8))
        let devices = try #require((list as? [String: Any])?["devices"] as? [[String: Any]])
        return devices.first { $0["hardware"] as? String == Self.hardware }?["stop"] as? String
    }

    /// Ends the daemon as a shutdown of the box does, and starts it as the next boot does, with the clock as `change` leaves it.
    private func reboot(_ home: Home, _ change: () -> Void) throws {
        kill(try #require(home.daemon).identifier, SIGTERM)
        #expect(home.daemon?.ended() == 0)
        try home.stop()
        change()
        try home.start(firewall: nil)
    }

    @Test("hours and pauses hold over a boot with a wrong clock as they held before, and are judged once it is right")
    func boot() throws {
        let home = try Home()
        let clock = try SettableClock(in: home.directory)
        home.environment = clock.environment
        try home.lan.run("ip", "link", "set", "eth0", "address", Self.hardware)
        try home.start(firewall: nil)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.meetDevice()
        try home.ctl("device", "name", Self.hardware, "kid")
        // Four days ago it was the day on which the device may go on.
        var (now, parts) = (time(nil) - 4 * day, tm())
        localtime_r(&now, &parts)
        let other = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][Int(parts.tm_wday)]
        try home.ctl("device", "schedule", "kid", "--allow", "\(other) 00:00-24:00")
        #expect(try stop(of: home) == "outOfHours" && home.ruleset().contains("kid is out of its hours"))

        try reboot(home) { clock.set(seconds: -4 * day) }
        #expect(try eventually { try home.ruleset().contains(": goto stopped") }, "\((try? home.ruleset()) ?? "")")
        #expect(try stop(of: home) == "outOfHours")
        #expect(try home.ctl("why", "kid", "\(Home.wanHost):443").contains("out of its hours"))
        // The kernel's clock is no better, so the kernel is asked for none.
        #expect(try !home.ruleset().contains("meta time"))
        #expect(try home.ctl("status").contains("which cannot be: until it is set"))
        // What is begun now ends by the time that is gone by.
        try home.ctl("device", "schedule", "kid", "--none")
        try home.ctl("device", "pause", "kid", "--for", "1h")
        #expect(try stop(of: home) == "paused")

        // The clock is set.
        clock.set(seconds: 0)
        #expect(try eventually { try !home.ctl("status").contains("which cannot be") })
        #expect(try eventually { try home.ruleset().contains("kid is paused") }, "\((try? home.ruleset()) ?? "")")
        #expect(try stop(of: home) == "paused")

        // Somebody keeps it right, whatever was known: the hours are judged by it.
        try home.ctl("device", "resume", "kid")
        try home.ctl("device", "schedule", "kid", "--allow", "\(other) 00:00-24:00")
        #expect(try stop(of: home) == "outOfHours")
        try reboot(home) {
            clock.set(seconds: -4 * day)
            clock.setSynchronised(true)
        }
        #expect(try stop(of: home) == nil)
        #expect(try !home.ctl("status").contains("which cannot be"))

        // A box that nobody keeps right, with a battery: days later it is days later.
        try reboot(home) {
            clock.setSynchronised(false)
            clock.set(seconds: 0)
        }
        #expect(try stop(of: home) == "outOfHours")
        #expect(try !home.ctl("status").contains("which cannot be"))
    }
}
