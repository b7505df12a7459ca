import Foundation
import Glibc
import TestNetwork
import Testing

/// What a device gets by a lease, and what it does not, whatever it says of itself.
@Suite(
    "A lease", .serialized, .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(3)))
struct LeaseTests {
    let street: Street

    init() throws {
        street = try Street(firewall: "enforce")
    }

    private var home: Home { street.home }

    /// A client on the device until it is let go of, and each event that it tells, with the address: `bound 192.168.77.20`.
    private func keep(
        _ client: String, in device: Namespace
    ) throws -> (program: RunningProgram, events: () -> [String]) {
        let name = home.directory + "/client-\(UUID().uuidString)"
        for file in [name + ".events", name + ".leases"] {
            _ = FileManager.default.createFile(atPath: file, contents: nil)
        }
        try Street.script(
            name + ".script",
            """
            event=$(echo "${reason:-$1}" | tr A-Z a-z)
            echo "$event ${new_ip_address:-$ip}" >>\(name).events
            [ "$event" = bound ] && ip address add ${new_ip_address:-$ip}/24 dev eth0
            exit 0
            """)
        // dhclient's own times for the lease are seconds; the server's stay what they are.
        try """
        supersede dhcp-renewal-time 4;
        supersede dhcp-rebinding-time 8;
        supersede dhcp-lease-time 60;
        initial-interval 1;
        backoff-cutoff 2;
        """.write(toFile: name + ".conf", atomically: true, encoding: .utf8)
        let line =
            client == "dhclient"
            ? "dhclient -4 -d -v -cf \(name).conf -lf \(name).leases -pf \(name).pid -sf \(name).script eth0"
            : "busybox udhcpc -f -i eth0 -s \(name).script -t 20 -T 1"
        let program = try RunningProgram(
            line.split(separator: " ").map(String.init), in: device, log: name + ".log")
        func events() -> [String] {
            let text = (try? String(contentsOfFile: name + ".events", encoding: .utf8)) ?? ""
            return text.split(separator: "\n").map(String.init)
        }
        return (program, events)
    }

    /// Until when the server has given the address, in seconds since 1970; nil: it has not.
    private func expiry(of address: String) -> Int? {
        let leases = (try? String(contentsOfFile: home.state + "/dnsmasq.leases", encoding: .utf8)) ?? ""
        let lease = leases.split(separator: "\n").first { $0.contains(" \(address) ") }
        return lease?.split(separator: " ").first.flatMap { Int($0) }
    }

    /// RFC 2131 §4.4.5: T1 and T2. udhcpc is told that it is T1.
    @Test(
        "is made longer by asking its server, and by asking everybody where that does not answer",
        arguments: ["dhclient", "udhcpc"])
    func rebinding(name: String) throws {
        let device = try street.plugIn()
        let client = try keep(name, in: device)
        #expect(eventually(within: .seconds(30)) { client.events().last?.hasPrefix("bound 192.168.77.") == true })
        let address = try #require(
            client.events().last?.split(separator: " ").last.map(String.init), "\(client.program.said)")
        if name == "udhcpc" { client.program.signal(SIGUSR1) }
        #expect(eventually(within: .seconds(30)) { client.events().contains("renew \(address)") })
        let wire = try RunningProgram(
            ["tcpdump", "-l", "-n", "-v", "-i", "eth0", "udp port 67"], in: device, log: home.directory + "/wire")
        #expect(eventually { wire.said.contains("listening on") })
        // What is sent to the server alone is lost from now on.
        try home.gateway.run(
            "nft", "-f", "-",
            input:
                "table ip silent { chain c { type filter hook prerouting priority -400; ip daddr 192.168.77.1 udp dport 67 counter drop; }; }"
        )
        let before = try #require(expiry(of: address))
        if name == "udhcpc" { client.program.signal(SIGUSR1) }
        let own = address.replacingOccurrences(of: ".", with: "\\.")
        let rebinding = try Regex(
            "(?s)\(own)\\.68 > 192\\.168\\.77\\.1\\.67: .*\(own)\\.68 > 255\\.255\\.255\\.255\\.67: .*Client-IP \(own)\n.*"
                + "192\\.168\\.77\\.1\\.67 > \(own)\\.68: .*Your-IP \(own)\n.*length 1: ACK")
        #expect(eventually(within: .seconds(40)) { wire.said.contains(rebinding) }, "\(wire.said)")
        #expect(eventually { (expiry(of: address) ?? 0) > before })
        let lost = try home.gateway.run("nft", "list", "table", "ip", "silent")
        #expect(lost.contains(#/counter packets [1-9]/#), "\(lost)")
        // The address has been the same all the time.
        let all = client.events().filter { $0.contains("192.") }
        #expect(all.count >= 3 && all.allSatisfy { $0.hasSuffix(" \(address)") }, "\(all)")
        #expect(all.count { $0.hasPrefix("bound") } == 1, "\(all)")
    }

    @Test("is declined by a device that finds its address taken, which gets another; the operator is told")
    func declined() throws {
        try home.ctl("zone", "set", "home", "--range", "192.168.77.26-192.168.77.27")
        #expect(try eventually { try street.isRunning() })
        let (device, squatter) = (try street.plugIn(), try street.plugIn())
        // By ARP alone: dnsmasq, which pings, does not see it.
        try squatter.run("ip", "address", "add", "192.168.77.26/24", "dev", "eth0")
        try squatter.run(
            "nft", "-f", "-",
            input: "table ip t { chain i { type filter hook input priority 0; ip protocol icmp drop; }; }")
        // Which of the two addresses comes first is dnsmasq's choice by the hardware's.
        try device.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:10")
        let got = try street.ask("dhcpcd -a", in: device, patience: 60)
        #expect(got?["ip"] == "192.168.77.27", "\(got ?? [:]) \(home.daemon?.said ?? "")")
        #expect(
            try eventually {
                try home.ctl("status").contains(
                    "192.168.77.26 on lan0 is in use by somebody who was not given it: 02:00:00:00:00:10 found so")
            }, "\(street.status)")
        #expect(home.daemon?.said.contains("DHCPDECLINE(lan0) 192.168.77.26") == true)
        #expect(expiry(of: "192.168.77.26") == nil && expiry(of: "192.168.77.27") != nil)
    }

    @Test("stays a known device's while another one makes up as many as it can; that is told, and bounded")
    func starvation() throws {
        try home.ctl("zone", "set", "home", "--range", "192.168.77.20-192.168.77.69")
        let (known, printer) = (try street.plugIn(), try street.plugIn())
        let link = try printer.run("ip", "-br", "link", "show", "eth0").split(separator: " ")
        try home.ctl("device", "name", String(link[2]), "printer")
        try home.ctl("device", "address", "printer", "192.168.77.60")
        #expect(try eventually { try street.isRunning() })
        let client = try keep("udhcpc", in: known)
        #expect(eventually(within: .seconds(20)) { client.events().last?.hasPrefix("bound") == true })
        let address = try #require(client.events().last?.split(separator: " ").last.map(String.init))
        let before = (said: home.daemon?.said.count ?? 0, memory: try residentMemory())
        let (given, took) = try street.crowd(48, seconds: 60, first: 20_000)
        #expect(given.count == 48 && !given.contains(address) && !given.contains("192.168.77.60"), "\(given)")
        let (more, _) = try street.crowd(1500, seconds: 5, first: 30_000)
        #expect(more.isEmpty, "\(more)")
        #expect(
            try eventually { try home.ctl("status").contains(": 49 of 50 are given out; `gatehousectl zone set home") },
            "\(street.status)")
        #expect(try home.attempt("doctor").output.contains("no address is left on lan0"))
        // Both have theirs, though nothing is left: the one by its lease, which is made longer, the other by the operator's word.
        let end = try #require(expiry(of: address))
        client.program.signal(SIGUSR1)
        #expect(eventually(within: .seconds(20)) { client.events().contains("renew \(address)") })
        #expect(eventually { (expiry(of: address) ?? 0) > end })
        #expect(try street.ask("udhcpc", in: printer)?["ip"] == "192.168.77.60")
        let newcomer = try street.plugIn()
        #expect(try street.ask("udhcpc", in: newcomer, patience: 3) == nil)
        let after = (said: home.daemon?.said.count ?? 0, memory: try residentMemory())
        print(
            "48 addresses gone in \(took.dropLast()); 1500 more devices: \(after.said - before.said) bytes of log, \(after.memory - before.memory) kB more"
        )
        #expect(after.said - before.said < 20_000, "\(after.said - before.said)")
        #expect(after.memory - before.memory < 16_384, "\(after.memory - before.memory) kB")
        #expect(home.daemon?.said.contains("restarting it") == false)
        // Those that were there are still told apart, and no more than leases are remembered.
        let devices = try home.ctl("device", "list").split(separator: "\n")
        #expect(devices.contains { $0.contains("printer") } && devices.contains { $0.contains(address) })
        #expect(devices.count < 100, "\(devices.count)")
        // What `status` says helps while the others hold theirs, and what they give back there is room for again.
        try home.ctl("zone", "set", "home", "--range", "192.168.77.20-192.168.77.79")
        #expect(try eventually { try street.isRunning() })
        #expect(try street.ask("udhcpc", in: newcomer) != nil, "\(street.status)")
        #expect(given.allSatisfy { expiry(of: $0) != nil })
        #expect(try street.crowd(48, seconds: 20, first: 20_000, releasing: true).addresses.sorted() == given.sorted())
        #expect(eventually { given.allSatisfy { expiry(of: $0) == nil } }, "\(street.status)")
        #expect(client.events().allSatisfy { !$0.hasPrefix("deconfig 192") && !$0.hasPrefix("nak") })
    }

    /// By its lease somebody is there for half a day. Where nobody else was to be forgotten, whom the operator waited for was turned
    /// away as well.
    @Test("is given to thousands that nobody knows: so many are remembered, and the operator's devices beside them")
    func thousands() throws {
        let (kid, late) = (try street.plugIn(), try street.plugIn())
        let address = try #require(try street.ask("udhcpc", in: kid)?["ip"])
        for (device, name) in [(kid, "kid"), (late, "late")] {
            let link = try device.run("ip", "-br", "link", "show", "eth0").split(separator: " ")
            try home.ctl("device", "name", String(link[2]), name)
        }
        try home.stop()
        let leases = (0..<4000).map { number in
            let bytes = String(format: "%02x:%02x", number >> 8, number & 0xff)
            return "\(time(nil) + 40_000) 02:00:00:00:\(bytes) 10.9.\(number >> 8).\(number & 0xff) * *\n"
        }
        let file = home.state + "/dnsmasq.leases"
        let whole = try String(contentsOfFile: file, encoding: .utf8)
        try (leases.dropFirst(2).joined() + whole).write(toFile: file, atomically: false, encoding: .utf8)
        try home.gateway.run("ip", "address", "add", "10.9.0.1/20", "dev", "lan0")
        try home.start()
        #expect(try eventually { try street.isRunning() })
        let before = (said: home.daemon?.said.count ?? 0, memory: try residentMemory())
        func devices() throws -> [Substring] { try home.ctl("device", "list").split(separator: "\n") }
        // Under a line of headings.
        #expect(try eventually(within: .seconds(60)) { try devices().count >= 1024 })
        #expect(
            try eventually { try home.ctl("status").contains("somebody in the home makes hardware addresses up") },
            "\(street.status)")
        #expect(try street.ask("udhcpc", in: kid)?["ip"] == address)
        let own = try #require(try street.ask("udhcpc", in: late)?["ip"])
        #expect(
            try eventually(within: .seconds(20)) { try devices().contains { $0.contains("late") && $0.contains(own) } })
        #expect(try devices().contains { $0.contains("kid") && $0.contains(address) })
        let (start, count) = (ContinuousClock.now, try devices().count)
        let took = ContinuousClock.now - start
        let after = (said: home.daemon?.said.count ?? 0, memory: try residentMemory())
        print(
            "4000 leases: \(count - 1) devices told in \(took), \(after.memory - before.memory) kB and "
                + "\(after.said - before.said) bytes of log more")
        // Of 64 new devices in a second the log names eight.
        #expect(count <= 1026 && after.said - before.said < 40_000 && after.memory - before.memory < 32_768)
    }

    /// Of the supervisor and of dnsmasq, in kB.
    private func residentMemory() throws -> Int {
        var sum = 0
        let dnsmasq = try street.dnsmasq()
        for process in [home.daemon?.identifier, dnsmasq] {
            let status = try String(contentsOfFile: "/proc/\(try #require(process))/status", encoding: .utf8)
            sum += try #require(status.firstMatch(of: /VmRSS:\s+(\d+) kB/).flatMap { Int($0.1) })
        }
        return sum
    }

    /// dnsmasq does not start with more leases in its file than it may give: where the range became smaller, nobody got anything.
    @Test("of a range of before keeps nobody from one of the range of now, however many there were")
    func formerRange() throws {
        try home.ctl("zone", "set", "home", "--range", "192.168.77.100-192.168.77.129")
        try home.stop()
        let leases = (100..<130).map { "\(time(nil) + 40_000) 02:00:00:00:00:\($0 - 90) 192.168.77.\($0) * *\n" }
        try leases.joined().write(
            toFile: home.state + "/dnsmasq.leases", atomically: false, encoding: .utf8)
        try home.start()
        #expect(try eventually { try street.isRunning() })
        let pid = try street.dnsmasq()
        try home.ctl("zone", "set", "home", "--range", "192.168.77.20-192.168.77.23")
        #expect(try eventually { try street.dnsmasq().map { $0 != pid } ?? false && street.isRunning() })
        let got = try street.ask("udhcpc", in: try street.plugIn())
        #expect(got?["ip"]?.contains(#/^192\.168\.77\.2[0-3]$/#) == true, "\(got ?? [:]) \(home.daemon?.said ?? "")")
        #expect(home.daemon?.said.contains("restarting it") == false, "\(home.daemon?.said ?? "")")
    }

    /// A device of the home that calls itself so in its request for an address.
    private func join(as name: String) throws -> (Namespace, String) {
        let device = try street.plugIn()
        let script = home.directory + "/named"
        try Street.script(
            script,
            """
            [ "$1" = bound ] || exit 0
            ip address add $ip/24 dev eth0 && ip route add default via $router
            echo "$ip"
            """)
        let said = try device.attempt([
            "busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", script, "-t", "20", "-T", "1", "-x",
            "hostname:\(name)",
        ])
        let address = try #require(said.output.firstMatch(of: #/192\.168\.77\.\d+/#), "\(said)")
        _ = try device.attempt(["ping", "-c", "1", "-W", "2", Home.gatewayOnLAN])
        return (device, String(address.0))
    }

    private func addresses(_ name: String, for device: Namespace) throws -> [String] {
        try device.attempt(["dig", "@\(Home.gatewayOnLAN)", "+short", "+tries=1", name]).output.split(separator: "\n")
            .map(String.init)
    }

    @Test("gives nobody a name that is somebody else's, the gateway's own, or one that programs trust")
    func names() throws {
        let (tv, address) = try join(as: "tv")
        #expect(try eventually { try addresses("tv.home.arpa", for: tv) == [address] }, "\(home.daemon?.said ?? "")")
        let (liar, own) = try join(as: "tv")
        #expect(own != address)
        // It is seen, and its name is another's.
        #expect(try eventually { try home.ctl("device", "list").contains(own) })
        #expect(try addresses("tv.home.arpa", for: liar) == [address])
        #expect(try addresses("tv", for: tv) == [address])
        for name in ["gatehouse", "wpad", "WPAD", "isatap", "localhost"] {
            let (device, own) = try join(as: name)
            #expect(try eventually { try home.ctl("device", "list").contains(own) })
            let found = try addresses(name + ".home.arpa", for: device)
            #expect(!found.contains(own), "\(name): \(found)")
            #expect(found == (name == "gatehouse" ? [Home.gatewayOnLAN] : []), "\(name): \(found)")
        }
        #expect(try addresses("tv.home.arpa", for: tv) == [address])
    }

    @Test("is no proof of who somebody is: at another's address a device is held to its own rules")
    func forgedAddress() throws {
        let upstream = try NameServer(in: home.wan, Home.wanHost) { _ in .addresses([Home.wanHost], seconds: 60) }
        let (kid, tv) = (try home.plugIn(11), try home.plugIn(12))
        try home.meet(kid, as: "kid")
        try home.meet(tv, as: "tv")
        let file = home.directory + "/games"
        try "games.example\n".write(toFile: file, atomically: true, encoding: .utf8)
        try home.ctl("blocklist", "add", "games", file, "--device", "kid")
        #expect(try addresses("games.example", for: kid) == ["0.0.0.0"])
        #expect(try addresses("games.example", for: tv) == [Home.wanHost])
        try tv.run("ip", "link", "set", "eth0", "down")
        try kid.run(
            "ip", "-batch", "-",
            input: "address flush dev eth0\naddress add 192.168.77.12/24 dev eth0\nroute add default via 192.168.77.1\n"
        )
        // The gateway's kernel finds out where that address is now.
        #expect(try eventually { try kid.attempt(["ping", "-c", "1", "-W", "1", Home.gatewayOnLAN]).status == 0 })
        #expect(try addresses("games.example", for: kid) == ["0.0.0.0"])
        withExtendedLifetime(upstream) {}
    }
}
