import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

@Suite("Backups of a gateway", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct BackupTests {
    private func names(_ home: Home) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: home.state + "/backups").sorted()
    }

    /// A gateway with something of everything that a backup has.
    private func furnished() throws -> Home {
        let home = try Home()
        try FileManager.default.createDirectory(atPath: home.rescue, withIntermediateDirectories: true)
        try home.start(firewall: nil)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("listener", "add", "https", "192.168.77.1:3129")
        try home.ctl("user", "add", "anna", "--password-stdin", input: "a long secret\n")
        try home.ctl("blocklist", "add", "ads", "-", input: "ads.example\n")
        try home.ctl("rule", "add", "deny", "--port", "25")
        return home
    }

    private func create(_ home: Home) throws -> String {
        let reply = try JSONSerialization.jsonObject(with: Data(home.ctl("--json", "backup", "create").utf8))
        let backup = try #require((reply as? [String: Any])?["backup"] as? [String: Any])
        return try #require(backup["name"] as? String)
    }

    @Test("What is restored is policy, numbers of rules, passwords, certificates and names, as one revision")
    func restore() throws {
        let home = try furnished()
        let before = try home.ctl("export", "--with-secrets")
        let (authority, rules) = (try home.ctl("tls", "export-ca"), try home.ctl("rule", "list"))
        let name = try create(home)
        let list = try home.ctl("backup", "list")
        #expect(list.contains(name) && list.contains("good") && list.contains(home.state + "/backups"), "\(list)")

        try home.ctl("rule", "remove", "1")
        try home.ctl("user", "remove", "anna")
        try home.ctl("blocklist", "remove", "ads")
        try home.ctl("tls", "renew", "--authority")
        try #require(try home.ctl("tls", "export-ca") != authority)
        let revision = try home.revisionNumber()
        let (ruleset, without) = (try home.ruleset(), try home.ctl("export"))
        let dry = try home.ctl("backup", "restore", name, "--dry-run")
        #expect(dry.contains("+ rule 1 deny port 25") && dry.contains("+ user anna"), "\(dry)")
        #expect(try home.ctl("export") == without && home.ruleset() == ruleset && home.revisionNumber() == revision)

        let said = try home.ctl("backup", "restore", name, "--no-trial")
        #expect(said.contains("revision \(revision + 1) is in force"), "\(said)")
        #expect(try home.ctl("export", "--with-secrets") == before)
        #expect(try home.ctl("rule", "list") == rules)
        #expect(try home.ctl("tls", "export-ca") == authority)
        #expect(try shows(home, authority: authority))
        let lists = home.directory + "/lists"
        try home.ctl("export", "--lists", lists)
        #expect(try String(contentsOfFile: lists + "/ads.names", encoding: .utf8) == ".ads.example\n")
        try home.ctl("revision", "undo", "\(revision + 1)")
        #expect(try home.ctl("export") == without)
    }

    /// Certificates are no part of a revision, so what is taken back would have to take them back by itself.
    @Test("The certificates of a backup that is restored on trial come when it is kept, and not when it is taken back")
    func onTrial() throws {
        let home = try furnished()
        let (before, name) = (try home.ctl("tls", "export-ca"), try create(home))
        try home.ctl("rule", "remove", "1")
        try home.ctl("tls", "renew", "--authority")
        let renewed = try home.ctl("tls", "export-ca")
        try #require(renewed != before)
        for word in ["revert", "confirm"] {
            try home.ctl("backup", "restore", name, "--trial", "60")
            #expect(try home.ctl("rule", "list").contains("deny"), "the policy is that of the backup already")
            #expect(try home.ctl("tls", "export-ca") == renewed && shows(home, authority: renewed), "\(word)")
            try home.ctl([word] + (word == "confirm" ? ["--blind"] : []))
            let authority = word == "confirm" ? before : renewed
            #expect(try home.ctl("tls", "export-ca") == authority && shows(home, authority: authority), "\(word)")
        }
    }

    /// Whether the listener shows a certificate of that authority: the proxy's answer comes then.
    private func shows(_ home: Home, authority: String) throws -> Bool {
        try home.lan.attempt(
            [
                "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--proxy-cacert", "/dev/stdin", "-x",
                "https://192.168.77.1:3129", "http://\(Home.wanHost):9/",
            ], input: authority
        ).output == "502"
    }

    @Test("Another gateway takes a backup from a file that is put there, and a file that is damaged is refused")
    func anotherGateway() throws {
        let old = try furnished()
        let whole = try old.ctl("export", "--with-secrets")
        let made = try Data(contentsOf: URL(filePath: "\(old.state)/backups/\(try create(old))"))
        let new = try Home()
        try new.start(firewall: nil)
        try new.ctl("rule", "add", "deny", "--port", "1")
        try new.ctl("rule", "remove", "1")
        _ = try create(new)
        try made.write(to: URL(filePath: new.state + "/backups/old.backup"))
        var flipped = made
        flipped[flipped.count / 2] ^= 4
        try flipped.write(to: URL(filePath: new.state + "/backups/flipped.backup"))
        try made.prefix(made.count - 1).write(to: URL(filePath: new.state + "/backups/cut.backup"))
        let list = try new.ctl("backup", "list").split(separator: "\n").map(String.init)
        #expect(list.contains { $0.hasPrefix("old.backup") && $0.hasSuffix("good") }, "\(list)")
        for name in ["flipped.backup", "cut.backup"] {
            #expect(list.contains { $0.hasPrefix(name) && $0.hasSuffix("damaged") }, "\(list)")
            let refused = try new.attempt("backup", "restore", name)
            #expect(refused.status == 1 && refused.errors.contains("is damaged"), "\(refused)")
        }
        for name in ["none.backup", "../gatehouse.db", "/etc/passwd"] {
            #expect(try new.attempt("backup", "restore", name).errors.contains("there is no backup"))
        }
        try new.ctl("backup", "restore", "old.backup", "--no-trial")
        #expect(try new.ctl("export", "--with-secrets") == whole)
        // Its number 1 stood for another rule here.
        #expect(try new.ctl("rule", "list").contains(#/\n2 +deny/#))
    }

    @Test("One a day is made by itself, seven are kept, and those that somebody made are kept beside them")
    func daily() throws {
        let home = try Home()
        let clock = try SettableClock(in: home.directory)
        home.environment = clock.environment
        try home.start()
        try home.ctl("rule", "add", "deny", "--port", "25")
        let manual = try create(home)
        var all: [String] = []
        for day in 0..<9 {
            clock.set(seconds: day * 86_500)
            let isMade = try eventually(within: .seconds(90)) {
                let fresh = try names(home).filter {
                    $0.hasPrefix("daily-") && !all.contains($0) && $0.hasSuffix(".backup")
                }
                all += fresh
                return !fresh.isEmpty
            }
            try #require(isMade, "day \(day): \(home.daemon?.said ?? "")")
        }
        // The last one is seen before the oldest one goes.
        let expected = (all.suffix(7) + [manual]).sorted()
        #expect(try eventually { try names(home) == expected }, "\(expected)")
    }

    enum Damage: String, CaseIterable {
        case zeroed, truncated, flipped, vanished
    }

    @Test(
        "A store that is damaged at a start is that of the last good backup again, with what was in force last; it says so, and the door was shut meanwhile",
        arguments: Damage.allCases)
    func recovery(damage: Damage) throws {
        let home = try furnished()
        let good = try create(home)
        try home.ctl("rule", "add", "deny", "--port", "26")
        let bad = try create(home)
        try home.ctl("rule", "add", "deny", "--port", "27")
        let before = try home.ctl("export", "--with-secrets")
        try home.stop()
        let store = home.state + "/gatehouse.db"
        // The newest one is no good.
        var bytes = try Data(contentsOf: URL(filePath: "\(home.state)/backups/\(bad)"))
        bytes[5000] ^= 1
        try bytes.write(to: URL(filePath: "\(home.state)/backups/\(bad)"))
        for name in try names(home) where name.hasPrefix("daily-") {
            try FileManager.default.removeItem(atPath: "\(home.state)/backups/\(name)")
        }
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: store + suffix) }
        var content = try Data(contentsOf: URL(filePath: store))
        switch damage {
        case .zeroed: content = Data(count: content.count)
        case .truncated: content = content.prefix(content.count / 2)
        case .flipped: for place in stride(from: 100, to: content.count, by: 512) { content[place] ^= 0x55 }
        case .vanished: try FileManager.default.removeItem(atPath: store)
        }
        if damage != .vanished { try content.write(to: URL(filePath: store)) }
        // As at a boot: the kernel has the closed table and nothing else.
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        _ = try? home.gateway.run("nft", "delete", "table", "inet", "gatehouse")
        try home.gateway.run("nft", "-f", root.appending(path: "etc/shut.nft").path)

        try home.start(firewall: nil)
        #expect(try home.ctl("export", "--with-secrets") == before, "the copy beside the store was newer")
        let said = home.daemon?.said ?? ""
        #expect(said.contains("the store was damaged") && said.contains(good), "\(said)")
        #expect(try home.ctl("status").contains("the store was damaged"))
        #expect(try home.attempt("status", "--check").status == 1)
        let aside = try FileManager.default.contentsOfDirectory(atPath: home.state).filter { $0.contains(".damaged-") }
        #expect(aside.isEmpty == (damage == .vanished), "\(aside)")
        try home.ctl("rule", "add", "deny", "--port", "28")
        #expect(try home.ctl("revision", "list").contains("as it was: the store was damaged"))
        for kind in [ProxyKind.socks5] { try expectEcho(home, kind) }
        // The next start has nothing to tell any more.
        try home.stop()
        try home.start(firewall: nil)
        let check = try home.attempt("status", "--check")
        #expect(check.status == 0, "\(check)")
    }

    @Test("Without a good backup a store that is damaged stays as it is, until a backup is put there and restored")
    func byHand() throws {
        let home = try furnished()
        let name = try create(home)
        let before = try home.ctl("export", "--with-secrets")
        try home.stop()
        try FileManager.default.moveItem(
            atPath: "\(home.state)/backups/\(name)", toPath: home.directory + "/elsewhere")
        try FileManager.default.removeItem(atPath: home.state + "/backups")
        for suffix in ["-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: "\(home.state)/gatehouse.db\(suffix)")
        }
        try Data("garbage".utf8).write(to: URL(filePath: home.state + "/gatehouse.db"))
        try home.start(firewall: nil)
        #expect(try home.ctl("status").contains("fallback"))
        #expect(try home.attempt("backup", "create").errors.contains("cannot be read"))
        #expect(try Data(contentsOf: URL(filePath: home.state + "/gatehouse.db")) == Data("garbage".utf8))
        try FileManager.default.createDirectory(atPath: home.state + "/backups", withIntermediateDirectories: true)
        try FileManager.default.moveItem(
            atPath: home.directory + "/elsewhere", toPath: home.state + "/backups/brought.backup")
        try home.ctl("backup", "restore", "brought.backup")
        #expect(try home.ctl("export", "--with-secrets") == before)
        try home.ctl("rule", "add", "deny", "--port", "26")
        #expect(try !home.ctl("status").contains("fallback"))
    }

    @Test("A disk without room: no backup, an error that says so, and everything else goes on")
    func fullDisk() throws {
        let home = try Home()
        try FileManager.default.createDirectory(atPath: home.state, withIntermediateDirectories: true)
        try #require(mount("tmpfs", home.state, "tmpfs", 0, "size=3m,mode=0700") == 0)
        defer { umount2(home.state, CInt(MNT_DETACH)) }
        try home.start()
        try home.ctl("rule", "add", "deny", "--port", "25")
        let good = try create(home)
        // Room for a change, and for nothing of the size of a store.
        var information = statvfs()
        try #require(statvfs(home.state, &information) == 0)
        let free = Int(information.f_bavail) * Int(information.f_frsize)
        try Data(count: free - 100_000).write(to: URL(filePath: home.state + "/ballast"))
        let before = try names(home)
        let refused = try home.attempt("backup", "create")
        #expect(refused.status == 1 && refused.errors.contains("the disk is full"), "\(refused)")
        #expect(try names(home) == before && before.contains(good))
        try FileManager.default.removeItem(atPath: home.state + "/ballast")
        try home.ctl("rule", "add", "deny", "--port", "26")
        #expect(try home.attempt("backup", "create").status == 0)
    }

    @Test("A daemon that is killed while it makes backups leaves whole ones, and nothing in their place")
    func killed() throws {
        let home = try furnished()
        home.killsRoles = true
        for round in 0..<8 {
            let loop = try RunningProgram(
                ["sh", "-c", "while \(programs)gatehousectl --socket \(home.socket) backup create; do :; done"],
                in: home.gateway, log: home.directory + "/loop-\(round)")
            let count = (try? names(home).count) ?? 0
            #expect(eventually { ((try? names(home)) ?? []).count > count + round % 3 })
            home.daemon?.signal(SIGKILL)
            _ = home.daemon?.ended()
            #expect(loop.ended() != nil)
            try home.stop()
            try home.start(firewall: nil)
            let list = try home.ctl("backup", "list")
            #expect(!list.contains("damaged"), "\(list)")
        }
        _ = try create(home)
        let left = try names(home)
        #expect(left.allSatisfy { $0.hasSuffix(".backup") }, "\(left)")
        #expect(try !home.ctl("status").contains("the store was damaged"))
    }
}
