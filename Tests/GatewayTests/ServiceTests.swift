import Foundation
import Glibc
import TestNetwork
import Testing

/// Addresses for the home: dnsmasq as the gateway drives it, with real clients.
@Suite("A zone that is served", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct ServiceTests {
    @Test("A device is given an address, a router, a name server, a domain and where the PAC file is")
    func lease() throws {
        let street = try Street()
        let got = try #require(try street.ask("dhclient"), "\(street.home.daemon?.said ?? "")")
        #expect(got["ip"].map { $0.hasPrefix("192.168.77.") } == true, "\(got)")
        #expect(got["router"] == Home.gatewayOnLAN && got["dns"] == Home.gatewayOnLAN, "\(got)")
        #expect(got["domain"] == "home.arpa" && got["mask"] == "255.255.255.0", "\(got)")
        #expect(got["lease"] == "43200" && got["mtu"] == "", "\(got)")
        let other = try #require(try street.ask("udhcpc"))
        #expect(other["wpad"] == "http://\(Home.gatewayOnLAN):3128/proxy.pac", "\(other)")
        #expect(other["ip"] == got["ip"] && other["router"] == got["router"] && other["domain"] == "home.arpa")
        let third = try #require(try street.ask("dhcpcd"), "\(street.home.daemon?.said ?? "")")
        #expect(third["ip"].map { $0.hasPrefix("192.168.77.") } == true, "\(third)")
    }

    @Test("dnsmasq holds no more than DHCP needs, and ends with the supervisor, however that ends")
    func confinement() throws {
        let street = try Street()
        let home = street.home
        let pid = try #require(try street.dnsmasq())
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        func field(_ name: String) -> String? {
            status.split(separator: "\n").first { $0.hasPrefix(name + ":") }?.split(whereSeparator: \.isWhitespace)[1]
                .description
        }
        // NET_BIND_SERVICE (10), NET_ADMIN (12), NET_RAW (13).
        for set in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
            #expect(field(set) == "0000000000003400", "\(set): \(field(set) ?? "")")
        }
        #expect(field("NoNewPrivs") == "1" && field("Seccomp") == "2")
        #expect(field("Uid") != "0")
        #expect(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count < 12)
        #expect(try String(contentsOfFile: "/proc/\(pid)/environ", encoding: .utf8) == "")
        home.killsRoles = true
        home.daemon?.signal(SIGKILL)
        #expect(eventually(within: .seconds(5)) { kill(pid, 0) != 0 }, "dnsmasq goes on without the supervisor")
    }

    @Test("A zone that is not served gets nothing, and one that is served no longer has no server left")
    func foreign() throws {
        let street = try Street(serves: false)
        #expect(try street.dnsmasq() == nil)
        #expect(try street.ask("udhcpc", patience: 2) == nil)
        try street.home.ctl("zone", "set", "home", "--serve", "--no-dns")
        #expect(try eventually { try street.dnsmasq() != nil })
        let guest = try street.addNetwork("guest0", gateway: "192.168.78.1/24")
        try street.home.ctl("zone", "add", "guest", "--interface", "guest0")
        #expect(try street.ask("udhcpc", in: guest, patience: 3) == nil)
        #expect(try street.ask("udhcpc") != nil)
        try street.home.ctl("zone", "set", "guest", "--serve", "--no-dns")
        let got = try #require(try street.ask("udhcpc", in: guest), "\(street.home.daemon?.said ?? "")")
        #expect(got["ip"].map { $0.hasPrefix("192.168.78.") } == true && got["router"] == "192.168.78.1", "\(got)")
        #expect(got["dns"] == "", "no names are answered: \(got)")
        try street.home.ctl("zone", "set", "guest", "--no-serve")
        try street.home.ctl("zone", "set", "home", "--no-serve")
        #expect(try eventually { try street.dnsmasq() == nil })
        #expect(try street.ask("udhcpc", patience: 2) == nil)
    }

    @Test("A device keeps its address when dnsmasq is killed, and is served again within a second")
    func killed() throws {
        let street = try Street()
        street.home.killsRoles = true
        let first = try #require(try street.ask("udhcpc"))
        let pid = try #require(try street.dnsmasq())
        kill(pid, SIGKILL)
        let start = ContinuousClock.now
        #expect(try eventually { try street.dnsmasq().map { $0 != pid } ?? false && street.isRunning() })
        #expect(ContinuousClock.now - start < .seconds(1))
        #expect(try street.ask("udhcpc")?["ip"] == first["ip"])
        #expect(try street.home.ctl("status").contains("dnsmasq"))
        // And with everything killed: the lease outlives that as well.
        street.home.daemon?.signal(SIGKILL)
        try street.home.stop()
        try street.home.start(firewall: "observe")
        #expect(try street.ask("udhcpc")?["ip"] == first["ip"])
    }

    @Test("Of IPv6 a device learns the home's own prefix and its name server, and a router only while a way leads out")
    func advertisements() throws {
        let street = try Street()
        let home = street.home
        func advertised() throws -> String { try home.lan.attempt(["rdisc6", "-1", "-w", "1000", "eth0"]).output }
        #expect(
            try eventually(within: .seconds(20)) {
                let text = try advertised()
                return text.contains("Prefix                   : fd77::/64")
                    && text.contains("Recursive DNS server     : fd77::1")
                    && text.matches(of: #/Router lifetime +: +0 /#).count == 1
            }, "\((try? advertised()) ?? "")")
        #expect(try advertised().contains("Stateful other conf.      :          Yes"), "\((try? advertised()) ?? "")")
        // The kernel's own client takes an address of it.
        try home.lan.run("ip", "address", "flush", "dev", "eth0")
        try home.lan.run("ip", "link", "set", "eth0", "down")
        try home.lan.run("ip", "link", "set", "eth0", "up")
        #expect(
            try eventually(within: .seconds(20)) {
                try home.lan.run("ip", "-6", "address", "show", "dev", "eth0", "dynamic").contains("inet6 fd77:")
            })
        #expect(try !home.lan.run("ip", "-6", "route").contains("default"))
        try home.gateway.run("ip", "-6", "route", "add", "default", "via", Home.wanHost6, "dev", "wan0")
        #expect(
            try eventually(within: .seconds(20)) {
                try advertised().matches(of: #/Router lifetime +: +1800 /#).count == 1
            }, "\((try? advertised()) ?? "")")
        #expect(try eventually(within: .seconds(20)) { try home.lan.run("ip", "-6", "route").contains("default") })
        try home.gateway.run("ip", "-6", "route", "del", "default")
        #expect(
            try eventually(within: .seconds(20)) { try !home.lan.run("ip", "-6", "route").contains("default") },
            "\((try? advertised()) ?? "")")
    }

    /// It was told now and then only: where nothing was passed on, the kernel took an address of the prefix by the gateway's own
    /// advertisement, which comes back to it, and so the gateway had the prefix still.
    @Test(
        "A prefix that the gateway has no longer is told to be none by the devices' own word",
        arguments: ["observe", "enforce"])
    func deprecated(firewall: String) throws {
        let street = try Street(firewall: firewall)
        let home = street.home
        try home.gateway.run("ip", "address", "add", "2001:db8:5::1/64", "dev", "lan0", "nodad")
        func addresses() throws -> String { try home.lan.run("ip", "-6", "address", "show", "dev", "eth0") }
        #expect(
            try eventually(within: .seconds(20)) { try addresses().contains("inet6 2001:db8:5:") },
            "\((try? addresses()) ?? "")")
        try home.gateway.run("ip", "address", "del", "2001:db8:5::1/64", "dev", "lan0")
        #expect(try home.gateway.run("ip", "-6", "address", "show", "dev", "lan0", "dynamic").isEmpty)
        #expect(
            try eventually(within: .seconds(30)) {
                try addresses().split(separator: "\n").contains {
                    $0.contains("inet6 2001:db8:5:") && $0.contains("deprecated")
                }
            }, "\((try? addresses()) ?? "")")
    }

    @Test("A home without a prefix gets one of its own, which stays when it is served no longer and again")
    func uniqueLocal() throws {
        let street = try Street(serves: false)
        let home = street.home
        try home.gateway.run("ip", "address", "del", "fd77::1/64", "dev", "lan0")
        func own() throws -> Substring? {
            try home.gateway.run("ip", "-6", "address", "show", "dev", "lan0").split(whereSeparator: \.isWhitespace)
                .first { $0.hasPrefix("fd") && $0.hasSuffix("/64") }
        }
        // The daemon looks at the machine every few seconds by itself, and at each change.
        try home.ctl("zone", "set", "home", "--serve")
        let address = try #require(try own())
        #expect(address.hasSuffix(":1::1/64"), "\(address)")
        try home.ctl("zone", "set", "home", "--no-serve")
        try home.ctl("zone", "set", "home", "--serve")
        #expect(try own() == address)
    }

    @Test("250 devices that come at once all get addresses, each its own, and one more is told that none is left")
    func crowd() throws {
        let street = try Street()
        try street.home.ctl("zone", "set", "home", "--range", "192.168.77.2-192.168.77.251")
        #expect(try eventually { try street.isRunning() })
        let (given, took) = try street.crowd(250, seconds: 60)
        #expect(Set(given).count == 250 && given.count == 250, "\(given.count) in \(took)")
        print("250 devices at once: \(took.trimmingCharacters(in: .whitespacesAndNewlines))")
        let (more, _) = try street.crowd(1, seconds: 3, first: 5000)
        #expect(more.isEmpty)
        #expect(
            try eventually { try street.home.ctl("status").contains("250 of 250 are given out") },
            "\(street.status)")
        // Who takes them all with addresses that nobody knows costs the gateway a bounded number of lines.
        let before = street.home.daemon?.said.count ?? 0
        _ = try street.crowd(2000, seconds: 5, first: 10000)
        #expect((street.home.daemon?.said.count ?? 0) - before < 20_000)
        #expect(try street.isRunning())
    }

    @Test("A lease file of garbage keeps nobody from an address, and is told")
    func garbage() throws {
        let street = try Street()
        let home = street.home
        let first = try #require(try street.ask("udhcpc"))
        try home.stop()
        let file = home.state + "/dnsmasq.leases"
        let whole = try String(contentsOfFile: file, encoding: .utf8)
        try "\u{1}\u{2} rubbish\n\n99999999999999999999999999999 x y z *\n\(whole)".write(
            toFile: file, atomically: false, encoding: .utf8)
        // A file that was written this very moment is left to rest, and dnsmasq writes it anew meanwhile.
        let earlier = Date(timeIntervalSinceNow: -60)
        try FileManager.default.setAttributes([.modificationDate: earlier], ofItemAtPath: file)
        try home.start(firewall: "observe")
        #expect(try eventually { try street.isRunning() }, "\(home.daemon?.said ?? "")")
        #expect(try street.ask("udhcpc")?["ip"] == first["ip"])
        #expect(home.daemon?.said.contains("rubbish") == true, "\(home.daemon?.said ?? "")")
    }

    @Test("Another DHCP server on the wire is told, and what it offered to whom")
    func rogue() throws {
        let street = try Street()
        let home = street.home
        // A device that gets an answer from both asks for the first; this server does not look whether an address is in use, and so
        // is the quicker one.
        let device = try street.plugIn()
        let server = try RunningProgram(
            [
                "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--bind-dynamic", "--user=root",
                "--no-ping", "--interface=br0", "--dhcp-range=192.168.99.50,192.168.99.60,255.255.255.0,2m",
                "--dhcp-leasefile=\(home.directory)/rogue.leases",
            ], in: home.lan, log: home.directory + "/rogue")
        try home.lan.run("ip", "address", "add", "192.168.99.1/24", "dev", "br0")
        #expect(
            try eventually(within: .seconds(40)) {
                _ = try street.ask("udhcpc", in: device, patience: 3)
                return try home.ctl("status").contains("another DHCP server answers on lan0: it offered 192.168.99.")
            }, "\(server.said)\n\(home.daemon?.said ?? "")\n\(street.status)")
    }

    @Test("Something else that holds the port of DHCP is named, and once it is gone devices are served")
    func held() throws {
        let street = try Street(serves: false)
        let holder = try RunningProgram(
            [
                "python3", "-c",
                "import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',67)); print('held',flush=True); time.sleep(1000)",
            ], in: street.home.gateway, log: street.home.directory + "/holder")
        #expect(eventually { holder.said.contains("held") })
        let refused = try street.home.attempt("zone", "set", "home", "--serve")
        #expect(refused.status != 0 && refused.errors.contains("python3"), "\(refused)")
        #expect(refused.errors.contains("UDP port 67"), "\(refused)")
        holder.signal(SIGKILL)
        #expect(holder.ended() != nil)
        try street.home.ctl("zone", "set", "home", "--serve")
        #expect(try eventually { try street.isRunning() })
    }

    @Test("A lease is renewed by asking its server, and by asking everybody where that does not answer")
    func renewal() throws {
        let street = try Street()
        let home = street.home
        let log = home.directory + "/renewals"
        let script = home.directory + "/renewing"
        try Street.script(
            script,
            "[ \"$1\" = bound ] && ip address add $ip/24 dev eth0 && ip route add default via $router\necho \"$1 $ip\" >>\(log)"
        )
        try home.lan.run("ip", "-4", "address", "flush", "dev", "eth0")
        let client = try RunningProgram(
            ["busybox", "udhcpc", "-f", "-i", "eth0", "-s", script, "-t", "20", "-T", "1"], in: home.lan,
            log: home.directory + "/udhcpc")
        func said(_ word: String) -> Int {
            ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").count {
                $0.hasPrefix(word)
            }
        }
        #expect(eventually(within: .seconds(20)) { said("bound") == 1 }, "\(client.said)")
        client.signal(SIGUSR1)
        #expect(eventually(within: .seconds(20)) { said("renew") == 1 }, "\(client.said)")
        // A change restarts dnsmasq, and the device's lease is known to the next one.
        let pid = try street.dnsmasq()
        try home.ctl("zone", "set", "home", "--range", "192.168.77.20-192.168.77.254")
        #expect(try eventually { try street.dnsmasq().map { $0 != pid } ?? false && street.isRunning() })
        client.signal(SIGUSR1)
        #expect(eventually(within: .seconds(20)) { said("renew") == 2 }, "\(client.said)")
        #expect(said("deconfig") <= 1 && said("nak") == 0, "\(client.said)")
        // A change that changes nothing for devices restarts nothing.
        let same = try street.dnsmasq()
        try home.ctl("user", "add", "anna", "--password-stdin", input: "a long enough one\n")
        #expect(try street.dnsmasq() == same)
    }

    @Test("An address that somebody has already is declined, and the device gets another")
    func declined() throws {
        let street = try Street()
        try street.home.ctl("zone", "set", "home", "--range", "192.168.77.26-192.168.77.29")
        #expect(try eventually { try street.isRunning() })
        let device = try street.plugIn()
        // Somebody who answers for three of the four by ARP alone: dnsmasq, which pings, does not see it.
        let squatter = try street.plugIn()
        for last in 26...28 { try squatter.run("ip", "address", "add", "192.168.77.\(last)/24", "dev", "eth0") }
        try squatter.run(
            "nft", "-f", "-",
            input: "table ip t { chain i { type filter hook input priority 0; ip protocol icmp drop; }; }")
        let got = try street.ask("udhcpc -a", in: device, patience: 90)
        #expect(got?["ip"] == "192.168.77.29", "\(got ?? [:]) \(street.home.daemon?.said ?? "")")
    }
}

/// A home whose gateway gives addresses, and how to be one of its devices.
final class Street {
    let home: Home
    /// Kept, for they have no names.
    private var namespaces: [Namespace] = []

    init(serves: Bool = true, firewall: String = "observe") throws {
        home = try Home()
        try home.start(firewall: firewall)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        guard serves else { return }
        try home.ctl("zone", "set", "home", "--serve")
        guard try eventually({ try isRunning() }) else { throw Failure("no dnsmasq:\n\(home.daemon?.said ?? "")") }
    }

    /// Whether dnsmasq gives out addresses.
    func isRunning() throws -> Bool {
        let status = try JSONSerialization.jsonObject(with: Data(home.ctl("--json", "status").utf8)) as? [String: Any]
        let roles = status?["roles"] as? [[String: Any]] ?? []
        return roles.contains { $0["name"] as? String == "dnsmasq" && $0["state"] as? String == "running" }
    }

    /// For an expectation that fails.
    var status: String { (try? home.ctl("status")) ?? "no status" }

    /// The process of dnsmasq; nil: there is none.
    func dnsmasq() throws -> pid_t? {
        guard let daemon = home.daemon else { return nil }
        for line in try home.gateway.run("ps", "-eo", "pid=,ppid=,comm=").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count == 3, fields[1] == "\(daemon.identifier)", fields[2] == "dnsmasq" {
                return pid_t(fields[0])
            }
        }
        return nil
    }

    /// Makes a switch of what was the home's one device, and plugs another device in.
    func plugIn() throws -> Namespace {
        let namespace = try home.plugIn()
        namespaces.append(namespace)
        return namespace
    }

    /// So many devices, all at once: the addresses that they got, and how long it took.
    ///
    /// - Parameter releasing: whether they give them back.
    func crowd(
        _ count: Int, seconds: Int, first: Int = 1, releasing: Bool = false
    ) throws -> (addresses: [String], took: String) {
        let program = URL(filePath: #filePath).deletingLastPathComponent().path + "/Clients/dhcp_crowd.py"
        // Of what comes in by a bridge's port, IP goes to the bridge.
        let link = try home.lan.attempt(["ip", "link", "show", "br0"]).status == 0 ? "br0" : "eth0"
        let outcome = try home.lan.attempt(
            ["python3", program, link, "\(count)", "\(seconds)", "\(first)"] + (releasing ? ["release"] : []))
        guard outcome.status == 0 else { throw Failure("\(outcome)") }
        return (
            outcome.output.split(separator: "\n").compactMap { $0.split(separator: " ").last.map(String.init) },
            outcome.errors
        )
    }

    /// Another network on the gateway, behind `interface`, with a device in it that has eth0.
    func addNetwork(_ interface: String, gateway: String) throws -> Namespace {
        let namespace = try Namespace()
        namespaces.append(namespace)
        try namespace.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 type veth peer name \(interface) netns \(home.gateway.path)
                link set eth0 up
                """)
        try home.gateway.run("ip", "link", "set", interface, "up")
        try home.gateway.run("ip", "address", "add", gateway, "dev", interface)
        return namespace
    }

    /// Asks for an address as a device does that has none; what was given, or nil.
    func ask(_ client: String, in namespace: Namespace? = nil, patience: Int = 20) throws -> [String: String]? {
        let device = namespace ?? home.lan
        try device.run("ip", "-4", "address", "flush", "dev", "eth0")
        let log = home.directory + "/given-\(UUID().uuidString)"
        let script = home.directory + "/script-\(client.prefix(6))"
        let settings = home.directory + "/settings-\(client)"
        switch client {
        case "dhclient":
            try Self.script(
                script,
                """
                case $reason in BOUND|REBOOT|RENEW)
                echo "ip=$new_ip_address router=$new_routers dns=$new_domain_name_servers domain=$new_domain_name \
                mask=$new_subnet_mask lease=$new_dhcp_lease_time mtu=$new_interface_mtu" >\(log)
                kill $PPID;; esac
                """)
            try "timeout \(patience);\n".write(toFile: settings, atomically: true, encoding: .utf8)
            _ = try device.attempt([
                "dhclient", "-4", "-1", "-d", "-cf", settings, "-lf", "/dev/null", "-pf", home.directory + "/pid",
                "-sf",
                script, "eth0",
            ])
        case "udhcpc", "udhcpc -a":
            try Self.script(
                script,
                """
                [ "$1" = bound ] || [ "$1" = renew ] && \
                echo "ip=$ip router=$router dns=$dns domain=$domain mask=$subnet lease=$lease mtu=$mtu wpad=$wpad" >\(log)
                """)
            _ = try device.attempt(
                [
                    "busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", script, "-t", "\(patience)", "-T", "1",
                    "-O",
                    "wpad", "-O", "mtu",
                ] + (client.hasSuffix("-a") ? ["-a", "-A", "1"] : []))
        default:
            try Self.script(
                script,
                """
                [ "$reason" = BOUND ] && echo "ip=$new_ip_address router=$new_routers dns=$new_domain_name_servers" >\(log)
                """)
            _ = try device.attempt(
                [
                    "unshare", "--mount", "sh", "-c",
                    "mount -t tmpfs none /var/lib/dhcpcd 2>/dev/null; mount -t tmpfs none /run; "
                        + "exec dhcpcd --oneshot -4 -f /dev/null -c \(script) -t \(patience) "
                        + (client == "dhcpcd -a" ? "eth0" : "--noarp eth0"),
                ])
        }
        guard let text = try? String(contentsOfFile: log, encoding: .utf8) else { return nil }
        return Dictionary(
            text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: " ").map {
                let parts = $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), parts.count == 2 ? String(parts[1]) : "")
            }, uniquingKeysWith: { $1 })
    }

    static func script(_ path: String, _ text: String) throws {
        try "#!/bin/sh\n\(text)\n".write(toFile: path, atomically: true, encoding: .utf8)
        chmod(path, 0o755)
    }
}
