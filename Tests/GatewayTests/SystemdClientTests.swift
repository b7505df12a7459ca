import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// systemd's own clients, as they are in most Linux devices: networkd asks for an address, and resolved for names. They run without
/// systemd(1) as well, with a /run of their own and a bus of their own. resolved's package is unpacked and not installed, which
/// would make it this machine's own resolver.
@Suite(
    "systemd's clients", .serialized, .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(2)))
struct SystemdClientTests {
    private let home: Home
    private let origin: Origin
    private let upstream: NameServer
    /// /run of the device, as this machine sees it.
    private let run: String

    init() throws {
        home = try Home()
        run = home.directory + "/run"
        upstream = try NameServer(in: home.wan, Home.wanHost) { query in
            switch query.name {
            case "page.example": .addresses([Home.wanHost], seconds: 60)
            case "alias.example": .alias("page.example", [Home.wanHost], seconds: 60)
            default: .none(code: 3, seconds: 60)
            }
        }
        origin = try Origin(in: home.wan, Home.wanHost, port: 80) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\npage\n")
        }
        try home.start(firewall: nil)
        try home.gateway.run("ip", "route", "add", "default", "via", Home.wanHost)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("zone", "set", "home", "--serve", "--no-trial")
        try home.lan.run("ip", "-4", "address", "flush", "dev", "eth0")
        try home.lan.run("ip", "address", "del", "fd77::10/64", "dev", "eth0")
        let network = "[Match]\nName=eth0\n[Network]\nDHCP=yes\n[DHCPv4]\nHostname=laptop\nUseDomains=yes\n"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        try network.write(toFile: home.directory + "/eth0.network", atomically: true, encoding: .utf8)
    }

    /// Where resolved's package is unpacked.
    private var resolved: String { home.directory + "/resolved" }

    private func unpackResolved() throws {
        let script = """
            cd \(home.directory)
            apt-get -q download systemd-resolved || { apt-get -q update && apt-get -q download systemd-resolved; }
            dpkg -x systemd-resolved_*.deb resolved
            """
        let process = ChildProcess()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-ec", script]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure("the package systemd-resolved cannot be had") }
    }

    /// What the device's programs are started with: its /run, and a /sys that is only to be read, by which networkd
    /// knows that no udevd will come.
    private var setup: String {
        """
        set -e
        mkdir -p \(run)
        mount -t tmpfs none \(run)
        mkdir -p \(run)/systemd/network \(run)/systemd/netif \(run)/dbus
        chown systemd-network: \(run)/systemd/netif
        cp \(home.directory)/eth0.network \(run)/systemd/network/
        if [ -d \(resolved) ]; then
            # Its user, and leave to have its name on the bus.
            mkdir \(run)/systemd/resolve
            cp /etc/passwd /etc/group \(run)
            grep -q ^systemd-resolve: /etc/passwd || {
                echo systemd-resolve:x:995:995::/:/usr/sbin/nologin >>\(run)/passwd
                echo systemd-resolve:x:995: >>\(run)/group
            }
            mount --bind \(run)/passwd /etc/passwd
            mount --bind \(run)/group /etc/group
            chown systemd-resolve: \(run)/systemd/resolve
            cp -r /usr/share/dbus-1/system.d \(run)/system.d
            cp \(resolved)/usr/share/dbus-1/system.d/* \(run)/system.d
            mount --bind \(run)/system.d /usr/share/dbus-1/system.d
        fi
        mount --rbind \(run) /run
        mount -t sysfs -o ro none /sys
        """
    }

    /// The device, with networkd in the shell's place and its bus as a child.
    private func boot() throws -> RunningProgram {
        try RunningProgram(
            [
                "unshare", "--mount", "sh", "-c",
                setup + """

                    dbus-daemon --system --nofork --nopidfile &
                    until [ -e /run/dbus/system_bus_socket ]; do :; done
                    export SYSTEMD_LOG_LEVEL=debug
                    [ ! -d \(resolved) ] || \(resolved)/lib/systemd/systemd-resolved 2>\(home.directory)/resolved.log &
                    exec /lib/systemd/systemd-networkd
                    """,
            ], in: home.lan, log: home.directory + "/device")
    }

    /// Ends the children as well, which outlive their parent.
    private func shutDown(_ device: RunningProgram) {
        let children = (try? home.lan.attempt(["pgrep", "-P", "\(device.identifier)"]).output) ?? ""
        for child in children.split(separator: "\n").compactMap({ pid_t($0) }) { kill(child, SIGKILL) }
    }

    /// What a program in the device says, beside the others.
    private func ask(_ device: RunningProgram, _ arguments: String...) throws -> String { try ask(device, arguments) }

    private func ask(_ device: RunningProgram, _ arguments: [String]) throws -> String {
        let outcome = try home.lan.attempt(
            ["nsenter", "--mount=/proc/\(device.identifier)/ns/mnt"] + arguments, seconds: 20)
        return outcome.output + outcome.errors
    }

    private func link(of device: RunningProgram) throws -> String {
        try ask(device, "networkctl", "--no-pager", "status", "eth0")
    }

    private func waitForLease(_ device: RunningProgram) throws {
        #expect(
            try eventually(within: .seconds(30)) { try link(of: device).contains("(DHCP4 via \(Home.gatewayOnLAN))") },
            "\(device.said.suffix(3000))\n\(home.daemon?.said ?? "")")
    }

    @Test("networkd has a lease, which it renews, a name by it, and a page")
    func networkd() throws {
        let device = try boot()
        defer { shutDown(device) }
        try waitForLease(device)
        let link = try link(of: device)
        #expect(link.contains(#/192\.168\.77\.\d+ \(DHCP4 via 192\.168\.77\.1\)/#), "\(link)")
        #expect(link.contains("fd77:") && link.contains(#/DNS: 192\.168\.77\.1\n/#), "\(link)")
        let own = { try home.lan.attempt(["dig", "@\(Home.gatewayOnLAN)", "+short", "laptop.home.arpa"]).output }
        #expect(try eventually { try own().contains("192.168.77.") }, "\((try? own()) ?? "")")
        let page = try home.lan.attempt(["curl", "-s", "-m", "10", "http://\(Home.wanHost)/"])
        #expect(page.output == "page\n", "\(page)")
        // It asks the server that it has its lease from.
        func count(_ word: String) -> Int { device.said.components(separatedBy: "DHCPv4 client: " + word).count - 1 }
        let before = (count("ACK"), count("REQUEST (renewing)"))
        _ = try ask(device, "networkctl", "renew", "eth0")
        #expect(
            eventually { count("ACK") > before.0 && count("REQUEST (renewing)") > before.1 },
            "\(device.said.suffix(3000))")
        #expect(try eventually { try self.link(of: device).contains("routable (configured)") })
    }

    @Test(
        "resolved asks the gateway, which its lease names: names of the internet and of the home, either way, and none there is"
    )
    func names() throws {
        try unpackResolved()
        let device = try boot()
        defer { shutDown(device) }
        try waitForLease(device)
        func resolvectl(_ arguments: String...) throws -> String {
            try ask(device, [resolved + "/usr/bin/resolvectl", "--no-pager"] + arguments)
        }
        #expect(
            try eventually(within: .seconds(20)) { try resolvectl("dns", "eth0").contains(Home.gatewayOnLAN) },
            "\((try? resolvectl("status")) ?? "")")
        #expect(try resolvectl("domain", "eth0").contains("home.arpa"))
        #expect(try resolvectl("query", "page.example").contains("page.example: \(Home.wanHost)"))
        let alias = try resolvectl("query", "alias.example")
        #expect(alias.contains(Home.wanHost) && alias.contains("(page.example)"), "\(alias)")
        #expect(try resolvectl("query", "missing.example").contains("'missing.example' not found"))
        #expect(try resolvectl("query", "gatehouse.home.arpa").contains(Home.gatewayOnLAN))
        // A single label is completed with the domain of the lease.
        #expect(
            try eventually { try resolvectl("query", "laptop").contains("laptop.home.arpa") },
            "\((try? resolvectl("query", "laptop")) ?? "") \((try? resolvectl("query", "laptop.home.arpa")) ?? "")")
        #expect(try resolvectl("query", Home.gatewayOnLAN).contains("gatehouse.home.arpa"))
        let list = home.directory + "/list"
        try "page.example\n".write(toFile: list, atomically: true, encoding: .utf8)
        try home.ctl("blocklist", "add", "ads", list)
        _ = try resolvectl("flush-caches")
        #expect(try eventually { try resolvectl("query", "page.example").contains("0.0.0.0") })
        // What programs ask that look names up by themselves.
        #expect(try ask(device, ["dig", "@127.0.0.53", "+short", "gatehouse.home.arpa"]) == "\(Home.gatewayOnLAN)\n")
    }
}
