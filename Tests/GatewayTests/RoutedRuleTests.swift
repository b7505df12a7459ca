import Foundation
import Glibc
import TestNetwork
import Testing

@Suite(
    "What the operator's rules say holds for routed devices", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"))
struct RoutedRuleTests {
    /// As told at once, and not found out by waiting.
    private func isRefused(_ host: Namespace, _ address: String, _ port: UInt16) throws -> Bool {
        try host.attempt(["nc", "-z", "-w", "5", "-v", address, "\(port)"]).errors.contains("refused")
    }

    private func verdict(_ home: Home, _ words: String...) throws -> String {
        try home.ctl(["why"] + words)
    }

    @Test("a rule denies routed devices what it names, over both families, and what was under way ends within a second")
    func denied() throws {
        let routed = try RoutedHome.ready()
        let (home, wan, guest) = (routed.home, routed.home.wan, routed.guest)
        let services = try Services(in: wan, at: RoutedHome.far, ports: [8080, 8081])
        let six = try DatagramPeer.echo(in: wan, RoutedHome.far6, port: 9080)
        var flows: [(address: String, port: UInt16, peer: Peer)] = []
        for address in [RoutedHome.far, RoutedHome.far6] {
            for port in [8080, 8081] as [UInt16] {
                let peer = try Peer(to: address, port, from: home.lan)
                try peer.send("word")
                #expect(try peer.receive(exactly: 4).count == 4)
                flows.append((address, port, peer))
            }
        }
        #expect(try routed.answers(home.lan, RoutedHome.far, 8080) && routed.answers(home.lan, RoutedHome.far6, 9080))
        try home.ctl("rule", "add", "deny", "--port", "8080")
        try home.ctl("rule", "add", "deny", "--protocol", "udp", "--to", RoutedHome.far6)
        for address in [RoutedHome.far, RoutedHome.far6] {
            #expect(try isRefused(home.lan, address, 8080), "\(address)")
            #expect(routed.connects(home.lan, address, 8081), "\(address)")
        }
        #expect(try !routed.answers(home.lan, RoutedHome.far, 8080) && !routed.answers(home.lan, RoutedHome.far6, 9080))
        #expect(try routed.answers(home.lan, RoutedHome.far, 8081))
        #expect(try isRefused(guest, RoutedHome.far, 8080), "it is about everybody")
        for flow in flows {
            flow.peer.setPatience(seconds: 1)
            try? flow.peer.send("more")
            let answer = (try? flow.peer.receive(exactly: 4)) ?? []
            #expect(answer.isEmpty == (flow.port == 8080), "\(flow.address) \(flow.port)")
            if flow.port == 8080 { flow.peer.resetAtClose() }
        }
        // Which one it was is counted and told.
        let counters = try home.gateway.run("nft", "list", "table", "inet", "gatehouse")
        #expect(counters.contains(#/packets [1-9].*"rule 1"/#), "\(counters)")
        let why = try verdict(home, RoutedHome.lanHost, "\(RoutedHome.far):8080")
        #expect(why.contains("rule 1") && why.contains("not reached"), "\(why)")
        #expect(try verdict(home, RoutedHome.lanHost, "\(RoutedHome.far):8081").contains("no rule denies it"))
        try home.ctl("rule", "remove", "1")
        #expect(routed.connects(home.lan, RoutedHome.far, 8080) && routed.connects(guest, RoutedHome.far6, 8080))
        withExtendedLifetime((services, six)) {}
    }

    /// Connection tracking took what was begun meanwhile for established, for as long as it went on.
    @Test(
        "what a device begins while somebody has taken the table away ends as soon as it is back, if a rule denies it")
    func withoutTable() throws {
        let routed = try RoutedHome.ready(ownsTable: false)
        let (home, wan) = (routed.home, routed.home.wan)
        // Without another user of connection tracking the kernel forgets with the table.
        try home.gateway.run(
            "nft",
            "add table inet other; add chain inet other c { type filter hook forward priority 10; }; "
                + "add rule inet other c ct state established accept")
        let services = try Services(in: wan, at: RoutedHome.far, ports: [8080, 8081])
        try home.ctl("rule", "add", "deny", "--port", "8080")
        #expect(try isRefused(home.lan, RoutedHome.far, 8080))
        let older = try Peer(to: RoutedHome.far, 8081, from: home.lan)
        let role = try #require(try home.processes()["firewall"]?.first)
        kill(role, SIGSTOP)
        try home.gateway.run("nft", "delete", "table", "inet", "gatehouse")
        let stranger = try Peer(to: RoutedHome.far, 8080, from: home.lan)
        let datagrams = try DatagramPeer(in: home.lan, "0.0.0.0")
        func isAnswered() throws -> Bool {
            try datagrams.send(Array("word".utf8), to: RoutedHome.far, 8080)
            return try datagrams.receive(within: .milliseconds(300)) != nil
        }
        #expect(try isAnswered() && isAnswered())
        try stranger.send("word")
        #expect(try stranger.receive(exactly: 4).count == 4)
        kill(role, SIGCONT)
        #expect(eventually { home.daemon?.said.contains("somebody deleted it") == true })
        stranger.setPatience(seconds: 1)
        #expect(
            eventually(within: .seconds(3)) {
                try? stranger.send("more")
                return (try? stranger.receive(exactly: 4)) ?? [] == []
            })
        stranger.resetAtClose()
        #expect(try !isAnswered())
        try older.send("more")
        #expect(try older.receive(exactly: 4).count == 4)
        withExtendedLifetime(services) {}
    }

    @Test("where the default is to deny, a routed device reaches what a rule allows it, and the gateway's own services")
    func strict() throws {
        let routed = try RoutedHome.ready()
        let (home, wan, guest) = (routed.home, routed.home.wan, routed.guest)
        let services = try Services(in: wan, at: RoutedHome.far, ports: [8080, 8081])
        try guest.run("ping", "-c", "1", "-W", "2", "10.66.0.1")
        #expect(try eventually { try home.ctl("device", "list").contains(RoutedHome.guestHost) })
        try home.ctl("device", "name", RoutedHome.guestHost, "camera")
        let warned = try home.attempt("rule", "default", "deny")
        #expect(warned.status == 0, "\(warned)")
        #expect(try home.ctl("status").contains("no routed device reaches the internet"))
        for host in [home.lan, guest] {
            #expect(try isRefused(host, RoutedHome.far, 8080))
            #expect(try !routed.pings(host, RoutedHome.far) && !routed.pings(host, RoutedHome.far6))
        }
        #expect(try routed.pings(home.lan, Home.gatewayOnLAN))
        #expect(try home.lan.attempt(["nc", "-z", "-w", "2", Home.gatewayOnLAN, "1080"]).status == 0)
        #expect(try verdict(home, RoutedHome.lanHost, "\(RoutedHome.far):8080").contains("no rule allows it"))
        try home.ctl("rule", "add", "allow", "--device", "camera", "--to", RoutedHome.far, "--port", "8080")
        try home.ctl("rule", "add", "allow", "--protocol", "icmp")
        #expect(routed.connects(guest, RoutedHome.far, 8080))
        #expect(try isRefused(guest, RoutedHome.far, 8081) && isRefused(guest, RoutedHome.far6, 8080))
        #expect(try isRefused(home.lan, RoutedHome.far, 8080), "it is the camera's")
        #expect(try routed.pings(home.lan, RoutedHome.far) && routed.pings(home.lan, RoutedHome.far6))
        #expect(try !home.ctl("status").contains("no routed device reaches the internet"))
        // A network that no place of the internet has is opened by its name alone.
        #expect(!routed.connects(home.lan, RoutedHome.farPrivate, 8080))
        try home.ctl("rule", "add", "allow", "--to", "10.9.9.9", "--protocol", "tcp")
        #expect(routed.connects(home.lan, RoutedHome.farPrivate, 8080))
        // The rules are the kernel's own: with nobody there who made them they hold.
        home.killsRoles = true
        for process in try home.processes().values.joined() { kill(process, SIGKILL) }
        #expect(routed.connects(guest, RoutedHome.far, 8080))
        #expect(try isRefused(guest, RoutedHome.far, 8081))
        withExtendedLifetime(services) {}
    }

    @Test("a rule shuts what a passage or a forward opens, and opens nothing between zones")
    func doors() throws {
        let routed = try RoutedHome.ready()
        let (home, wan, guest) = (routed.home, routed.home.wan, routed.guest)
        let services = try Services(in: home.lan, ports: [631, 8080])
        let name = try routed.nameOfLANHost()
        try home.ctl("rule", "add", "allow", "--to", RoutedHome.lanHost)
        #expect(!routed.connects(guest, RoutedHome.lanHost, 631))
        try home.ctl("rule", "remove", "1")
        try home.ctl("zone", "allow", "guest", "to", "home", "--tcp", "631")
        try home.ctl("forward", "add", "web", "tcp", "8080", "to", name)
        try home.ctl("rule", "default", "deny")
        #expect(routed.connects(guest, RoutedHome.lanHost, 631) && routed.connects(guest, RoutedHome.lanHost6, 631))
        #expect(routed.connects(wan, Home.gatewayOnWAN, 8080))
        try home.ctl("rule", "add", "deny", "--from", "203.0.112.0/24", "--port", "8080")
        try home.ctl("rule", "add", "deny", "--from", RoutedHome.guestHost)
        #expect(!routed.connects(wan, Home.gatewayOnWAN, 8080))
        #expect(try isRefused(guest, RoutedHome.lanHost, 631))
        #expect(routed.connects(guest, RoutedHome.lanHost6, 631))
        withExtendedLifetime(services) {}
    }
}
