import Foundation
import TestNetwork
import TestProcess
import Testing

/// What the gateway changes about the machine beside its table: forwarding and its like, and addresses of interfaces.
@Suite("The ground", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct GroundTests {
    private func setting(_ home: Home, _ name: String) throws -> String {
        try home.gateway.run("cat", "/proc/sys/net/\(name)").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private let settings = [
        "ipv4/conf/lan0/forwarding", "ipv4/conf/wan0/forwarding", "ipv4/ip_forward", "ipv6/conf/all/forwarding",
        "ipv6/conf/wan0/accept_ra", "ipv6/conf/lan0/accept_ra", "ipv4/conf/lan0/rp_filter", "ipv4/tcp_fwmark_accept",
        "netfilter/nf_conntrack_acct",
    ]

    private func all(_ home: Home) throws -> [String] { try settings.map { try setting(home, $0) } }

    /// Without `--firewall`, so that the policy's own mode holds.
    private func ready(_ home: Home) throws {
        try home.start(firewall: nil)
        try home.ctl("setup", "--home", "lan0", "--internet", "wan0", "--yes", "--no-trial")
    }

    @Test(
        "Packets are passed on between zones once the kernel holds the rules, and the machine is given back as it was")
    func givenBack() throws {
        let home = try Home()
        try home.start(firewall: nil)
        let before = try all(home)
        try home.ctl("setup", "--home", "lan0", "--internet", "wan0", "--yes", "--no-trial")
        // Not the switch for every interface there is.
        #expect(try all(home) == ["1", "1", "0", "1", "2", "0", "1", "1", "1"])
        #expect(try home.ctl("zone", "set", "home", "--way", "proxy", "--no-trial") != "")
        #expect(
            try setting(home, "ipv4/conf/lan0/forwarding") == "0" && setting(home, "ipv6/conf/all/forwarding") == "0")
        try home.ctl("zone", "set", "home", "--way", "routed", "--no-trial")
        #expect(try setting(home, "ipv4/conf/lan0/forwarding") == "1")
        try home.ctl("firewall", "observe", "--no-trial")
        #expect(try all(home) == before)
    }

    @Test(
        "What somebody else sets otherwise is set right, and a daemon that was killed remembers what there was before")
    func remembered() throws {
        let home = try Home()
        try home.gateway.run("sysctl", "-qw", "net.ipv4.conf.lan0.rp_filter=2")
        let before = try all(home)
        try ready(home)
        try home.gateway.run("sysctl", "-qw", "net.ipv4.conf.lan0.forwarding=0")
        #expect(eventually { (try? setting(home, "ipv4/conf/lan0/forwarding")) == "1" })
        home.killsRoles = true
        try home.stop()
        #expect(try setting(home, "ipv4/conf/lan0/forwarding") == "1", "the rules are the kernel's, and go on")
        try home.start(firewall: nil)
        try home.ctl("firewall", "observe", "--no-trial")
        #expect(try all(home) == before)
    }

    @Test("Nothing is passed on before the kernel holds the rules: a refused change leaves the machine as it was")
    func refused() throws {
        let home = try Home()
        try home.start(firewall: nil)
        let before = try all(home)
        let outcome = try home.attempt(
            "setup", "--home", "lan0", "--internet", "wan0", "--address", "203.0.112.77/24", "--yes", "--no-trial")
        #expect(outcome.status != 0 && outcome.errors.contains("wan0"), "\(outcome)")
        #expect(try all(home) == before)
        #expect(try !home.gateway.run("ip", "address").contains("203.0.112.77"))
    }

    @Test(
        "An interface without an address is given one, switched on, and the proxies listen there; it goes with the policy"
    )
    func address() throws {
        let home = try Home()
        try home.gateway.run("ip", "address", "flush", "dev", "lan0")
        try home.gateway.run("ip", "link", "set", "lan0", "down")
        try home.start(firewall: nil)
        try home.ctl(
            "setup", "--home", "lan0", "--internet", "wan0", "--address", "192.168.10.1/24", "--yes", "--no-trial")
        let shown = try home.gateway.run("ip", "-4", "address", "show", "dev", "lan0")
        #expect(shown.contains("192.168.10.1/24 brd 192.168.10.255") && shown.contains("UP"), "\(shown)")
        #expect(try home.ctl("listener", "list").contains("192.168.10.1:1080"))
        // Somebody takes it away, or makes the interface anew.
        try home.gateway.run("ip", "address", "flush", "dev", "lan0")
        #expect(
            eventually {
                (try? home.gateway.run("ip", "address", "show", "dev", "lan0"))?.contains("192.168.10.1") == true
            })
        // On trial the old address stays beside the new one.
        try home.ctl("zone", "set", "home", "--address", "192.168.11.1/24", "--trial", "60")
        var both = try home.gateway.run("ip", "address", "show", "dev", "lan0")
        #expect(both.contains("192.168.10.1/24") && both.contains("192.168.11.1/24"), "\(both)")
        try home.ctl("revert")
        both = try home.gateway.run("ip", "address", "show", "dev", "lan0")
        #expect(both.contains("192.168.10.1/24") && !both.contains("192.168.11.1/24"), "\(both)")
        try home.ctl("zone", "set", "home", "--address", "192.168.11.1/24", "--no-trial")
        both = try home.gateway.run("ip", "address", "show", "dev", "lan0")
        #expect(!both.contains("192.168.10.1/24") && both.contains("192.168.11.1/24"), "\(both)")
        try home.ctl("zone", "set", "home", "--address", "none", "--no-trial")
        #expect(try !home.gateway.run("ip", "address", "show", "dev", "lan0").contains("192.168.11.1"))
    }

    @Test("An address that somebody else gave is not taken away")
    func foreign() throws {
        let home = try Home()
        try home.start(firewall: nil)
        try home.ctl("zone", "set", "home", "--interface", "lan0", "--address", "192.168.77.1/24", "--no-trial")
        try home.ctl("zone", "set", "home", "--address", "none", "--no-trial")
        #expect(try home.gateway.run("ip", "address", "show", "dev", "lan0").contains("192.168.77.1/24"))
    }
}
