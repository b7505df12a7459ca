import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// Over the real processes, whose box has an /etc of its own that changes while they run.
@Suite("Names", .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(2)))
struct NameTests {
    let home: Home

    init() throws {
        home = try Home()
        try home.makeOwnEtc()
    }

    /// The daemon as `setup` leaves it, with this /etc/resolv.conf; nil: there is none.
    private func start(_ nameServers: String?, hosts: String = "127.0.0.1 localhost\n") throws {
        try home.write(nameServers, "resolv.conf")
        try home.write(hosts, "hosts")
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
    }

    private func names(_ host: String = Home.wanHost) throws -> NameServer {
        try NameServer(in: home.wan, host) { query in
            query.name.hasSuffix(".test") ? .addresses([Home.wanHost]) : .none(code: 3, seconds: 60)
        }
    }

    /// Whether a tunnel to that name comes about, over both proxies.
    private func reaches(_ name: String, _ port: UInt16) -> Bool {
        ProxyKind.allCases.allSatisfy { (try? home.tunnel($0, to: name, port)) != nil }
    }

    private func warnings() throws -> String { try home.ctl("status") }

    /// Names were dead after a boot until somebody restarted the daemon by hand.
    @Test("44: name servers that come late, by rename, through links that led nowhere, are followed within seconds")
    func late() throws {
        let origin = try echo(in: home)
        let (first, second) = (try names(), try names("203.0.112.11"))
        try start(nil)
        #expect(try warnings().contains("there is no name server"))
        let standing = try home.tunnel(.socks5, origin.port)
        let refused = try home.dial(.http)
        try refused.send(HTTP.connect("a.test", origin.port))
        #expect(try refused.receiveHead().hasPrefix("HTTP/1.1 503"))
        // A file where there was none.
        try home.write("nameserver \(Home.wanHost)\n", "resolv.conf")
        #expect(eventually(within: .seconds(5)) { reaches("a.test", origin.port) })
        #expect(try !warnings().contains("name server"))
        // Another one is put in its place, and the server that it named is gone.
        first.answer { _ in .silence }
        try home.write("nameserver 203.0.112.11\n", "resolv.conf.new")
        #expect(rename(home.etc + "/resolv.conf.new", home.etc + "/resolv.conf") == 0)
        #expect(eventually(within: .seconds(5)) { reaches("b\(second.queries.count).test", origin.port) })
        // A link to where there is not even a directory yet, then the directory, then the file.
        let run = home.directory + "/run/net"
        try FileManager.default.removeItem(atPath: home.etc + "/resolv.conf")
        try FileManager.default.createSymbolicLink(
            atPath: home.etc + "/resolv.conf", withDestinationPath: run + "/resolv.conf")
        #expect(try eventually(within: .seconds(5)) { try warnings().contains("there is no name server") })
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        try "nameserver 203.0.112.11\n".write(toFile: run + "/resolv.conf", atomically: true, encoding: .utf8)
        #expect(eventually(within: .seconds(5)) { reaches("c\(second.queries.count).test", origin.port) })
        // And hosts.
        #expect(!reaches("nas", origin.port))
        try home.write("\(Home.wanHost) nas\n", "hosts")
        #expect(eventually(within: .seconds(5)) { reaches("nas", origin.port) })
        // What stood all that time stands.
        try standing.send("still")
        #expect(try standing.receive(exactly: 5) == Array("still".utf8))
        withExtendedLifetime((first, second)) {}
    }

    @Test("44: servers that do not answer, are listeners of the gateway or behind a missing interface are told")
    func told() throws {
        let origin = try echo(in: home)
        let names = try names()
        names.answer { _ in .silence }
        try start(
            "nameserver \(Home.gatewayOnLAN)\nnameserver fe80::1%gone0\nnameserver \(Home.wanHost)\noptions timeout:1 attempts:1\n"
        )
        #expect(try warnings().contains("fe80::1%gone0 of /etc/resolv.conf is not asked"))
        try home.ctl("listener", "add", "socks5", "\(Home.gatewayOnLAN):53")
        #expect(try warnings().contains("\(Home.gatewayOnLAN) of /etc/resolv.conf is not asked: it is a listener"))
        #expect(!reaches("a.test", origin.port))
        #expect(try warnings().contains("no name server answers, so that names are not found: \(Home.wanHost)"))
        #expect(eventually { home.daemon?.said.contains("no name server answers") == true })
        names.answer { _ in .addresses([Home.wanHost]) }
        #expect(eventually(within: .seconds(5)) { reaches("b.test", origin.port) })
        #expect(try !warnings().contains("no name server answers"))
    }

    @Test("44: a link-local name server behind its interface, and the search domains of the box")
    func scoped() throws {
        let origin = try echo(in: home)
        try home.wan.run("ip", "address", "add", "fe80::53/64", "dev", "eth0", "nodad")
        let names = try NameServer(in: home.wan, "fe80::53%eth0") { query in
            query.name == "nas.home.test" ? .addresses([Home.wanHost]) : .none(code: 3, seconds: 60)
        }
        try start("nameserver fe80::53%wan0\nsearch home.test\n")
        #expect(eventually(within: .seconds(5)) { reaches("nas", origin.port) })
        withExtendedLifetime(names) {}
    }

    /// The seed of the ids was rand() where /dev/urandom could not be read: after each start the same ones.
    @Test("45: query ids and ports are others after a restart")
    func unpredictable() throws {
        let names = try names()
        try start("nameserver \(Home.wanHost)\n")
        let origin = try echo(in: home)
        var series: [[UInt16]] = []
        for turn in 0..<2 {
            if turn == 1 {
                try home.stop()
                try home.start()
            }
            let before = names.queries.count
            for index in 0..<8 { #expect(reaches("n\(turn)-\(index).test", origin.port)) }
            let queries = names.queries.dropFirst(before)
            #expect(queries.count >= 16 && Set(queries.map(\.port)).count > queries.count / 2)
            series.append(queries.map(\.identifier))
        }
        #expect(Set(series[0]).intersection(series[1]).count < 4)
    }

    /// One silent AAAA cost 4.5 s with one server, and the name with three.
    @Test("45: AAAA is dropped by one, two and three servers: a connection begins with the A record", arguments: 1...3)
    func dropped(count: Int) throws {
        let hosts = [Home.wanHost, "203.0.112.11", "203.0.112.12"].prefix(count)
        try home.wan.run("ip", "address", "add", "203.0.112.12/24", "dev", "eth0")
        let servers = try hosts.map { host in
            try NameServer(in: home.wan, host) { $0.type == 1 ? .addresses([Home.wanHost]) : .silence }
        }
        try start(hosts.map { "nameserver \($0)\n" }.joined())
        let origin = try echo(in: home)
        for kind in ProxyKind.allCases {
            var attempt = 0
            let best = try measure(until: { $0 < .milliseconds(250) }) {
                attempt += 1
                let start = ContinuousClock.now
                _ = try home.tunnel(kind, to: "\(kind)\(attempt).test", origin.port)
                return .now - start
            }
            #expect(best < .milliseconds(500), "\(best)")
        }
        withExtendedLifetime(servers) {}
    }

    @Test(
        "45: IPv6 leads nowhere and the A record comes late: the connection goes on to it",
        arguments: ProxyKind.allCases)
    func overtaken(kind: ProxyKind) throws {
        let names = try NameServer(in: home.wan, Home.wanHost) { query in
            let both: NameServer.Reply = .addresses([Home.wanHost, "2001:db9:113::dead"])
            return query.type == 28 ? both : .later(.milliseconds(400), both)
        }
        try start("nameserver \(Home.wanHost)\n")
        let origin = try echo(in: home)
        let start = ContinuousClock.now
        let tunnel = try home.tunnel(kind, to: "late.test", origin.port)
        #expect(ContinuousClock.now - start < .seconds(3))
        try tunnel.send("four")
        #expect(try tunnel.receive(exactly: 4) == Array("four".utf8))
        withExtendedLifetime(names) {}
    }

    /// TCP goes on to the other family; datagrams to a name went on into nothing.
    @Test("45: datagrams to a name whose IPv6 address does not answer go to its other one")
    func datagrams() throws {
        let names = try NameServer(
            in: home.wan, Home.wanHost, ["both.test": [["2001:db9:113::dead", Home.wanHost]]])
        try start("nameserver \(Home.wanHost)\n")
        let associate = try Associate(home)
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        var got: (bytes: [UInt8], from: String)?
        for _ in 0..<20 where got == nil {
            try associate.send("hello", to: "both.test", origin.port)
            got = try origin.receive(within: .milliseconds(250))
        }
        #expect(got?.bytes == Array("hello".utf8))
        withExtendedLifetime(names) {}
    }

    @Test("46: 2000 names of one device that never resolve keep no other waiting, by TCP and by datagrams")
    func flood() throws {
        let names = try NameServer(in: home.wan, Home.wanHost) { query in
            query.name.hasSuffix("slow.test") ? .silence : .addresses([Home.wanHost])
        }
        try start("nameserver \(Home.wanHost)\n")
        // Two devices, each with a card of its own: by their cards they are told apart.
        let neighbour = try home.plugIn(12)
        try home.lan.run("ip", "address", "add", "192.168.77.10/24", "dev", "br0")
        let origin = try echo(in: home)
        var held: [Peer] = []
        for index in 0..<200 {
            let client = try Peer(to: Home.gatewayOnLAN, 1080, from: home.lan)
            try client.send([5, 1, 0] + SOCKS5.connect("t\(index).slow.test", 80))
            held.append(client)
        }
        let associates = try (0..<64).map { _ in try Associate(home) }
        for round in 0..<16 {
            for (index, associate) in associates.enumerated() {
                try associate.send("x", to: "u\(index)-\(round).slow.test", 53)
                try associate.send("x", to: "v\(index)-\(round).slow.test", 53)
            }
        }
        #expect(eventually { names.queries.count { $0.name.hasSuffix("slow.test") } >= 64 })
        for kind in ProxyKind.allCases {
            for index in 0..<5 {
                let start = ContinuousClock.now
                let tunnel = try home.tunnel(kind, to: "\(kind)\(index).test", origin.port, from: neighbour)
                try tunnel.send("on")
                #expect(try tunnel.receive(exactly: 2) == Array("on".utf8))
                #expect(ContinuousClock.now - start < .seconds(1))
            }
        }
        withExtendedLifetime((names, held, associates)) {}
    }

    @Test("46: a blocklist of 100 000 lines blocks, and is no burden")
    func blocklist() throws {
        let names = try names()
        let list = (0..<100_000).map { "0.0.0.0 ad\($0).blocked.example\n" }.joined()
        try start("nameserver \(Home.wanHost)\n", hosts: "127.0.0.1 localhost\n" + list)
        let origin = try echo(in: home)
        #expect(eventually(within: .seconds(15)) { reaches("a.test", origin.port) })
        let client = try home.dial(.http)
        try client.send(HTTP.connect("ad99999.blocked.example", 443))
        #expect(try client.receiveHead().hasPrefix("HTTP/1.1 403"))
        #expect(names.queries(for: "ad99999.blocked.example") == 0)
    }

    /// The proxies alone asked no one who knew of lists.
    @Test(
        "A blocklist holds for the proxies though nobody is served, and what the name server itself refuses is told as refused"
    )
    func listForProxies() throws {
        let names = try NameServer(in: home.wan, Home.wanHost) { query in
            query.name == "zero.example" ? .addresses(["0.0.0.0", "::"], seconds: 60) : .addresses([Home.wanHost])
        }
        try start("nameserver \(Home.wanHost)\n")
        let origin = try echo(in: home)
        #expect(eventually(within: .seconds(5)) { reaches("www.example", origin.port) })
        let file = home.directory + "/ads.txt"
        try "ads.example\n".write(toFile: file, atomically: true, encoding: .utf8)
        try home.ctl("blocklist", "add", "ads", file)
        func answer(_ name: String) throws -> String {
            let client = try home.dial(.http)
            try client.send(HTTP.connect(name, origin.port))
            return String(try client.receiveHead().prefix(12))
        }
        #expect(try answer("www.ads.example") == "HTTP/1.1 403")
        #expect(names.queries(for: "www.ads.example") == 0)
        #expect(try answer("zero.example") == "HTTP/1.1 403")
        #expect(reaches("www.example", origin.port))
        // Nobody else is answered.
        #expect(try !home.openings().contains { $0.contains("dport 53") })
        let kept = { try FileManager.default.contentsOfDirectory(atPath: home.state + "/blocklists") }
        let before = try kept()
        #expect(before.count == 1)
        try home.ctl("blocklist", "add", "more", file, "--dry-run")
        #expect(try home.attempt("blocklist", "add", "more", file, "--zone", "nowhere").status != 0)
        #expect(try kept() == before)
        try home.ctl("blocklist", "remove", "ads")
        #expect(reaches("www.ads.example", origin.port))
        try home.ctl("revision", "undo", "\(try home.revisionNumber())")
        #expect(try answer("x.ads.example") == "HTTP/1.1 403")
    }
}
