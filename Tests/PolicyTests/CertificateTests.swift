import Address
import Policy
import Testing

@Suite struct `What a certificate has to be for, and when it is time for another one` {
    private func surroundings() -> Surroundings {
        func address(_ text: String, _ prefix: Int) -> InterfaceAddress {
            .init(address: IPAddress(text)!, prefix: prefix)
        }
        return Surroundings(interfaces: [
            .init(name: "lo", addresses: [address("127.0.0.1", 8), address("::1", 128)]),
            .init(
                name: "lan0",
                addresses: [
                    address("192.168.1.1", 24), address("169.254.7.7", 16), address("fd00::1", 64),
                    address("fe80::1", 64),
                ]),
            .init(name: "wan0", addresses: [address("203.0.112.5", 24)]),
        ])
    }

    private func names(_ listeners: Listener..., host: String = "box") -> CertificateNames? {
        Policy(listeners: listeners).certificateNames(in: surroundings(), host: host)
    }

    private func https(_ endpoint: String, interface: String? = nil) -> Listener {
        Listener(kind: .https, endpoint: Endpoint(endpoint)!, interface: interface)
    }

    @Test func `Without an https listener there is no certificate`() {
        #expect(names(Listener(kind: .http, endpoint: Endpoint("192.168.1.1:3128")!)) == nil)
    }

    @Test func `It is for the addresses of the https listeners, each once, and for no other's`() {
        let wanted = names(
            https("192.168.1.1:3129"), https("192.168.1.1:4129"), https("[fd00::1]:3129"),
            Listener(kind: .http, endpoint: Endpoint("203.0.112.5:3128")!))
        #expect(wanted?.addresses == [IPAddress("192.168.1.1")!, IPAddress("fd00::1")!])
    }

    @Test
    func `Of a listener on every address it is for each of that family, without those that mean nothing elsewhere`() {
        #expect(
            names(https("0.0.0.0:3129"))?.addresses.map(\.description) == ["127.0.0.1", "192.168.1.1", "203.0.112.5"])
        #expect(names(https("0.0.0.0:3129", interface: "lan0"))?.addresses.map(\.description) == ["192.168.1.1"])
        #expect(names(https("[::]:3129", interface: "lan0"))?.addresses.map(\.description) == ["fd00::1"])
    }

    @Test(arguments: [
        ("box", ["box", "box.local", "gateway", "localhost"]), ("Box", ["box", "box.local", "gateway", "localhost"]),
        ("box.example.org", ["box.example.org", "gateway", "localhost"]),
        ("gateway", ["gateway", "gateway.local", "localhost"]),
        ("", ["gateway", "localhost"]), ("a_b", ["gateway", "localhost"]), ("10.0.0.1", ["gateway", "localhost"]),
        ("x,IP:8.8.8.8", ["gateway", "localhost"]),
    ])
    func `It is for the machine's name, if that can be one`(host: String, expected: [String]) {
        #expect(names(https("192.168.1.1:3129"), host: host)?.names == expected)
    }

    /// The certificate had a name that nobody could resolve: port 5353 was shut.
    @Test func `The machine's name under local is among them where multicast DNS gets in`() throws {
        func names(_ edit: (inout Policy) -> Void) throws -> [String]? {
            var policy = Policy(listeners: [
                Listener(kind: .https, endpoint: Endpoint("192.168.1.1:3129")!, authentication: .required)
            ])
            policy.firewall = .enforce
            edit(&policy)
            return policy.certificateNames(in: surroundings(), host: "box")?.names
        }
        func opening(_ transport: Opening.Transport, _ ports: PortRange) -> Opening {
            Opening(name: "mdns", services: [.ports(transport, ports)], place: .zone(Zone.home))
        }
        let without = ["box", "gateway", "localhost"]
        #expect(try names { _ in } == without)
        #expect(try names { $0.openings = [opening(.tcp, PortRange(5353, 5353)!)] } == without)
        let with = ["box", "box.local", "gateway", "localhost"]
        #expect(try names { $0.openings = [opening(.udp, PortRange(5353, 5353)!)] } == with)
        #expect(try names { $0.openings = [opening(.udp, PortRange(5000, 6000)!)] } == with)
        #expect(try names { $0.firewall = .observe } == with)
    }

    private func facts(_ addresses: [String] = ["192.168.1.1"]) -> CertificateFacts {
        CertificateFacts(
            subject: "", issuer: "", names: [], addresses: addresses.map { IPAddress($0)! }, notBefore: 0,
            notAfter: 900,
            fingerprint: "")
    }

    @Test(arguments: [(0, false), (600, false), (601, true), (900, true), (5000, true), (-100, false)])
    func `With less than a third of its time left it is ending`(now: Int, isEnding: Bool) {
        #expect(facts().isEnding(at: now) == isEnding)
    }

    @Test func `One for more addresses than are wanted will do, one for fewer will not`() {
        let wanted = CertificateNames(names: ["gateway"], addresses: [IPAddress("192.168.1.1")!])
        #expect(facts(["192.168.1.1", "10.0.0.1"]).covers(wanted))
        #expect(!facts(["10.0.0.1"]).covers(wanted))
    }

    @Test func `A PEM text is divided into certificates and keys, whatever else is in it`() {
        let text = """
            Bag Attributes
            -----BEGIN EC PARAMETERS-----
            p
            -----END EC PARAMETERS-----
            -----BEGIN EC PRIVATE KEY-----
            k
            -----END EC PRIVATE KEY-----
            subject=x\r
            -----BEGIN CERTIFICATE-----\r
            c\r
            -----END CERTIFICATE-----\r
            """
        let identity = ServerIdentity(certificates: text, key: text)
        #expect(identity.chain == "-----BEGIN CERTIFICATE-----\nc\n-----END CERTIFICATE-----\n")
        #expect(identity.key == "-----BEGIN EC PRIVATE KEY-----\nk\n-----END EC PRIVATE KEY-----\n")
        #expect("\(identity)" == "server identity" && Mirror(reflecting: identity).children.isEmpty)
    }
}
