import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// The daemon judges, so that it does not matter who asks and from where: gatehousectl runs here without a terminal and
/// without any variable of ssh's.
@Suite(
    "A change that would cut off somebody who is connected now", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"))
struct TrialTests {
    /// The clock of a box without a battery jumps by decades when it learns the time; an operator's hand does the same.
    @Test("A wall clock that is set forth and back neither ends a trial before its time nor keeps it beyond")
    func clocks() throws {
        let home = try Home()
        let clock = try SettableClock(in: home.directory)
        home.environment = clock.environment
        try home.start()
        let day = 86_400
        func newest() throws -> (state: String, time: Int) {
            let reply = try JSONSerialization.jsonObject(with: Data(home.revision().utf8)) as? [String: Any]
            let revision = try #require((reply?["revisions"] as? [[String: Any]])?.first)
            return (revision["state"] as? String ?? "", revision["time"] as? Int ?? 0)
        }
        clock.set(seconds: day)
        try home.ctl("rule", "add", "allow", "--to", "192.0.3.1")
        #expect(try newest().time > Int(time(nil)) + day / 2, "the daemon goes by that clock")
        for (first, second) in [(day, -day), (-day, day)] {
            clock.set(seconds: 0)
            let begin = ContinuousClock.now
            try home.ctl("rule", "add", "deny", "--to", "192.0.3.0/24", "--trial", "5")
            clock.set(seconds: first)
            var looks = 0
            while ContinuousClock.now - begin < .seconds(3) {
                #expect(try newest().state == "trial")
                looks += 1
            }
            #expect(looks > 3)
            clock.set(seconds: second)
            #expect(try eventually(within: .seconds(12)) { try !home.ctl("rule", "list").contains("192.0.3.0/24") })
            let length = ContinuousClock.now - begin
            #expect(length > .seconds(4.5) && length < .seconds(12), "\(length)")
        }
        // Confirmed under any clock, it stays.
        clock.set(seconds: 0)
        try home.ctl("rule", "add", "deny", "--to", "192.0.3.0/24", "--trial", "5")
        clock.set(seconds: -day)
        try home.ctl("confirm", "--blind")
        clock.set(seconds: day)
        #expect(try newest().state == "kept")
        #expect(try home.ctl("rule", "list").contains("192.0.3.0/24"))
    }

    /// As sshd would be, on a gateway that lets it be reached from the home, and somebody of the home connected to it.
    private func visited() throws -> (home: Home, server: Origin, session: Peer) {
        let home = try Home.ready()
        try home.ctl("firewall", "open", "ssh", "--tcp", "22", "--from", "home")
        let server = try Origin(in: home.gateway, "0.0.0.0", port: 22) { peer in
            while let bytes = try? peer.receive(), !bytes.isEmpty { try? peer.send(bytes) }
        }
        return (home, server, try Peer(to: Home.gatewayOnLAN, 22, from: home.lan))
    }

    private func canComeIn(
        _ home: Home, to host: String = Home.gatewayOnLAN, _ port: Int = 22, from namespace: Namespace? = nil
    ) throws -> Bool {
        try (namespace ?? home.lan).attempt(["timeout", "0.5", "bash", "-c", "</dev/tcp/\(host)/\(port)"]).status == 0
    }

    private func state(_ home: Home, _ revision: Int) throws -> String {
        let text = try home.ctl("--json", "revision", "show", "\(revision)")
        let reply = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        return (reply?["revision"] as? [String: Any])?["state"] as? String ?? "?"
    }

    private func expectEcho(_ session: Peer, _ text: String) throws {
        try session.send(text)
        #expect(try session.receive(exactly: text.utf8.count) == Array(text.utf8))
    }

    @Test("is on trial by itself; not confirmed, the old rules hold again when the time is up, and stay")
    func unconfirmed() throws {
        let (home, server, session) = try visited()
        let (rules, revision) = (try home.ruleset(), try home.revisionNumber())
        let outcome = try home.attempt("firewall", "close", "ssh", "--trial", "3")
        #expect(outcome.status == 0 && outcome.output.contains("on trial for 3 s"), "\(outcome)")
        #expect(
            outcome.output.contains("192.168.77.10") && outcome.output.contains("gatehousectl confirm"), "\(outcome)")
        #expect(try state(home, revision + 1) == "trial")
        #expect(try !canComeIn(home), "the new rules do not hold during the trial")
        try expectEcho(session, "still here")
        #expect(try eventually { try canComeIn(home) }, "the old rules do not come back")
        #expect(try eventually { try home.ruleset() == rules }, "\((try? home.ruleset()) ?? "")")
        #expect(try home.revisionNumber() == revision + 2)
        #expect(try state(home, revision + 1) == "reverted")
        #expect(try home.ctl("firewall", "list").contains("ssh"))
        // Something else is done next, and it is not on trial.
        #expect(try home.ctl("user", "list").isEmpty == false)
        #expect(try canComeIn(home))
        withExtendedLifetime(server) {}
    }

    @Test("is confirmed by nobody who only came before it; blindly, if that is said")
    func blind() throws {
        let (home, server, session) = try visited()
        let revision = try home.revisionNumber()
        try home.ctl("firewall", "close", "ssh")
        let refused = try home.attempt("confirm")
        #expect(refused.status == 1, "\(refused)")
        #expect(refused.errors.contains("192.168.77.10") && refused.errors.contains("port 22"), "\(refused)")
        #expect(refused.errors.contains("--blind"), "\(refused)")
        // Another change would make it unclear what there is to go back to.
        let other = try home.attempt("rule", "default", "deny")
        #expect(other.status == 1 && other.errors.contains("on trial"), "\(other)")
        try home.ctl("confirm", "--blind")
        #expect(try state(home, revision + 1) == "kept")
        #expect(try home.attempt("confirm").errors.contains("no change is on trial"))
        #expect(try !canComeIn(home))
        withExtendedLifetime((server, session)) {}
    }

    /// The gateway's address on the WAN, reached from the LAN: by which interface such a connection comes in cannot be told
    /// from its socket, so it counts as endangered. That it can be made anew is proven by making it.
    @Test("is confirmed by a new connection from the same place, and stays")
    func confirmed() throws {
        let home = try Home.ready()
        try home.ctl("firewall", "open", "ssh", "--tcp", "22", "--from", "anywhere")
        let server = try Origin(in: home.gateway, "0.0.0.0", port: 22) { peer in _ = try? peer.receiveToEnd() }
        let session = try Peer(to: Home.gatewayOnWAN, 22, from: home.lan)
        let revision = try home.revisionNumber()
        try home.ctl("firewall", "open", "again", "--tcp", "22", "--from", "home")
        let outcome = try home.attempt("firewall", "close", "ssh", "--trial", "4")
        #expect(outcome.output.contains("on trial"), "\(outcome)")
        #expect(try home.attempt("confirm").status == 1)
        let again = try Peer(to: Home.gatewayOnWAN, 22, from: home.lan)
        try home.ctl("confirm")
        #expect(try state(home, revision + 2) == "kept")
        let rules = try home.ruleset()
        #expect(!rules.contains("\"ssh\""))
        // The time would be up by then.
        #expect(try home.gateway.run("sleep", "4") == "")
        #expect(try home.ruleset() == rules)
        withExtendedLifetime((server, session, again)) {}
    }

    @Test("is taken back at once if somebody asks for it")
    func taken() throws {
        let (home, server, session) = try visited()
        let rules = try home.ruleset()
        try home.ctl("firewall", "close", "ssh")
        #expect(try home.ctl("revert").contains("is as it was"))
        #expect(try home.ruleset() == rules)
        #expect(try canComeIn(home))
        #expect(try home.attempt("revert").status == 1)
        withExtendedLifetime((server, session)) {}
    }

    @Test("is made at once where somebody says to know, and where nobody is cut off")
    func atOnce() throws {
        let (home, server, session) = try visited()
        // Nobody is connected to that one.
        try home.ctl("firewall", "open", "web", "--tcp", "8080", "--from", "home")
        #expect(try !home.ctl("firewall", "close", "web").contains("trial"))
        #expect(try !home.ctl("firewall", "close", "ssh", "--no-trial").contains("trial"))
        #expect(try !canComeIn(home))
        withExtendedLifetime((server, session)) {}
    }

    @Test("falls back in the kernel with every process dead, and the next daemon knows that it failed")
    func killed() throws {
        let (home, server, session) = try visited()
        let revision = try home.revisionNumber()
        home.killsRoles = true
        try home.ctl("firewall", "close", "ssh", "--trial", "3")
        for process in try home.processes().values.joined() { kill(process, SIGKILL) }
        #expect(try !canComeIn(home))
        #expect(try eventually { try canComeIn(home) }, "\((try? home.ruleset()) ?? "")")
        try home.stop()
        try home.start()
        #expect(try state(home, revision + 1) == "reverted")
        #expect(try home.ctl("firewall", "list").contains("ssh"))
        #expect(try canComeIn(home))
        withExtendedLifetime((server, session)) {}
    }

    @Test(
        "is taken back by a daemon that stops, and by one that starts before its time is up", arguments: [true, false])
    func restarted(isOrderly: Bool) throws {
        let (home, server, session) = try visited()
        home.killsRoles = true
        let revision = try home.revisionNumber()
        try home.ctl("firewall", "close", "ssh", "--trial", "3600")
        if isOrderly {
            home.daemon?.signal(SIGTERM)
            #expect(home.daemon?.ended() == 0)
            #expect(try canComeIn(home), "\((try? home.ruleset()) ?? "")")
        }
        try home.stop()
        try home.start()
        #expect(try state(home, revision + 1) == "reverted")
        #expect(try canComeIn(home))
        withExtendedLifetime((server, session)) {}
    }

    @Test("puts a firewall that was not there on trial, and leaves none behind")
    func setup() throws {
        let home = try Home()
        try home.start(firewall: nil)
        let server = try Origin(in: home.gateway, "0.0.0.0", port: 22) { peer in _ = try? peer.receiveToEnd() }
        let session = try Peer(to: Home.gatewayOnWAN, 22, from: home.wan)
        let outcome = try home.attempt("setup", "--home", "lan0", "--internet", "wan0", "--allow-ssh", "--trial", "3")
        #expect(outcome.status == 0 && outcome.output.contains("on trial for 3 s"), "\(outcome)")
        #expect(outcome.output.contains("203.0.112.10"), "\(outcome)")
        #expect(try !canComeIn(home, to: Home.gatewayOnWAN, from: home.wan))
        #expect(try eventually { try canComeIn(home, to: Home.gatewayOnWAN, from: home.wan) })
        #expect(try eventually { try home.ruleset() == "" }, "\((try? home.ruleset()) ?? "")")
        #expect(try home.ctl("listener", "list").contains("1080") == false)
        withExtendedLifetime((server, session)) {}
    }

    @Test("is shown by --dry-run, with what nobody could reach any more, and not made")
    func dryRun() throws {
        let (home, server, session) = try visited()
        let (rules, revision) = (try home.ruleset(), try home.revision())
        let outcome = try home.attempt("firewall", "close", "ssh", "--dry-run")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("- opening ssh") && outcome.output.contains("TCP 22"), "\(outcome)")
        #expect(outcome.output.contains("192.168.77.10"), "\(outcome)")
        #expect(try home.ruleset() == rules)
        #expect(try home.revision() == revision)
        withExtendedLifetime((server, session)) {}
    }

    @Test("of which the policy cannot be read any more when the daemon starts is not in force: what was before it is")
    func unreadable() throws {
        let home = try Home.ready()
        try home.ctl("rule", "add", "deny", "--to", "192.0.3.1")
        let (rules, revision) = (try home.ruleset(), try home.revisionNumber())
        try home.ctl("rule", "add", "deny", "--to", "192.0.3.0/24", "--trial", "600")
        try #require(try home.ruleset() != rules)
        kill(try #require(home.daemon).identifier, SIGKILL)
        try home.stop()
        let script = """
            import sqlite3, sys
            store = sqlite3.connect(sys.argv[1])
            changed = store.execute("UPDATE rule SET destination = 'nowhere' WHERE destination = '192.0.3.0/24'").rowcount
            store.commit()
            sys.exit(changed != 1)
            """
        try home.gateway.run("/usr/bin/python3", "-c", script, home.state + "/gatehouse.db")
        try home.start()
        #expect(try home.ruleset() == rules)
        let status = try home.ctl("status")
        #expect(status.contains("unreadable row in table rule") && status.contains("backup restore"), "\(status)")
        #expect(home.daemon?.said.contains("In force is revision \(revision) ") == true)
    }
}
