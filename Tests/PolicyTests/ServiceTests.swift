import Address
import Testing

@testable import Policy

@Suite("Serving a zone")
struct ServiceTests {
    private let surroundings = Surroundings(interfaces: [
        .init(name: "lan0", addresses: [InterfaceAddress("192.168.10.1/24")!]),
        .init(name: "lan1", addresses: []), .init(name: "wan0", addresses: [InterfaceAddress("203.0.112.1/24")!]),
    ])

    private func policy(_ range: String? = nil, address: String = "192.168.10.1/24") -> Policy {
        Policy(zones: [
            Zone(
                name: "home", interfaces: ["lan0"], addresses: [InterfaceAddress(address)!],
                service: .init(range: range.flatMap { AddressRange($0) })),
            Zone(name: "internet", interfaces: ["wan0"]),
        ])
    }

    private func fault(_ policy: Policy) -> String? {
        do throws(Refusal) {
            try policy.check(in: surroundings)
            return nil
        } catch {
            return error.description
        }
    }

    @Test(
        "A range is worked out from the gateway's address: the longest run beside it, with the beginning left free",
        arguments: [
            ("192.168.10.1/24", "192.168.10.32-192.168.10.254"), ("192.168.10.254/24", "192.168.10.32-192.168.10.253"),
            ("192.168.10.100/24", "192.168.10.101-192.168.10.254"), ("10.0.0.200/24", "10.0.0.32-10.0.0.199"),
            ("10.0.0.1/30", "10.0.0.2-10.0.0.2"), ("10.0.0.2/30", "10.0.0.1-10.0.0.1"),
            ("10.0.0.1/29", "10.0.0.2-10.0.0.6"), ("172.16.0.1/12", "172.18.0.0-172.18.15.255"),
            ("10.0.0.1/16", "10.0.32.0-10.0.47.255"),
        ])
    func workedOut(address: String, range: String) {
        #expect(InterfaceAddress(address)!.spareRange(besides: [])?.description == range)
    }

    @Test("Of two addresses in one network neither is given out")
    func besides() {
        let range = InterfaceAddress("192.168.10.1/24")!.spareRange(besides: [IPAddress("192.168.10.120")!])
        #expect(range?.description == "192.168.10.121-192.168.10.254")
    }

    @Test(
        "A range that dnsmasq would take and no device could use is refused with what to do",
        arguments: [
            ("192.168.11.10-192.168.11.20", "not in the network"), ("192.168.10.1-192.168.10.20", "gateway's own"),
            ("192.168.10.250-192.168.11.3", "not in the network"), ("192.168.10.200-192.168.10.255", "broadcast"),
            ("fd00::1-fd00::9", "IPv6"),
        ])
    func bad(range: String, reason: String) {
        let told = self.fault(policy(range)) ?? ""
        #expect(told.contains(reason) && told.contains(range), "\(told)")
    }

    @Test("A range that is good is taken, and one of more addresses than any home has is not")
    func size() {
        #expect(fault(policy("192.168.10.2-192.168.10.254")) == nil)
        #expect(fault(policy("10.0.0.2-10.0.255.254", address: "10.0.0.1/16"))?.contains("4096 at most") == true)
    }

    @Test("Ranges of two zones that overlap are refused, and so is an interface that the file could not name")
    func overlaps() {
        var two = policy("192.168.10.20-192.168.10.30")
        two.zones[0].addresses = []
        two.zones.append(
            Zone(
                name: "guest", interfaces: ["lan1"],
                service: .init(range: AddressRange("192.168.10.30-192.168.10.40"))))
        #expect(fault(two)?.contains("overlap") == true)
        var odd = policy()
        odd.zones[0].addresses = []
        odd.zones[0].interfaces = ["lan,0"]
        #expect(fault(odd)?.contains("cannot be served") == true)
    }

    @Test("A device's own address is one device's, a host's, in a network that is served, and not the gateway's")
    func fixed() {
        func fault(_ addresses: String...) -> String? {
            var changed = policy()
            changed.devices = addresses.enumerated().map { index, address in
                Device(
                    name: "d\(index)", hardware: HardwareAddress("52:54:00:00:00:0\(index)")!,
                    address: IPAddress(address)!)
            }
            return self.fault(changed)
        }
        #expect(fault("192.168.10.20", "192.168.10.21") == nil)
        #expect(fault("192.168.10.20", "192.168.10.20")?.contains("d0 already") == true)
        #expect(fault("192.168.10.1")?.contains("gateway's own") == true)
        #expect(fault("192.168.11.20")?.contains("in no network in which addresses are given") == true)
        #expect(fault("192.168.10.255")?.contains("broadcast") == true)
        #expect(fault("fd00::5")?.contains("IPv6") == true)
    }

    @Test("Somebody who wants a zone served that lacks an address is told so, and one that lost it is warned of")
    func withoutAddress() throws {
        var policy = Policy(zones: [
            Zone(name: "home", interfaces: ["lan1"]), Zone(name: "internet", interfaces: ["wan0"]),
        ])
        let before = policy
        #expect {
            try policy.changeZone(named: "home", in: surroundings) { $0.service = Zone.Service() }
        } throws: {
            "\($0)".contains("zone set home --address 192.168.11.1/24")
        }
        #expect(policy == before)
        policy.zones[0].service = Zone.Service()
        #expect(fault(policy) == nil)
        #expect(policy.warnings(in: surroundings).contains { $0.contains("nobody on lan1 is given an address") })
        try policy.changeZone(named: "home", in: surroundings) { $0.addresses = [InterfaceAddress("10.7.7.1/24")!] }
        #expect(policy.servedLinks(in: surroundings).first?.range?.description == "10.7.7.32-10.7.7.254")
    }

    @Test("A home gets one prefix of its own, each zone a network of it, and both stay as they are")
    func uniqueLocal() throws {
        var policy = self.policy()
        policy.zones.append(Zone(name: "guest", interfaces: ["lan1"], service: .init()))
        let former = policy
        policy.giveUniqueLocal(since: former, random: 0xffff_ff12_3456_789a) { _ in true }
        #expect(policy.zones[0].addresses.map(\.description) == ["192.168.10.1/24", "fd12:3456:789a:1::1/64"])
        #expect(policy.zones[2].addresses.map(\.description) == ["fd12:3456:789a:2::1/64"])
        #expect(policy.zones[1].addresses.isEmpty)
        var again = policy
        again.giveUniqueLocal(since: policy, random: 1) { _ in true }
        #expect(again == policy)
        // An operator who gives the zone another IPv4 address names no other.
        again.zones[0].addresses = [InterfaceAddress("10.0.0.1/24")!]
        again.giveUniqueLocal(since: policy, random: 1) { _ in false }
        #expect(again.zones[0].addresses.map(\.description) == ["10.0.0.1/24", "fd12:3456:789a:1::1/64"])
        var without = former
        without.giveUniqueLocal(since: former, random: 1) { _ in false }
        #expect(without == former)
        // Neither a zone that nobody is served in.
        without.zones[0].service = nil
        without.zones[2].service?.dhcp = false
        without.giveUniqueLocal(since: former, random: 1) { _ in true }
        #expect(without.zones.allSatisfy { $0.addresses.allSatisfy { !$0.address.isUniqueLocal } })
    }
}
