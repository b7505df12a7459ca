import Address
import Policy
import Testing

@testable import Supervisor

@Suite("The file for dnsmasq")
struct ServiceConfigurationTests {
    private let surroundings = Surroundings(interfaces: [
        .init(
            name: "lan0",
            addresses: [InterfaceAddress("192.168.10.1/24")!, InterfaceAddress("fd12:3456:789a:1::1/64")!],
            mtu: 1500),
        .init(name: "lan1", addresses: [InterfaceAddress("10.0.0.129/25")!], mtu: 1400),
        .init(name: "wan0", addresses: [InterfaceAddress("203.0.112.1/24")!], hasDefaultRoute: true),
    ])

    private func policy(_ change: (inout Policy) -> Void = { _ in }) -> Policy {
        var policy = Policy(
            firewall: .enforce,
            zones: [
                Zone(name: "home", interfaces: ["lan0"], service: Zone.Service()),
                Zone(name: "internet", interfaces: ["wan0"]),
            ])
        change(&policy)
        return policy
    }

    private func lines(_ policy: Policy, in other: Surroundings? = nil) -> [String] {
        ServiceConfiguration(policy: policy, surroundings: other ?? surroundings)?.text.split(separator: "\n")
            .map(String.init).filter { !$0.hasPrefix("#") } ?? []
    }

    @Test("A zone that is served is in it, whole, and nothing else of the machine is")
    func whole() {
        #expect(
            lines(policy()) == [
                "port=0", "bind-dynamic", "keep-in-foreground", "user", "group", "pid-file", "log-facility=-",
                "no-hosts",
                "no-resolv", "dhcp-leasefile=/proc/self/fd/0", "dhcp-authoritative", "quiet-dhcp", "quiet-dhcp6",
                "quiet-ra", "enable-ra", "domain=home.arpa", "dhcp-lease-max=16607", "interface=lan0",
                "dhcp-range=192.168.10.32,192.168.10.254,255.255.255.0,12h",
                "dhcp-option=tag:lan0,option:router,192.168.10.1",
                "dhcp-option=tag:lan0,option:dns-server,192.168.10.1",
                "dhcp-range=::,constructor:lan0,ra-stateless,64,12h", "ra-param=lan0,0,0",
                "dhcp-option=tag:lan0,option6:dns-server,[fd12:3456:789a:1::1]",
            ])
    }

    @Test("Nobody is served where no zone is, or only names are asked for")
    func nobody() {
        #expect(lines(policy { $0.zones[0].service = nil }).isEmpty)
        #expect(lines(policy { $0.zones[0].service = .init(dhcp: false) }).isEmpty)
        #expect(lines(policy { $0.zones[0].interfaces = [] }).isEmpty)
    }

    @Test("The gateway is the clock of a zone to which its port for that is open")
    func time() {
        func clocks(_ place: Place, _ service: Opening.Service) -> [String] {
            lines(policy { $0.openings = [Opening(name: "ntp", service, from: place)] }).filter { $0.contains("ntp") }
        }
        let ntp = Opening.Service.ports(.udp, PortRange(123, 123)!)
        for place in [Place.zone("home"), .anywhere] {
            #expect(clocks(place, ntp) == ["dhcp-option=tag:lan0,option:ntp-server,192.168.10.1"])
        }
        #expect(clocks(.zone("internet"), ntp) == [])
        #expect(clocks(.zone("home"), .ports(.tcp, PortRange(123, 123)!)) == [])
    }

    @Test("Without names there is no name server in it")
    func withoutNames() {
        #expect(!lines(policy { $0.zones[0].service = .init(names: false) }).contains { $0.contains("dns-server") })
    }

    @Test("Each interface has its own network, range and size of packets")
    func several() {
        let lines = lines(policy { $0.zones.append(Zone(name: "guest", interfaces: ["lan1"], service: .init())) })
        #expect(lines.contains("dhcp-range=10.0.0.144,10.0.0.254,255.255.255.128,12h"))
        #expect(lines.contains("dhcp-option=tag:lan1,option:router,10.0.0.129"))
        #expect(lines.contains("dhcp-option=tag:lan1,option:mtu,1400"))
        #expect(lines.contains("dhcp-option=tag:lan1,option6:dns-server,[::]"))
        #expect(lines.contains("dhcp-lease-max=\(223 + 111 + 16384)"))
        #expect(!lines.contains { $0.contains("lan0,option:mtu") })
    }

    @Test("What the gateway is to have counts before what it has, and a range that was given is taken")
    func given() {
        let lines = lines(
            policy {
                $0.zones[0].addresses = [InterfaceAddress("192.168.20.254/24")!]
                $0.zones[0].service?.range = AddressRange("192.168.20.7-192.168.20.9")
            })
        #expect(lines.contains("dhcp-range=192.168.20.7,192.168.20.9,255.255.255.0,12h"))
        #expect(lines.contains("dhcp-option=tag:lan0,option:router,192.168.20.254"))
    }

    @Test("A device with an address of its own is in it by its hardware address, where that address can be given")
    func fixed() {
        let hardware = HardwareAddress("52:54:00:00:00:01")!
        let lines = lines(
            policy {
                $0.devices = [
                    Device(name: "printer", hardware: hardware, address: IPAddress("192.168.10.20")),
                    Device(name: "tv", hardware: HardwareAddress("52:54:00:00:00:02")!),
                    Device(
                        name: "far", hardware: HardwareAddress("52:54:00:00:00:03")!, address: IPAddress("10.9.9.9")),
                ]
            })
        #expect(lines.filter { $0.hasPrefix("dhcp-host") } == ["dhcp-host=52:54:00:00:00:01,192.168.10.20"])
        #expect(lines.contains("dhcp-lease-max=16608"))
    }

    @Test("The PAC file is named where a listener for everybody serves it there, and nowhere else")
    func script() {
        func option(_ listener: Listener) -> String? {
            lines(policy { $0.listeners = [listener] }).first { $0.contains(",252,") }
        }
        let here = Endpoint("192.168.10.1:3128")!
        #expect(
            option(Listener(kind: .http, endpoint: here))
                == "dhcp-option=tag:lan0,252,\"http://192.168.10.1:3128/proxy.pac\"")
        #expect(
            option(Listener(kind: .mixed, endpoint: Endpoint("0.0.0.0:8080")!, zone: "home"))
                == "dhcp-option=tag:lan0,252,\"http://192.168.10.1:8080/proxy.pac\"")
        #expect(option(Listener(kind: .http, endpoint: here, authentication: .required)) == nil)
        #expect(option(Listener(kind: .socks5, endpoint: here)) == nil)
        #expect(option(Listener(kind: .https, endpoint: here)) == nil)
        #expect(option(Listener(kind: .http, endpoint: Endpoint("10.0.0.129:3128")!)) == nil)
    }

    @Test("The gateway is a router of IPv6 while a way leads out by it, and while it routes at all")
    func router() {
        var connected = surroundings
        connected.interfaces[2].leadsOutByIPv6 = true
        #expect(lines(policy(), in: connected).contains("ra-param=lan0,0,1800"))
        #expect(lines(policy { $0.firewall = .observe }, in: connected).contains("ra-param=lan0,0,0"))
        // A way out through the home is none.
        var turned = surroundings
        turned.interfaces[0].leadsOutByIPv6 = true
        #expect(lines(policy(), in: turned).contains("ra-param=lan0,0,0"))
    }

    @Test("dnsmasq's log is understood where somebody has to know, and bounded")
    func complaints() {
        var complaints = Complaints()
        let now = ContinuousClock.now
        #expect(complaints.note("started, version 2.90 DNS disabled", at: now) == nil)
        #expect(complaints.note("DHCPACK(lan0) 192.168.10.40 52:54:00:00:00:01 tv", at: now) == nil)
        #expect(complaints.note("DHCPNAK(lan0) 10.0.0.7 52:54:00:00:00:01 wrong server-ID", at: now) == true)
        #expect(complaints.note("DHCPNAK(lan0) 10.0.0.8 52:54:00:00:00:02 wrong server-ID", at: now) == false)
        #expect(complaints.note("DHCPDISCOVER(lan1) 52:54:00:00:00:03 no address available", at: now) == true)
        #expect(complaints.note("DHCPDECLINE(lan1) 10.0.0.9 52:54:00:00:00:04 ", at: now) == true)
        let warnings = complaints.warnings(at: now) { _ in (110, 111, "guest") }
        #expect(warnings.count == 3)
        #expect(
            warnings.contains {
                $0.hasPrefix("10.0.0.9 on lan1 is in use by somebody who was not given it: 52:54:00:00:00:04 found so")
                    && $0.contains("zone set guest --range")
            })
        #expect(
            warnings.contains {
                $0.contains("another DHCP server answers on lan0: it offered 10.0.0.8 to 52:54:00:00:00:02")
            })
        #expect(warnings.contains { $0.contains("no address is left on lan1") && $0.contains("110 of 111") })
        #expect(complaints.warnings(at: now + .seconds(601)) { _ in nil }.isEmpty)
        for number in 0..<1000 {
            _ = complaints.note("DHCPNAK(x\(number)) 10.0.0.7 52:54:00:00:00:01 wrong server-ID", at: now)
        }
        #expect(complaints.warnings(at: now) { _ in nil }.count == 64)
    }
}
