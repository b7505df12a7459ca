import TestNetwork
import Testing

/// Where an interface leads decides what is reachable through it, and by which name it goes does not.
@Suite("Zones", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct ZoneTests {
    /// Another network on the gateway, behind an interface of its own: the gateway is .1 there, the host .10.
    private func attach(_ interface: String, _ network: String, to home: Home) throws -> Namespace {
        let host = try Namespace()
        try host.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 type veth peer name \(interface) netns \(home.gateway.path)
                link set eth0 up
                address add \(network).10/24 dev eth0
                route add default via \(network).1
                """)
        try home.gateway.run(
            "ip", "-batch", "-", input: "link set \(interface) up\naddress add \(network).1/24 dev \(interface)")
        return host
    }

    private func reaches(_ host: Namespace, _ address: String, _ port: UInt16) throws -> Bool {
        let outcome = try host.attempt([
            "curl", "-s", "-o", "/dev/null", "--max-time", "1", "http://\(address):\(port)/",
        ])
        // curl's 28 is a timeout, 7 a refusal: any other end is that of a connection that there was.
        return outcome.status != 28 && outcome.status != 7
    }

    @Test("a guest reaches what is for guests, and nobody else does; the zone was there before its interface")
    func guests() throws {
        let home = try Home.ready()
        let printer = try Origin(in: home.gateway, "0.0.0.0", port: 8631) { _ in }
        let told = try home.attempt("zone", "add", "guest", "--interface", "guest0")
        #expect(told.status == 0 && told.errors.contains("there is no interface guest0 at the moment"), "\(told)")
        try home.ctl("firewall", "open", "print", "--tcp", "8600-8640", "--udp", "8631", "--from", "guest")
        let guest = try attach("guest0", "192.168.99", to: home)
        #expect(try reaches(guest, "192.168.99.1", 8631))
        #expect(try !reaches(guest, "192.168.99.1", 3128))
        #expect(try !reaches(guest, Home.gatewayOnLAN, 3128))
        #expect(try !reaches(home.lan, Home.gatewayOnLAN, 8631))
        #expect(try !reaches(home.wan, Home.gatewayOnWAN, 8631))
        #expect(try reaches(home.lan, Home.gatewayOnLAN, 3128))
        #expect(
            try home.openings().filter { $0.contains("\"print\"") } == [
                #"iifname "guest0" tcp dport 8600-8640 counter accept comment "print""#,
                #"iifname "guest0" udp dport 8631 counter accept comment "print""#,
            ])
        let list = try home.ctl("firewall", "list")
        #expect(list.contains("print") && list.contains("tcp 8600-8640, udp 8631") && list.contains("guest"), "\(list)")
        let zones = try home.ctl("zone", "list")
        #expect(zones.contains("guest") && zones.contains("192.168.99.1"), "\(zones)")
        let removed = try home.attempt("zone", "remove", "guest")
        #expect(
            removed.status == 1 && removed.errors.contains("`gatehousectl firewall close print` first"), "\(removed)")
        withExtendedLifetime(printer) {}
    }

    @Test("the home has as many interfaces as it likes, and what is for it is for all of them")
    func secondInterface() throws {
        let home = try Home.ready()
        let wireless = try attach("wlan0", "192.168.88", to: home)
        #expect(try !reaches(wireless, Home.gatewayOnLAN, 3128))
        try home.ctl("zone", "set", "home", "--interface", "lan0,wlan0")
        #expect(try reaches(wireless, Home.gatewayOnLAN, 3128))
        #expect(try reaches(home.lan, Home.gatewayOnLAN, 3128))
        #expect(try !reaches(home.wan, Home.gatewayOnLAN, 3128))
        let twice = try home.attempt("zone", "set", "internet", "--interface", "wan0,wlan0")
        #expect(
            twice.status == 1 && twice.errors.contains("wlan0 cannot be in the zones home and internet"), "\(twice)")
    }

    /// After a change of kernel or card the operator stood before a shut door, and every remedy was refused.
    @Test("an interface that changed its name is told with the remedy, and the remedy heals everything")
    func renamed() throws {
        let home = try Home.ready()
        try home.ctl("listener", "add", "mixed", "192.168.77.1:8080", "--from", "home")
        try home.gateway.run(
            "ip", "-batch", "-", input: "link set lan0 down\nlink set lan0 name enp3s0\nlink set enp3s0 up")
        let remedy = "lan0 is now called enp3s0: `gatehousectl zone set home --interface enp3s0`"
        #expect(try eventually { try home.ctl("status").contains(remedy) })
        // Meanwhile anything else can be done.
        try home.ctl("firewall", "open", "ssh")
        try home.ctl("firewall", "close", "ssh")
        try home.ctl("zone", "set", "home", "--interface", "enp3s0")
        for port in [1080, 3128, 8080] as [UInt16] {
            #expect(try eventually { try reaches(home.lan, Home.gatewayOnLAN, port) }, "\(port)")
        }
        #expect(try !home.ctl("status").contains("is now called"))
    }

    @Test("an opening for a time closes when it is up, as a revision")
    func expiry() throws {
        let home = try Home.ready()
        try home.ctl("firewall", "open", "files", "--tcp", "8445", "--for", "1s")
        #expect(try eventually(within: .seconds(20)) { try !home.openings().contains { $0.contains("\"files\"") } })
        #expect(
            try eventually { try home.ctl("revision", "list").contains("firewall close files: the time is up") })
    }

    /// `firewall open NAME --tcp 22` opened to the whole internet, and the help said to do it.
    @Test("an opening is for the home unless it is told otherwise, and one that the internet reaches is told")
    func places() throws {
        let home = try Home.ready()
        let quiet = try home.attempt("firewall", "open", "ssh")
        #expect(
            quiet.status == 0 && !quiet.errors.contains("internet") && quiet.output.contains("ssh tcp 22 from home"),
            "\(quiet)")
        #expect(try home.openings().contains(#"iifname "lan0" tcp dport 22 counter accept comment "ssh""#))
        let loud = try home.attempt("firewall", "open", "web", "--tcp", "443", "--from", "internet")
        #expect(loud.status == 0 && loud.errors.contains("web is reachable from the internet"), "\(loud)")
        #expect(try home.openings().contains(#"iifname "wan0" tcp dport 443 counter accept comment "web""#))
        let everywhere = try home.attempt("firewall", "open", "all", "--tcp", "444", "--from", "anywhere")
        #expect(everywhere.errors.contains("all is for anywhere, the internet included"), "\(everywhere)")
        try home.ctl("firewall", "open", "old", "--tcp", "445", "--interface", "lan0")
        #expect(try home.openings().contains(#"iifname "lan0" tcp dport 445 counter accept comment "old""#))
        try home.ctl("firewall", "open", "tunnel", "--proto", "gre", "--from", "wan0")
        #expect(try home.openings().contains(#"iifname "wan0" meta l4proto gre counter accept comment "tunnel""#))
    }

    /// README promised that a listener without a password cannot be used from the internet; under `observe` the internet's
    /// own segment could.
    @Test("a listener without a password is not reached from the internet's side while the firewall only observes")
    func observed() throws {
        let home = try Home()
        try home.start(firewall: "observe")
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("listener", "add", "mixed", "192.168.77.1:8080")
        try home.wan.run("ip", "route", "add", "192.168.77.0/24", "via", Home.gatewayOnWAN)
        for port in [1080, 3128, 8080] as [UInt16] {
            #expect(try reaches(home.lan, Home.gatewayOnLAN, port), "\(port)")
            #expect(try !reaches(home.wan, Home.gatewayOnLAN, port), "\(port)")
        }
        #expect(try home.ctl("status").contains("lan0"))
    }
}
