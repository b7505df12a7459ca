import Foundation
import Glibc
import TestNetwork
import Testing

/// Shops and games, as the WAN host's name server has them: `shop.example` is at 9.9.9.9 and 2620:fe::9, `other.example` at
/// 203.0.112.11.
@Suite(
    "Rules about domains hold for routed devices", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(3)))
struct RuledDomainTests {
    let routed: RoutedHome
    let services: Services
    let names: NameServer

    private var home: Home { routed.home }

    init() throws {
        routed = try RoutedHome.ready()
        services = try Services(in: routed.home.wan, ports: [443, 8080])
        names = try NameServer(
            in: routed.home.wan, Home.wanHost,
            [
                "shop.example": [[RoutedHome.far, RoutedHome.far6]], "www.shop.example": [[RoutedHome.far]],
                "mall.example": [[RoutedHome.far]],
                "other.example": [["203.0.112.11"]],
            ], seconds: 60)
        try routed.home.ctl("zone", "set", "home", "--no-dhcp", "--dns", "--no-trial")
    }

    /// What the device is told of the name.
    private func ask(_ name: String, _ type: String = "A") throws -> String {
        try home.lan.run("dig", "+short", "+tries=2", "+time=3", "@" + Home.gatewayOnLAN, type, name)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test(
        "where the default is to deny, a device reaches the domain that a rule allows it as soon as it has the address")
    func allowed() throws {
        try home.ctl("rule", "default", "deny")
        try home.ctl("rule", "add", "allow", "--domain", "shop.example", "--port", "443")
        #expect(!routed.connects(home.lan, RoutedHome.far, 443), "nobody has asked for the name")
        #expect(try ask("shop.example") == RoutedHome.far)
        // The very first packet is let through: nothing is waited for.
        #expect(routed.connects(home.lan, RoutedHome.far, 443))
        #expect(!routed.connects(home.lan, RoutedHome.far, 8080), "the rule is about one port")
        #expect(!routed.connects(home.lan, RoutedHome.far6, 443))
        #expect(try ask("shop.example", "AAAA") == RoutedHome.far6)
        #expect(routed.connects(home.lan, RoutedHome.far6, 443))
        #expect(try ask("other.example") == "203.0.112.11")
        #expect(!routed.connects(home.lan, "203.0.112.11", 443))
        let why = try home.ctl("why", RoutedHome.lanHost, "\(RoutedHome.far):443")
        #expect(why.contains("rule 1 allows it") && why.contains("reached directly"), "\(why)")
        // Whatever becomes of the processes, the kernel and the next role know it.
        home.killsRoles = true
        for role in ["firewall", "names"] {
            for process in try home.processes()[role] ?? [] { kill(process, SIGKILL) }
            #expect(routed.connects(home.lan, RoutedHome.far, 443), "\(role)")
        }
        #expect(try eventually { try home.processes()["firewall"]?.isEmpty == false })
        // A device goes on with what it was told, whatever becomes of the daemon, and so does what it has under way.
        let old = try Peer(to: RoutedHome.far, 443, from: home.lan)
        for signal in [SIGKILL, SIGTERM] {
            let file = home.directory + "/addresses"
            #expect(eventually { FileManager.default.fileExists(atPath: file) })
            let all = try home.processes().values.joined()
            home.daemon?.signal(signal)
            #expect(home.daemon?.ended() == (signal == SIGKILL ? 128 + SIGKILL : 0))
            #expect(eventually { all.allSatisfy { kill($0, 0) != 0 } })
            try home.start()
            #expect(routed.connects(home.lan, RoutedHome.far, 443), "signal \(signal)")
            try old.send("word")
            #expect(try old.receive(exactly: 4).count == 4, "signal \(signal)")
        }
        // What was under way ends with the rule.
        let peer = try Peer(to: RoutedHome.far, 443, from: home.lan)
        try peer.send("word")
        #expect(try peer.receive(exactly: 4).count == 4)
        try home.ctl("rule", "remove", "1")
        peer.setPatience(seconds: 1)
        try? peer.send("more")
        #expect(((try? peer.receive(exactly: 4)) ?? []).isEmpty)
        peer.resetAtClose()
        #expect(!routed.connects(home.lan, RoutedHome.far, 443))
    }

    @Test("a domain that is denied is not told, and a device that has its address reaches it no more")
    func denied() throws {
        try home.ctl("rule", "add", "deny", "--domain", "shop.example", "--protocol", "tcp", "--port", "443")
        #expect(routed.connects(home.lan, RoutedHome.far, 443), "the rule cannot know the address")
        // A rule about a port leaves the name to be told.
        #expect(try ask("www.shop.example") == RoutedHome.far)
        #expect(!routed.connects(home.lan, RoutedHome.far, 443))
        #expect(routed.connects(home.lan, RoutedHome.far, 8080))
    }

    @Test("a device that was told an address before the rule came is let through, and is asked for nothing")
    func kept() throws {
        #expect(try ask("shop.example") == RoutedHome.far)
        try home.ctl("rule", "default", "deny")
        #expect(!routed.connects(home.lan, RoutedHome.far, 443))
        try home.ctl("rule", "add", "allow", "--domain", "shop.example")
        #expect(eventually(within: .seconds(1)) { routed.connects(home.lan, RoutedHome.far, 443) })
        #expect(!routed.connects(home.lan, RoutedHome.far6, 443), "that nobody was told")
    }

    @Test("a domain that is denied ends what a device has under way there within a second, and nothing else")
    func ended() throws {
        #expect(try ask("shop.example") == RoutedHome.far && ask("other.example") == "203.0.112.11")
        func stream(_ address: String) throws -> Peer {
            let peer = try Peer(to: address, 443, from: home.lan)
            peer.setPatience(seconds: 1)
            try peer.send("word")
            #expect(try peer.receive(exactly: 4).count == 4)
            return peer
        }
        let (shop, other) = (try stream(RoutedHome.far), try stream("203.0.112.11"))
        let time = try ContinuousClock().measure {
            try home.ctl("rule", "add", "deny", "--domain", "shop.example")
            #expect(eventually(within: .seconds(1)) { !routed.connects(home.lan, RoutedHome.far, 443) })
        }
        print("a domain is denied, and its address: \(time)")
        // The kernel knows the address before what is under way there is looked for.
        #expect(
            eventually(within: .seconds(1)) {
                (try? shop.send("more")) == nil || ((try? shop.receive(exactly: 4)) ?? []).isEmpty
            })
        try other.send("more")
        #expect(try other.receive(exactly: 4).count == 4)
        shop.resetAtClose()
        #expect(routed.connects(home.lan, "203.0.112.11", 443))
    }

    /// That the address was in any denied set was enough to take the flow for one that had been judged.
    @Test("a domain that is denied ends what is under way at an address that a rule for another device denies already")
    func endedBesideAnotherRule() throws {
        try home.ctl(
            "rule", "add", "deny", "--domain", "shop.example", "--from", "192.168.77.99", "--port", "8080")
        try home.ctl("rule", "add", "deny", "--domain", "mall.example", "--port", "8080")
        #expect(try ask("shop.example") == RoutedHome.far)
        let peer = try Peer(to: RoutedHome.far, 8080, from: home.lan)
        peer.setPatience(seconds: 1)
        try peer.send("word")
        #expect(try peer.receive(exactly: 4).count == 4, "the rule is about another device")
        #expect(try ask("mall.example") == RoutedHome.far)
        #expect(
            eventually(within: .seconds(1)) {
                (try? peer.send("more")) == nil || ((try? peer.receive(exactly: 4)) ?? []).isEmpty
            })
        peer.resetAtClose()
    }

    /// A name that any rule was about before was told to no other rule until a device asked for it again.
    @Test(
        "a rule about a domain knows what devices were told before, whatever rules there are about it, below it or above it",
        arguments: [
            ("shop.example", "shop.example"), ("shop.example", "www.shop.example"),
            ("www.shop.example", "shop.example"),
        ])
    func second(first: String, second: String) throws {
        try home.ctl("rule", "add", "allow", "--domain", first, "--port", "8080")
        #expect(try ask("www.shop.example") == RoutedHome.far)
        let stream = try Peer(to: RoutedHome.far, 443, from: home.lan)
        let other = try Peer(to: RoutedHome.far, 8080, from: home.lan)
        for peer in [stream, other] {
            peer.setPatience(seconds: 1)
            try peer.send("word")
            #expect(try peer.receive(exactly: 4).count == 4)
        }
        try home.ctl("rule", "add", "deny", "--domain", second, "--port", "443")
        #expect(eventually(within: .seconds(1)) { !routed.connects(home.lan, RoutedHome.far, 443) })
        try? stream.send("more")
        #expect(((try? stream.receive(exactly: 4)) ?? []).isEmpty)
        stream.resetAtClose()
        try other.send("more")
        #expect(try other.receive(exactly: 4).count == 4)
        #expect(routed.connects(home.lan, RoutedHome.far, 8080))
    }

    /// All rules had room for 8192 addresses together, and what a rule had that is gone took room for ever.
    @Test("a domain with any number of addresses takes no room from another rule, and its own lack of it is told")
    func room() throws {
        let crowd = try NameServer(in: home.wan, Home.wanHost6) { query in
            guard query.name.hasSuffix(".cdn.example"), let number = UInt32(query.name.prefix { $0 != "." }) else {
                return query.name == "shop.example" ? .addresses([RoutedHome.far], seconds: 60) : .code(3)
            }
            let all = (0..<250).map { "45.1.\(number).\($0)" }
            return query.isOverTCP ? .addresses(all, seconds: 60) : .truncated(.addresses(all, seconds: 60))
        }
        try "nameserver \(Home.wanHost6)\n".write(
            toFile: home.directory + "/resolv.conf", atomically: false, encoding: .utf8)
        #expect(try eventually { try ask("shop.example") == RoutedHome.far && ask("www.shop.example").isEmpty })
        try home.ctl("rule", "default", "deny")
        try home.ctl("rule", "add", "deny", "--domain", "cdn.example", "--port", "9")
        try home.ctl("rule", "add", "allow", "--domain", "shop.example", "--port", "443")
        for number in 0..<36 {
            let answer = try home.lan.run("dig", "+short", "+tcp", "@" + Home.gatewayOnLAN, "\(number).cdn.example")
            #expect(answer.split(separator: "\n").count == 250)
        }
        // A rule that is new, and a name that is.
        try home.ctl("rule", "add", "allow", "--domain", "shop.example", "--port", "8080")
        #expect(try ask("shop.example") == RoutedHome.far)
        #expect(routed.connects(home.lan, RoutedHome.far, 443) && routed.connects(home.lan, RoutedHome.far, 8080))
        let told = "rule 1 is about a domain with more addresses than there is room for"
        #expect(eventually { home.daemon?.said.contains(told) == true })
        #expect(home.daemon?.said.components(separatedBy: told).count == 2, "told once")
        withExtendedLifetime(crowd) {}
    }

    /// As the gateway's own resolver knows the name, which is not the device's.
    private func why(_ name: String, at address: String = RoutedHome.far) throws -> String {
        let hosts = home.directory + "/names"
        try "\(address) \(name)\n".write(toFile: hosts, atomically: true, encoding: .utf8)
        return try home.gateway.run(
            "unshare", "--mount", "sh", "-c",
            "mount --bind \(hosts) /etc/hosts; exec \(programs)gatehousectl --socket \(home.socket) why \(RoutedHome.lanHost) \(name):443"
        )
    }

    @Test("why says of a name what a device meets that asks for it, though nobody has yet")
    func explained() throws {
        try home.ctl("rule", "default", "deny")
        try home.ctl("rule", "add", "allow", "--domain", "shop.example", "--port", "443")
        let allowed = try why("shop.example")
        #expect(allowed.contains("rule 1 allows it") && allowed.contains("reached directly"), "\(allowed)")
        #expect(try why("other.example").contains("not reached"))
        #expect(try ask("shop.example") == RoutedHome.far && routed.connects(home.lan, RoutedHome.far, 443))
        try home.ctl("rule", "remove", "1")
        try home.ctl("rule", "default", "allow")
        try home.ctl("rule", "add", "deny", "--domain", "shop.example")
        let denied = try why("www.shop.example")
        #expect(denied.contains("and is not told") && denied.contains("not reached"), "\(denied)")
        #expect(try ask("www.shop.example") == "0.0.0.0")
        #expect(try why("other.example", at: "203.0.112.11").contains("reached directly"))
    }
}
