import Address
import Testing

@testable import Policy

@Suite struct `The groundwork of a policy` {
    private let surroundings = Surroundings(interfaces: [
        .init(name: "eth0", addresses: [InterfaceAddress("203.0.113.5/24")!], hasDefaultRoute: true),
        .init(name: "eth1", addresses: []),
        .init(name: "eth2", addresses: []),
    ])

    private func policy(_ home: Zone, _ internet: [String] = ["eth0"]) -> Policy {
        Policy(firewall: .enforce, zones: [home, Zone(name: "internet", interfaces: internet)])
    }

    private func names(_ policy: Policy, isEnforced: Bool = true) -> [String] {
        policy.groundwork(in: surroundings, isEnforced: isEnforced).settings.map(\.name)
    }

    /// The other way round the kernel drops the routes that it has by router advertisements (ip-sysctl, accept_ra).
    @Test func `lets advertisements in before anything is passed on`() throws {
        let names = names(policy(Zone(name: "home", interfaces: ["eth1"])))
        let advertisements = try #require(names.firstIndex(of: "net/ipv6/conf/eth0/accept_ra"))
        let forwarding = try #require(names.firstIndex(of: "net/ipv6/conf/all/forwarding"))
        #expect(advertisements < forwarding)
        #expect(names.contains("net/ipv4/conf/eth0/forwarding") && names.contains("net/ipv4/conf/eth1/forwarding"))
        #expect(!names.contains { $0.contains("eth2") || $0.contains("ip_forward") })
    }

    @Test(arguments: [Way.proxy, .blocked])
    func `passes nothing on where no device is routed`(way: Way) {
        #expect(names(policy(Zone(name: "home", interfaces: ["eth1"], way: way))) == ["net/ipv4/tcp_fwmark_accept"])
    }

    @Test func `passes nothing on without a way out, without a home, or where nothing is enforced`() {
        #expect(!names(policy(Zone(name: "home", interfaces: ["eth1"]), [])).contains { $0.contains("forwarding") })
        #expect(!names(policy(Zone(name: "home"))).contains { $0.contains("forwarding") })
        #expect(names(policy(Zone(name: "home", interfaces: ["eth1"])), isEnforced: false).isEmpty)
    }

    @Test func `takes no address by its own advertisements, whether or not anything is enforced`() {
        let served = Zone(name: "home", interfaces: ["eth1"], service: Zone.Service())
        let setting = "net/ipv6/conf/eth1/accept_ra"
        #expect(names(policy(served), isEnforced: false) == [setting])
        #expect(names(policy(served)).count { $0 == setting } == 1)
        let namesAlone = Zone(name: "home", interfaces: ["eth1"], service: Zone.Service(dhcp: false))
        #expect(names(policy(namesAlone), isEnforced: false).isEmpty)
    }

    @Test func `passes on for one device that is routed in a zone that is not`() {
        var policy = policy(Zone(name: "home", interfaces: ["eth1"], way: .proxy))
        policy.devices = [Device(name: "tv", hardware: HardwareAddress("02:00:00:00:00:0a")!, way: .routed)]
        #expect(names(policy).contains("net/ipv4/conf/eth1/forwarding"))
    }

    @Test func `leaves the network manager alone where it takes advertisements itself`() {
        #expect(Groundwork.Wish.replacing(1, with: 2).successor(of: 0) == nil)
        #expect(Groundwork.Wish.replacing(1, with: 2).successor(of: 1) == 2)
        #expect(Groundwork.Wish.atLeast(7).successor(of: 9) == nil)
        #expect(Groundwork.Wish.exactly(1).successor(of: 2) == 1)
    }

    @Test func `has the addresses of the first interface that is there`() {
        let home = Zone(name: "home", interfaces: ["eth1", "eth2"], addresses: [InterfaceAddress("192.168.10.1/24")!])
        #expect(
            policy(home).groundwork(in: surroundings, isEnforced: false).assignments == [
                .init(interface: "eth1", address: InterfaceAddress("192.168.10.1/24")!)
            ])
        let missing = Zone(name: "home", interfaces: ["wlan0"], addresses: home.addresses)
        #expect(policy(missing).groundwork(in: surroundings, isEnforced: false).assignments.isEmpty)
    }
}

@Suite struct `The address of a zone` {
    private let surroundings = Surroundings(interfaces: [
        .init(name: "eth0", addresses: [InterfaceAddress("203.0.113.5/24")!], hasDefaultRoute: true),
        .init(name: "eth1", addresses: []),
        .init(name: "eth2", addresses: [InterfaceAddress("192.168.20.1/24")!]),
    ])

    private func refusal(_ address: String, _ zone: String = "home") -> String? {
        var policy = Policy(lan: ["eth1"], wan: ["eth0"])
        policy.zones.append(Zone(name: "guest", interfaces: ["eth3"], addresses: [InterfaceAddress("10.9.0.1/16")!]))
        do throws(Refusal) {
            try policy.changeZone(named: zone, in: surroundings) { $0.addresses = [InterfaceAddress(address)!] }
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: [
        ("192.168.10.0/24", "the network itself"), ("192.168.10.255/24", "broadcast"), ("10.0.0.1/31", "8 to 30"),
        ("192.168.20.7/24", "eth2"), ("203.0.0.1/8", "eth0"), ("10.9.7.1/24", "guest"), ("224.0.0.1/24", "no host's"),
        ("127.0.0.1/24", "no host's"), ("fd00::1/96", "64 bits"), ("fe80::1/64", "no host's"),
    ])
    func `is refused with its value where it cannot be one`(address: String, reason: String) throws {
        let text = try #require(refusal(address))
        #expect(text.contains(address) && text.contains(reason), "\(text)")
    }

    @Test(arguments: ["192.168.10.1/24", "10.8.0.1/16", "fd12:3456::1/64", "100.64.0.1/24"])
    func `is taken where it can`(address: String) { #expect(refusal(address) == nil) }

    @Test func `is not the gateway's to give on the internet's side, nor where there is no interface`() throws {
        #expect(try #require(refusal("198.18.5.1/24", "internet")).contains("internet"))
        var policy = Policy()
        #expect(throws: Refusal.self) {
            try policy.changeZone(named: "home", in: surroundings) { $0.addresses = [InterfaceAddress("10.1.0.1/24")!] }
        }
        #expect(throws: Refusal.self) {
            try policy.changeZone(named: "internet", in: surroundings) { $0.service = Zone.Service() }
        }
    }

    @Test func `is proposed in a network that is free`() {
        #expect(surroundings.freeNetwork.description == "192.168.10.1/24")
        var taken = surroundings
        taken.interfaces[1].addresses = [InterfaceAddress("192.168.10.7/22")!]
        #expect(taken.freeNetwork.description == "192.168.12.1/24")
    }
}
