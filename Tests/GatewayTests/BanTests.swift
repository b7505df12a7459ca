import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// From what somebody does to the kernel, over real sockets.
@Suite("Bans", .serialized, .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(3)))
struct BanTests {
    private let home: Home
    private let services: Services
    /// Another device beside the LAN host's own address, and another host beside the WAN host's.
    private static let child = "192.168.77.20"
    private static let stranger = "203.0.112.11"

    init() throws {
        home = try Home.ready()
        try home.lan.run("ip", "address", "add", "\(Self.child)/24", "dev", "eth0")
        try home.ctl("firewall", "open", "lab", "--tcp", "4002", "--from", "anywhere")
        services = try Services(in: home.gateway, at: "::", ports: [4002])
    }

    /// Whether a stream to the gateway opens.
    private func opens(_ port: UInt16, from source: String, in namespace: Namespace, to gateway: String) -> Bool {
        let family = source.contains(":") ? "-6" : "-4"
        return
            (try? namespace.attempt([
                "timeout", "1", "nc", family, "-s", source, "-z", gateway, "\(port)",
            ]).status) == 0
    }

    private func opensFromWAN(_ source: String) -> Bool {
        opens(4002, from: source, in: home.wan, to: source.contains(":") ? Home.gatewayOnWAN6 : Home.gatewayOnWAN)
    }

    private func list() throws -> String { try home.ctl("ban", "list") }

    @Test("guessed passwords ban a device from the proxies for a short time, end what it has there, and nobody else's")
    func guesses() throws {
        try home.ctl("user", "add", "alice", "--password-stdin", input: "correct horse\n")
        try home.ctl("listener", "add", "socks5", "192.168.77.1:1081", "--auth", "required", "--interface", "lan0")
        try home.ctl("ban", "set", "--guesses", "4", "--at-home", "10s")
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            while let bytes = try? peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
        }
        func tunnel(from source: String) throws -> Peer {
            let peer = try Peer(to: Home.gatewayOnLAN, 1080, from: home.lan, source: source)
            peer.setPatience(seconds: 2)
            try peer.send([5, 1, 0])
            _ = try peer.receive(exactly: 2)
            try peer.send(SOCKS5.connect(Home.wanHost, origin.port))
            guard try SOCKS5.reply(from: peer).code == 0 else { throw Failure("no tunnel from \(source)") }
            return peer
        }
        let (child, other) = (try tunnel(from: Self.child), try tunnel(from: "192.168.77.10"))
        for _ in 0..<4 {
            let peer = try Peer(to: Home.gatewayOnLAN, 1081, from: home.lan, source: Self.child)
            try peer.send([5, 1, 2])
            #expect(try peer.receive(exactly: 2) == [5, 2])
            try peer.send([1, 5] + "alice".utf8 + [5] + "wrong".utf8)
            _ = try? peer.receive(exactly: 2)
        }
        let proof = ContinuousClock.now
        #expect(
            try eventually(within: .seconds(1)) {
                try home.gateway.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4").contains(Self.child)
            })
        print("from the last wrong password to the kernel, as nft shows it: \(ContinuousClock.now - proof)")
        #expect(
            eventually(within: .seconds(1)) {
                !opens(1080, from: Self.child, in: home.lan, to: Home.gatewayOnLAN)
            })
        #expect(try list().contains(#/192\.168\.77\.20 +wrong passwords/#))
        #expect(throws: (any Error).self, "what it had under way") {
            try child.send("word")
            guard try child.receive(exactly: 4).count == 4 else { throw Failure("ended") }
        }
        try other.send("word")
        #expect(try other.receive(exactly: 4) == Array("word".utf8), "its neighbour's goes on")
        #expect(opens(1080, from: "192.168.77.10", in: home.lan, to: Home.gatewayOnLAN))
        // Its names, its addresses and its way out are no matter of this.
        #expect(try home.lan.attempt(["ping", "-c1", "-W1", "-I", Self.child, Home.gatewayOnLAN]).status == 0)
        let why = try home.attempt("why", Self.child, "\(Home.gatewayOnLAN):1080").output
        #expect(why.contains("banned"), "\(why)")
        #expect(try home.ctl("what-changed").contains("192.168.77.20/32 is banned for 10 s"))
        #expect(try home.ctl("status").contains("1 source; `gatehousectl ban list` says who"))
        #expect(
            eventually(within: .seconds(15)) {
                opens(1080, from: Self.child, in: home.lan, to: Home.gatewayOnLAN)
            }, "it ends by itself")
        withExtendedLifetime(origin) {}
    }

    @Test("ports that are shut, tried from the internet, ban who tries, and a few do not")
    func scan() throws {
        try home.ctl("ban", "set", "--scans", "20")
        #expect(opensFromWAN(Self.stranger) && opensFromWAN(Home.wanHost))
        func scan(_ source: String, _ ports: String) throws {
            _ = try home.wan.attempt([
                "nmap", "-n", "-Pn", "-sS", "-T4", "--max-retries", "0", "-S", source, "-e", "eth0", "-p", ports,
                Home.gatewayOnWAN,
            ])
        }
        try scan(Home.wanHost, "5001-5010")
        #expect(opensFromWAN(Home.wanHost))
        try scan(Self.stranger, "5001-5100")
        #expect(try eventually(within: .seconds(1)) { try list().contains(#/203\.0\.112\.11 +a scan/#) })
        #expect(!opensFromWAN(Self.stranger) && opensFromWAN(Home.wanHost))
        #expect(try eventually { try list().contains(#/203\.0\.112\.11 .* [1-9]\d* +203\.0\.112\.11 has tried/#) })
        try home.ctl("ban", "remove", Self.stranger)
        #expect(opensFromWAN(Self.stranger))
        try home.ctl("ban", "spare", "203.0.112.0/24")
        try scan(Self.stranger, "5001-5100")
        #expect(opensFromWAN(Self.stranger), "it is spared")
    }

    @Test("by the operator's word: at once, and what is under way from there ends; the gateway's own is refused")
    func order() throws {
        func stream(_ source: String) throws -> Peer {
            let peer = try Peer(to: Home.gatewayOnWAN, 4002, from: home.wan, source: source)
            peer.setPatience(seconds: 2)
            try peer.send("word")
            #expect(try peer.receive(exactly: 4) == Array("word".utf8))
            return peer
        }
        let (going, staying) = (try stream(Self.stranger), try stream(Home.wanHost))
        for (source, word) in [
            (Home.gatewayOnLAN, "the gateway's own"), ("127.0.0.1", "the gateway's own"),
            ("203.0.113.0/24", "one IPv4 address"), ("2001:db9::/32", "one /64"), (Home.wanHost, "name server"),
        ] {
            let outcome = try home.attempt("ban", "add", source)
            #expect(outcome.status == 1 && outcome.errors.contains(word), "\(source): \(outcome)")
        }
        let far = try home.attempt("ban", "add", Self.stranger, "--for", "99999d")
        #expect(far.status == 1 && far.errors.contains("hundred years"), "\(far)")
        #expect(try !list().contains(Self.stranger))
        // What is on trial is no reason to let anybody go on.
        try home.ctl("firewall", "open", "other", "--tcp", "4004", "--trial", "60")
        try home.ctl("ban", "add", Self.stranger)
        #expect(throws: (any Error).self) {
            try going.send("word")
            guard try going.receive(exactly: 4).count == 4 else { throw Failure("ended") }
        }
        try staying.send("word")
        #expect(try staying.receive(exactly: 4) == Array("word".utf8))
        try home.ctl("confirm", "--blind")
        // What was taken back never was.
        try home.ctl("ban", "spare", "203.0.112.0/24", "--trial", "60")
        try home.ctl("revert")
        #expect(try list().contains(Self.stranger) && !opensFromWAN(Self.stranger))
        try home.ctl("ban", "spare", "203.0.112.0/24", "--trial", "60")
        try home.ctl("confirm", "--blind")
        #expect(try eventually { try !list().contains(Self.stranger) }, "who is spared is let go")
        #expect(opensFromWAN(Self.stranger))
        try home.stop()
        try home.start()
        #expect(try !list().contains(Self.stranger))
    }

    /// Whoever had a connection to any port could not be banned, an attacker at a web server neither.
    @Test("never of the operator, who is connected to SSH, by its own port or by the program that listens")
    func operators() throws {
        try home.stop()
        home.hasControlGroups = true
        try home.start()
        let key = home.directory + "/key"
        try home.gateway.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        for port in [UInt16(22), 2222] {
            let unit = Unit()
            do {
                let server = try RunningProgram(
                    (port == 22 ? ["unshare", "--mount", "sh", "-c", "exec \"$@\"", "-"] : unit.prefix()) + [
                        "sh", "-c", "mount -t tmpfs none /run && mkdir /run/sshd && exec \"$@\"", "-",
                        "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", key, "-p", "\(port)",
                    ], in: home.gateway, log: home.directory + "/sshd-\(port)")
                try home.ctl("firewall", "open", "ssh\(port)", "--tcp", "\(port)", "--from", "anywhere")
                let isUp = eventually { opens(port, from: Self.stranger, in: home.wan, to: Home.gatewayOnWAN) }
                #expect(isUp, "\(server.said)")
                let peer = try Peer(to: Home.gatewayOnWAN, port, from: home.wan, source: Self.stranger)
                #expect(try String(decoding: peer.receive(exactly: 8), as: UTF8.self) == "SSH-2.0-")
                let refused = try home.attempt("ban", "add", Self.stranger)
                #expect(
                    refused.status == 1 && refused.errors.contains("has a connection to SSH, at port \(port)"),
                    "\(refused)")
                peer.resetAtClose()
            }
            #expect(try eventually { try home.attempt("ban", "add", Self.stranger).status == 0 })
            try home.ctl("ban", "remove", Self.stranger)
            if port != 22 { try unit.remove(in: home.gateway) }
        }
    }

    /// A clock that was a day ahead kept the list saying for a day what the kernel had ended, and nobody was banned meanwhile.
    @Test("last as long as they are to, whatever becomes of the clock")
    func clocks() throws {
        try home.stop()
        let clock = try SettableClock(in: home.directory)
        home.environment = clock.environment
        try home.start()
        for day in [86_400, -86_400] {
            try home.ctl("ban", "add", Self.stranger, "--for", "8s")
            clock.set(seconds: day)
            #expect(try eventually(within: .seconds(2)) { try list().contains(Self.stranger) })
            #expect(!opensFromWAN(Self.stranger))
            #expect(try eventually(within: .seconds(12)) { try !list().contains(Self.stranger) })
            #expect(eventually(within: .seconds(4)) { opensFromWAN(Self.stranger) })
            clock.set(seconds: 0)
        }
        try home.ctl("ban", "add", Self.stranger, "--for", "1h")
        clock.set(seconds: 86_400)
        #expect(try eventually { try list().contains(Self.stranger) })
        try home.stop()
        try home.start()
        #expect(try list().contains(Self.stranger) && !opensFromWAN(Self.stranger))
    }

    @Test("hold over a restart and over the death of every process, for what is left of them; IPv6 by its /64")
    func restarts() throws {
        try home.wan.run("ip", "address", "add", "2001:db9:113::11/64", "dev", "eth0", "nodad")
        #expect(opensFromWAN("2001:db9:113::11") && opensFromWAN(Self.stranger))
        let time = try ContinuousClock().measure {
            try home.ctl("ban", "add", Self.stranger, "--for", "1h", "--why", "keeps asking")
        }
        print("a ban by command, with the start of gatehousectl: \(time)")
        // In the network that the gateway itself is in, a ban is of one address.
        try home.ctl("ban", "add", "2001:db9:113::11")
        #expect(!opensFromWAN("2001:db9:113::11") && opensFromWAN(Home.wanHost6))
        try home.wan.run("ip", "address", "add", "2001:db9:999::11/64", "dev", "eth0", "nodad")
        try home.gateway.run("ip", "route", "add", "2001:db9:999::/64", "via", Home.wanHost6)
        #expect(opensFromWAN("2001:db9:999::11"))
        try home.ctl("ban", "add", "2001:db9:999::77")
        func check(_ step: String) throws {
            #expect(!opensFromWAN(Self.stranger) && !opensFromWAN("2001:db9:999::11"), "\(step)")
            #expect(!opensFromWAN("2001:db9:113::11"), "\(step)")
            #expect(opensFromWAN(Home.wanHost) && opensFromWAN(Home.wanHost6), "\(step)")
        }
        try check("banned")
        try home.ctl("firewall", "open", "other", "--tcp", "4003", "--from", "internet")
        try check("other rules")
        try home.stop()
        try check("without a daemon")
        try home.start()
        try check("another daemon")
        home.killsRoles = true
        for process in try home.processes().values.joined() { kill(process, SIGKILL) }
        // The table has an owner for as long as the kernel takes to end the role.
        #expect(
            try eventually {
                try home.gateway.attempt(["nft", "delete", "table", "inet", "gatehouse"]).status == 0
            })
        try home.start()
        try check("all killed, and the table gone")
        kill(try #require(try home.processes()["firewall"]?.first), SIGKILL)
        #expect(try eventually { try home.processes()["firewall"]?.first != nil })
        try check("the role killed")
        let text = try list()
        #expect(
            text.contains(#/203\.0\.112\.11 +your word .*keeps asking/#) && text.contains("2001:db9:999::/64"),
            "\(text)")
        try home.ctl("ban", "remove", "2001:db9:999::/64")
        try home.ctl("ban", "remove", Self.stranger)
        #expect(opensFromWAN(Self.stranger) && opensFromWAN("2001:db9:999::11"))
        #expect(try home.attempt("ban", "remove", Self.stranger).errors.contains("is not banned"))
    }

    @Test("of a network that was spared by a daemon that was killed at once is taken back by the next one")
    func sparedAndKilled() throws {
        try home.ctl("ban", "spare", "203.0.112.0/24", "--no-trial")
        try home.stop()
        let script = """
            import sqlite3, sys
            store = sqlite3.connect(sys.argv[1])
            store.executemany("INSERT INTO ban VALUES (?, 'order', 'once', 1, NULL, 1)",
                (("203.0.112.11/32",), ("198.51.100.7/32",)))
            store.commit()
            """
        try home.gateway.run("/usr/bin/python3", "-c", script, home.state + "/gatehouse.db")
        try home.start()
        #expect(try eventually { try !list().contains("203.0.112.11") })
        #expect(try list().contains("198.51.100.7"))
        #expect(opensFromWAN(Self.stranger))
    }

    /// The kernel's notices of the role's own elements were more than it had room for, and it took what was lost for somebody else's
    /// change: it wrote all of them again, for ever.
    @Test("by the thousand cost nothing once the kernel has them, after a start and after the death of the role")
    func thousands() throws {
        try home.stop()
        let script = """
            import sqlite3, sys
            store = sqlite3.connect(sys.argv[1])
            store.executemany("INSERT INTO ban VALUES (?, 'order', 'many', 1, NULL, 1)",
                ((f"100.64.{n // 250}.{n % 250 + 1}/32",) for n in range(3000)))
            store.commit()
            """
        try home.gateway.run("/usr/bin/python3", "-c", script, home.state + "/gatehouse.db")
        try home.start()
        home.killsRoles = true
        for step in ["a start", "the death of the role"] {
            let role = try #require(try home.processes()["firewall"]?.first)
            func holdsAll() throws -> Bool {
                try home.gateway.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4").contains("100.64.11.250")
            }
            #expect(try eventually { try holdsAll() }, "\(step)")
            let before = try processorTime(of: role)
            let isBusy = try eventually(within: .seconds(3)) { try processorTime(of: role) - before > 0.3 }
            print("3000 bans, \(step): \(try processorTime(of: role) - before) s in 3 s")
            #expect(!isBusy, "\(step)")
            kill(role, SIGKILL)
            #expect(
                try eventually {
                    let others = try home.processes()["firewall"] ?? []
                    return !others.isEmpty && others != [role]
                })
        }
        #expect(try home.ctl("status").contains("3000 sources"))
    }

    /// An order with no element for any set that the kernel has was one that the kernel did not answer, so the role gave its socket
    /// up, with the table that the socket owned, and told of somebody who had taken it.
    @Test("where nothing is open are kept, and the kernel's table stays as it is, with its owner")
    func nothingOpen() throws {
        let bare = try Home()
        try bare.start()
        func table() throws -> String { try bare.gateway.run("nft", "list", "table", "inet", "gatehouse") }
        func owner() throws -> String? { try table().firstMatch(of: /# progname .*/).map { String($0.output) } }
        let first = try #require(try owner(), "the kernel knows no owner")
        #expect(try !table().contains("bans_ipv4"))
        try bare.ctl("ban", "add", "9.9.9.9")
        try bare.ctl("ban", "remove", "9.9.9.9")
        try bare.ctl("ban", "add", "2001:db8:1::1")
        #expect(try bare.ctl("ban", "list").contains("2001:db8:1::/64"))
        #expect(try owner() == first)
        let told = try bare.ctl("what-changed")
        #expect(!told.contains("somebody took"), "\(told)")
        #expect(try !bare.ctl("status").contains("somebody took"))
    }
}
