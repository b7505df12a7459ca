import Foundation
import Glibc
import TestProcess
import Testing

/// The real program against the real daemon.
@Suite("gatehousectl")
struct VerbTests {
    @Test("A listener comes, is shown, and goes; each time the change and the revision are told")
    func listener() throws {
        let home = try Home()
        let endpoint = "127.0.0.1:\(try freePort())"
        let added = try home.ctl("listener", "add", "socks5", endpoint)
        #expect(added.output == "+ listener socks5 \(endpoint), no password\nrevision 2 is in force\n", "\(added)")
        #expect(try home.ctl("listener", "list").output.contains("socks5  \(endpoint)"))
        #expect(try home.ctl("status").output.contains(endpoint))
        let removed = try home.ctl("listener", "remove", endpoint)
        #expect(removed.output == "- listener socks5 \(endpoint), no password\nrevision 3 is in force\n", "\(removed)")
    }

    // The first request to remove a listener ended a debug build of the daemon with SIGSEGV: the UInt128 of an address lay 8
    // bytes beside its place in an async function's frame.
    @Test("What is not there cannot be removed, and asking for it again and again hurts nobody")
    func nothingToRemove() throws {
        let home = try Home()
        for _ in 0..<3 {
            for arguments in [
                ("listener", "192.0.2.1:5"), ("listener", "[2001:db8::1]:5"), ("user", "x"), ("rule", "7"),
                ("limit", "user"),
            ] {
                let outcome = try home.ctl(arguments.0, "remove", arguments.1)
                #expect(outcome.status == 1 && outcome.errors.contains("list` shows"), "\(outcome)")
            }
        }
        #expect(try home.ctl("status").status == 0)
    }

    @Test("ls and rm are short for list and remove")
    func shortForms() throws {
        let home = try Home()
        #expect(try home.ctl("rule", "add", "deny", "--port", "25").status == 0)
        #expect(try home.ctl("rule", "ls").output == (try home.ctl("rule", "list").output))
        #expect(try home.ctl("rule", "rm", "1").output.hasPrefix("- rule 1 deny port 25\n"))
    }

    // What ctl knew of a listener was read, changed and written back whole: of two operators one undid what the other did.
    @Test("Two who change different things of one listener at once both get what they want")
    func twoOperators() throws {
        let home = try Home()
        let endpoint = "127.0.0.1:\(try freePort())"
        #expect(try home.ctl("listener", "add", "socks5", endpoint).status == 0)
        let changes = [
            ["--socks4"], ["--advertise", "192.0.2.1"], ["--udp-ports", "5000-5009"], ["--bind-ports", "6000-6009"],
        ]
        let group = DispatchGroup()
        for options in changes {
            DispatchQueue.global().async(group: group) {
                _ = try? run(
                    [Home.ctl, "--socket", home.socket, "listener", "set", endpoint] + options, environment: [:])
            }
        }
        group.wait()
        let listeners = try #require(try home.json("listener", "list")["listeners"] as? [[String: Any]])
        let socks = try #require(listeners.first?["socks"] as? NSDictionary)
        let expected: NSDictionary = [
            "allowsVersion4": true, "advertisedAddress": "192.0.2.1", "udpPorts": "5000-5009", "bindPorts": "6000-6009",
        ]
        #expect(socks == expected)
        let history = try home.ctl("revision", "list").output
        #expect(history.contains("listener set \(endpoint): udpPorts 5000-5009"), "\(history)")
    }

    @Test("Global options stand before the verb, after it, or in the middle")
    func globalOptions() throws {
        let home = try Home()
        let places = [
            ["--socket", home.socket, "--json", "rule", "list"], ["rule", "list", "--json", "--socket", home.socket],
            ["rule", "--json", "list", "--socket=\(home.socket)"],
        ]
        for arguments in places {
            let outcome = try run([Home.ctl] + arguments, environment: [:])
            #expect(outcome.status == 0 && outcome.output.contains("\"rules\""), "\(arguments): \(outcome)")
        }
    }

    @Test("For monitoring, status fails when something is wrong and says what")
    func check() throws {
        let home = try Home()
        // Once its roles run.
        let end = ContinuousClock.now + .seconds(20)
        while try home.ctl("status", "--check").status != 0, .now < end { usleep(10_000) }
        #expect(try home.ctl("status", "--check").status == 0)
        try #require(try home.ctl("listener", "add", "socks5", "127.0.0.1:1081", "--auth", "required").status == 0)
        let outcome = try home.ctl("status", "--check")
        #expect(outcome.status == 1 && outcome.errors.contains("nobody has one"), "\(outcome)")
        #expect(try home.ctl("status").status == 0)
    }

    @Test("JSON is the reply's parameters and nothing else")
    func json() throws {
        let home = try Home()
        let rule = try home.json("rule", "add", "allow", "--to", "192.168.1.0/24")
        #expect(Set(rule.keys) == ["id", "revision", "changes", "warnings"])
        #expect(rule["changes"] as? [String] == ["+ rule 1 allow to 192.168.1.0/24"])
        let status = try home.json("status")
        #expect(
            Set(status.keys) == [
                "version", "revision", "uptime", "roles", "listeners", "firewall", "users", "warnings",
                "devices", "newDevices", "forwards", "bans", "worst",
            ])
        #expect(try home.json("revision", "list")["revisions"] as? [Any] != nil)
        #expect(Set(try home.json("version").keys) == ["version"])
    }

    @Test("Scripts can tell by the exit status what went wrong")
    func exitStatus() throws {
        let home = try Home()
        let taken = "127.0.0.1:\(try freePort())"
        #expect(try home.ctl("listener", "add", "http", taken).status == 0)
        #expect(try home.ctl("listener", "add", "http", taken).status == 1)
        #expect(try home.ctl("revision", "rollback", "99").status == 1)
        #expect(try home.ctl("listener", "add", "htp", taken).status == 2)
        #expect(try home.ctl("stauts").status == 2)
        #expect(try home.ctl("--help").status == 0)
        let nobody = try home.ctl("--socket", "/nonexistent/admin.sock", "status")
        #expect(nobody.status == 3)
        #expect(nobody.errors.contains("no socket at /nonexistent/admin.sock"), "\(nobody)")
        #expect(nobody.errors.contains("systemctl start gatehouse"), "\(nobody)")
    }

    @Test("What goes wrong is JSON on standard error for a program that asked for JSON")
    func jsonErrors() throws {
        let home = try Home()
        func complaint(_ arguments: String...) throws -> (status: Int32, fields: [String: Any]) {
            let outcome = try run([Home.ctl, "--socket", home.socket, "--json"] + arguments, environment: [:])
            let object = try JSONSerialization.jsonObject(with: Data(outcome.errors.utf8))
            return (outcome.status, try #require(object as? [String: Any]))
        }
        let refused = try complaint("rule", "remove", "7")
        #expect(refused.status == 1 && refused.fields["error"] as? String == "refused")
        #expect((refused.fields["reason"] as? String)?.hasPrefix("no rule 7") == true)
        #expect(refused.fields["status"] as? Int == 1)
        let usage = try complaint("rule", "remove", "seven")
        #expect(usage.status == 2 && usage.fields["error"] as? String == "usage")
        let unknown = try complaint("stauts")
        #expect((unknown.fields["reason"] as? String)?.contains("`gatehousectl status`") == true)
        home.stopDaemon()
        let gone = try complaint("status")
        #expect(gone.status == 3 && gone.fields["error"] as? String == "unreachable")
    }

    @Test("The version of this command is told while the daemon is down, too")
    func versionAlone() throws {
        let outcome = try run([Home.ctl, "--socket", "/nonexistent", "version"], environment: [:])
        #expect(outcome.status == 0 && outcome.output.hasPrefix("gatehousectl "), "\(outcome)")
        #expect(outcome.output.contains("gatehoused   unknown: gatehoused is not running"), "\(outcome)")
        #expect(try run([Home.ctl, "--socket", "/nonexistent", "--json", "version"], environment: [:]).status == 3)
    }

    @Test("Status fits a terminal of 80 columns; where there is room, it tells more")
    func width() throws {
        let home = try Home()
        let endpoint = "127.0.0.1:\(try freePort())"
        #expect(try home.ctl("listener", "add", "socks5", endpoint, "--interface", "lo").status == 0)
        func lines(columns: UInt16) throws -> [Substring] {
            let terminal = try Terminal(
                [Home.ctl, "status"], environment: ["GATEHOUSE_SOCKET": home.socket, "NO_COLOR": "1"],
                columns: columns)
            #expect(terminal.end() == 0)
            return terminal.screen.split(whereSeparator: \.isNewline)
        }
        let narrow = try lines(columns: 80)
        let row = try #require(narrow.first { $0.contains(endpoint) })
        #expect(row.count <= 80 && narrow.contains { $0.contains("ENDPOINT") && $0.contains("RECEIVED") }, "\(narrow)")
        #expect(try lines(columns: 120).contains { $0.contains("TOTAL") && $0.contains("INTERFACE") })
    }

    @Test(
        "A stranger is told that it is the permission that is missing",
        .enabled(if: getuid() == 0, "needs root: setpriv"))
    func permission() throws {
        let home = try Home()
        #expect(chmod(home.directory, 0o755) == 0)
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        let list = try run(nobody + [Home.ctl, "--socket", home.socket, "user", "list"], environment: [:])
        #expect(list.status == 4 && list.errors.hasPrefix("Error: nobody may not do this"), "\(list)")
        #expect(list.errors.contains("`sudo gatehousectl --socket \(home.socket) user list`"), "\(list)")
        #expect(chown(home.socket, 0, 100) == 0)
        let again = try run(nobody + [Home.ctl, "--socket", home.socket, "user", "list"], environment: [:])
        #expect(again.errors.contains("`sudo adduser nobody users`, and log in again"), "\(again)")
        // The status is for everybody, and tells them no name that an operator has given.
        #expect(try home.ctl("user", "add", "kid", "--password-stdin", input: "secret of 8 characters\n").status == 0)
        #expect(try home.ctl("limit", "set", "user", "kid", "--sessions", "5").errors.contains("limit for user kid"))
        #expect(try home.ctl("status").output.contains("kid"))
        let look = try run(nobody + [Home.ctl, "--socket", home.socket, "status"], environment: [:])
        #expect(look.status == 0 && !look.output.contains("kid") && look.output.contains("1 user"), "\(look)")
        #expect(try home.ctl("firewall", "open", "cellar", "--tcp", "80", "--from", "anywhere").status == 0)
        #expect(try home.ctl("zone", "add", "nursery", "--interface", "toys0").status == 0)
        let shown = try home.ctl("status").output
        #expect(["cellar", "nursery", "toys0"].allSatisfy(shown.contains), "\(shown)")
        let second = try run(nobody + [Home.ctl, "--socket", home.socket, "status", "--check"], environment: [:])
        #expect(!["cellar", "nursery", "toys0", "kid"].contains(where: second.output.contains), "\(second)")
        let count = shown.split(separator: "\n").count { $0.hasPrefix("! ") }
        #expect(second.output.contains("! \(count) warnings, which root and members of the group gatehouse are told\n"))
        #expect(second.status == 1, "monitoring is told all the same")
        #expect(chmod(home.socket, 0o600) == 0)
        let status = try run(nobody + [Home.ctl, "--socket", home.socket, "status"], environment: [:])
        #expect(status.status == 4 && status.errors.contains("may not open"), "\(status)")
    }

    @Test(
        "A bad argument is named, with the form that was expected",
        arguments: [
            (["listener", "add", "socks5", "localhost:80"], "'localhost:80'", "ADDRESS:PORT"),
            (["listener", "add", "socks5", "192.0.2.1"], "'192.0.2.1'", "192.0.2.1:1080"),
            (["listener", "add", "socks5", "192.0.2.1:0"], "'192.0.2.1:0'", "1 to 65535"),
            (["listener", "add", "socks4", "192.0.2.1:1"], "'socks4'", "'mixed'"),
            (["rule", "add", "allow", "--to", "10.0.0.1/8"], "'10.0.0.1/8'", "10.0.0.0/8 or 10.0.0.1"),
            (["rule", "add", "allow", "--to", "10.0.0.0/33"], "'10.0.0.0/33'", "too long"),
            (["rule", "add", "allow", "--to", "home.arpa"], "'home.arpa'", "ADDRESS/PREFIX"),
            (["rule", "add", "deny", "--domain", "*.example.com"], "'*.example.com'", "write example.com"),
            (["rule", "add", "deny", "--domain", "10.0.0.1"], "'10.0.0.1'", "--to"),
            (["rule", "add", "deny", "--port", "443-80"], "'443-80'", "the lower one first"),
            (["rule", "add", "deny"], "--domain", "gatehousectl rule default deny"),
            (["limit", "set", "user", "--bandwidth", "10Mbit"], "'10Mbit'", "bytes per second"),
            (["limit", "set", "user", "--rate", "5/min"], "'5/min'", "20/s"),
            (["limit", "set", "user"], "--sessions", "--rate"),
            (["limit", "set", "user", "--sessions", "-5"], "'-5'", "none for no bound"),
            (["limit", "set", "user", "--sessions", "0"], "'0'", "1 or more"),
            (["listener", "add", "socks5", "fd00:1::1:1080"], "'fd00:1::1:1080'", "[fd00:1::1]:1080"),
            (["rule", "add", "deny", "--domain", "http://games.test/"], "'http://games.test/'", "write games.test"),
            (["stauts"], "'stauts'", "`gatehousectl status`"),
            (["listner", "list"], "'listner'", "`gatehousectl listener`"),
            (["--socket", "/x", "rule", "delete", "1"], "'delete'", "it has add, default"),
            (["firewall", "off"], "'off'", "it has show, enforce, observe"),
            (["limit", "set", "client", "kid", "--sessions", "1"], "'kid'", "ADDRESS/PREFIX"),
            (["limit", "remove", "kid"], "'kid'", "client NETWORK"),
            (["listener", "add", "http", "127.0.0.1:1", "--from", "10.0.0"], "'10.0.0'", "ADDRESS/PREFIX"),
            (["listener", "set", "127.0.0.1:1"], "Nothing to change", "option"),
            (["firewall", "open", "ssh", "--tcp", "65536"], "'65536'", "1 to 65535"),
            (["firewall", "open", "ssh", "--tcp", "no-such-thing"], "'no-such-thing'", "/etc/services"),
            (["firewall", "open", "ssh", "--proto", "256"], "'256'", "gre, esp or ipv6"),
            (["firewall", "open", "ssh", "--for", "2w"], "'2w'", "90s, 30m, 2h or 7d"),
            (["firewall", "open", "ssh", "--from", "home", "--from", "guest"], "one place", "make another one"),
            (["firewall", "open", "ssh", "--from", "10.0.0.1/8"], "'10.0.0.1/8'", "10.0.0.0/8"),
            (["zone", "set", "home"], "--interface eth1,wlan0", "--way"),
            (["zone", "set", "home", "--address", "192.168.10.1"], "'192.168.10.1'", "192.168.10.1/24"),
            (["zone", "set", "home", "--range", "192.168.10.1"], "'192.168.10.1'", "first and the last"),
            (["zone", "set", "home", "--new-devices", "gone"], "'gone'", "routed, proxy, blocked"),
            (["user", "add", "a:b"], "'a:b'", "no colon"),
            (["user", "add", "al\u{202e}ecila"], "ecila", "U+202E"),
            (["user", "add", "alice\u{200b}"], "alice\u{200b}", "U+200B"),
        ])
    func badArgument(arguments: [String], value: String, form: String) throws {
        // No daemon: what makes no sense needs none to say so.
        let outcome = try run([Home.ctl, "--socket", "/nonexistent"] + arguments, environment: [:])
        #expect(outcome.status == 2 && outcome.errors.contains(value) && outcome.errors.contains(form), "\(outcome)")
    }

    @Test("Rules by all that there is, their default, and what is refused")
    func rules() throws {
        let home = try Home()
        #expect(try home.ctl("user", "add", "kid", "--password-stdin", input: "secret of 8 characters\n").status == 0)
        let added = try home.ctl(
            "rule", "add", "deny", "--user", "kid", "--domain", "Example.COM.", "--port", "443", "--from", "10.0.0.0/8")
        #expect(
            added.output
                == "+ rule 1 deny user kid from 10.0.0.0/8 domain example.com port 443\nrevision 3 is in force\n",
            "\(added)")
        #expect(added.errors.contains("rule 1 is about a user, but no listener asks for a password"), "\(added)")
        #expect(try home.ctl("rule", "default", "deny").output.hasPrefix("- rule default allow\n+ rule default deny\n"))
        let lines = try home.ctl("rule", "list").output.split(separator: "\n").map {
            $0.split(separator: " ").prefix(7).joined(separator: " ")
        }
        #expect(lines[1] == "1 deny kid 10.0.0.0/8 any example.com 443")
        #expect(lines[2] == "default deny any any everything else any")
        #expect(lines[3].hasPrefix("built-in deny any any not on the"))
        let again = try home.ctl("rule", "add", "allow", "--user", "kid", "--domain", "www.example.com")
        #expect(again.status == 0, "\(again)")
        let covered = try home.ctl("rule", "add", "allow", "--user", "kid", "--domain", "a.www.example.com")
        #expect(covered.status == 1 && covered.errors.contains("rule 2 (allow user kid domain www.example.com)"))
        #expect(try home.ctl("user", "remove", "kid").errors.contains("rule 1 names user kid"))
        #expect(try home.ctl("rule", "add", "deny", "--user", "bob").errors.contains("there is no user bob"))
    }

    @Test("Limits are set, shown and removed")
    func limits() throws {
        let home = try Home()
        // Shown before anybody has set one, with each of its bounds, and changed or switched off like any other.
        let standard = try home.ctl("limit", "list").output
        #expect(standard.contains("client (default)"), "\(standard)")
        for bound in [4096, 100, 512, 64, 1000] { #expect(standard.contains(" \(bound)"), "\(standard)") }
        let none = try home.ctl("limit", "remove", "client")
        #expect(none.errors.contains("--handshakes none --lookups none --questions none` switches it off"), "\(none)")
        let off = try home.ctl(
            "limit", "set", "client", "--sessions", "none", "--rate", "none", "--handshakes", "none", "--lookups",
            "none", "--questions", "none")
        #expect(off.output.hasPrefix("+ limit client: no bound\n"), "\(off)")
        #expect(try !home.ctl("limit", "list").output.contains("default"))
        #expect(try home.ctl("limit", "remove", "client").output.hasPrefix("- limit client: no bound\n"))
        let each = try home.ctl("limit", "set", "client", "--sessions", "500", "--rate", "50/s")
        let rest = ", 512 handshakes, 64 lookups, 1000 questions per second\n"
        #expect(each.output.hasPrefix("+ limit client: 500 sessions, 50 new sessions per second\(rest)"), "\(each)")
        let fewer = try home.ctl(
            "limit", "set", "client", "--handshakes", "none", "--lookups", "none", "--questions", "none")
        #expect(fewer.output.contains("+ limit client: 500 sessions, 50 new sessions per second\n"), "\(fewer)")
        let some = try home.ctl(
            "limit", "set", "client 10.0.0.0/8", "--bandwidth", "1M", "--sessions", "none", "--rate", "none",
            "--handshakes", "none", "--lookups", "none", "--questions", "none")
        #expect(some.output.hasPrefix("+ limit client 10.0.0.0/8: 1000000 bytes per second\n"), "\(some)")
        #expect(try home.ctl("limit", "list").output.contains("client 10.0.0.0/8       any             any"))
        let gone = try home.ctl("limit", "remove", "client", "10.0.0.0/8")
        #expect(gone.output.hasPrefix("- limit client 10.0.0.0/8: 1000000 bytes per second\n"), "\(gone)")
        #expect(try home.ctl("limit", "set", "user", "kid", "--sessions", "1").errors.contains("there is no user kid"))
        let much = try home.ctl("limit", "set", "client", "--sessions", "2000000")
        #expect(much.errors.contains("give 1 to 1000000"), "\(much)")
        // What is not given stays. It used to be taken away, and yesterday's bound was gone.
        let more = try home.ctl("limit", "set", "client", "--bandwidth", "2M")
        #expect(
            more.output.hasPrefix(
                "- limit client: 500 sessions, 50 new sessions per second\n+ limit client: 500 sessions, "
                    + "50 new sessions per second, 2000000 bytes per second\n"), "\(more)")
        let less = try home.ctl("limit", "set", "client", "--sessions", "none", "--rate", "none")
        #expect(less.output.contains("+ limit client: 2000000 bytes per second\n"), "\(less)")
        let last = try home.ctl("limit", "set", "client", "--bandwidth", "none")
        #expect(last.output.contains("+ limit client: no bound\n"), "\(last)")
        #expect(try home.ctl("revision", "list").output.contains("limit set client: sessions none, rate none"))
        let wrong = try home.ctl("limit", "set", "user", "--handshakes", "5")
        #expect(wrong.errors.contains("handshakes, lookups and questions are a client's"), "\(wrong)")
    }

    @Test("A listener is changed, and what is not named stays")
    func changedListener() throws {
        let home = try Home()
        let endpoint = "127.0.0.1:\(try freePort())"
        #expect(try home.ctl("user", "add", "kid", "--password-stdin", input: "secret of 8 characters\n").status == 0)
        #expect(try home.ctl("listener", "add", "socks5", endpoint, "--from", "127.0.0.0/8", "--socks4").status == 0)
        let refused = try home.ctl("listener", "set", endpoint, "--auth", "required")
        #expect(refused.status == 1 && refused.errors.contains("SOCKS4 knows no password"), "\(refused)")
        let changed = try home.ctl(
            "listener", "set", endpoint, "--auth", "required", "--user", "kid", "--no-socks4", "--udp-ports",
            "5000-5009")
        #expect(
            changed.output.contains(
                "+ listener socks5 \(endpoint), with password, from 127.0.0.0/8, users kid, UDP ports 5000-5009\n"),
            "\(changed)")
        let opened = try home.ctl(
            "listener", "set", endpoint, "--from", "any", "--all-users", "--udp-ports", "any")
        #expect(opened.output.contains("+ listener socks5 \(endpoint), with password\n"), "\(opened)")
        #expect(try home.ctl("listener", "set", "127.0.0.1:9", "--from", "any").errors.contains("no listener on"))
    }

    @Test("A rollback undoes what came since, and says so")
    func rollback() throws {
        let home = try Home()
        #expect(try home.ctl("firewall", "open", "ssh", "--tcp", "22", "--from", "192.0.2.0/24").status == 0)
        let shown = try home.ctl("revision", "show", "2")
        #expect(shown.output.contains("+ opening ssh tcp 22 from anywhere, 192.0.2.0/24"), "\(shown)")
        let outcome = try home.ctl("revision", "rollback", "1")
        #expect(
            outcome.output == "- opening ssh tcp 22 from anywhere, 192.0.2.0/24\nrevision 3 is in force\n", "\(outcome)"
        )
        #expect(try home.ctl("revision", "list", "--limit", "1").output.contains("rollback to revision 1"))
    }

    @Test("Warnings go to standard error, and are no failure")
    func warnings() throws {
        let home = try Home()
        let outcome = try home.ctl("listener", "add", "http", "127.0.0.1:\(try freePort())", "--auth", "required")
        #expect(outcome.status == 0 && outcome.errors.hasPrefix("Warning: "), "\(outcome)")
        #expect(!outcome.output.contains("arning"))
    }

    @Test("An opening is for the home, of services by their names, several in one, and for a time; the list shows it")
    func openings() throws {
        let home = try Home()
        let ssh = try home.ctl("firewall", "open", "ssh")
        #expect(ssh.status == 0 && ssh.output.contains("+ opening ssh tcp 22 from home\n"), "\(ssh)")
        let dns = try home.ctl(
            "firewall", "open", "dns", "--tcp", "53", "--udp", "53", "--udp", "5353-5354", "--for", "2h")
        let until = /dns tcp 53, udp 53, udp 5353-5354 from home until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\n/
        #expect(dns.output.hasPrefix("+ opening ") && dns.output.firstMatch(of: until) != nil, "\(dns)")
        #expect(try home.ctl("revision", "list").output.firstMatch(of: until) != nil)
        let tunnel = try home.ctl("firewall", "open", "tunnel", "--proto", "41", "--from", "internet")
        #expect(tunnel.output.contains("+ opening tunnel protocol ipv6 from internet\n"), "\(tunnel)")
        #expect(tunnel.errors.contains("tunnel is reachable from the internet, by everybody"), "\(tunnel)")
        let unknown = try home.ctl("firewall", "open", "nothing-that-is-known")
        #expect(unknown.status == 1 && unknown.errors.contains("no service of /etc/services"), "\(unknown)")
        let nowhere = try home.ctl("firewall", "open", "web", "--tcp", "80", "--from", "guest")
        #expect(nowhere.status == 1 && nowhere.errors.contains("no zone and no interface guest"), "\(nowhere)")
        let list = try home.ctl("firewall", "list").output.split(separator: "\n").map(String.init)
        #expect(list.first?.contains("SINCE/UNTIL") == true && list.count == 4, "\(list)")
        #expect(list.contains { $0.hasPrefix("dns ") && $0.contains("until 20") && $0.contains(" home ") }, "\(list)")
        #expect(list.contains { $0.hasPrefix("ssh ") && $0.contains("since 20") && $0.hasSuffix("-") }, "\(list)")
    }

    @Test("Zones make their round: added, set, listed, removed, and told by the history")
    func zones() throws {
        let home = try Home()
        let added = try home.ctl("zone", "add", "guest", "--interface", "guest0,guest1")
        #expect(added.output.contains("+ zone guest guest0 guest1\n"), "\(added)")
        #expect(added.errors.contains("there is no interface guest0 at the moment"), "\(added)")
        let set = try home.ctl("zone", "set", "guest", "--interface", "guest1", "--interface", "guest2")
        #expect(set.output.contains("+ zone guest guest1 guest2\n"), "\(set)")
        let list = try home.ctl("zone", "list").output
        #expect(list.contains("guest") && list.contains("guest2") && list.contains("missing"), "\(list)")
        let listener = try home.ctl("listener", "add", "http", "127.0.0.1:\(try freePort())", "--from", "guest")
        #expect(listener.status == 0, "\(listener)")
        #expect(try home.ctl("zone", "remove", "guest").errors.contains("is for the zone guest"))
        #expect(
            try home.ctl("zone", "set", "guest", "--interface", "none").output.contains(
                "+ zone guest without interfaces"))
        #expect(try home.ctl("zone", "remove", "home").errors.contains("is always there"))
        #expect(try home.ctl("zone", "add", "Guest").errors.contains("is no name for a zone"))
        #expect(try home.ctl("zone", "set", "things", "--interface", "a").errors.contains("the zones are guest, home"))
    }

    @Test("What is shown of the firewall is comments and a table, as nft reads them")
    func firewall() throws {
        let home = try Home()
        #expect(try home.ctl("firewall", "open", "wireguard", "--udp", "51820", "--from", "anywhere").status == 0)
        let lines = try home.ctl("firewall", "show").output.split(separator: "\n")
        #expect(lines.contains("# wireguard  udp 51820  anywhere  any"))
        #expect(lines.first(where: { !$0.hasPrefix("#") }) == "table inet gatehouse {")
    }
}
