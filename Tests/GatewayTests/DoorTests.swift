import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// While anything breaks, a WAN host connects every millisecond, over IPv4, IPv6 and UDP, to a service that listens on all
/// addresses of the gateway, as services do: only the firewall hides it.
@Suite("The door is never open", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct DoorTests {
    /// How a store is found one day.
    enum Damage: String, CaseIterable {
        case zeroed, badPage, truncated, vanished, foreignOwner, unreadable, readOnly, full

        /// Whether the copy beside the store can be read.
        var leavesCopy: Bool {
            switch self {
            case .zeroed, .badPage, .truncated, .readOnly, .full: true
            case .vanished, .foreignOwner, .unreadable: false
            }
        }
    }

    /// A damaged store was a box without a firewall: the daemon ended, was started again once a second for ever, and loaded
    /// nothing.
    @Test(
        "A box whose store cannot be read comes up shut, by the last policy that is known, and says why",
        arguments: Damage.allCases)
    func boots(damage: Damage) throws {
        let home = try Home()
        try FileManager.default.createDirectory(atPath: home.state, withIntermediateDirectories: true)
        let isMounted = damage == .readOnly || damage == .full
        if isMounted { try #require(mount("tmpfs", home.state, "tmpfs", 0, "size=2m,mode=0700") == 0) }
        defer { if isMounted { umount2(home.state, CInt(2)) } }
        let siege = try home.enforce()
        let end = home.daemon
        end?.signal(SIGTERM)
        #expect(end?.ended() == 0)
        try #require(FileManager.default.fileExists(atPath: home.rescue + "/enforced"))

        // With a backup it would have a store again, see BackupTests.
        try? FileManager.default.removeItem(atPath: home.state + "/backups")
        try inflict(damage, on: home)
        try home.boot(isHindered: damage == .full)

        let status = try home.ctl("status")
        // A full disk may be no hindrance to reading.
        let isFallback = status.contains("fallback")
        #expect(isFallback || damage == .full, "\(status)")
        if isFallback {
            #expect(status.contains(damage.leavesCopy ? home.state : home.rescue), "\(status)")
            let refused = try home.attempt("firewall", "open", "web", "--tcp", "80")
            #expect(refused.status == 1 && refused.errors.contains("the store cannot be read"), "\(refused)")
            #expect(try home.attempt("status", "--check").status == 1)
            #expect(try home.attempt("revision", "list").errors.contains("the store cannot be read"))
            #expect(home.daemon?.said.contains("the store cannot be read") == true)
        }
        #expect(try home.ruleset().contains("tcp dport 1080"))
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        expectShut(siege)
    }

    private func inflict(_ damage: Damage, on home: Home) throws {
        let database = home.state + "/gatehouse.db"
        let length = try #require(
            try FileManager.default.attributesOfItem(atPath: database)[.size] as? Int, "the store is one file")
        // The write log is part of it once the daemon has ended.
        #expect(length > 4096)
        func overwrite(_ offset: Int, _ count: Int, with byte: UInt8) throws {
            let file = try #require(FileHandle(forWritingAtPath: database))
            try file.seek(toOffset: UInt64(offset))
            try file.write(contentsOf: Data(repeating: byte, count: count))
            try file.close()
        }
        switch damage {
        case .zeroed: try overwrite(0, length, with: 0)
        case .badPage: try overwrite(length / 4096 / 2 * 4096, 4096, with: 0xa5)
        case .truncated: truncate(database, 0)
        case .vanished:
            try FileManager.default.removeItem(atPath: home.state)
            mkdir(home.state, 0o700)
        case .foreignOwner:
            for path in [home.state + "/last.json", database, home.state] { chown(path, 4711, 4711) }
            home.lacking = ["dac_override", "dac_read_search"]
        case .unreadable:
            chmod(home.state, 0)
            home.lacking = ["dac_override", "dac_read_search"]
        case .readOnly:
            try #require(mount(nil, home.state, nil, UInt(MS_REMOUNT | MS_RDONLY), nil) == 0)
        case .full:
            let file = open(home.state + "/filler", O_CREAT | O_WRONLY, 0o600)
            let block = [UInt8](repeating: 0, count: 4096)
            while write(file, block, block.count) > 0 {}
            close(file)
        }
    }

    @Test("A store that comes back is taken up again by itself; a copy without passwords serves nobody who needs one")
    func comesBack() throws {
        let home = try Home()
        let siege = try home.enforce()
        try home.ctl("user", "add", "alice", "--password-stdin", input: "secret-of-alice")
        try home.ctl("listener", "add", "http", "192.168.77.1:8118", "--interface", "lan0", "--auth", "required")
        home.daemon?.signal(SIGTERM)
        #expect(home.daemon?.ended() == 0)
        let copy = try String(contentsOfFile: home.rescue + "/last.json", encoding: .utf8)
        #expect(copy.contains("8118") && !copy.contains("$scrypt"))
        try FileManager.default.moveItem(atPath: home.state, toPath: home.state + "-away")
        try home.boot()
        let status = try home.ctl("status")
        #expect(status.contains("192.168.77.1:8118") && status.contains("fallback"), "\(status)")
        #expect(try home.gateway.run("ss", "-Hltn", "sport = :8118") == "")
        try FileManager.default.removeItem(atPath: home.state)
        try FileManager.default.moveItem(atPath: home.state + "-away", toPath: home.state)
        #expect(try eventually(within: .seconds(20)) { try home.ctl("status").contains("enforced") })
        #expect(try eventually { try home.gateway.run("ss", "-Hltn", "sport = :8118") != "" })
        try home.ctl("firewall", "open", "web", "--tcp", "80")
        expectShut(siege)
    }

    @Test("A box on which nothing was ever enforced stays as it is when its store cannot be read")
    func neverEnforced() throws {
        let home = try Home()
        let stray = try Origin(in: home.gateway, "0.0.0.0", port: 8080) { _ in }
        try home.start(firewall: nil)
        try home.ctl("listener", "add", "socks5", "127.0.0.1:1080")
        try home.stop()
        try FileManager.default.removeItem(atPath: home.state + "/gatehouse.db-wal")
        try Data(repeating: 0, count: 8192).write(to: URL(filePath: home.state + "/gatehouse.db"))
        try home.start(firewall: nil)
        let status = try home.ctl("status")
        #expect(status.contains("observe, fallback"), "\(status)")
        #expect(try home.gateway.run("nft", "list", "tables") == "")
        _ = try Peer(to: Home.gatewayOnWAN, 8080, from: home.wan)
        withExtendedLifetime(stray) {}
    }

    @Test(
        "observe gives the box back: no table, no mark, nothing shut at the next boot, whatever the store is like then")
    func observe() throws {
        let home = try Home()
        let siege = try home.enforce()
        expectShut(siege)
        try home.ctl("firewall", "observe")
        _ = try Peer(to: Home.gatewayOnWAN, 8080, from: home.wan)
        #expect(!FileManager.default.fileExists(atPath: home.rescue + "/enforced"))
        try home.stop()
        try Data(repeating: 0, count: 8192).write(to: URL(filePath: home.state + "/gatehouse.db"))
        try home.boot()
        #expect(try home.gateway.run("nft", "list", "tables") == "")
        _ = try Peer(to: Home.gatewayOnWAN, 8080, from: home.wan)
        withExtendedLifetime(siege) {}
    }

    @Test(
        "49: all processes killed, started again, stopped, started, booted, upgraded to other rules: the door stays shut"
    )
    func restarts() throws {
        let home = try Home()
        home.killsRoles = true
        let siege = try home.enforce()
        for process in try home.processes().values.joined() { kill(process, SIGKILL) }
        try home.stop()
        try home.start(firewall: nil)
        home.daemon?.signal(SIGTERM)
        #expect(home.daemon?.ended() == 0)
        try home.start(firewall: nil)
        try home.ctl("firewall", "open", "web", "--tcp", "80", "--interface", "lan0")
        for role in ["firewall", "http"] { kill(try #require(try home.processes()[role]?.first), SIGKILL) }
        try home.ctl("firewall", "close", "web")
        try home.stop()
        try home.boot()
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        #expect(try home.ctl("status").contains("enforced"))
        expectShut(siege)
    }

    /// Each change went through the firewall role, also those that alter no rule: nobody could be locked out.
    @Test(
        "While the kernel's table cannot be written, what alters no rule is done, what only closes as well, and no more"
    )
    func kernelRefuses() throws {
        let home = try Home.ready(ownsTable: false)
        try home.ctl("user", "add", "mallory", "--password-stdin", input: "secret-of-mallory")
        let owner = try TableOwner(in: home)
        try home.ctl("user", "remove", "mallory")
        try home.ctl("rule", "add", "deny", "--to", "192.0.3.0/24")
        let closed = try home.attempt("listener", "remove", "192.168.77.1:1080")
        #expect(closed.status == 0 && closed.errors.contains("the firewall is not in force"), "\(closed)")
        #expect(try home.gateway.run("ss", "-Hltn", "sport = :1080") == "")
        #expect(try home.attempt("firewall", "open", "web", "--tcp", "80").status == 1)
        let check = try home.attempt("status", "--check")
        #expect(check.status == 1 && check.errors.contains("firewall"), "\(check)")
        owner.leave()
        #expect(try eventually { try home.ctl("status").contains("enforced") })
        #expect(try !home.ruleset().contains("1080"))
    }

    /// The change waited for a turn that never came, and its client for an answer.
    @Test("A change that comes while the daemon ends is refused, with the reason")
    func stopping() throws {
        let home = try Home.ready()
        let origin = try echo(in: home)
        let tunnel = try home.tunnel(.http, origin.port)
        home.daemon?.signal(SIGTERM)
        #expect(eventually { home.daemon?.said.contains("stopping") == true })
        let outcome = try home.attempt("rule", "add", "deny", "--to", "192.0.3.0/24")
        #expect(outcome.errors.contains("gatehoused is stopping; nothing was changed"), "\(outcome)")
        withExtendedLifetime(tunnel) {}
    }

    /// `firewall observe` claimed a table that it may not take out, and every later change failed for it.
    @Test(
        "observe without the right to it fails alone: the next change works, and nobody says that nothing is filtered")
    func withoutRight() throws {
        let home = try Home()
        home.lacking = ["net_admin"]
        try home.gateway.run("nft", "add", "table", "inet", "gatehouse")
        try home.start(firewall: "observe")
        let outcome = try home.attempt("firewall", "observe")
        #expect(outcome.status == 1 && outcome.errors.contains("CAP_NET_ADMIN"), "\(outcome)")
        try home.ctl("rule", "add", "deny", "--to", "192.0.3.0/24")
        // Reading a table takes the right, too. There is one, and status said that nothing was filtered.
        for shown in [try home.ctl("status"), try home.ctl("firewall", "show")] {
            #expect(shown.contains("nobody knows what the kernel holds") && shown.contains("CAP_NET_ADMIN"), "\(shown)")
            #expect(!shown.contains("nothing is filtered"), "\(shown)")
        }
        #expect(try home.ctl("status").contains("FIREWALL  observe, unknown: "))
    }

    private func expectShut(_ siege: Siege, _ location: SourceLocation = #_sourceLocation) {
        for (way, prober) in siege.probers {
            #expect(eventually { prober.seen.attempts > 100 }, "\(way)", sourceLocation: location)
            let tally = prober.end()
            #expect(
                tally.answered.isEmpty, "\(way): \(tally.answered.count) in \(tally.span)", sourceLocation: location)
        }
    }
}

extension Home {
    /// Sets the gateway up in the way of the package, its mode being the policy's own.
    ///
    /// - Returns: those who try to reach port 8080, and find it shut from now on.
    fileprivate func enforce() throws -> Siege {
        try FileManager.default.createDirectory(atPath: rescue, withIntermediateDirectories: true)
        try start(firewall: nil)
        try ctl("setup", "--lan", "lan0", "--wan", "wan0")
        // To somebody who is banned everything is shut.
        try ctl("ban", "set", "--scans", "off", "--floods", "off")
        return try Siege(of: self)
    }

    /// What a boot does: nothing in the kernel, the unit that shuts the box, the network, the daemon.
    fileprivate func boot(isHindered: Bool = false) throws {
        try gateway.run("ip", "link", "set", "wan0", "down")
        _ = try gateway.attempt(["nft", "delete", "table", "inet", "gatehouse"])
        if FileManager.default.fileExists(atPath: rescue + "/enforced") {
            let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            try gateway.run("nft", "-f", root.appending(path: "etc/shut.nft").path)
        }
        try gateway.run("ip", "link", "set", "wan0", "up")
        // The kernel takes IPv6 addresses away with the link.
        try gateway.run("ip", "address", "replace", "\(Self.gatewayOnWAN6)/64", "dev", "wan0", "nodad")
        try start(firewall: nil, isHindered: isHindered)
    }
}
