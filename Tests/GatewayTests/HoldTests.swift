import Foundation
import Glibc
import TestNetwork
import Testing

/// The LAN host is the camera, and the guest its neighbour. `shop.example` is at 9.9.9.9 and 2620:fe::9, `other.example` at
/// 203.0.112.11.
@Suite(
    "Devices are held to what they were seen to need", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(5)))
struct HoldTests {
    let routed: RoutedHome
    let services: Services
    let near: Services
    let six: DatagramPeer
    let names: NameServer

    private var home: Home { routed.home }
    private var camera: Namespace { routed.home.lan }

    private static let ports: [UInt16] = [443, 6667, 8080, 8081]

    init() throws {
        routed = try RoutedHome.ready()
        services = try Services(in: routed.home.wan, at: RoutedHome.far, ports: Self.ports)
        near = try Services(in: routed.home.wan, at: "203.0.112.11", ports: [])
        six = try DatagramPeer.echo(in: routed.home.wan, RoutedHome.far6, port: 9080)
        names = try NameServer(
            in: routed.home.wan, Home.wanHost,
            [
                "shop.example": [[RoutedHome.far, RoutedHome.far6]], "other.example": [["203.0.112.11"]],
                "chat.example": [["10.9.9.9"]],
            ])
        try routed.home.ctl("zone", "set", "home", "--no-dhcp", "--dns", "--no-trial")
        try routed.home.ctl("device", "name", try routed.nameOfLANHost(), "camera")
    }

    private struct Shown: Decodable {
        struct Visit: Decodable {
            var host: String
            var transport: String
            var port: Int?
        }
        struct Sighting: Decodable {
            var visit: Visit
            var address: String?
            var count: Int
            var text: String { "\(visit.host) \(visit.transport)\(visit.port.map { " \($0)" } ?? "")" }
        }
        struct Learning: Decodable {
            var until: Int?
            var missed: Int
            var sightings: [Sighting]
        }
        struct Rule: Decodable {
            var id: Int
            var origin: String?
        }
        var learning: Learning?
        var rules: [Rule]
        var refused: [Sighting]
    }

    private func shown() throws -> Shown {
        try JSONDecoder().decode(Shown.self, from: Data(try home.ctl("--json", "device", "show", "camera").utf8))
    }

    private func seen() throws -> Set<String> { Set(try shown().learning?.sightings.map(\.text) ?? []) }

    /// Waits until exactly that has been seen.
    private func expectSeen(_ expected: Set<String>, _ location: SourceLocation = #_sourceLocation) throws {
        let isSeen = try eventually { try seen() == expected }
        #expect(
            isSeen, "\(((try? seen()) ?? []).sorted()) and not \(expected.sorted())", sourceLocation: location)
    }

    private func ask(_ name: String, _ type: String = "A") throws -> String {
        try camera.run("dig", "+short", "+tries=2", "+time=3", "@" + Home.gatewayOnLAN, type, name)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func isRefused(_ address: String, _ port: UInt16) throws -> Bool {
        try camera.attempt(["nc", "-z", "-w", "5", "-v", address, "\(port)"]).errors.contains("refused")
    }

    private func echoes(_ peer: Peer) -> Bool {
        peer.setPatience(seconds: 1)
        try? peer.send("more")
        return (try? peer.receive(exactly: 4)) == Array("more".utf8)
    }

    @Test(
        "what follows from a hold and from forgetting a device is done when the change is kept, and not if it is taken back"
    )
    func trial() throws {
        let known = routed.home
        try home.ctl("device", "learn", "camera", "--for", "2h")
        #expect(routed.connects(camera, RoutedHome.far, 443))
        try expectSeen(["9.9.9.9 tcp 443"])
        try home.ctl("device", "hold", "camera", "--trial", "60")
        try home.ctl("revert")
        #expect(try known.ctl("device", "list").contains("there, learns"), "it learns as before")
        try home.ctl("device", "forget", "camera", "--trial", "60")
        try home.ctl("revert")
        try expectSeen(["9.9.9.9 tcp 443"])
        #expect(routed.connects(camera, RoutedHome.far, 8080))
        try expectSeen(["9.9.9.9 tcp 443", "9.9.9.9 tcp 8080"])
        try home.ctl("device", "hold", "camera", "--trial", "60")
        try home.ctl("confirm", "--blind")
        #expect(try known.ctl("device", "list").contains("there, held"))
        #expect(try shown().learning?.until == nil)
    }

    @Test("a device learns until its time is up, as long as it was to wherever the clock is set, and the end is told")
    func time() throws {
        let home = home
        let clock = try SettableClock(in: home.directory)
        try home.stop()
        home.environment = clock.environment
        try home.start()
        // The least is a minute.
        try home.ctl("device", "learn", "camera", "--for", "1m")
        let began = ContinuousClock.now
        let first = try #require(try shown().learning?.until)
        clock.set(seconds: 3600)
        #expect(
            try eventually { try shown().learning?.until.map { abs($0 - first - 3600) <= 2 } ?? false },
            "it ends an hour later, as the clock has it")
        clock.set(seconds: 0)
        #expect(try eventually { try shown().learning?.until.map { abs($0 - first) <= 2 } ?? false })
        #expect(try eventually(within: .seconds(80)) { try shown().learning?.until == nil })
        #expect((58.0...75).contains((ContinuousClock.now - began) / .seconds(1)))
        #expect(try home.ctl("what-changed").contains("camera learns no longer"))
    }

    @Test(
        "a device that nobody has seen can be told to learn, is shown, and can be forgotten; a group's address is refused"
    )
    func unseen() throws {
        let card = "52:54:00:12:34:56"
        #expect(try home.attempt("device", "learn", card).errors.contains("has not been seen yet"))
        #expect(try home.ctl("device", "list").contains(card))
        #expect(try home.ctl("device", "show", card).contains(card))
        try home.ctl("device", "forget", card)
        #expect(try !home.ctl("device", "list").contains(card))
        for verb in [["learn"], ["forget"], ["show"]] {
            let outcome = try home.attempt(["device"] + verb + ["01:00:5e:00:00:01"])
            #expect(outcome.status == 1 && outcome.errors.contains("address of a group"), "\(outcome)")
        }
    }

    @Test(
        "what a device does is seen by every way that it has, by name where it was told one, over a restart and over a daemon that is killed"
    )
    func learning() throws {
        #expect(try home.attempt("device", "hold", "camera").errors.contains("was not seen to go anywhere"))
        // Under way before, and known by nothing but its address.
        let before = try Peer(to: RoutedHome.far, 8081, from: camera)
        #expect(echoes(before))
        let tunnelBefore = try home.tunnel(.http, to: RoutedHome.far, 8080)
        #expect(routed.connects(camera, "203.0.112.11", 6667), "nobody takes this down")
        #expect(try home.ctl("device", "learn", "camera", "--for", "2h").contains("camera learns until"))
        #expect(try home.ctl("device", "list").contains("there, learns"))
        var expected: Set = ["9.9.9.9 tcp 8081", "9.9.9.9 tcp 8080"]
        try expectSeen(expected)
        #expect(try ask("shop.example") == RoutedHome.far)
        #expect(try ask("shop.example", "AAAA") == RoutedHome.far6)
        #expect(routed.connects(camera, RoutedHome.far, 443))
        #expect(routed.connects(camera, RoutedHome.far6, 8080))
        #expect(try routed.answers(camera, RoutedHome.far6, 9080))
        #expect(try routed.pings(camera, RoutedHome.far))
        #expect(routed.connects(camera, Home.wanHost, 443))
        expected.formUnion([
            "shop.example tcp 443", "shop.example tcp 8080", "shop.example udp 9080", "shop.example icmp",
            "\(Home.wanHost) tcp 443",
        ])
        try expectSeen(expected)
        // Through the proxies, by name and by address, also by UDP.
        let tunnels = [
            try home.tunnel(.socks5, to: "other.example", 8080), try home.tunnel(.http, to: Home.wanHost, 6667),
        ]
        let associate = try Associate(home)
        try associate.send("word", to: RoutedHome.far, 8080)
        try associate.expect("word", from: RoutedHome.far, 8080)
        expected.formUnion(["other.example tcp 8080", "\(Home.wanHost) tcp 6667", "9.9.9.9 udp 8080"])
        try expectSeen(expected)
        // What the rules refuse is nothing that it needs, and a neighbour is not watched.
        try home.ctl("rule", "add", "deny", "--port", "6667")
        #expect(try isRefused(RoutedHome.far, 6667))
        #expect(routed.connects(routed.guest, RoutedHome.far, 8081))
        try expectSeen(expected)

        home.daemon?.signal(SIGKILL)
        _ = home.daemon?.ended()
        // The kernel passes it on, and nobody is there to be told.
        let meanwhile = try Peer(to: RoutedHome.far6, 8081, from: camera)
        #expect(echoes(meanwhile))
        try home.stop()
        try home.start(firewall: nil)
        expected.insert("shop.example tcp 8081")
        try expectSeen(expected)
        #expect(routed.connects(camera, RoutedHome.far, 8080))
        expected.insert("shop.example tcp 8080")
        try expectSeen(expected)
        #expect(
            try eventually {
                try shown().learning?.sightings.first { $0.text == "shop.example tcp 8080" }?.count == 2
            })

        try home.ctl("device", "learn", "camera", "--stop")
        #expect(try shown().learning?.until == nil)
        #expect(routed.connects(camera, Home.wanHost, 8080))
        try home.ctl("device", "learn", "camera", "--for", "1m")
        try expectSeen(expected)
        try home.ctl("device", "learn", "camera", "--anew")
        #expect(try !seen().contains("shop.example tcp 443"))
        withExtendedLifetime((before, tunnelBefore, tunnels, meanwhile)) {}
    }

    @Test(
        "a held device goes where it was seen to go and nowhere else, by every way, until it is released; others are not asked, and `why` says so"
    )
    func held() throws {
        try home.ctl("rule", "add", "allow", "--device", "camera", "--to", "203.0.112.11", "--port", "8081")
        try home.ctl("device", "learn", "camera")
        #expect(try ask("shop.example") == RoutedHome.far && ask("shop.example", "AAAA") == RoutedHome.far6)
        let cloud = try Peer(to: RoutedHome.far, 443, from: camera)
        #expect(echoes(cloud) && routed.connects(camera, RoutedHome.far6, 443))
        #expect(try routed.answers(camera, RoutedHome.far6, 9080))
        let tunnel = try home.tunnel(.socks5, to: "other.example", 8080)
        try expectSeen(["shop.example tcp 443", "shop.example udp 9080", "other.example tcp 8080"])
        let revision = try home.revision()
        let trial = try home.ctl("device", "hold", "camera", "--dry-run")
        #expect(trial.contains("allow device camera domain shop.example protocol tcp port 443, of a hold"), "\(trial)")
        #expect(try home.revision() == revision && shown().learning?.until != nil)
        // What it has not been seen to do, under way.
        try home.ctl("device", "learn", "camera", "--stop")
        let chat = try Peer(to: RoutedHome.far, 6667, from: camera)
        let chatThrough = try home.tunnel(.http, to: RoutedHome.far, 6667)
        let neighbour = try Peer(to: RoutedHome.far, 6667, from: routed.guest)
        for peer in [chat, chatThrough, neighbour] { #expect(echoes(peer)) }

        try home.ctl("device", "hold", "camera")
        #expect(!echoes(chat) && !echoes(chatThrough))
        chat.resetAtClose()
        // What it has under way goes on, though it has not asked for the name again.
        for peer in [cloud, tunnel, neighbour] { #expect(echoes(peer)) }
        for address in [RoutedHome.far, RoutedHome.far6] {
            #expect(routed.connects(camera, address, 443), "\(address)")
            #expect(try isRefused(address, 8080) && isRefused(address, 6667), "\(address)")
        }
        #expect(try routed.answers(camera, RoutedHome.far6, 9080) && !routed.answers(camera, RoutedHome.far, 8080))
        #expect(try !routed.pings(camera, RoutedHome.far) && !routed.pings(camera, RoutedHome.far6))
        #expect(
            try isRefused(Home.wanHost, 443) && isRefused("203.0.112.11", 8080), "it went there by a proxy, by name")
        #expect(routed.connects(camera, "203.0.112.11", 8081), "a rule of the operator's own says so")
        #expect(echoes(try home.tunnel(.http, to: "other.example", 8080)))
        #expect(throws: (any Error).self) { try home.tunnel(.http, to: "other.example", 443) }
        #expect(throws: (any Error).self) { try home.tunnel(.socks5, to: RoutedHome.far, 8081) }
        // What the gateway itself offers.
        #expect(try ask("other.example") == "203.0.112.11" && routed.pings(camera, Home.gatewayOnLAN))
        for port in [6667, 8080] as [UInt16] { #expect(routed.connects(routed.guest, RoutedHome.far, port)) }

        let why = try home.ctl("why", "camera", "\(RoutedHome.far):6667")
        #expect(why.contains("rule 5 denies it") && why.contains("not reached"), "\(why)")
        #expect(try home.ctl("why", "camera", "\(RoutedHome.far):443").contains("reached directly"))
        #expect(try home.ctl("device", "list").contains("there, held"))
        #expect(try home.ctl("firewall", "log", "--device", "camera").contains("rule 5"))
        let refusals = try eventually {
            Set(try shown().refused.map(\.text)).isSuperset(of: [
                "shop.example tcp 6667", "shop.example tcp 8080", "shop.example udp 8080", "shop.example icmp",
                "\(Home.wanHost) tcp 443", "other.example tcp 443", "9.9.9.9 tcp 8081",
            ])
        }
        #expect(refusals, "\((try? shown())?.refused.map(\.text) ?? [])")
        let events = try home.ctl("what-changed")
        #expect(events.contains("camera, which is held, was refused shop.example:6667 (tcp)"), "\(events)")
        #expect(
            events.components(separatedBy: "camera, which is held, was refused shop.example:6667 (tcp)").count == 2,
            "told once")

        // The rules are the kernel's own.
        home.killsRoles = true
        for process in try home.processes().values.joined() { kill(process, SIGKILL) }
        #expect(routed.connects(camera, RoutedHome.far, 443))
        #expect(try isRefused(RoutedHome.far, 6667))
        try home.stop()
        try home.start(firewall: nil)
        #expect(try ask("shop.example") == RoutedHome.far)
        #expect(routed.connects(camera, RoutedHome.far, 443))
        #expect(try isRefused(RoutedHome.far, 6667))

        try home.ctl("device", "release", "camera")
        #expect(try shown().rules.map(\.id) == [1])
        #expect(routed.connects(camera, RoutedHome.far, 6667) && routed.connects(camera, Home.wanHost, 443))
        withExtendedLifetime((services, near, six, names)) {}
    }

    /// The kernel's sets of addresses are known by the rules' numbers, and a rule with another number had an empty one.
    @Test(
        "what a held device has goes on when its rules get other numbers, by an import or a trial that is taken back, and when the daemon is killed then"
    )
    func renumbered() throws {
        try home.ctl("device", "learn", "camera")
        #expect(try ask("shop.example") == RoutedHome.far && ask("shop.example", "AAAA") == RoutedHome.far6)
        #expect(routed.connects(camera, RoutedHome.far6, 443))
        let cloud = try Peer(to: RoutedHome.far, 443, from: camera)
        #expect(echoes(cloud))
        try expectSeen(["shop.example tcp 443"])
        try home.ctl("device", "hold", "camera")
        func expectHeld(_ step: String) throws {
            #expect(echoes(cloud), "\(step)")
            for address in [RoutedHome.far, RoutedHome.far6] {
                #expect(routed.connects(camera, address, 443), "\(step): \(address)")
                #expect(try isRefused(address, 8080), "\(step): \(address)")
            }
        }
        try expectHeld("held")
        let exported = try home.ctl("export")
        func imported(_ port: Int) -> String {
            let rule = exported.firstRange(of: "rule add ")!.lowerBound
            return exported[..<rule] + "rule add deny --to 203.0.113.5 --port \(port)\n" + exported[rule...]
        }
        func numbers() throws -> [Int] { try shown().rules.map(\.id) }
        let first = try numbers()
        try home.ctl("import", "-", "--no-trial", input: imported(1))
        let second = try numbers()
        #expect(Set(first).isDisjoint(with: second) && second.count == 2)
        try expectHeld("imported")
        try home.ctl("import", "-", "--trial", "60", input: imported(2))
        #expect(try Set(second).isDisjoint(with: numbers()))
        try expectHeld("on trial")
        try home.ctl("revert")
        #expect(try numbers() == second)
        try expectHeld("taken back")
        // On trial or not, the next daemon knows them.
        try home.ctl("import", "-", "--trial", "60", input: imported(3))
        try expectKept(rules: [second[0], numbers()[0]])
        try restartKilled()
        #expect(try numbers() == second)
        try expectHeld("killed while on trial")
        let made = try home.ctl("import", "-", "--no-trial", input: imported(4))
        let third = try numbers()
        try expectKept(rules: [third[0]])
        try restartKilled()
        #expect(try numbers() == third && Set(second).isDisjoint(with: third))
        try expectHeld("killed")
        let number = try #require(made.firstMatch(of: #/revision (\d+)/#), "\(made)").1
        try home.ctl("revision", "undo", "\(number)", "--no-trial")
        #expect(try numbers() == second)
        try expectHeld("undone")
    }

    /// Waits until the addresses of these rules are kept for the next daemon.
    private func expectKept(rules: [Int]) throws {
        let file = home.directory + "/addresses"
        #expect(
            eventually {
                let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
                return rules.allSatisfy { text.contains("rule_\($0)_ipv4") && text.contains("rule_\($0)_ipv6") }
            }, "\((try? String(contentsOfFile: file, encoding: .utf8)) ?? "no file")")
    }

    /// Nobody is asked for a name meanwhile.
    private func restartKilled() throws {
        home.killsRoles = true
        home.daemon?.signal(SIGKILL)
        _ = home.daemon?.ended()
        try home.stop()
        try home.start(firewall: nil)
    }

    /// Only what the gateway told after the hold was kept.
    @Test("a device goes where it was held to though it asks for no name, and the daemon is killed a moment later")
    func killed() throws {
        try home.ctl("device", "learn", "camera")
        #expect(try ask("shop.example") == RoutedHome.far && ask("shop.example", "AAAA") == RoutedHome.far6)
        #expect(routed.connects(camera, RoutedHome.far, 443))
        try expectSeen(["shop.example tcp 443"])
        try home.ctl("device", "hold", "camera")
        try expectKept(rules: [1])
        try restartKilled()
        for address in [RoutedHome.far, RoutedHome.far6] {
            #expect(routed.connects(camera, address, 443), "\(address)")
            #expect(try isRefused(address, 8080))
        }
    }

    /// A rule of the operator's own knew an address for as long as it is good for, and a device that asks once was cut off by its hold.
    @Test("a held device goes for a day where the operator's own rules let it find a domain, before the hold and after")
    func covered() throws {
        try home.ctl("device", "learn", "camera")
        #expect(try ask("shop.example") == RoutedHome.far)
        #expect(routed.connects(camera, RoutedHome.far, 443))
        try expectSeen(["shop.example tcp 443"])
        // The name server lets nobody keep an address, so that none is known to a rule that comes now.
        try home.ctl("rule", "add", "allow", "--domain", "shop.example")
        func set(_ rule: Int) throws -> String {
            try home.gateway.run("nft", "list", "set", "inet", "gatehouse", "rule_\(rule)_ipv4")
        }
        #expect(try !set(1).contains(RoutedHome.far))
        try home.ctl("device", "hold", "camera")
        #expect(try shown().rules.map(\.id) == [2], "the operator's rule covers it")
        #expect(routed.connects(camera, RoutedHome.far, 443))
        #expect(try isRefused("203.0.112.11", 8080))
        try home.ctl("rule", "add", "allow", "--device", "camera", "--domain", "other.example")
        #expect(try ask("other.example") == "203.0.112.11")
        #expect(routed.connects(camera, "203.0.112.11", 8080))
        // In the set of the rule that is new, which stands before the hold's last.
        let sets = try home.gateway.run("nft", "list", "table", "inet", "gatehouse")
        for address in [RoutedHome.far, "203.0.112.11"] {
            let element = try #require(sets.firstRange(of: "\(address) timeout "), "\(sets)").upperBound
            // It may be the part of the day that was left when the element was written anew.
            let isDay = sets[element...].hasPrefix("1d") || sets[element...].hasPrefix("23h59m")
            #expect(isDay, "\(sets[element...].prefix(40))")
        }
    }

    @Test(
        "a hold is what `export` writes and `import` reads, and what is allowed a held device later goes before its end"
    )
    func rules() throws {
        try home.ctl("device", "learn", "camera")
        #expect(try ask("shop.example") == RoutedHome.far)
        #expect(routed.connects(camera, RoutedHome.far, 443))
        try expectSeen(["shop.example tcp 443"])
        #expect(try home.attempt("device", "release", "camera").errors.contains("camera is not held"))
        try home.ctl("device", "hold", "camera")
        #expect(try home.attempt("device", "hold", "camera").errors.contains("camera is held already"))
        #expect(
            try home.attempt("device", "forget", "camera").errors.contains("`gatehousectl device release camera` first")
        )
        #expect(try home.attempt("device", "learn", "camera").errors.contains("is held, and learns nothing"))
        #expect(try home.attempt("device", "learn", "camera", "--stop").errors.contains("does not learn at present"))
        #expect(try home.attempt("device", "learn", "camera", "--for", "61d").errors.contains("1 minute to 60 days"))
        #expect(try isRefused(RoutedHome.far, 6667))
        try home.ctl("rule", "add", "allow", "--device", "camera", "--to", RoutedHome.far, "--port", "6667")
        #expect(routed.connects(camera, RoutedHome.far, 6667))
        #expect(try isRefused(RoutedHome.far, 8080))
        let exported = try home.ctl("export")
        #expect(exported.contains("rule add deny --device camera --hold\n"), "\(exported)")
        let revision = try home.revision()
        try home.ctl("import", "-", input: exported)
        #expect(try home.revision() == revision)
        // A device that is called otherwise is held all the same, and one that is released keeps what the operator allowed it.
        try home.ctl("device", "name", "camera", "cam")
        #expect(try isRefused(RoutedHome.far, 8080))
        let released = try home.ctl("device", "release", "cam")
        #expect(routed.connects(camera, RoutedHome.far, 8080))
        let left = try home.ctl("rule", "list")
        #expect(left.contains(RoutedHome.far) && !left.contains("shop.example"), "\(left)")
        let number = try #require(released.firstMatch(of: #/revision (\d+)/#).flatMap { Int($0.1) })
        try home.ctl("revision", "undo", "\(number)", "--no-trial")
        #expect(try isRefused(RoutedHome.far, 8080))
        // An earlier rule that lets everybody go somewhere is told of.
        try home.ctl("device", "release", "cam")
        try home.ctl("rule", "add", "allow", "--port", "8081")
        let hold = try home.attempt("device", "hold", "cam")
        #expect(hold.status == 0 && hold.errors.contains("comes first, so that cam goes there as before"), "\(hold)")
        #expect(routed.connects(camera, RoutedHome.far, 8081))
    }
}
