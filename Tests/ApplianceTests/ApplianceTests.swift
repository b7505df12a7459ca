import Foundation
import Glibc
import Testing

@Suite(
    "The appliance", .serialized, .timeLimit(.minutes(15)),
    .enabled(if: getuid() == 0, "needs root: boots a container with network namespaces around it"),
    .enabled(if: PackageFile.newest != nil, "needs the package: run scripts/build-deb"))
struct ApplianceTests {
    let package: URL

    init() throws {
        package = try #require(PackageFile.newest)
    }

    private let install = "apt-get install --yes /var/tmp/gatehouse.deb"

    @Test("Installing starts the daemon with no listener and the firewall in observe; purging leaves nothing behind")
    func life() async throws {
        try await Appliance.boot(package: package) { appliance in
            try await appliance.check(install)
            #expect(try await appliance.check("systemctl is-active gatehouse.service") == "active\n")
            #expect(try await appliance.check("systemctl is-enabled gatehouse.service") == "enabled\n")
            #expect(
                try await appliance.check("gatehousectl --json listener list").filter { !$0.isWhitespace }
                    == #"{"listeners":[]}"#)
            #expect(try await appliance.check("nft list tables") == "")
            #expect(try await appliance.openPorts(of: Appliance.lanAddress, fromLAN: true) == [])
            #expect(try await appliance.check("stat -c '%U %G %a' /run/gatehouse") == "root gatehouse 755\n")
            #expect(try await appliance.check("stat -c '%U %G %a' /run/gatehouse/admin.sock") == "root gatehouse 666\n")
            #expect(try await appliance.check("stat -c '%U %G %a' /var/lib/gatehouse") == "root root 700\n")
            try await expectQuietJournal(of: appliance)
            try await expectSmallness(of: appliance)

            // Removed and put back, a gateway knows what it knew.
            try await appliance.check("gatehousectl rule add allow --to 203.0.112.0/24")
            try await appliance.check("apt-get remove --yes gatehouse")
            #expect(try await appliance.run("pgrep -f ^gatehoused:").status == 1)
            try await appliance.check(install)
            #expect(try await appliance.check("gatehousectl rule list").contains("203.0.112.0/24"))

            try await appliance.check("apt-get purge --yes gatehouse")
            #expect(try await appliance.run("pgrep -f ^gatehoused:").status == 1)
            #expect(try await appliance.run("systemctl status gatehouse.service").status == 4)
            #expect(try await appliance.check("nft list tables") == "")
            for left in ["/var/lib/gatehouse", "/run/gatehouse", "/etc/gatehouse", "/usr/sbin/gatehoused"] {
                #expect(try await appliance.run("test -e \(left)").status == 1, "\(left) is left")
            }
        }
    }

    @Test(
        "After setup the LAN reaches a host behind the WAN through both proxies and past them, and the WAN sees nothing"
    )
    func gateway() async throws {
        try await Appliance.boot(package: package) { appliance in
            try await appliance.serveOnWAN()
            try await appliance.check(install)
            // Somebody else's service, which listens on every address.
            try await appliance.check("systemd-run --quiet systemd-socket-activate --listen=0.0.0.0:2222 /bin/cat")
            try await eventually("the WAN reaches port 2222 while the firewall only observes") {
                try await appliance.openPorts(of: Appliance.wanAddress, fromLAN: false) == [2222]
            }
            _ = try await appliance.onLAN("ip route add default via \(Appliance.lanAddress)")
            // The WAN knows no way to the home: only what is hidden behind the box's address comes back.
            let direct = "curl --silent http://\(Appliance.wanHost)/page --max-time"
            #expect(try await appliance.onLAN(direct + " 2").status == 28)

            try await appliance.check("gatehousectl setup --lan lan0 --wan wan0")
            #expect(try await appliance.onLAN(direct + " 20").output == Appliance.page)

            #expect(try await appliance.openPorts(of: Appliance.wanAddress, fromLAN: false) == [])
            let open = try await appliance.openPorts(of: Appliance.lanAddress, fromLAN: true, expecting: [1080, 3128])
            #expect(open == [1080, 3128])
            try await expectBothProxies(of: appliance)
            try await appliance.check("gatehousectl zone set home --way proxy --no-trial")
            #expect(try await appliance.onLAN(direct + " 2").status != 0)
            try await expectBothProxies(of: appliance)
            try await expectQuietJournal(of: appliance)
        }
    }

    @Test("A bare box with two cards becomes the router of a home by install and setup, and gives all of it back")
    func bare() async throws {
        try await Appliance.boot(package: package) { appliance in
            try await appliance.check("ip address flush dev lan0 && ip address flush dev wan0")
            _ = try await appliance.onLAN("ip address flush dev up0")
            try await appliance.serveOnWAN()
            try await appliance.beProvider(of: "198.51.101.50,198.51.101.59")
            try await appliance.check(
                "printf '[Match]\nName=wan0\n[Network]\nDHCP=ipv4\n' >/etc/systemd/network/wan0.network "
                    + "&& systemctl restart systemd-networkd && echo nameserver \(Appliance.wanHost) >/etc/resolv.conf")
            try await eventually("the provider gives an address") {
                try await appliance.check("ip -4 -o address show dev wan0").contains("198.51.101.5")
            }
            try await appliance.check(install)
            let before = try await appliance.groundwork()

            try await appliance.check("gatehousectl setup --home lan0 --internet wan0 --serve --yes --no-trial")
            try await appliance.expectLease("tv", in: "192.168.10.")
            try await appliance.expectPage(from: "192.168.10.1")
            try await eventually("the device has its name") {
                let address = try await appliance.onLAN("dig +short @192.168.10.1 tv.home.arpa").output
                let devices = try await appliance.check("gatehousectl device list")
                return address.hasPrefix("192.168.10.") && devices.contains("tv")
            }

            // The provider gives another address.
            try await appliance.beProvider(of: "198.51.101.60,198.51.101.69")
            try await appliance.check("networkctl reconfigure wan0")
            try await eventually("the provider gives another address") {
                try await appliance.check("ip -4 -o address show dev wan0").contains("198.51.101.6")
            }
            try await appliance.expectPage(from: "192.168.10.1")

            // What a boot does.
            try await appliance.boot { "ip address flush dev lan0" }
            try await appliance.expectPage(from: "192.168.10.1")

            try await expectToBeRenumbered(appliance)

            // An upgrade while one goes past the proxies and another one by them.
            let visits = try await appliance.visitFromLAN(["", "--proxy http://192.168.20.1:3128"])
            let count = visits.count
            try await appliance.check("dpkg --install /var/tmp/gatehouse.deb")
            try await eventually("the home is served after the upgrade") { visits.count > count + 20 }
            let seen = try await visits.end(on: appliance)
            #expect(seen.failures == [] && seen.transfer == 0)
            try await appliance.expectPage(from: "192.168.20.1")

            try await appliance.check("gatehousectl firewall observe --no-trial")
            // A card by which the gateway advertises itself listens to no other router, enforced or not.
            try await appliance.check("gatehousectl zone set home --no-serve --no-trial")
            #expect(try await appliance.groundwork() == before)
            try await appliance.check("gatehousectl zone set home --serve --no-trial")
            try await appliance.check("gatehousectl firewall enforce --no-trial")
            try await appliance.expectPage(from: "192.168.20.1")
            let said = try await appliance.check("apt-get remove --yes gatehouse")
            #expect(said.contains("passes nothing on"), "\(said)")
            #expect(
                try await appliance.onLAN("curl --silent --max-time 2 http://\(Appliance.wanHost)/page").status != 0)
            #expect(try await appliance.check("cat /proc/sys/net/ipv4/conf/lan0/forwarding") == "0\n")
            try await appliance.check(install)
            try await appliance.check("apt-get purge --yes gatehouse")
            #expect(try await appliance.groundwork() == before)
            #expect(try await appliance.check("ip -4 -o address show dev lan0") == "")
        }
    }

    /// The home gets another network: the gateway's address, the leases, the names and the proxies are in it, and nothing of
    /// the former one is left.
    private func expectToBeRenumbered(_ appliance: Appliance) async throws {
        try await appliance.check(
            "gatehousectl setup --home lan0 --internet wan0 --address 192.168.20.1/24 --serve --yes --no-trial")
        try await appliance.expectLease("tv", in: "192.168.20.")
        try await appliance.expectPage(from: "192.168.20.1")
        let page = "curl --silent --max-time 20 --proxy http://192.168.20.1:3128 http://\(Appliance.wanHost)/page"
        #expect(try await appliance.onLAN(page).output == Appliance.page)
        #expect(try await !appliance.check("ip -4 -o address show dev lan0").contains("192.168.10."))
        #expect(try await !appliance.check("gatehousectl listener list").contains("192.168.10."))
        try await eventually("the device's name leads to its new address") {
            try await appliance.onLAN("dig +short @192.168.20.1 tv.home.arpa").output.hasPrefix("192.168.20.")
        }
    }

    @Test(
        "A restarted daemon serves and guards as before; systemd brings back one that was killed, and the door stays shut"
    )
    func restart() async throws {
        try await Appliance.boot(package: package) { appliance in
            try await appliance.serveOnWAN()
            try await appliance.check(install)
            try await appliance.check("gatehousectl setup --lan lan0 --wan wan0")
            try await expectBothProxies(of: appliance)
            try await eventually("the LAN host is told apart") {
                try await appliance.check("nft list ruleset").contains("map numbers")
            }
            let rules = try await appliance.rules()

            try await expectSeamlessRestarts(of: appliance)
            #expect(try await appliance.rules() == rules)

            try await appliance.check("systemctl reload gatehouse.service")
            try await expectBothProxies(of: appliance)

            let main = try await appliance.check("systemctl show --property=MainPID --value gatehouse.service")
            try await appliance.check("kill -KILL \(main)")
            #expect(try await appliance.openPorts(of: Appliance.wanAddress, fromLAN: false) == [])
            try await eventually("systemd has started another daemon") {
                let now = try await appliance.check("systemctl show --property=MainPID --value gatehouse.service")
                let state = try await appliance.run("systemctl is-active gatehouse.service").output
                return now != main && now != "0\n" && state == "active\n"
            }
            try await expectBothProxies(of: appliance)
            #expect(try await appliance.rules() == rules)

            // The daemon had a name of its own for the machine, the one that it started with.
            try await appliance.check("gatehousectl listener add https \(Appliance.lanAddress):3129 --from home")
            try await appliance.check("hostname renamed.lan && gatehousectl tls renew")
            #expect(try await appliance.check("gatehousectl tls show").contains("renamed.lan"))
            try await appliance.check("gatehousectl listener remove \(Appliance.lanAddress):3129")

            try await expectTrialToEnd(of: appliance)
            try await appliance.check("ip route add default via \(Appliance.wanHost) dev wan0")
            let swapped = try await appliance.run("gatehousectl setup --home wan0 --internet lan0 --yes")
            #expect(
                swapped.status == 1 && swapped.output.contains("wan0 carries the default route"), "\(swapped.output)")
        }
    }

    /// A restart and an upgrade while somebody's transfer goes on: for 7.1 s nobody else was let in. Then a stop, which shuts.
    private func expectSeamlessRestarts(of appliance: Appliance) async throws {
        let visits = try await appliance.visitFromLAN([
            "--proxy http://\(Appliance.lanAddress):3128", "--socks5 \(Appliance.lanAddress):1080",
        ])
        for command in ["systemctl restart gatehouse.service", "dpkg --install /var/tmp/gatehouse.deb"] {
            let count = visits.count
            try await appliance.check(command)
            try await eventually("clients are served after \(command)") { visits.count > count + 20 }
        }
        let seen = try await visits.end(on: appliance)
        #expect(seen.failures == [])
        // The bar is 1 s, of a machine that does nothing else.
        #expect(seen.longest < 2, "\(seen.longest) s")
        print("restart and upgrade: the longest of \(visits.count) requests took \(seen.longest) s")
        #expect(seen.transfer == 0, "the transfer that was under way")

        try await appliance.check("systemctl stop gatehouse.service")
        #expect(try await appliance.check("ss -Hltn sport = :1080 or sport = :3128") == "")
        #expect(try await !appliance.check("nft list table inet gatehouse").contains("dport 3128"))
        #expect(try await appliance.run("pgrep -f ^gatehoused:").status == 1)
        try await appliance.check("systemctl start gatehouse.service")
        try await expectBothProxies(of: appliance)
    }

    /// Every process is killed while a change is on trial that cuts off who is connected.
    private func expectTrialToEnd(of appliance: Appliance) async throws {
        try await appliance.check(
            "systemd-run --quiet systemd-socket-activate --accept --inetd --listen=0.0.0.0:2222 /bin/cat")
        try await appliance.check("gatehousectl firewall open echo --tcp 2222")
        let rules = try await appliance.rules()
        let connection = "exec 3<>/dev/tcp/\(Appliance.lanAddress)/2222; sleep 60"
        _ = try await appliance.onLAN("bash -c '\(connection)' >/dev/null 2>&1 </dev/null & echo started")
        try await eventually("the LAN host is connected") {
            try await appliance.check("ss -Htn state established sport = 2222") != ""
        }
        let told = try await appliance.check("gatehousectl firewall close echo")
        #expect(told.contains("is on trial") && told.contains("\(Appliance.lanHost) to port 2222"), "\(told)")
        // A role may be gone with the supervisor before it is its turn.
        try await appliance.check("kill -KILL $(pgrep gatehoused) || true")
        try await eventually("the change is taken back") {
            try await appliance.run("gatehousectl revision list").output.contains("reverted")
        }
        try await eventually("the rules are as before") {
            try await appliance.rules() == rules
        }
        let again = "bash -c 'exec 3<>/dev/tcp/\(Appliance.lanAddress)/2222'"
        #expect(try await appliance.onLAN("timeout 5 \(again)").status == 0)
    }

    @Test("Without the address that its listeners had, the daemon starts and guards; when the address comes, it serves")
    func lateAddress() async throws {
        try await Appliance.boot(package: package) { appliance in
            try await appliance.serveOnWAN()
            try await appliance.check(install)
            try await appliance.check("gatehousectl setup --lan lan0 --wan wan0")
            try await appliance.check("systemd-run --quiet systemd-socket-activate --listen=0.0.0.0:2222 /bin/cat")

            try await appliance.check("systemctl stop gatehouse.service && nft delete table inet gatehouse")
            try await appliance.check("ip address del \(Appliance.lanAddress)/24 dev lan0")
            try await appliance.check("ln -sf /run/net/resolv.conf /etc/resolv.conf")
            // What a boot does before the network is up.
            try await appliance.check("systemctl start gatehouse.service")
            #expect(try await appliance.openPorts(of: Appliance.wanAddress, fromLAN: false) == [])

            try await appliance.check("ip address add \(Appliance.lanAddress)/24 dev lan0")
            try await eventually("the listeners have followed the address") {
                try await appliance.openPorts(of: Appliance.lanAddress, fromLAN: true, expecting: [1080, 3128])
                    == [1080, 3128]
            }
            try await expectBothProxies(of: appliance)

            // A name server that was not there at the boot, behind a link that led nowhere.
            #expect(try await appliance.check("gatehousectl status").contains("there is no name server"))
            try await appliance.answerNamesOnWAN()
            try await appliance.check(
                "mkdir /run/net && echo nameserver \(Appliance.wanHost) >/run/net/resolv.conf")
            let byName =
                "curl --silent --max-time 4 --proxy http://\(Appliance.lanAddress):3128 http://late.example/page"
            try await eventually("a name is found") { try await appliance.onLAN(byName).output == Appliance.page }
        }
    }

    /// A store that could not be read was a box without a firewall, and so was one whose package was removed.
    @Test(
        "Boots without its store, without /var and after a flush, and the removal of the package, leave the box shut; observe and purge open it"
    )
    func shut() async throws {
        try await Appliance.boot(package: package) { appliance in
            func isShut() async throws -> Bool {
                try await appliance.openPorts(of: Appliance.wanAddress, fromLAN: false) == []
            }
            try await appliance.serveOnWAN()
            try await appliance.check(install)
            #expect(try await appliance.check("pgrep gatehoused").split(separator: "\n").count == 5)
            try await appliance.check("gatehousectl setup --lan lan0 --wan wan0")
            // Somebody else's service, which listens on every address.
            try await appliance.check("systemd-run --quiet systemd-socket-activate --listen=0.0.0.0:2222 /bin/cat")

            // A store with a bad beginning.
            try await appliance.boot {
                "cp -a /var/lib/gatehouse/gatehouse.db /root; "
                    + "dd if=/dev/zero of=/var/lib/gatehouse/gatehouse.db bs=1 count=100 conv=notrunc status=none"
            }
            #expect(try await isShut())
            #expect(try await appliance.check("gatehousectl status").contains("fallback: the store cannot be read"))
            #expect(try await appliance.run("gatehousectl status --check").status == 1)
            #expect(try await appliance.run("gatehousectl firewall observe").output.contains("nothing was changed"))
            try await expectBothProxies(of: appliance)
            try await appliance.check("cat /root/gatehouse.db >/var/lib/gatehouse/gatehouse.db")
            try await eventually("the store is taken up again") {
                try await appliance.check("gatehousectl status").contains("enforced: ")
            }

            // A volume that is not mounted: what is there instead is empty.
            try await appliance.boot { "mount -t tmpfs -o mode=0755 tmpfs /var/lib/gatehouse" }
            #expect(try await isShut())
            #expect(try await appliance.check("gatehousectl status").contains("is its volume mounted?"))
            try await expectBothProxies(of: appliance)
            try await appliance.boot { "umount /var/lib/gatehouse" }
            #expect(try await appliance.check("gatehousectl status").contains("enforced: "))

            // Debian's own rules begin with `flush ruleset`.
            try await appliance.check("systemctl restart nftables.service")
            try await eventually("the table is back") {
                try await appliance.run("nft list table inet gatehouse").output.contains("tcp dport 3128")
            }
            #expect(try await isShut())

            try await appliance.check("echo 1 >/proc/sys/net/ipv4/ip_forward")
            let said = try await appliance.check("apt-get remove --yes gatehouse")
            #expect(said.contains("tcp 0.0.0.0:2222") && said.contains("nft delete table inet gatehouse"), "\(said)")
            #expect(try await appliance.check("cat /proc/sys/net/ipv4/ip_forward") == "0\n")
            #expect(try await isShut())
            try await appliance.check(install)
            try await appliance.check("gatehousectl firewall observe")
            #expect(try await appliance.openPorts(of: Appliance.wanAddress, fromLAN: false) == [2222])
            try await appliance.check("gatehousectl firewall enforce && apt-get purge --yes gatehouse")
            #expect(try await appliance.check("nft list tables") == "table inet filter\n")
            #expect(try await appliance.openPorts(of: Appliance.wanAddress, fromLAN: false) == [2222])
        }
    }

    /// Five processes, idle: proportional set size, which counts shared pages once (proc_pid_smaps(5)).
    private func expectSmallness(of appliance: Appliance) async throws {
        let processes = try await appliance.check("pgrep -f ^gatehoused:").split(separator: "\n")
        #expect(processes.count == 5)
        var kilobytes = 0
        for process in processes {
            let rollup = try await appliance.check("cat /proc/\(process)/smaps_rollup")
            let line = try #require(rollup.split(separator: "\n").first { $0.hasPrefix("Pss:") })
            kilobytes += try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        }
        #expect(kilobytes < 50_000)
    }

    private func expectBothProxies(
        of appliance: Appliance, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for proxy in [
            "--proxytunnel --proxy http://\(Appliance.lanAddress):3128", "--socks5 \(Appliance.lanAddress):1080",
        ] {
            let answer = try await appliance.onLAN(
                "curl --silent --show-error --max-time 20 \(proxy) http://\(Appliance.wanHost)/page")
            #expect(answer.output == Appliance.page, "through \(proxy)", sourceLocation: sourceLocation)
        }
    }

    private func expectQuietJournal(
        of appliance: Appliance, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let complaints = try await appliance.check("journalctl --quiet --unit=gatehouse.service --priority=err")
        #expect(complaints == "", sourceLocation: sourceLocation)
    }
}

extension Appliance {
    /// What a boot does, after `prepare` has been run with nothing of Gatehouse at work: an empty kernel, the unit that shuts
    /// the box, the network, the daemon.
    fileprivate func boot(_ prepare: () -> String) async throws {
        try await check("systemctl stop gatehouse.service gatehouse-shut.service")
        try await check(prepare())
        try await check("ip link set wan0 down && nft delete table inet gatehouse")
        try await check("systemctl start gatehouse-shut.service && nft list table inet gatehouse")
        try await check("ip link set wan0 up && systemctl start gatehouse.service")
    }

    static let page = "a page from behind the WAN\n"

    /// The ruleset without what its sets hold at the moment.
    fileprivate func rules() async throws -> String {
        // Where a chain stands among the others means nothing.
        try await check("nft --stateless list ruleset | grep -vE 'elements = |expires|^\t\t\t ' | sort")
    }

    /// The kernel settings that a router needs, as they are.
    fileprivate func groundwork() async throws -> String {
        let names = "forwarding|accept_ra|rp_filter|ip_forward|tcp_fwmark_accept"
        return try await check(
            "cd /proc/sys/net && find . -type f | grep -E '/(\(names))$' | sort | while read -r f; do echo $f $(cat $f); done"
        )
    }

    /// A DHCP server on the WAN host, in place of the one before.
    fileprivate func beProvider(of range: String) async throws {
        let file = tree.appending(path: "srv/provider").path
        _ = try await onWAN(
            "[ ! -e \(file) ] || kill $(cat \(file)); rm -f \(file).leases; dnsmasq --conf-file=/dev/null --user=root "
                + "--no-resolv --no-hosts --interface=up0 --bind-interfaces --pid-file=\(file) --dhcp-leasefile=\(file).leases "
                + "--address=/web.example/\(Self.wanHost) --dhcp-range=\(range),2m --dhcp-option=option:router,\(Self.wanHost)"
        )
    }

    /// The LAN host asks for an address, as a device of that name.
    fileprivate func expectLease(_ name: String, in network: String) async throws {
        let script = """
            #!/bin/sh
            [ "$1" = bound ] || [ "$1" = renew ] || exit 0
            ip address flush dev "$interface"
            ip address add "$ip/$mask" dev "$interface"
            ip route replace default via "${router%% *}"
            """
        let file = tree.appending(path: "srv/lease").path
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        try await eventually("the home's device has a lease in \(network)0/24") {
            let asked = try await onLAN(
                "chmod +x \(file); ip address flush dev up0; busybox udhcpc -q -n -t 3 -T 1 -i up0 -x hostname:\(name) -s \(file)"
            )
            guard asked.status == 0 else { return false }
            return try await onLAN("ip -4 -o address show dev up0").output.contains(network)
        }
    }

    /// The LAN host finds a name by the gateway and gets the page past the proxies.
    fileprivate func expectPage(from nameServer: String) async throws {
        try await eventually("the home's device gets a page by its name") {
            let address = try await onLAN("dig +short +time=2 +tries=1 @\(nameServer) web.example A").output
            guard address == Self.wanHost + "\n" else { return false }
            return try await onLAN("curl --silent --max-time 3 http://\(Self.wanHost)/page").output == Self.page
        }
    }

    /// A name server on the WAN host, by which every name is that host; it ends with the namespace.
    func answerNamesOnWAN() async throws {
        let script = """
            import socket
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(("\(Self.wanHost)", 53))
            while True:
                query, client = server.recvfrom(1500)
                end = query.index(0, 12) + 5
                isIPv4 = query[end - 3] == 1
                answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\5\\0\\4" + socket.inet_aton("\(Self.wanHost)")
                header = query[:2] + b"\\x81\\x80\\0\\1\\0" + bytes([isIPv4]) + b"\\0\\0\\0\\0"
                server.sendto(header + query[12:end] + (answer if isIPv4 else b""), client)
            """
        let file = tree.appending(path: "srv/names.py").path
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        _ = try await onWAN("python3 \(file) >/dev/null 2>&1 </dev/null & echo started")
    }

    /// Requests of the LAN host on each of these ways (options of curl), one after the other and each noted, and one that takes
    /// ten seconds on the first way.
    fileprivate func visitFromLAN(_ ways: [String]) async throws -> Visits {
        let slow = """
            import socketserver, time
            class Slow(socketserver.StreamRequestHandler):
                def handle(self):
                    self.rfile.readline()
                    self.wfile.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\n")
                    for _ in range(100):
                        self.wfile.write(b"x")
                        time.sleep(0.1)
            class Server(socketserver.ThreadingTCPServer):
                allow_reuse_address = True
            Server(("\(Self.wanHost)", 81), Slow).serve_forever()
            """
        let file = tree.appending(path: "srv/slow.py").path
        try slow.write(toFile: file, atomically: true, encoding: .utf8)
        _ = try await onWAN("python3 \(file) >/dev/null 2>&1 </dev/null & echo started")
        try await eventually("the slow server listens") {
            try await onWAN("ss -Hltn sport = :81").output != ""
        }
        let visits = Visits(
            log: tree.appending(path: "srv/visits").path, end: tree.appending(path: "srv/end").path,
            transfer: tree.appending(path: "srv/transfer").path)
        let curl = "curl --silent --show-error --max-time 20 --output /dev/null"
        let format = "--write-out '%{http_code} %{time_total}\\n'"
        for way in ways {
            _ = try await onLAN(
                "while [ ! -e \(visits.end) ]; do \(curl) \(format) \(way) http://\(Self.wanHost)/page; done "
                    + ">>\(visits.log) 2>&1 </dev/null & echo started")
        }
        _ = try await onLAN(
            "{ \(curl) \(ways[0]) http://\(Self.wanHost):81/; echo $? >\(visits.transfer); } "
                + ">/dev/null 2>&1 </dev/null & echo started")
        try await eventually("the first requests are through") { visits.count > 20 }
        return visits
    }

    /// A web server on the WAN host, which ends with the namespace.
    func serveOnWAN() async throws {
        let directory = tree.appending(path: "srv").path
        try Self.page.write(toFile: "\(directory)/page", atomically: true, encoding: .utf8)
        _ = try await onWAN(
            "python3 -m http.server 80 --directory \(directory) >/dev/null 2>&1 </dev/null & echo started")
        try await eventually("the web server answers on its own host") {
            try await onWAN("curl --silent http://\(Self.wanHost)/page").output == Self.page
        }
    }
}

/// Requests that were made while something else happened.
private struct Visits {
    /// A line each: the status and the seconds that it took, or why it failed.
    let log: String
    /// The requests end once this file is there.
    let end: String
    /// Here the long one's exit status is written.
    let transfer: String

    private var lines: [String] {
        (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").map(String.init) ?? []
    }

    var count: Int { lines.count }

    /// Waits for the last ones.
    func end(on appliance: Appliance) async throws -> (failures: [String], longest: Double, transfer: Int?) {
        _ = FileManager.default.createFile(atPath: end, contents: nil)
        try await eventually("the long transfer is over") { FileManager.default.fileExists(atPath: transfer) }
        let good = lines.compactMap { line in line.hasPrefix("200 ") ? Double(line.dropFirst(4)) : nil }
        let status = try String(contentsOfFile: transfer, encoding: .utf8)
        return (
            lines.filter { !$0.hasPrefix("200 ") }, good.max() ?? .infinity,
            Int(status.trimmingCharacters(in: .whitespacesAndNewlines))
        )
    }
}
