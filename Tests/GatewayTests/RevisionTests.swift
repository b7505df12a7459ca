import Foundation
import TestNetwork
import Testing

@Suite("The way back", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct RevisionTests {
    private let listener = "192.168.77.1:8080"

    /// Going back to last week's listeners revived a user who had been removed, with the old password, and took the firewall
    /// out of the kernel.
    @Test(
        "rollback leaves passwords, removed users and the firewall's mode alone unless --all; --dry-run shows what it would do"
    )
    func rollback() throws {
        let home = try Home()
        try home.start(firewall: nil)
        try home.ctl("user", "add", "anna", "--password-stdin", input: "the old one\n")
        try home.ctl("user", "add", "bob", "--password-stdin", input: "secret of bob\n")
        try home.ctl("listener", "add", "http", listener, "--interface", "lan0", "--auth", "required")
        let past = try newest(home)
        try home.ctl("user", "passwd", "anna", "--password-stdin", input: "the new one\n")
        try home.ctl("user", "remove", "bob")
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        let present = try newest(home)
        #expect(try home.ruleset() != "")

        let dry = try home.attempt("revision", "rollback", "\(past)", "--dry-run")
        #expect(dry.status == 0 && dry.output.contains("- listener socks5 192.168.77.1:1080"), "\(dry)")
        let exceptions = [
            "user anna keeps today's password", "user bob was removed since and stays removed",
            "the firewall stays in mode enforce",
        ]
        for exception in exceptions { #expect("\(dry)".contains(exception), "\(dry)") }
        #expect(try newest(home) == present)
        #expect(try home.openings().contains { $0.contains("dport 1080") })

        let done = try home.attempt("revision", "rollback", "\(past)")
        #expect(done.status == 0, "\(done)")
        for exception in exceptions { #expect("\(done)".contains(exception), "\(done)") }
        #expect(try !home.openings().contains { $0.contains("dport 1080") })
        #expect(try home.openings().contains { $0.contains("dport 8080") }, "enforced, and with the listener of then")
        #expect(try status(home, "anna:the%20new%20one") == "502")
        #expect(try status(home, "anna:the%20old%20one") == "407")
        #expect(try status(home, "bob:secret%20of%20bob") == "407")

        try home.ctl("revision", "rollback", "\(past)", "--all", "--no-trial")
        #expect(try home.ruleset() == "", "the mode of then")
        #expect(try eventually { try status(home, "anna:the%20old%20one") == "502" })
        #expect(try status(home, "anna:the%20new%20one") == "407")
        #expect(try status(home, "bob:secret%20of%20bob") == "502")
    }

    @Test("diff tells what is different from one revision to another, either way, and to the newest")
    func diff() throws {
        let home = try Home.ready()
        let past = try newest(home)
        try home.ctl("rule", "add", "deny", "--to", "192.0.3.0/24")
        let middle = try newest(home)
        try home.ctl("rule", "remove", "1")
        try home.ctl("limit", "set", "client", "--sessions", "50")
        try home.ctl("limit", "set", "client", "--sessions", "60")
        let newest = try newest(home)
        #expect(try home.ctl("revision", "diff", "\(past)", "\(middle)") == "+ rule 1 deny to 192.0.3.0/24\n")
        #expect(try home.ctl("revision", "diff", "\(middle)", "\(past)") == "- rule 1 deny to 192.0.3.0/24\n")
        // What came and went, or was changed twice, is one difference or none.
        let whole =
            "+ limit client: 60 sessions, 100 new sessions per second, 512 handshakes, 64 lookups, "
            + "1000 questions per second\n"
        #expect(try home.ctl("revision", "diff", "\(past)") == whole)
        #expect(try home.ctl("revision", "diff", "\(past)", "\(newest)") == whole)
        #expect(try home.ctl("revision", "diff", "\(newest)", "\(newest)") == "No difference.\n")
        let nothing = try home.attempt("revision", "diff", "\(past)", "4711")
        #expect(nothing.status == 1 && nothing.errors.contains("4711"), "\(nothing)")
    }

    private func newest(_ home: Home) throws -> Int {
        let reply = try JSONSerialization.jsonObject(with: Data(home.revision().utf8)) as? [String: Any]
        return try #require((reply?["revisions"] as? [[String: Any]])?.first?["id"] as? Int)
    }

    /// What the listener answers who asks it for a port of the WAN host at which nobody listens.
    private func status(_ home: Home, _ user: String) throws -> String {
        try home.lan.attempt([
            "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x", "http://\(user)@\(listener)",
            "http://\(Home.wanHost):7/",
        ]).output
    }
}
