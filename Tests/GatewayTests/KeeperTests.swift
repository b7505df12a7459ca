import Foundation
import Glibc
import TestNetwork
import Testing

/// Programs that look after interfaces on the gateway itself: of two that give addresses each takes away what the other gave.
@Suite(
    "An interface that another program looks after", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(2)))
struct KeeperTests {
    private let home: Home
    /// /run of the gateway, as this machine sees it.
    private let run: String

    init() throws {
        home = try Home()
        run = home.directory + "/run"
        home.run = run
        for directory in ["systemd/network", "systemd/netif", "dbus", "dhcpcd", "NetworkManager/devices", "network"] {
            try FileManager.default.createDirectory(atPath: run + "/" + directory, withIntermediateDirectories: true)
        }
        try home.gateway.run("ip", "route", "add", "default", "via", "2001:db9:113::10", "dev", "wan0")
        try home.start(firewall: nil)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0", "--no-trial")
    }

    /// Starts what is told behind `setup` with the gateway's /run.
    private func start(_ setup: String, _ program: String) throws -> RunningProgram {
        try RunningProgram(
            ["unshare", "--mount", "sh", "-c", "set -e; \(setup); mount --rbind \(run) /run; \(program)"],
            in: home.gateway,
            log: home.directory + "/keeper")
    }

    /// Ends the children as well, which outlive their parent.
    private func end(_ keeper: RunningProgram) {
        let children = (try? home.gateway.attempt(["pgrep", "-P", "\(keeper.identifier)"]).output) ?? ""
        for child in children.split(separator: "\n").compactMap({ pid_t($0) }) { kill(child, SIGKILL) }
    }

    private func index(of interface: String) throws -> String {
        try home.gateway.run("ip", "-o", "link", "show", interface).split(separator: ":").first.map(String.init) ?? ""
    }

    private func addresses(of interface: String) throws -> String {
        try home.gateway.run("ip", "-br", "address", "show", "dev", interface)
    }

    /// What is said about an address for the home's interface, which is not given.
    private func refusal(_ address: String = "192.168.10.1/24") throws -> String {
        let outcome = try home.attempt("zone", "set", "home", "--address", address, "--no-trial")
        #expect(outcome.status != 0, "\(outcome)")
        #expect(try !addresses(of: "lan0").contains(address))
        return outcome.errors
    }

    @Test("has its address by what it was told, which is the line that we say: systemd-networkd")
    func networkd() throws {
        let file = "/run/systemd/network/lan0.network"
        let network = "[Match]\nName=lan0\n[Network]\nIPv6AcceptRA=no\nAddress=192.168.77.1/24\nAddress=fd77::1/64\n"
        try network.write(toFile: home.directory + file, atomically: true, encoding: .utf8)
        // As at boot. (networkd of Debian 12 asks the kernel for ever for an address that is there already.)
        try home.gateway.run("ip", "-4", "address", "flush", "dev", "lan0")
        try home.gateway.run("ip", "address", "delete", "fd77::1/64", "dev", "lan0")
        // It writes as its own user; a /sys that is only to be read tells it that no udevd will come.
        let keeper = try start(
            "chown systemd-network: \(run)/systemd/netif; mount -t sysfs -o ro none /sys",
            """
            dbus-daemon --system --nofork --nopidfile &
            until [ -e /run/dbus/system_bus_socket ]; do :; done
            exec /lib/systemd/systemd-networkd
            """)
        defer { end(keeper) }
        let link = try run + "/systemd/netif/links/" + index(of: "lan0")
        func state() -> String { (try? String(contentsOfFile: link, encoding: .utf8)) ?? "" }
        #expect(
            eventually(within: .seconds(20)) { state().contains("ADMIN_STATE=configured") },
            "\(keeper.said.suffix(3000))")
        let said = try refusal()
        #expect(
            said.contains(
                "systemd-networkd looks after the addresses of lan0: write `Address=192.168.10.1/24` into \(file) and run "
                    + "`networkctl reload`"), "\(said)")
        // The address that the interface has already is nobody's to give.
        try home.ctl("zone", "set", "home", "--address", "192.168.77.1/24", "--no-trial")
        try home.ctl("zone", "set", "home", "--address", "none", "--no-trial")
        func reload() throws {
            try home.gateway.run("nsenter", "--mount=/proc/\(keeper.identifier)/ns/mnt", "networkctl", "reload")
        }
        // As it was told.
        try (network + "Address=192.168.10.1/24\n").write(
            toFile: home.directory + file, atomically: true, encoding: .utf8)
        try reload()
        #expect(try eventually { try addresses(of: "lan0").contains("192.168.10.1/24") }, "\(keeper.said.suffix(3000))")
        try home.ctl("zone", "set", "home", "--address", "192.168.10.1/24", "--no-trial")
        #expect(try refusal("192.168.11.1/24").contains("`Unmanaged=yes` under [Link]"))
        // Or the other way that it was told.
        try "[Match]\nName=lan0\n[Link]\nUnmanaged=yes\n".write(
            toFile: home.directory + file, atomically: true, encoding: .utf8)
        try reload()
        #expect(eventually { state().contains("ADMIN_STATE=unmanaged") }, "\(state())")
        try home.ctl("zone", "set", "home", "--address", "192.168.11.1/24", "--no-trial")
        #expect(try addresses(of: "lan0").contains("192.168.11.1/24"))
    }

    @Test("has no prefix for the home unless it is asked for: status says the lines, which are networkd's own")
    func prefix() throws {
        try home.ctl("zone", "set", "home", "--serve", "--no-trial")
        let file = "/run/systemd/network/wan0.network"
        let network = """
            [Match]
            Name=wan0
            [Network]
            Address=203.0.112.1/24
            Address=2001:db9:113::1/64
            Gateway=2001:db9:113::10

            """
        try network.write(toFile: home.directory + file, atomically: true, encoding: .utf8)
        // Nobody is known to look after it.
        #expect(try home.ctl("status").contains("whatever looks after wan0 has to ask for one"))
        let keeper = try start(
            "chown systemd-network: \(run)/systemd/netif; mount -t sysfs -o ro none /sys",
            """
            dbus-daemon --system --nofork --nopidfile &
            until [ -e /run/dbus/system_bus_socket ]; do :; done
            exec /lib/systemd/systemd-networkd
            """)
        defer { end(keeper) }
        for verb in ["status", "doctor"] {
            #expect(
                try eventually(within: .seconds(20)) {
                    try home.attempt(verb).output.contains("into \(file), and run `networkctl reload`")
                }, "\(keeper.said)")
            let said = try home.attempt(verb).output
            #expect(said.contains("the zone home has no IPv6 of the provider's"), "\(said)")
            #expect(said.contains("`DHCPPrefixDelegation=yes` under [Network] and `UplinkInterface=wan0`"), "\(said)")
            #expect(said.contains("systemd-networkd takes no router advertisements on wan0"), "\(said)")
        }
        // networkd itself knows every one of these lines, and has nothing to say against any.
        try (network + "IPv6AcceptRA=yes\nDHCP=yes\n[DHCPv6]\nPrefixDelegationHint=::/56\n").write(
            toFile: home.directory + file, atomically: true, encoding: .utf8)
        try """
        [Match]
        Name=lan0
        [Network]
        Address=192.168.77.1/24
        DHCPPrefixDelegation=yes
        [DHCPPrefixDelegation]
        UplinkInterface=wan0
        Announce=no

        """.write(toFile: run + "/systemd/network/lan0.network", atomically: true, encoding: .utf8)
        try home.gateway.run("nsenter", "--mount=/proc/\(keeper.identifier)/ns/mnt", "networkctl", "reload")
        #expect(
            try eventually {
                try !home.ctl("status").contains("takes no router advertisements")
            })
        let link = try run + "/systemd/netif/links/" + index(of: "lan0")
        #expect(
            eventually(within: .seconds(20)) {
                (try? String(contentsOfFile: link, encoding: .utf8))?.contains("NETWORK_FILE=") == true
            })
        #expect(!keeper.said.contains("Unknown") && !keeper.said.contains("ignoring"), "\(keeper.said)")
    }

    @Test("is left to dhcpcd for as long as that lives, and no longer")
    func dhcpcd() throws {
        let configuration = home.directory + "/dhcpcd.conf"
        try "interface lan0\nstatic ip_address=192.168.77.1/24\nnoipv6\n".write(
            toFile: configuration, atomically: true, encoding: .utf8)
        // Without its scripts, which would write this machine's resolv.conf.
        let keeper = try start(
            "mkdir -p /var/lib/dhcpcd; mount -t tmpfs none /var/lib/dhcpcd",
            "exec dhcpcd -B -f \(configuration) -c /bin/true lan0")
        defer { end(keeper) }
        #expect(
            eventually(within: .seconds(20)) {
                ["pid", "lan0.pid"].contains { FileManager.default.fileExists(atPath: run + "/dhcpcd/" + $0) }
            }, "\(keeper.said)")
        let said = try refusal()
        #expect(
            said.contains(
                "dhcpcd looks after the addresses of lan0: write `interface lan0` and `static ip_address=192.168.10.1/24` into "
                    + "/etc/dhcpcd.conf"), "\(said)")
        // What is killed leaves its file behind.
        end(keeper)
        keeper.signal(SIGKILL)
        #expect(keeper.ended() != nil)
        try home.ctl("zone", "set", "home", "--address", "192.168.10.1/24", "--no-trial")
        #expect(try addresses(of: "lan0").contains("192.168.10.1/24"))
    }

    @Test("is told by the files of those that this machine has not, and one that they leave alone is ours")
    func others() throws {
        let device = try run + "/NetworkManager/devices/" + index(of: "lan0")
        try "[device]\nmanaged=true\nroute-metric-default-eff=100\n".write(
            toFile: device, atomically: true, encoding: .utf8)
        #expect(
            try refusal().contains(
                "NetworkManager looks after the addresses of lan0: run `nmcli device modify lan0 ipv4.method manual "
                    + "ipv4.addresses 192.168.10.1/24`"))
        try "[device]\nmanaged=false\n".write(toFile: device, atomically: true, encoding: .utf8)
        let state = run + "/network/ifstate"
        try "lo=lo\nlan0=lan0\n".write(toFile: state, atomically: true, encoding: .utf8)
        #expect(
            try refusal().contains(
                "ifupdown looks after the addresses of lan0: write `iface lan0 inet static` and `address 192.168.10.1/24` into "
                    + "/etc/network/interfaces"))
        try "lo=lo\nwan0=wan0\n".write(toFile: state, atomically: true, encoding: .utf8)
        try home.ctl("zone", "set", "home", "--address", "192.168.10.1/24", "--no-trial")
        #expect(try addresses(of: "lan0").contains("192.168.10.1/24"))
    }
}
