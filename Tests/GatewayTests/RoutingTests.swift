import Foundation
import Glibc
import TestNetwork
import Testing

@Suite(
    "The kernel carries what the operator lets pass", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"))
struct RoutingTests {
    @Test("a device of the home reaches the internet, over both families, and under the gateway's own IPv4 address")
    func internet() throws {
        let routed = try RoutedHome.ready()
        let (home, wan) = (routed.home, routed.home.wan)
        let services = try Services(in: wan, at: RoutedHome.far, ports: [8080])
        let six = try DatagramPeer.echo(in: wan, "2620:fe::9", port: 8081)
        for address in [RoutedHome.far, RoutedHome.far6] {
            #expect(try routed.pings(home.lan, address), "ping \(address)")
            #expect(routed.connects(home.lan, address, 8080), "TCP to \(address)")
        }
        #expect(try routed.answers(home.lan, RoutedHome.far, 8080))
        #expect(try routed.answers(home.lan, RoutedHome.far6, 8081))
        // The path is seen, hop by hop.
        let hops = try home.lan.run("traceroute", "-n", "-q", "1", "-w", "2", "-m", "4", RoutedHome.far)
        #expect(hops.contains(" 1  192.168.77.1 ") && hops.contains(" 2  9.9.9.9 "), "\(hops)")
        let hops6 = try home.lan.run("traceroute", "-6", "-n", "-q", "1", "-w", "2", "-m", "4", RoutedHome.far6)
        #expect(hops6.contains(" 1  2001:db9:77::1 ") && hops6.contains(" 2  2620:fe::9 "), "\(hops6)")
        // Who is asked sees the gateway.
        let own = try DatagramPeer(in: wan, "0.0.0.0", port: 9000)
        try DatagramPeer(in: home.lan, "0.0.0.0").send([1], to: RoutedHome.far, 9000)
        #expect(try own.receive()?.from.hasPrefix("\(Home.gatewayOnWAN):") == true)
        let own6 = try DatagramPeer(in: wan, "::", port: 9001)
        try DatagramPeer(in: home.lan, "::").send([1], to: RoutedHome.far6, 9001)
        #expect(try own6.receive()?.from.hasPrefix(RoutedHome.lanHost6) == true)
        withExtendedLifetime((services, six)) {}
    }

    /// The number of the port, which a ping has not, was none that could be read: the firewall role was ended for it, and started
    /// again, as often as anybody asked.
    @Test("a device that pings has a session like any other")
    func pings() throws {
        let routed = try RoutedHome.ready()
        #expect(try routed.pings(routed.home.lan, RoutedHome.far) && routed.pings(routed.home.lan, RoutedHome.far6))
        let firewall = try routed.home.processes()["firewall"]
        let sessions = try routed.home.ctl("session", "list")
        #expect(sessions.contains("routed icmp") && sessions.contains("routed ipv6-icmp"), "\(sessions)")
        #expect(sessions.contains(" \(RoutedHome.far) ") && !sessions.contains("\(RoutedHome.far):0"), "\(sessions)")
        #expect(try routed.home.processes()["firewall"] == firewall)
    }

    @Test("from the internet nothing comes in that was not asked for, and no answer is given")
    func unasked() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        let services = try Services(in: home.lan, ports: [8080])
        try home.wan.run("ip", "route", "add", "fd77::/64", "via", "2001:db9:113::1")
        for address in [RoutedHome.lanHost, RoutedHome.lanHost6, "fd77::10"] {
            let outcome = try home.wan.attempt(["nc", "-z", "-w", "1", address, "8080"])
            #expect(outcome.status != 0 && !outcome.errors.contains("refused"), "\(address): \(outcome)")
        }
        #expect(try !routed.pings(home.wan, RoutedHome.lanHost))
        // RFC 4890 §4.3.1: that an IPv6 host is there may be known.
        #expect(try routed.pings(home.wan, RoutedHome.lanHost6))
        withExtendedLifetime(services) {}
    }

    @Test("a path with a small MTU carries large segments and datagrams all the same, and is found out about")
    func smallPath() throws {
        let routed = try RoutedHome.ready()
        let (home, wan) = (routed.home, routed.home.wan)
        // Beyond the WAN host, which is the provider's router here, there is a server behind a link of 1400 bytes.
        let server = try Namespace()
        try server.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 mtu 1400 type veth peer name far0 mtu 1400 netns \(wan.path)
                link set eth0 up
                address add 198.18.0.2/24 dev eth0
                address add 2001:db9:18::2/64 dev eth0 nodad
                route add default via 198.18.0.1
                """)
        try wan.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        try wan.run(
            "ip", "-batch", "-",
            input: """
                link set far0 up
                address add 198.18.0.1/24 dev far0
                address add 2001:db9:18::1/64 dev far0 nodad
                """)
        try server.run("ip", "route", "add", "default", "via", "2001:db9:18::1", "dev", "eth0")
        let payload = [UInt8](repeating: 7, count: 1 << 20)
        let origin = try Origin(in: server, "::", port: 8080) { peer in
            let bytes = try peer.receive(exactly: payload.count)
            try peer.send(bytes)
        }
        for address in ["198.18.0.2", "2001:db9:18::2"] {
            let peer = try Peer(to: address, 8080, from: home.lan)
            try peer.send(payload)
            #expect(try peer.receive(exactly: payload.count) == payload, "\(address)")
            let large = try home.lan.attempt(["ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1400", address])
            #expect(large.output.lowercased().contains("mtu") || large.errors.contains("mtu"), "\(large)")
        }
        // On the gateway's own line the segments are bounded beforehand.
        try home.gateway.run("ip", "link", "set", "wan0", "mtu", "1400")
        try wan.run(
            "nft", "-f", "-",
            input: """
                table inet judge {
                    chain input {
                        type filter hook prerouting priority 0;
                        tcp flags syn / fin,syn,rst,ack tcp option maxseg size 1360 counter comment "bounded"
                        tcp flags syn / fin,syn,rst,ack tcp option maxseg size 1460 counter comment "unbounded"
                    }
                }
                """)
        let other = try Origin(in: wan, "::", port: 8082) { peer in try peer.send("x") }
        _ = try Peer(to: RoutedHome.far, 8082, from: home.lan).receive()
        let seen = try wan.run("nft", "list", "table", "inet", "judge")
        #expect(seen.contains(#/1360 counter packets [1-9].*bounded/#), "\(seen)")
        #expect(seen.contains("1460 counter packets 0 "), "\(seen)")
        withExtendedLifetime((origin, other)) {}
    }

    @Test("zones are apart until a passage is made, and then only what it is for passes")
    func zones() throws {
        let routed = try RoutedHome.ready()
        let (home, guest) = (routed.home, routed.guest)
        let services = try Services(in: home.lan, ports: [631, 8080])
        let behind = try Services(in: guest, ports: [8080])
        let internet = try Services(in: home.wan, at: RoutedHome.far, ports: [8080])
        #expect(routed.connects(guest, RoutedHome.far, 8080))
        // Towards a zone it is said at once that nothing passes.
        let refused = try guest.attempt(["nc", "-z", "-w", "5", "-v", RoutedHome.lanHost, "631"])
        #expect(refused.errors.contains("refused"), "\(refused)")
        #expect(!routed.connects(home.lan, RoutedHome.guestHost, 8080))
        #expect(try !routed.pings(guest, RoutedHome.lanHost) && !routed.pings(home.lan, RoutedHome.guestHost))
        #expect(try !routed.pings(guest, RoutedHome.lanHost6))
        try home.ctl("zone", "allow", "guest", "to", "home", "--tcp", "631")
        #expect(routed.connects(guest, RoutedHome.lanHost, 631) && routed.connects(guest, RoutedHome.lanHost6, 631))
        #expect(!routed.connects(guest, RoutedHome.lanHost, 8080))
        #expect(!routed.connects(home.lan, RoutedHome.guestHost, 8080))
        try home.ctl("zone", "allow", "home", "to", "guest")
        #expect(routed.connects(home.lan, RoutedHome.guestHost, 8080))
        #expect(try routed.pings(home.lan, RoutedHome.guestHost))
        try home.ctl("zone", "deny", "guest", "to", "home")
        #expect(!routed.connects(guest, RoutedHome.lanHost, 631))
        withExtendedLifetime((services, behind, internet)) {}
    }

    @Test("an address that cannot be there is believed nowhere, and private networks are none of the internet")
    func addresses() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        let services = try Services(in: home.wan, at: RoutedHome.far, ports: [8080])
        let own = try DatagramPeer(in: home.wan, "0.0.0.0", port: 9000)
        // Somebody else's address, and one of the internet's.
        try home.lan.run("ip", "address", "add", "10.66.0.77/32", "dev", "eth0")
        try home.lan.run("ip", "address", "add", "198.51.100.7/32", "dev", "eth0")
        for source in ["10.66.0.77", "198.51.100.7"] {
            try DatagramPeer(in: home.lan, source).send(Array(source.utf8), to: RoutedHome.far, 9000)
        }
        try DatagramPeer(in: home.lan, RoutedHome.lanHost).send([1], to: RoutedHome.far, 9000)
        #expect(try own.receive()?.bytes == [1], "the forged ones come first, if they come")
        // In IPv6 there is no setting of the kernel's for it (rp_filter), only the rule.
        try home.lan.run("ip", "address", "add", "2001:db9:66::77/128", "dev", "eth0", "nodad")
        let own6 = try DatagramPeer(in: home.wan, "::", port: 9001)
        try DatagramPeer(in: home.lan, "2001:db9:66::77").send([2], to: RoutedHome.far6, 9001)
        try DatagramPeer(in: home.lan, RoutedHome.lanHost6).send([1], to: RoutedHome.far6, 9001)
        #expect(try own6.receive()?.bytes == [1])
        let chain = try home.gateway.run("nft", "list", "chain", "inet", "gatehouse", "bar_forged")
        #expect(chain.contains(#/counter packets [1-9].*forged/#), "\(chain)")
        let refused = try home.lan.attempt(["nc", "-z", "-w", "5", "-v", RoutedHome.farPrivate, "8080"])
        #expect(refused.errors.contains("refused"), "\(refused)")
        #expect(try !routed.pings(home.lan, RoutedHome.farPrivate))
        #expect(try routed.pings(home.gateway, RoutedHome.farPrivate), "the gateway itself may")
        withExtendedLifetime(services) {}
    }

    @Test("from a zone that is for proxies nothing leaks past them, however it is tried")
    func leaks() throws {
        let routed = try RoutedHome.ready()
        let (home, wan) = (routed.home, routed.home.wan)
        let services = try Services(in: wan, at: RoutedHome.far, ports: [53, 80, 123, 443, 853])
        let six = try DatagramPeer.echo(in: wan, "2620:fe::9", port: 443)
        #expect(routed.connects(home.lan, RoutedHome.far, 443))
        #expect(try routed.answers(home.lan, RoutedHome.far, 443) && routed.answers(home.lan, RoutedHome.far6, 443))
        try home.ctl("zone", "set", "home", "--way", "proxy")
        // What comes to the internet from the LAN, or from the gateway in its name.
        try wan.run(
            "nft", "-f", "-",
            input: """
                table inet judge {
                    chain input {
                        type filter hook prerouting priority -400;
                        iifname eth0 ip daddr { 9.9.9.9, 203.0.112.11 } counter comment "leaked"
                        iifname eth0 ip6 daddr 2620:fe::9 counter comment "leaked"
                    }
                }
                """)
        for port: UInt16 in [80, 443, 853] {
            #expect(
                !routed.connects(home.lan, RoutedHome.far, port) && !routed.connects(home.lan, RoutedHome.far6, port))
        }
        for port: UInt16 in [53, 123, 443] {
            #expect(
                try !routed.answers(home.lan, RoutedHome.far, port) && !routed.answers(home.lan, RoutedHome.far6, port))
        }
        #expect(try !routed.pings(home.lan, RoutedHome.far) && !routed.pings(home.lan, RoutedHome.far6))
        let segment = try Segment(in: home.lan, interface: "eth0")
        let (gateway, sender) = (try home.gateway.hardware(of: "lan0"), try home.lan.hardware(of: "eth0"))
        for number in [UInt8](0...255) where ![1, 6, 17].contains(number) {
            let frame = Frame.ip(
                from: RoutedHome.lanHost, to: RoutedHome.far, protocol: number, [1, 2, 3, 4, 5, 6, 7, 8])
            try segment.send(frame, to: gateway, from: sender)
            // Of IPv6, an extension header too, which hides what comes after it.
            let frame6 = Frame.ip(
                from: RoutedHome.lanHost6, to: RoutedHome.far6, protocol: number, [59, 0, 1, 4, 0, 0, 0, 0])
            try segment.send(frame6, to: gateway, from: sender)
        }
        // An answer to nothing, an end of nothing, and an error about nothing.
        for flags: UInt8 in [0x10, 0x12, 0x04, 0x11, 0x00] {
            var header: [UInt8] = [0x9c, 0x40, 1, 187, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]
            header[1] = flags
            for (from, to) in [(RoutedHome.lanHost, RoutedHome.far), (RoutedHome.lanHost6, RoutedHome.far6)] {
                try segment.send(.ip(from: from, to: to, protocol: 6, header), to: gateway, from: sender)
            }
        }
        try segment.send(.icmp(from: RoutedHome.lanHost, to: RoutedHome.far, type: 3), to: gateway, from: sender)
        try segment.send(.icmp(from: RoutedHome.lanHost6, to: RoutedHome.far6, type: 1), to: gateway, from: sender)
        // What was sent before this has come by now.
        #expect(try routed.pings(home.lan, Home.gatewayOnLAN))
        let seen = try wan.run("nft", "list", "table", "inet", "judge")
        #expect(seen.matches(of: #/counter packets 0 bytes 0/#).count == 2, "\(seen)")
        // And through the proxy it goes.
        let peer = try Peer(to: Home.gatewayOnLAN, 3128, from: home.lan)
        try peer.send("CONNECT \(RoutedHome.far):443 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try peer.receiveHead().hasPrefix("HTTP/1.1 200"))
        withExtendedLifetime((services, six)) {}
    }

    @Test("a change under traffic lets nothing pass that neither the rules before nor those after do")
    func changes() throws {
        let routed = try RoutedHome.ready()
        let (home, guest) = (routed.home, routed.guest)
        let services = try Services(in: home.lan, ports: [631, 8080])
        let internet = try Services(in: home.wan, at: RoutedHome.far, ports: [8080])
        // Never allowed, always allowed, and one that goes on all the while.
        let never = Prober(from: guest, to: RoutedHome.lanHost, 8080, over: .udp)
        let neverTCP = Prober(from: home.wan, to: RoutedHome.lanHost6, 8080)
        let always = Prober(from: guest, to: RoutedHome.far, 8080)
        let flow = try Peer(to: RoutedHome.far, 8080, from: home.lan)
        for round in 0..<50 {
            try home.ctl("zone", "allow", "guest", "to", "home", "--tcp", "\(700 + round)")
            try home.ctl("firewall", "open", "door", "--tcp", "\(700 + round)", "--from", "guest")
            try home.ctl("zone", "deny", "guest", "to", "home")
            try home.ctl("firewall", "close", "door")
            try flow.send("word")
            #expect(try flow.receive(exactly: 4) == Array("word".utf8))
        }
        #expect(never.end().answered.isEmpty && neverTCP.end().answered.isEmpty)
        let tally = always.end()
        #expect(tally.answered.count > tally.attempts * 98 / 100, "\(tally.answered.count) of \(tally.attempts)")
        withExtendedLifetime((services, internet)) {}
    }

    @Test("with every process of the gateway killed, what is routed goes on, and what is refused stays refused")
    func killed() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        home.killsRoles = true
        let services = try Services(in: home.wan, at: RoutedHome.far, ports: [8080])
        let inside = try Services(in: home.lan, ports: [8080])
        let flow = try Peer(to: RoutedHome.far, 8080, from: home.lan)
        let processes = try home.processes().values.joined()
        for process in processes { kill(process, SIGKILL) }
        #expect(
            eventually {
                // A process that nobody has asked for yet keeps its number, without a command line.
                processes.allSatisfy {
                    (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8)) ?? "" == ""
                }
            })
        try flow.send("word")
        #expect(try flow.receive(exactly: 4) == Array("word".utf8))
        #expect(routed.connects(home.lan, RoutedHome.far, 8080), "a new one, too")
        #expect(!routed.connects(routed.guest, RoutedHome.lanHost, 8080))
        withExtendedLifetime((services, inside)) {}
    }

    @Test("a device that is blocked, or whose way is another, has within a second no flow any more that was under way")
    func stopped() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        let services = try Services(in: home.wan, at: RoutedHome.far, ports: [8080])
        let name = try home.lan.hardware(of: "eth0").map {
            $0 < 16 ? "0\(String($0, radix: 16))" : String($0, radix: 16)
        }
        .joined(separator: ":")
        for change in [
            ["device", "way", name, "blocked"], ["device", "way", name, "proxy"], ["device", "pause", name],
        ] {
            let flow = try Peer(to: RoutedHome.far, 8080, from: home.lan)
            let datagrams = try DatagramPeer(in: home.lan, "0.0.0.0")
            try flow.send("word")
            #expect(try flow.receive(exactly: 4).count == 4)
            try datagrams.send([1], to: RoutedHome.far, 8080)
            #expect(try datagrams.receive(within: .seconds(2)) != nil)
            let begin = ContinuousClock.now
            try home.ctl(change)
            try datagrams.send([2], to: RoutedHome.far, 8080)
            try? flow.send("word")
            #expect(try datagrams.receive(within: .milliseconds(300)) == nil, "\(change)")
            #expect(ContinuousClock.now - begin < .seconds(2))
            #expect(!routed.connects(home.lan, RoutedHome.far, 8080))
            flow.resetAtClose()
            try home.ctl(change[1] == "pause" ? ["device", "resume", name] : ["device", "way", name, "routed"])
            #expect(routed.connects(home.lan, RoutedHome.far, 8080))
        }
        withExtendedLifetime(services) {}
    }

    @Test("a forward leads to the device from the internet and from within, for whom and for how long it was said")
    func forwards() throws {
        let routed = try RoutedHome.ready()
        let (home, wan, guest) = (routed.home, routed.home.wan, routed.guest)
        // The device has been seen before anybody makes a door to it.
        let services = try Services(in: home.lan, ports: [8080])
        #expect(try routed.pings(home.lan, Home.gatewayOnLAN))
        let name = try home.lan.hardware(of: "eth0").map {
            $0 < 16 ? "0\(String($0, radix: 16))" : String($0, radix: 16)
        }
        .joined(separator: ":")
        #expect(
            try eventually(within: .seconds(20)) {
                try home.ctl("device", "list").contains(RoutedHome.lanHost)
            }, "the household knows the device's address")
        #expect(!routed.connects(wan, Home.gatewayOnWAN, 443))
        try home.ctl("forward", "add", "web", "tcp", "443", "to", "\(name):8080")
        #expect(routed.connects(wan, Home.gatewayOnWAN, 443), "from the internet")
        #expect(routed.connects(guest, Home.gatewayOnWAN, 443), "from another zone")
        #expect(routed.connects(home.lan, Home.gatewayOnWAN, 443), "from the device's own zone")
        #expect(try home.ctl("forward", "list").contains("web"))
        try home.ctl("forward", "add", "game", "udp", "27015", "to", "\(name):8080", "--for", "2s")
        #expect(try routed.answers(wan, Home.gatewayOnWAN, 27015))
        #expect(try eventually { try !routed.answers(wan, Home.gatewayOnWAN, 27015) }, "its time is over")
        try home.ctl("forward", "add", "ssh", "tcp", "2222", "to", "\(name):8080", "--from", "203.0.112.11")
        #expect(!routed.connects(wan, Home.gatewayOnWAN, 2222))
        let known = try Peer(to: Home.gatewayOnWAN, 2222, from: wan, source: "203.0.112.11")
        try known.send("word")
        #expect(try known.receive(exactly: 4).count == 4)
        try home.ctl("forward", "remove", "web")
        #expect(!routed.connects(wan, Home.gatewayOnWAN, 443))
        // What came in by a door goes with it.
        try home.ctl("forward", "remove", "ssh")
        #expect(
            eventually {
                try? known.send("more")
                return (try? known.receive(exactly: 4))?.isEmpty != false
            })
        withExtendedLifetime(services) {}
    }

    /// Which door a flow came in by was forgotten once it was through, so it went on while any door led to the same place.
    @Test("of two forwards to one port of a device, the flows of the one go with it, and those of the other go on")
    func twoForwards() throws {
        let routed = try RoutedHome.ready()
        let (home, wan) = (routed.home, routed.home.wan)
        let services = try Services(in: home.lan, ports: [8080])
        let name = try routed.nameOfLANHost()
        for (door, transport, port) in [
            ("web", "tcp", "443"), ("alt", "tcp", "8443"), ("game", "udp", "27015"), ("match", "udp", "27016"),
        ] {
            try home.ctl("forward", "add", door, transport, port, "to", "\(name):8080")
        }
        let (going, staying) = (
            try Peer(to: Home.gatewayOnWAN, 443, from: wan), try Peer(to: Home.gatewayOnWAN, 8443, from: wan)
        )
        for flow in [going, staying] {
            try flow.send("word")
            #expect(try flow.receive(exactly: 4) == Array("word".utf8))
        }
        let (game, match) = (try DatagramPeer(in: wan, "0.0.0.0"), try DatagramPeer(in: wan, "0.0.0.0"))
        for (peer, port) in [(game, 27015), (match, 27016)] as [(DatagramPeer, UInt16)] {
            #expect(
                try eventually {
                    try peer.send([1], to: Home.gatewayOnWAN, port)
                    return try peer.receive(within: .milliseconds(500)) != nil
                })
        }
        let flows = { try home.gateway.run("conntrack", "-L", "-p", "tcp") }
        #expect(try flows().contains("dport=443 ") && flows().contains("dport=8443 "))
        try home.ctl("forward", "remove", "web")
        try home.ctl("forward", "remove", "game")
        // Gone, or marked as ended, so that the device's next word does not begin it anew.
        let areEnded = {
            try flows().split(separator: "\n").filter { $0.contains("dport=443 ") }.allSatisfy {
                $0.contains("mark=65535 ")
            }
        }
        #expect(try eventually(within: .seconds(1)) { try areEnded() }, "\((try? flows()) ?? "")")
        try game.send([2], to: Home.gatewayOnWAN, 27015)
        #expect(try game.receive(within: .milliseconds(300)) == nil)
        try staying.send("more")
        #expect(try staying.receive(exactly: 4) == Array("more".utf8))
        try match.send([2], to: Home.gatewayOnWAN, 27016)
        #expect(try match.receive(within: .seconds(2)) != nil)
        going.resetAtClose()
        withExtendedLifetime(services) {}
    }

    /// To connection tracking the device's next word began a connection of the device's own, which may go anywhere.
    @Test("a forward that is removed ends what the device goes on saying, too", arguments: [false, true])
    func talking(isIPv6: Bool) throws {
        let routed = try RoutedHome.ready()
        let (home, wan) = (routed.home, routed.home.wan)
        let origin = try Origin(in: home.lan, "::", port: 8080) { peer in
            // As long as anybody takes it.
            while true { try peer.send("tick\n") }
        }
        let name = try routed.nameOfLANHost()
        try home.ctl("forward", "add", "web", "tcp", "8080", "to", name)
        try wan.run("ip", "route", "replace", "2001:db9:77::/64", "via", "2001:db9:113::1")
        // Its IPv6 address is known as soon as the device has used it.
        try home.lan.run("ping", "-c", "1", "-W", "2", "2001:db9:77::1")
        #expect(try eventually { try home.ruleset().contains(RoutedHome.lanHost6) })
        let address = isIPv6 ? RoutedHome.lanHost6 : Home.gatewayOnWAN
        let flow = try Peer(to: address, 8080, from: wan)
        #expect(try flow.receive(exactly: 5).count == 5)
        try home.ctl("forward", "remove", "web")
        #expect(
            try eventually(within: .seconds(3)) {
                let flows = try home.gateway.run("conntrack", "-L", "-f", isIPv6 ? "ipv6" : "ipv4", "-p", "tcp")
                return !flows.contains("ESTABLISHED") || flows.contains("mark=65535")
            })
        // What was on its way is there, and then the end: a reset, or nothing at all.
        flow.setPatience(seconds: 1)
        var count = 0
        while let bytes = try? flow.receive(), !bytes.isEmpty, count < 64 << 20 { count += bytes.count }
        #expect(count < 64 << 20, "it goes on")
        withExtendedLifetime(origin) {}
    }

    @Test("a device that is stopped gets and answers nothing any more of what others began towards it, within a second")
    func answering() throws {
        let routed = try RoutedHome.ready()
        let (home, guest) = (routed.home, routed.guest)
        let services = try Services(in: home.lan, ports: [8080])
        // What comes to the device is seen there, whether or not it is answered.
        let stream = try DatagramPeer(in: home.lan, "0.0.0.0", port: 9000)
        let name = try routed.nameOfLANHost()
        try home.ctl("zone", "allow", "guest", "to", "home")
        for change in [
            ["device", "way", name, "blocked"], ["device", "pause", name], ["device", "pause", name, "--for", "1h"],
        ] {
            let flow = try Peer(to: RoutedHome.lanHost, 8080, from: guest)
            try flow.send("word")
            #expect(try flow.receive(exactly: 4) == Array("word".utf8))
            let (asking, streaming) = (try DatagramPeer(in: guest, "0.0.0.0"), try DatagramPeer(in: guest, "0.0.0.0"))
            try asking.send([1], to: RoutedHome.lanHost, 8080)
            #expect(try asking.receive(within: .seconds(2)) != nil)
            // One that the device never answers, and one that only the device goes on with.
            try streaming.send([1], to: RoutedHome.lanHost, 9000)
            let place = try #require(try stream.receive(within: .seconds(2))?.from.split(separator: ":").last)
            try stream.send([1], to: RoutedHome.guestHost, UInt16(place)!)
            #expect(try streaming.receive(within: .seconds(2)) != nil)
            try home.ctl(change)
            let begin = ContinuousClock.now
            #expect(
                try eventually(within: .seconds(1)) {
                    try streaming.send([2], to: RoutedHome.lanHost, 9000)
                    return try stream.receive(within: .milliseconds(100)) == nil
                }, "\(change)")
            try asking.send([2], to: RoutedHome.lanHost, 8080)
            try? flow.send("more")
            try stream.send([2], to: RoutedHome.guestHost, UInt16(place)!)
            #expect(try asking.receive(within: .milliseconds(300)) == nil, "\(change)")
            #expect(try streaming.receive(within: .milliseconds(300)) == nil, "\(change)")
            #expect(ContinuousClock.now - begin < .seconds(3))
            #expect(!routed.connects(guest, RoutedHome.lanHost, 8080))
            #expect(try !routed.pings(guest, RoutedHome.lanHost))
            flow.resetAtClose()
            try home.ctl(change[1] == "pause" ? ["device", "resume", name] : ["device", "way", name, "routed"])
            #expect(routed.connects(guest, RoutedHome.lanHost, 8080), "\(change)")
        }
        withExtendedLifetime(services) {}
    }

    @Test("an address that the internet's side loses takes its flows with it")
    func renumbered() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        let services = try Services(in: home.wan, at: RoutedHome.far, ports: [8080])
        let datagrams = try DatagramPeer(in: home.lan, "0.0.0.0")
        try datagrams.send([1], to: RoutedHome.far, 8080)
        #expect(try datagrams.receive(within: .seconds(2)) != nil)
        let flows = { try home.gateway.run("conntrack", "-L", "-p", "udp", "--orig-port-dst", "8080") }
        #expect(try flows().contains("dst=203.0.112.1 "))
        try home.gateway.run(
            "ip", "-batch", "-",
            input: """
                address delete 203.0.112.1/24 dev wan0
                address add 203.0.112.77/24 dev wan0
                route replace default via 203.0.112.10 src 203.0.112.77
                """)
        #expect(try eventually(within: .seconds(5)) { try !flows().contains("dst=203.0.112.1 ") })
        // The same conversation goes on under the new one.
        #expect(
            try eventually {
                try datagrams.send([2], to: RoutedHome.far, 8080)
                return try datagrams.receive(within: .milliseconds(500)) != nil
            })
        #expect(try flows().contains("dst=203.0.112.77 "))
        withExtendedLifetime(services) {}
    }
}
