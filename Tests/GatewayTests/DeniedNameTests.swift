import Foundation
import Glibc
import TestNetwork
import Testing

/// What the operator hears of names that a rule denies: a tunnel in questions for names is stopped by one line of policy, and nobody was
/// told whose it was.
@Suite(
    "Names that a rule denies are told", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(3)))
struct DeniedNameTests {
    let home: Home
    let upstream: NameServer
    let tv: Namespace
    let phone: Namespace

    init() throws {
        home = try Home()
        upstream = try NameServer(in: home.wan, Home.wanHost) { query in
            query.name.hasSuffix(".example") ? .addresses([Home.wanHost], seconds: 60) : .none(code: 3, seconds: 60)
        }
        (tv, phone) = (try home.plugIn(21), try home.plugIn(22))
        try home.startNames()
        try home.meet(tv, as: "tv")
        try home.meet(phone, as: "phone")
        try home.ctl("rule", "add", "deny", "--domain", "tunnel.example")
    }

    private func ask(_ device: Namespace, _ name: String, _ words: String..., at server: String = Home.gatewayOnLAN)
        throws -> String
    {
        try device.attempt(["dig", "@\(server)", "+tries=1", "+time=3", name] + words).output
    }

    private func told(_ device: String) throws -> [String] {
        try home.ctl("what-changed").split(separator: "\n").map(String.init).filter {
            $0.contains("\(device) asked for ")
        }
    }

    private func isTold(_ text: String) throws -> Bool {
        try eventually(within: .seconds(5)) {
            try told("").contains { $0.contains("  name ") && $0.hasSuffix(" " + text) }
                && home.daemon?.said.contains(text) == true
        }
    }

    @Test(
        "once for each device and rule within the hour, by UDP and TCP, by either IP, in what-changed and the journal")
    func once() throws {
        #expect(try ask(tv, "a1.tunnel.example", "TXT").contains("(rule 1)"))
        #expect(
            try isTold("tv asked for a1.tunnel.example, which rule 1 denies"),
            "\((try? home.ctl("what-changed")) ?? "")")
        #expect(try ask(tv, "a2.tunnel.example", "+tcp").contains("(rule 1)"))
        #expect(try ask(tv, "a3.tunnel.example", "AAAA", at: "fd77::1").contains("(rule 1)"))
        #expect(try ask(tv, "www.example").contains(Home.wanHost), "nothing is told of what is answered")
        #expect(try ask(phone, "a4.tunnel.example", "AAAA", "+tcp", at: "fd77::1").contains("(rule 1)"))
        #expect(try isTold("phone asked for a4.tunnel.example, which rule 1 denies"))
        #expect(try told("tv").count == 1, "\((try? told("tv")) ?? [])")
        try home.ctl("rule", "add", "deny", "--domain", "other.example", "--device", "tv")
        #expect(try ask(phone, "x.other.example").contains(Home.wanHost))
        #expect(try ask(tv, "x.other.example").contains("(rule 2)"))
        #expect(try isTold("tv asked for x.other.example, which rule 2 denies"))
        // The role that has told it is gone, and the rule has another number.
        home.killsRoles = true
        let role = try #require(try home.processes()["names"]?.first)
        kill(role, SIGKILL)
        try home.ctl("rule", "remove", "1")
        try home.ctl("rule", "add", "deny", "--domain", "tunnel.example")
        #expect(try eventually { try ask(tv, "a5.tunnel.example").contains("(rule 3)") })
        try home.ctl("rule", "add", "deny", "--domain", "third.example")
        #expect(try eventually { try ask(tv, "third.example").contains("(rule 4)") })
        #expect(try isTold("tv asked for third.example, which rule 4 denies"))
        #expect(try told("tv").count == 3 && told("phone").count == 1, "\((try? home.ctl("what-changed")) ?? "")")
    }

    @Test("a flood of 10 000 names is one event, and what a blocklist refuses is none")
    func flood() throws {
        try home.liftClientLimit()
        try "ads.example\n".write(toFile: home.directory + "/ads", atomically: true, encoding: .utf8)
        try home.ctl("blocklist", "add", "ads", home.directory + "/ads", "--format", "domains")
        #expect(try eventually { try ask(tv, "x.ads.example").contains("(blocklist ads)") })
        let clients = URL(filePath: #filePath).deletingLastPathComponent().path + "/Clients"
        let flood = try tv.attempt([
            "timeout", "60", "python3", "-c",
            """
            import sys
            sys.path.insert(0, "\(clients)")
            import dns, socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("\(Home.gatewayOnLAN)", 53))
            s.settimeout(5)
            refused = 0
            for first in range(0, 10000, 50):
                for number in range(first, first + 50):
                    s.send(dns.query(number, "n%d.tunnel.example" % number, 16))
                for number in range(50):
                    refused += dns.answers(s.recv(1500)) == 0
            print(refused)
            """,
        ])
        #expect(flood.output == "10000\n", "\(flood)")
        _ = try ask(phone, "after.tunnel.example")
        #expect(try isTold("phone asked for after.tunnel.example, which rule 1 denies"))
        #expect(try told("tv").count == 1, "\((try? told("tv")) ?? [])")
        #expect(upstream.queries.allSatisfy { !$0.name.hasSuffix("tunnel.example") })
    }

    @Test("a device that the kernel does not mark, as nothing is enforced, is known by its address")
    func observed() throws {
        try home.stop()
        try home.start(firewall: "observe")
        #expect(try eventually { try home.ctl("device", "list").contains("192.168.77.21") })
        #expect(try ask(tv, "a1.tunnel.example").contains("(rule 1)"))
        #expect(
            try isTold("tv asked for a1.tunnel.example, which rule 1 denies"),
            "\((try? home.ctl("what-changed")) ?? "")")
    }
}
