import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// `setup` as a person has it, on a terminal, on a machine that filters nothing yet.
@Suite("Setting a machine up", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct SetupTests {
    /// A machine as a provider's router left it: the default route leads to the WAN.
    private func machine() throws -> Home {
        let home = try Home()
        try home.gateway.run("ip", "route", "add", "default", "via", Home.wanHost)
        try home.start(firewall: nil)
        return home
    }

    private func terminal(_ home: Home, _ arguments: String...) throws -> Terminal {
        try Terminal(
            ["nsenter", "--net=\(home.gateway.path)", programs + "gatehousectl", "--socket", home.socket]
                + arguments, environment: ["NO_COLOR": "1"])
    }

    @Test("shows, proposes, tells what is cut off, asks, puts on trial and ends with the page for the devices")
    func dialogue() throws {
        let home = try machine()
        let server = try Origin(in: home.gateway, "0.0.0.0", port: 22) { peer in _ = try? peer.receiveToEnd() }
        let web = try Origin(in: home.gateway, "0.0.0.0", port: 8080) { _ in }
        let names = try DatagramPeer(in: home.gateway, "0.0.0.0", port: 53)
        try home.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        let session = try Peer(to: Home.gatewayOnLAN, 22, from: home.lan)
        let terminal = try terminal(home, "setup")
        try terminal.wait(for: "Which interface leads to the home? [lan0] ")
        #expect(terminal.screen.contains("192.168.77.1/24") && terminal.screen.contains("default"))
        terminal.type("\n")
        try terminal.wait(for: "And which to the internet? [wan0] ")
        terminal.type("\n")
        // A home that has an address may have a DHCP server.
        try terminal.wait(for: "Give the home's devices addresses and names (DHCP, DNS)? [y/N] ")
        terminal.type("\n")
        try terminal.wait(for: "Keep SSH (port 22) open from the home? [Y/n] ")
        #expect(terminal.screen.contains("192.168.77.10"))
        terminal.type("\n")
        try terminal.wait(for: "Go ahead? [y/N] ")
        for cut in ["TCP 8080", "UDP 53", "ip_forward"] {
            #expect(terminal.screen.contains(cut), "\(cut) is not told:\n\(terminal.screen)")
        }
        #expect(try home.ruleset() == "")
        terminal.type("y\n")
        try terminal.wait(until: "On trial for ")
        #expect(try home.ruleset() != "")
        terminal.type("\n")
        try terminal.wait(until: "Kept: revision 2")
        #expect(terminal.end() == 0, "\(terminal.screen)")
        #expect(terminal.screen.contains("http://192.168.77.1:3128/proxy.pac"), "\(terminal.screen)")
        #expect(try home.ctl("firewall", "list").contains("ssh"))
        #expect(try home.ctl("status").contains("enforce"))
        withExtendedLifetime((server, web, names, session)) {}
    }

    @Test("changes nothing where the answer is no, or nobody answers")
    func declined() throws {
        let home = try machine()
        let revision = try home.revision()
        let terminal = try terminal(home, "setup", "--home", "lan0", "--internet", "wan0", "--no-serve")
        try terminal.wait(for: "Go ahead? [y/N] ")
        terminal.type("\n")
        #expect(terminal.end() == 0)
        #expect(terminal.screen.contains("Nothing was changed"), "\(terminal.screen)")
        let other = try self.terminal(home, "setup")
        try other.wait(for: "Which interface leads to the home? [lan0] ")
        // ^D
        other.type("\u{4}")
        #expect(other.end() == 1)
        #expect(try home.revision() == revision)
        #expect(try home.ruleset() == "")
    }

    @Test("refuses swapped sides, lo, and a home that has the default route, with the reason")
    func sides() throws {
        let home = try machine()
        for (arguments, reason) in [
            (["--home", "wan0", "--internet", "lan0"], "default route"), (["--home", "wan0"], "default route"),
            (["--home", "lo"], "this machine itself"), (["--home", "lan0", "--internet", "lan0"], "lan0"),
        ] {
            let outcome = try home.attempt(["setup", "--yes"] + arguments)
            #expect(outcome.status == 1 && outcome.errors.contains(reason), "\(arguments): \(outcome)")
        }
        #expect(try home.attempt("setup", "--home", "wan0", "--internet", "lan0", "--force", "--dry-run").status == 0)
        #expect(try home.ruleset() == "")
    }

    @Test("tells how devices that know IPv6 alone get a proxy, which works, and is silent once they have one")
    func overIPv6() throws {
        let home = try machine()
        let told = try home.ctl("setup", "--home", "lan0", "--internet", "wan0", "--yes")
        let command = "listener add http [fd77::1]:3128 --from home"
        #expect(told.contains("`gatehousectl \(command)`"), "\(told)")
        try home.ctl(command.split(separator: " ").map(String.init))
        let web = try Origin(in: home.wan, Home.wanHost, port: 80) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.1 204 No Content\r\n\r\n")
        }
        let answer = try home.lan.run(
            "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x", "http://[fd77::1]:3128",
            "http://\(Home.wanHost)/")
        #expect(answer == "204")
        #expect(try !home.ctl("setup", "--home", "lan0", "--internet", "wan0", "--yes").contains("IPv6"))
        withExtendedLifetime(web) {}
    }

    @Test("gives a home without an address one, and proposes to serve it")
    func bare() throws {
        let home = try machine()
        try home.gateway.run("ip", "address", "flush", "dev", "lan0")
        let terminal = try terminal(home, "setup")
        try terminal.wait(for: "Which interface leads to the home? [lan0] ")
        terminal.type("\n")
        try terminal.wait(for: "And which to the internet? [wan0] ")
        terminal.type("\n")
        try terminal.wait(for: "Give the home's devices addresses and names (DHCP, DNS)? [Y/n] ")
        terminal.type("n\n")
        try terminal.wait(for: "Go ahead? [y/N] ")
        #expect(terminal.screen.contains("zone home lan0, 192.168.10.1/24"), "\(terminal.screen)")
        terminal.type("y\n")
        try terminal.wait(until: "On trial for ")
        terminal.type("\n")
        try terminal.wait(until: "Kept: revision 2")
        #expect(terminal.end() == 0)
        #expect(terminal.screen.contains("http://192.168.10.1:3128/"), "\(terminal.screen)")
        #expect(try home.gateway.run("ip", "address", "show", "dev", "lan0").contains("192.168.10.1/24"))
    }

    @Test("proposes by itself without a terminal, and one arm where there is one interface")
    func oneArmed() throws {
        let home = try machine()
        try home.ctl("setup", "--dry-run", "--yes")
        try home.gateway.run("ip", "link", "delete", "lan0")
        #expect(try eventually { try home.ctl("--json", "status").contains("lan0") == false })
        let outcome = try home.attempt("setup", "--yes")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(try home.ctl("listener", "list").contains("203.0.112.1:1080"))
        #expect(!(try home.ctl("zone", "list")).contains("internet  wan0"))
    }
}
