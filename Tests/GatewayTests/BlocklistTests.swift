import Foundation
import Glibc
import TestNetwork
import Testing

/// Names that are not told: to everybody, to a zone, to a device.
@Suite("Blocklists", .serialized, .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(3)))
struct BlocklistTests {
    let routed: RoutedHome
    let upstream: NameServer
    let kid: Namespace
    let tv: Namespace

    init() throws {
        routed = try RoutedHome()
        upstream = try NameServer(in: routed.home.wan, Home.wanHost) { query in
            query.name == "alias.example"
                ? .alias("ads.example", [Home.wanHost], seconds: 60)
                : .addresses([Home.wanHost, Home.wanHost6], seconds: 60)
        }
        let home = routed.home
        try home.startNames(firewall: nil)
        try home.ctl("zone", "add", "guest", "--interface", "guest0", "--no-dhcp", "--dns")
        kid = try home.plugIn(21)
        tv = try home.plugIn(22)
        try home.meet(kid, as: "kid")
        try home.meet(tv, as: "tv")
    }

    private var home: Home { routed.home }

    private func ask(_ host: Namespace, _ name: String, _ arguments: String...) throws -> String {
        let server = host === routed.guest ? "10.66.0.1" : Home.gatewayOnLAN
        return try host.attempt(["dig", "@\(server)", "+tries=1", "+time=5", name] + arguments).output
    }

    /// The name of the list that keeps `name` from the host; nil: it is told.
    private func list(_ host: Namespace, _ name: String, _ type: String = "A") throws -> String? {
        let said = try ask(host, name, type)
        if let match = said.firstMatch(of: #/EDE: 15 \(Blocked\): \(blocklist ([a-z]+)\)/#) {
            let nobody = type == "A" ? "IN\tA\t0.0.0.0" : "IN\tAAAA\t::"
            guard said.contains("status: NOERROR"), said.contains(nobody) else { throw Failure(said) }
            return String(match.1)
        }
        guard said.contains(type == "A" ? Home.wanHost : Home.wanHost6) else { throw Failure(said) }
        return nil
    }

    private func file(_ name: String, _ text: String) throws -> String {
        let path = home.directory + "/" + name
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private struct Lists: Decodable {
        struct List: Decodable {
            struct Refused: Decodable {
                var device: String?
                var count: Int
            }
            var name: String
            var count: Int
            var refusals: [Refused]
        }
        var blocklists: [List]
    }

    private func lists() throws -> [Lists.List] {
        try JSONDecoder().decode(Lists.self, from: Data(try home.ctl("--json", "blocklist", "list").utf8)).blocklists
    }

    @Test("hold for everybody, a zone or a device, and what they refuse is counted for each list and device")
    func whom() throws {
        try home.ctl("blocklist", "add", "ads", file("ads", "0.0.0.0 ads.example\n"), "--format", "hosts")
        try home.ctl("blocklist", "add", "games", file("games", "games.example\n"), "--device", "kid")
        try home.ctl("blocklist", "add", "work", file("work", "work.example\n"), "--zone", "guest")
        for host in [kid, tv, routed.guest] {
            for type in ["A", "AAAA"] {
                #expect(try list(host, "ads.example", type) == "ads")
                #expect(try list(host, "www.example", type) == nil)
                // The hosts format names hosts, and none below them.
                #expect(try list(host, "www.ads.example", type) == nil)
            }
            #expect(try list(host, "Alias.example") == "ads", "whoever it is an alias of is refused")
        }
        for (host, isKid, isGuest) in [(kid, true, false), (tv, false, false), (routed.guest, false, true)] {
            #expect(try list(host, "games.example") == (isKid ? "games" : nil))
            #expect(try list(host, "www.games.example", "AAAA") == (isKid ? "games" : nil))
            #expect(try list(host, "work.example") == (isGuest ? "work" : nil))
        }
        // By another address it is the same device.
        try kid.run("ip", "address", "add", "192.168.77.88/24", "dev", "eth0")
        #expect(try ask(kid, "games.example", "-b", "192.168.77.88").contains("blocklist games"))
        // What is not there is told apart from what is refused, and other types have no records.
        #expect(try !ask(kid, "games.example", "MX").contains("ANSWER: 1"))
        #expect(try ask(kid, "games.example", "MX").contains("EDE: 15"))
        let found = try lists()
        #expect(found.map(\.name).sorted() == ["ads", "games", "work"])
        func count(_ name: String, _ device: String?) -> Int {
            found.first { $0.name == name }?.refusals.first { $0.device == device }?.count ?? 0
        }
        #expect(count("ads", "kid") == 3 && count("ads", "tv") == 3, "\(found)")
        #expect(count("games", "kid") == 5 && count("games", "tv") == 0, "\(found)")
        #expect(found.first { $0.name == "work" }?.refusals.reduce(0) { $0 + $1.count } == 1, "\(found)")
        let table = try home.ctl("blocklist", "list")
        #expect(table.contains(#/games +device kid +1 +5 +kid/#), "\(table)")
        try home.ctl("device", "name", "kid", "anna")
        #expect(try list(kid, "games.example") == "games")
        let forgotten = try home.attempt("device", "forget", "anna")
        #expect(forgotten.status == 1 && forgotten.errors.contains("games"), "\(forgotten)")
    }

    @Test("A rule that denies a domain answers whoever looks names up by itself, by device and in its order")
    func rules() throws {
        try home.ctl("rule", "add", "allow", "--domain", "school.games.example")
        try home.ctl("rule", "add", "deny", "--domain", "games.example", "--device", "kid")
        #expect(try ask(kid, "www.games.example").contains("EDE: 15 (Blocked): (rule 2)"))
        #expect(try list(kid, "school.games.example") == nil)
        #expect(try list(tv, "www.games.example") == nil)
        #expect(try list(routed.guest, "www.games.example") == nil)
    }

    @Test("A line that is no name is named, by its number and its text, and the list that was there goes on")
    func badLine() throws {
        try home.ctl("blocklist", "add", "ads", file("ads", "ads.example\n"))
        let before = try home.revision()
        for (text, format, line) in [
            ("good.example\n\n# all of them\nno good.example\n", "domains", "line 4"),
            ("0.0.0.0 good.example\nads.example\n", "hosts", "line 2"),
            ("\(String(repeating: "a", count: 64)).example\n", "domains", "line 1"), ("a..b\n", "domains", "line 1"),
        ] {
            let outcome = try home.attempt("blocklist", "add", "ads", file("bad", text), "--format", format)
            #expect(outcome.status == 1 && outcome.errors.contains(line), "\(text): \(outcome)")
            #expect(outcome.errors.contains("nothing was changed"), "\(outcome)")
        }
        let gone = try home.attempt("blocklist", "add", "ads", home.directory + "/nowhere")
        #expect(gone.status == 1 && gone.errors.contains("/nowhere cannot be read"), "\(gone)")
        let whom = try home.attempt("blocklist", "add", "new", file("ads", "x.example\n"), "--device", "nobody")
        #expect(whom.status == 1 && whom.errors.contains("nobody"), "\(whom)")
        #expect(try home.revision() == before)
        #expect(try list(kid, "www.ads.example") == "ads")
    }

    @Test("100 000 names are loaded in seconds, cost 60 bytes each at most, and hold")
    func many() throws {
        func memory() throws -> Int {
            let pid = try #require(try home.processes()["names"]?.first)
            let rollup = try String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8)
            let line = try #require(rollup.split(separator: "\n").first { $0.hasPrefix("Pss:") })
            return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1]))
        }
        #expect(try list(kid, "www.example") == nil)
        let names = (0..<100_000).map { "host\($0 &* 2_654_435_761 % 1_000_003).tracker\($0 % 977).example" }
        let path = try file("many", names.joined(separator: "\n") + "\n")
        let before = try memory()
        let start = ContinuousClock.now
        try home.ctl("blocklist", "add", "many", path)
        let took = ContinuousClock.now - start
        #expect(try lists().first?.count == Set(names).count)
        for name in [names[0], names[49_999], names[99_999], "x." + names[7]] {
            #expect(try list(tv, name) == "many", "\(name)")
        }
        #expect(try list(tv, "tracker5.example") == nil)
        let after = try memory()
        print("100 000 names: \(took), \(before) kB, then \(after) kB")
        #expect(took < .seconds(isSanitized ? 120 : 30))
        if !isSanitized { #expect((after - before) << 10 < 100_000 * 60, "\(before), then \(after) kB") }
    }
}
