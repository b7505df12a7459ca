import Address
import Policy
import Testing

@Suite struct `IPv6 of the provider's` {
    private func policy(_ change: (inout Zone) -> Void = { _ in }) -> Policy {
        var zones = [Zone(name: Zone.home), Zone(name: Zone.internet)]
        (zones[0].interfaces, zones[1].interfaces) = (["lan0"], ["wan0"])
        zones[0].service = Zone.Service()
        change(&zones[0])
        return Policy(firewall: .enforce, zones: zones)
    }

    private func surroundings(_ home: [String], leadsOut: Bool = true) -> Surroundings {
        Surroundings(interfaces: [
            .init(name: "lan0", addresses: home.map { InterfaceAddress($0)! }),
            .init(
                name: "wan0", addresses: [InterfaceAddress("2001:db8:113::2/64")!], hasDefaultRoute: true,
                leadsOutByIPv6: leadsOut),
        ])
    }

    @Test func `is missing in a served zone that has none while the box has`() {
        let lacking = surroundings(["192.168.77.1/24", "fd00:77::1/64", "fe80::1/64"])
        let found = policy().zonesWithoutPrefix(in: lacking)
        #expect(found.map(\.zone) == ["home"])
        #expect(found.map(\.interface) == ["lan0"] && found.map(\.internet) == ["wan0"])
        func isEmpty(_ surroundings: Surroundings, _ change: (inout Zone) -> Void = { _ in }) -> Bool {
            policy(change).zonesWithoutPrefix(in: surroundings).isEmpty
        }
        #expect(isEmpty(surroundings(["2001:db8:77::1/64"])))
        #expect(isEmpty(surroundings(["192.168.77.1/24", "fd00:77::1/64"], leadsOut: false)))
        #expect(isEmpty(lacking) { $0.service = nil })
        #expect(isEmpty(lacking) { $0.service?.dhcp = false })
        #expect(isEmpty(lacking) { $0.way = .proxy })
    }
}
