import Address
import Testing

@testable import Policy

@Suite struct `Which interface is which` {
    private func card(
        _ name: String, _ address: String? = nil, isDefault: Bool = false, isPlugged: Bool = true, driver: String? = nil
    ) -> Surroundings.Interface {
        .init(
            name: name, addresses: address.map { [.init(address: IPAddress($0)!, prefix: 24)] } ?? [],
            hasCarrier: isPlugged, hasDefaultRoute: isDefault, driver: driver)
    }

    private var lo: Surroundings.Interface {
        .init(name: "lo", addresses: [.init(address: IPAddress("127.0.0.1")!, prefix: 8)], isLoopback: true)
    }

    private func proposal(_ cards: Surroundings.Interface...) -> String? {
        Sides.proposed(in: Surroundings(interfaces: [lo] + cards)).map { "\($0)" }
    }

    @Test func `is told by the default route and by private addresses`() {
        let wan = card("eth0", "203.0.112.7", isDefault: true)
        #expect(proposal(wan, card("eth1", "192.168.1.1")) == "--home eth1 --internet eth0")
        #expect(proposal(card("eth1", "192.168.1.1"), wan) == "--home eth1 --internet eth0")
        // Behind a provider's own router both are private.
        #expect(
            proposal(card("eth0", "192.168.0.7", isDefault: true), card("eth1", "10.0.0.1"))
                == "--home eth1 --internet eth0")
        // PPPoE: the card below it has no address.
        #expect(
            proposal(card("eth0"), card("eth1", "192.168.1.1"), card("ppp0", "100.64.3.4", isDefault: true))
                == "--home eth1 --internet ppp0")
        // A cable that is plugged in goes before one that is not.
        #expect(
            proposal(wan, card("eth1", "192.168.1.1", isPlugged: false), card("eth2", "192.168.2.1"))
                == "--home eth2 --internet eth0")
    }

    @Test func `leaves out what Docker and others make, and takes a bridge of one's own`() {
        let wan = card("eth0", "203.0.112.7", isDefault: true)
        #expect(
            proposal(
                wan, card("docker0", "172.17.0.1", driver: "bridge"),
                card("br-0123456789ab", "172.18.0.1", driver: "bridge"),
                card("br-lan", "192.168.1.1", driver: "bridge"))
                == "--home br-lan --internet eth0")
    }

    @Test func `is one for both where there is one, and nobody's guess where no address is`() {
        #expect(proposal(card("eth0", "192.168.1.5", isDefault: true)) == "--home eth0")
        #expect(
            proposal(card("eth0", "192.168.1.5", isDefault: true), card("docker0", "172.17.0.1", driver: "bridge"))
                == "--home eth0")
        // A second cable without an address is the home's, which is given one.
        #expect(
            proposal(card("eth0", "203.0.112.7", isDefault: true), card("eth1")) == "--home eth1 --internet eth0")
        #expect(proposal(card("eth0")) == nil)
        #expect(proposal() == nil)
    }
}
