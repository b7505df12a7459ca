import Address
import Foundation
import Glibc
import Policy
import TestNetwork
import TestProcess
import Testing

@Suite(
    "The configuration as commands", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct ExportTests {
    private static let count: UInt64 = isThorough ? 200 : 40

    private struct Reply: Decodable {
        var policy: Policy
    }

    @Test(
        "Policies that are drawn, exported and imported: each is the same again, on a gateway that had another one before"
    )
    func identity() throws {
        let home = try Home()
        try FileManager.default.createDirectory(atPath: home.rescue, withIntermediateDirectories: true)
        try home.start(firewall: nil)
        let now = Int(time(nil))
        let judge = try Namespace()
        var enforced = 0
        for seed in 0..<Self.count {
            var draw = PolicyDraw(seed: seed)
            let policy = try draw.policy(now: now)
            try check(policy, on: home, "seed \(seed)", asText: seed % 10 == 0)
            if policy.firewall == .enforce {
                try compareWithKernel(home, judge, "seed \(seed)")
                enforced += 1
            }
        }
        #expect(enforced > Self.count / 4)
    }

    /// What `firewall show` prints is, to nft in a namespace of its own, what the kernel holds.
    private func compareWithKernel(_ home: Home, _ judge: Namespace, _ what: String) throws {
        let told = try JSONDecoder().decode(Told.self, from: Data(try home.ctl("--json", "firewall", "show").utf8))
        let outcome = try judge.attempt(["env", "TZ=UTC", "nft", "-f", "-"], input: "flush ruleset\n" + told.ruleset)
        guard outcome.status == 0 else { throw Failure("\(outcome)\n\(told.ruleset)") }
        let difference = try table(in: judge).difference(from: table(in: home.gateway))
        #expect(difference.isEmpty, "\(what): \(difference.map { "\($0)" })")
    }

    private struct Told: Decodable {
        var ruleset: String
    }

    /// The table as nft's JSON has it (libnftables-json(5)), sorted and without what only one table can have: handles, counters,
    /// its owner, and the elements of sets that no text shows.
    private func table(in namespace: Namespace) throws -> [String] {
        let json = try namespace.run("env", "TZ=UTC", "nft", "-j", "list", "table", "inet", "gatehouse")
        let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        let entries = try #require(object?["nftables"] as? [[String: Any]]).filter { $0["metainfo"] == nil }
        // Rules follow each other, chain by chain.
        var order: [String: Int] = [:]
        return try entries.map { entry -> String in
            guard let (kind, value) = entry.first, var fields = value as? [String: Any] else {
                throw Failure("what is \(entry)?")
            }
            fields["handle"] = nil
            if kind == "table" { fields["flags"] = nil }
            let name = fields["name"] as? String ?? ""
            // nft calls no set dynamic here; all those are that lose elements by themselves.
            if kind == "set", name.hasPrefix("networks_") || (fields["flags"] as? [String])?.contains("timeout") == true
            {
                fields["elem"] = nil
            }
            if kind == "map", let elements = fields["elem"] as? [Any] {
                fields["elem"] = elements.map { "\($0)" }.sorted()
            }
            if kind == "rule", let expressions = fields["expr"] as? [[String: Any]] {
                fields["expr"] = expressions.map { $0["counter"] == nil ? $0 : ["counter": true] }
                let chain = fields["chain"] as? String ?? ""
                order[chain, default: 0] += 1
                fields["place"] = order[chain]
            }
            let data = try JSONSerialization.data(withJSONObject: fields, options: [.sortedKeys])
            return kind + " " + String(decoding: data, as: UTF8.self)
        }.sorted()
    }

    private func check(_ policy: Policy, on home: Home, _ what: String, asText: Bool) throws {
        let lists = home.directory + "/lists"
        try FileManager.default.createDirectory(atPath: lists, withIntermediateDirectories: true)
        for list in policy.blocklists {
            try PolicyDraw.names(of: list).map { $0 + "\n" }.joined().write(
                toFile: "\(lists)/\(list.name).\(list.direction == nil ? "names" : "networks")", atomically: false,
                encoding: .utf8)
        }
        let text = policy.commands(lists: lists)
        let outcome = try home.attempt("import", "-", "--no-trial", input: text.joined(separator: "\n"))
        guard outcome.status == 0 else {
            Issue.record("\(what): \(outcome)\n\(text.joined(separator: "\n"))")
            return
        }
        let data = Data(try home.ctl("--json", "export", "--with-secrets", "--lists", lists).utf8)
        let reply = try JSONDecoder().decode(Reply.self, from: data)
        #expect(reply.policy.plain.allThings == policy.plain.allThings, "\(what):\n\(text.joined(separator: "\n"))")
        for list in policy.blocklists {
            let names = try String(
                contentsOfFile: "\(lists)/\(list.name).\(list.direction == nil ? "names" : "networks")", encoding: .utf8
            )
            #expect(names.split(separator: "\n").map(String.init) == PolicyDraw.names(of: list))
        }
        guard asText else { return }
        let said = try home.ctl("export", "--with-secrets", "--lists", lists)
        #expect(said.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") } == text)
        // What is in force already makes no revision.
        let again = try home.ctl("import", "-", input: said)
        #expect(again.hasPrefix("nothing to change"), "\(what): \(again)")
    }

    /// A field that no draw fills would be forgotten by an export, and nobody would see it.
    @Test("The policies that are drawn differ in every field that a policy has")
    func coverage() throws {
        var values: [String: Set<String>] = [:]
        func look(at value: Any, _ path: String) {
            let mirror = Mirror(reflecting: value)
            let isOurs = String(reflecting: type(of: value)).hasPrefix("Policy.")
            for child in mirror.children {
                switch mirror.displayStyle {
                case .struct where isOurs:
                    guard let label = child.label else { continue }
                    let path = "\(type(of: value)).\(label)"
                    values[path, default: []].insert("\(child.value)")
                    look(at: child.value, path)
                case .collection, .optional: look(at: child.value, path)
                default: break
                }
            }
        }
        for seed in 0..<Self.count {
            var draw = PolicyDraw(seed: seed)
            look(at: try draw.policy(now: 1_800_000_000), "")
        }
        // By what the names of a list are found is the gateway's to choose.
        for (field, values) in values where field != "Blocklist.content" {
            #expect(values.count > 1, "\(field) is always \(values)")
        }
        for field in ["Policy.forwards", "Service.range", "SOCKSOptions.bindPorts", "Device.schedule", "Rule.domain"] {
            #expect(values[field] != nil, "\(field)")
        }
    }

    @Test("Every line that is wrong is told with its number, by whomever it is refused, and nothing is changed")
    func errors() throws {
        let home = try Home.ready()
        let before = try home.ctl("export")
        let revision = try home.revision()
        let file = home.directory + "/wrong"
        try """
        # a comment
        gatehousectl zone set home --interface lan0
        gatehousectl rule add deny --port 70000
        gatehousectl rule ad deny --port 25

        gatehousectl listener add socks5 10.99.99.99:1080 --from home
        gatehousectl firewall open 'ssh --tcp 22
        zone add guest --interface lan0
        gatehousectl status
        gatehousectl rule add deny --port 25 --dry-run
        gatehousectl limit set user nobody --sessions 5
        gatehousectl user add carol
        """.write(toFile: file, atomically: false, encoding: .utf8)
        let outcome = try home.attempt("import", file)
        #expect(outcome.status == 1)
        let lines = outcome.errors.matches(of: #/line ([0-9]+): /#).map { Int($0.1) }
        #expect(lines == [3, 4, 6, 7, 8, 9, 10, 11, 12], "\(outcome)")
        #expect(outcome.errors.contains("did you mean `gatehousectl rule add`?"), "\(outcome)")
        #expect(outcome.errors.contains("9 lines of \(file) are refused; nothing was changed"), "\(outcome)")
        // What the daemon refuses alone is told in the same way.
        let single = try home.attempt(
            "import", "-", input: "zone set home --interface lan0\nzone add guest --interface lan0\n")
        #expect(single.status == 1 && single.errors.contains("standard input, line 2: lan0 cannot be in"), "\(single)")
        #expect(try home.ctl("export") == before)
        #expect(try home.revision() == revision)
    }

    @Test("A dry run shows the difference and does nothing; the import is one revision, and undoing it is another")
    func oneRevision() throws {
        let home = try Home.ready()
        try home.ctl("rule", "add", "deny", "--port", "25")
        try home.ctl("rule", "add", "deny", "--port", "6881-6889")
        try home.ctl("rule", "add", "allow", "--to", "192.0.3.0/24")
        try home.ctl("rule", "remove", "2")
        let before = try home.ctl("export")
        let (ruleset, revision) = (try home.ruleset(), try home.revisionNumber())
        let changed = before.replacing(
            "gatehousectl rule add allow", with: "gatehousectl rule add deny --port 26\ngatehousectl rule add allow")
        let dry = try home.ctl("import", "-", "--dry-run", input: changed)
        #expect(dry.contains("+ rule 4 deny port 26\n") && dry.contains("nothing was changed"), "\(dry)")
        // What stands behind a rule that is new has a new number: rules are tried in the order of their numbers.
        #expect(dry.contains("- rule 3 allow to 192.0.3.0/24\n") && dry.contains("+ rule 5 allow to 192.0.3.0/24\n"))
        #expect(try home.ctl("export") == before && home.revisionNumber() == revision && home.ruleset() == ruleset)
        #expect(try home.ctl("import", "-", input: changed).contains("revision \(revision + 1) is in force"))
        #expect(try home.ctl("export") == changed)
        try home.ctl("revision", "undo", "\(revision + 1)")
        #expect(try home.ctl("export") == before)
    }

    @Test("Another machine gets its own addresses, its listeners on them, and a user's password with the secrets alone")
    func anotherMachine() throws {
        let old = try Home.ready()
        try old.ctl("zone", "set", "home", "--address", "192.168.10.1/24")
        try old.ctl("listener", "add", "http", "192.168.10.1:8080", "--from", "home")
        try old.ctl("user", "add", "anna", "--password-stdin", input: "a long secret\n")
        try old.ctl("listener", "add", "http", "192.168.77.1:8081", "--auth", "required", "--user", "anna")
        let (open, whole) = (try old.ctl("export"), try old.ctl("export", "--with-secrets"))
        #expect(!open.contains("scrypt") && whole.contains("scrypt"))

        let new = try Home()
        try new.gateway.run("ip", "link", "set", "lan0", "name", "eth7")
        try new.start(firewall: nil)
        let refused = try new.attempt("import", "-", input: open.replacing("lan0", with: "eth7"))
        #expect(refused.status == 1 && refused.errors.contains("no password of anna is known here"), "\(refused)")
        let text = whole.replacing("lan0", with: "eth7")
        try new.ctl("import", "-", "--no-trial", input: text)
        #expect(try new.ctl("export", "--with-secrets") == text)
        let curl = [
            "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x",
            "http://anna:a%20long%20secret@192.168.77.1:8081",
            "http://\(Home.wanHost):9/",
        ]
        #expect(try eventually { try new.lan.attempt(curl).output == "502" }, "nobody listens at that port")
        #expect(try new.gateway.run("ss", "-Hltn", "sport = :8080").contains("192.168.10.1"))
        // Whoever is there keeps the password that they have.
        try new.ctl("import", "-", "--no-trial", input: open.replacing("lan0", with: "eth7"))
        #expect(try new.lan.attempt(curl).output == "502")
        #expect(try new.ctl("export", "--with-secrets") == text)
    }

    @Test("An import that would cut off who is connected is on trial, and taken back as a whole")
    func trial() throws {
        let home = try Home.ready()
        try home.ctl("firewall", "open", "ssh", "--tcp", "22", "--from", "home")
        let server = try Origin(in: home.gateway, "0.0.0.0", port: 22) { peer in
            while let bytes = try? peer.receive(), !bytes.isEmpty { try? peer.send(bytes) }
        }
        let session = try Peer(to: Home.gatewayOnLAN, 22, from: home.lan)
        try session.send(Array("hello".utf8))
        #expect(try session.receive(exactly: 5) == Array("hello".utf8))
        let before = try home.ctl("export")
        let without =
            before.split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.contains("firewall open ssh") }.joined(separator: "\n")
            + "gatehousectl rule add deny --port 25\n"
        let said = try home.ctl("import", "-", input: without)
        #expect(said.contains("is on trial for 60 s"), "\(said)")
        #expect(try home.ctl("rule", "list").contains("25"))
        try home.ctl("revert")
        #expect(try home.ctl("export") == before)
        withExtendedLifetime((server, session)) {}
    }
}

extension Policy {
    /// Without what an import may choose: the numbers of rules, by what the names of a list are found.
    fileprivate var plain: Policy {
        var policy = self
        policy.rules.sort { $0.id < $1.id }
        for index in policy.rules.indices { policy.rules[index].id = index + 1 }
        for index in policy.blocklists.indices { policy.blocklists[index].content = "" }
        return policy
    }
}
