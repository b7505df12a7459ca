import Foundation
import Glibc
import TestNetwork
import Testing

/// What becomes of leases when something goes wrong: a server that is silent, an address that is taken, devices that lie.
@Suite(
    "A lease", .serialized, .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(3)))
struct LeaseTests {
    let street: Street

    init() throws {
        street = try Street(firewall: "enforce")
    }

    private var home: Home { street.home }

    /// dhclient on the device until it is let go of, and each event that it tells, with the address.
    private func dhclient(
        in device: Namespace, settings: String, declining: Int = 0
    ) throws -> (program: RunningProgram, events: () -> [String]) {
        let name = home.directory + "/dhclient-\(UUID().uuidString)"
        let log = name + ".events"
        try settings.write(toFile: name + ".conf", atomically: true, encoding: .utf8)
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        // A status other than 0 says that the address is somebody's already (dhclient-script(8)).
        try Street.script(
            name + ".script",
            """
            echo "$reason $new_ip_address" >>\(log)
            [ "$reason" = BOUND ] && [ $(grep -c BOUND \(log)) -le \(declining) ] && exit 1
            [ "$reason" = BOUND ] && ip address add $new_ip_address/24 dev eth0
            exit 0
            """)
        let program = try RunningProgram(
            [
                "dhclient", "-4", "-d", "-v", "-cf", name + ".conf", "-lf", name + ".leases", "-pf", name + ".pid",
                "-sf",
                name + ".script", "eth0",
            ], in: device, log: name + ".log")
        return (
            program,
            { ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init) }
        )
    }

    /// The device's own clock for the lease is set to seconds; the server's stays.
    private static let hurried =
        "supersede dhcp-renewal-time 2;\nsupersede dhcp-rebinding-time 5;\nsupersede dhcp-lease-time 60;\nbackoff-cutoff 1;\n"

    @Test("is renewed at its time, and by asking everybody where its server is silent")
    func rebinding() throws {
        let device = try street.plugIn()
        let (program, events) = try dhclient(in: device, settings: Self.hurried)
        #expect(
            eventually(within: .seconds(30)) { events().contains { $0.hasPrefix("RENEW 192.168.77.") } },
            "\(program.said)")
        // What is sent to the server alone is lost from now on; what is sent to all goes out past the device's own rules.
        try device.run(
            "nft", "-f", "-",
            input:
                "table ip t { chain o { type filter hook output priority 0; ip daddr 192.168.77.1 udp dport 67 counter drop; }; }"
        )
        #expect(
            eventually(within: .seconds(30)) { events().contains { $0.hasPrefix("REBIND 192.168.77.") } },
            "\(events()) \(program.said)")
        let lost = try device.run("nft", "list", "table", "ip", "t")
        #expect(lost.contains(#/counter packets [1-9]/#), "\(lost)")
        let addresses = Set(events().filter { !$0.hasPrefix("PREINIT") }.compactMap { $0.split(separator: " ").last })
        #expect(addresses.count == 1, "\(events())")
    }

    @Test("is declined by a device that finds its address taken, which then gets another")
    func declined() throws {
        let device = try street.plugIn()
        let (program, events) = try dhclient(
            in: device, settings: "initial-interval 1;\nretry 1;\nbackoff-cutoff 1;\n", declining: 1)
        #expect(
            eventually(within: .seconds(60)) { events().count { $0.hasPrefix("BOUND") } >= 2 }, "\(program.said)")
        let bound = events().filter { $0.hasPrefix("BOUND") }
        #expect(Set(bound).count == bound.count, "\(bound)")
        #expect(program.said.contains("DHCPDECLINE"), "\(program.said)")
    }

    @Test("stays a known device's while another one makes up as many as it can, and that is told in few lines")
    func starvation() throws {
        try home.ctl("zone", "set", "home", "--range", "192.168.77.20-192.168.77.69")
        #expect(try eventually { try street.isRunning() })
        let (known, printer) = (try street.plugIn(), try street.plugIn())
        let first = try #require(try street.ask("udhcpc", in: known))
        let link = try printer.run("ip", "-br", "link", "show", "eth0").split(separator: " ")
        try home.ctl("device", "name", String(link[2]), "printer")
        try home.ctl("device", "address", "printer", "192.168.77.60")
        #expect(try eventually { try street.isRunning() })
        let before = home.daemon?.said.count ?? 0
        _ = try street.crowd(1500, seconds: 5, first: 20_000)
        #expect(try eventually { try home.ctl("status").contains("are given out") }, "\(street.status)")
        // Both have theirs, though nothing is left: the one by its lease, the other by the operator's word.
        #expect(try street.ask("udhcpc", in: known)?["ip"] == first["ip"])
        #expect(try street.ask("udhcpc", in: printer)?["ip"] == "192.168.77.60")
        #expect(try street.ask("udhcpc", in: try street.plugIn(), patience: 3) == nil)
        #expect((home.daemon?.said.count ?? 0) - before < 20_000, "\(home.daemon?.said.count ?? 0)")
        #expect(home.daemon?.said.contains("restarting it") == false)
        // And those that were there are still told apart, beside all that were made up.
        #expect(try home.ctl("device", "list").contains("printer"))
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
