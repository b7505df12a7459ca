import Address
import Testing

@testable import Policy

@Suite struct DerivedListenerTests {
    private func surroundings() -> Surroundings {
        func interface(_ name: String, _ addresses: String..., isUp: Bool = true) -> Surroundings.Interface {
            Surroundings.Interface(name: name, addresses: addresses.map { InterfaceAddress($0)! }, isUp: isUp)
        }
        return Surroundings(interfaces: [
            interface("eth0", "203.0.113.5/24", "2001:db8::5/64"),
            interface("eth1", "192.168.10.1/24", "fd00::1/64", "fe80::1/64"),
            interface("eth2", "192.168.20.1/24"), interface("eth3", "192.168.30.1/24", isUp: false),
        ])
    }

    private func policy(_ service: Zone.Service?) -> Policy {
        Policy(zones: [
            Zone(name: Zone.home, interfaces: ["eth1", "eth3"], service: service),
            Zone(name: Zone.internet, interfaces: ["eth0"], service: Zone.Service()),
            Zone(name: "guest", interfaces: ["eth2"]),
        ])
    }

    @Test
    func `A served zone has a listener for each of its addresses, bound to its interface, and the internet has none`() {
        let listeners = policy(Zone.Service()).derivedListeners(in: surroundings())
        #expect(
            listeners.map { "\($0.endpoint)" } == ["192.168.10.1:53", "[fd00::1]:53", "\(Listener.forRelays.endpoint)"])
        #expect(listeners.dropLast().allSatisfy { $0.interface == "eth1" && $0.kind == .dns })
        for listener in listeners { #expect(policy(Zone.Service()).isConfined(listener, in: surroundings())) }
    }

    @Test func `Without names there is none, and none is added by hand`() {
        #expect(policy(nil).derivedListeners(in: surroundings()).isEmpty)
        #expect(policy(Zone.Service(names: false)).derivedListeners(in: surroundings()).isEmpty)
        var policy = policy(nil)
        policy.listeners = [Listener(kind: .dns, endpoint: Endpoint("192.168.10.1:53")!, interface: "eth1")]
        #expect(throws: Refusal.self) { try policy.check(in: surroundings()) }
    }
}
