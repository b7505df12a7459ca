import Foundation
import Glibc
import TestNetwork
import Testing

/// Real servers and clients on both sides of the enforced firewall: dnsmasq, dhclient, BusyBox's udhcpc.
@Suite("DHCP", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct DHCPTests {
    /// A new device has no address: its packets come from 0.0.0.0, which some kernels call invalid. Renewals worked, new devices
    /// got nothing.
    @Test("A new device gets its lease from a server on the gateway through an opening, and none without it")
    func server() throws {
        let home = try Home.ready()
        let server = try serve(on: home.gateway, "lan0", "192.168.77.100,192.168.77.150", in: home)
        try home.lan.run("ip", "address", "flush", "dev", "eth0")
        #expect(try lease(home, patience: 3) == nil)
        try home.ctl("firewall", "open", "dhcp", "--udp", "67", "--from", "home")
        let address = try #require(try lease(home, patience: 30), "\(server.said)")
        #expect(address.hasPrefix("192.168.77.1"))
        withExtendedLifetime(server) {}
    }

    /// dhclient, once: the address that it was given, or nil.
    private func lease(_ home: Home, patience: Int) throws -> String? {
        let settings = home.directory + "/dhclient.conf"
        try "timeout \(patience);\n".write(toFile: settings, atomically: true, encoding: .utf8)
        let log = home.directory + "/dhclient.log"
        // Told what was got, it ends.
        let script = try script(
            in: home, "case $reason in BOUND|REBOOT) echo $new_ip_address >\(log); kill $PPID;; esac")
        _ = try home.lan.attempt([
            "dhclient", "-4", "-1", "-d", "-cf", settings, "-lf", home.directory + "/leases", "-pf",
            home.directory + "/dhclient.pid", "-sf", script, "eth0",
        ])
        return (try? String(contentsOfFile: log, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("A renewal is answered whoever answers it: the server, another address of it, or to everybody on the link")
    func renewal() throws {
        let home = try Home.ready()
        let server = try serve(on: home.wan, "eth0", "203.0.112.100,203.0.112.150", in: home)
        let log = home.directory + "/udhcpc.log"
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let script = try script(
            in: home,
            """
            [ "$1" = bound ] && ip address add $ip/24 dev wan0
            echo "$1 $ip" >>\(log)
            """)
        let client = try RunningProgram(
            ["busybox", "udhcpc", "-f", "-i", "wan0", "-s", script, "-t", "20", "-T", "1"], in: home.gateway,
            log: home.directory + "/udhcpc")
        func said(_ event: String) -> Int {
            ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").count {
                $0.hasPrefix(event)
            }
        }
        #expect(eventually(within: .seconds(30)) { said("bound 203.0.112.1") == 1 }, "\(client.said)")
        // A socket like any other gets the answers from now on (the first ones came to a packet socket), and the kernel takes
        // what comes from elsewhere for a conversation of its own.
        try home.wan.run(
            "nft", "-f", "-", input: "table ip mangle { chain out { type filter hook output priority -150; }; }")
        let rules = [
            [], ["ip", "saddr", "set", "203.0.112.11"],
            ["ip", "saddr", "set", "203.0.112.11", "ip", "daddr", "set", "255.255.255.255"],
        ]
        func broadcasts() -> Int { client.said.components(separatedBy: "broadcasting renew").count - 1 }
        /// Whether a renewal was answered at the client's socket. Without an answer the client goes back to packets, and to everybody; it
        /// also does so now and then because the answer was quicker than it opened its socket.
        func isRenewed() -> Bool {
            let (renewals, former) = (said("renew 203.0.112.1"), broadcasts())
            client.signal(SIGUSR1)
            return eventually(within: .seconds(20)) { said("renew 203.0.112.1") > renewals } && broadcasts() == former
        }
        for rule in rules {
            try home.wan.run("nft", "flush", "chain", "ip", "mangle", "out")
            if !rule.isEmpty {
                let whole = ["nft", "add", "rule", "ip", "mangle", "out", "udp", "sport", "67", "notrack"] + rule
                #expect(try home.wan.attempt(whole).status == 0)
            }
            #expect((1...10).contains { _ in isRenewed() }, "\(rule): \(client.said)")
        }
        #expect(client.said.contains("sending renew to server"), "\(client.said)")
        withExtendedLifetime(server) {}
    }

    private func serve(on namespace: Namespace, _ interface: String, _ range: String, in home: Home) throws
        -> RunningProgram
    {
        let server = try RunningProgram(
            [
                "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--bind-dynamic", "--user=root",
                "--no-ping",
                "--interface=\(interface)", "--dhcp-range=\(range),255.255.255.0,2m", "--dhcp-authoritative",
                "--dhcp-leasefile=\(home.directory)/dnsmasq.leases", "--log-dhcp",
            ], in: namespace, log: home.directory + "/dnsmasq")
        #expect(
            eventually { server.said.contains("sockets bound exclusively to interface \(interface)") }, "\(server.said)"
        )
        return server
    }

    private func script(in home: Home, _ text: String) throws -> String {
        let path = home.directory + "/script"
        try "#!/bin/sh\n\(text)\n".write(toFile: path, atomically: true, encoding: .utf8)
        chmod(path, 0o755)
        return path
    }
}
