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
