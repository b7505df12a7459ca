import Address
import Policy
import Testing

@Suite struct PremisesTests {
    private func premises(_ listeners: [Listener], lan: [String] = ["eth1"], wan: [String] = ["eth0"]) -> Premises {
        Premises(Policy(listeners: listeners, lan: lan, wan: wan), surroundings: home)
    }

    private func listener(
        _ kind: Listener.Kind, _ at: String, interface: String? = nil, clients: [String] = [],
        authentication: Listener.Authentication = .none
    ) -> Listener {
        Listener(
            kind: kind, endpoint: endpoint(at), authentication: authentication, interface: interface,
            clients: clients.map { Network($0)! })
    }

    private func texts(_ offers: [Premises.Offer]) -> [String] { offers.map { "\($0.kind) \($0.endpoint)" } }

    @Test
    func `The gateway answers for the listeners that speak HTTP outside TLS and serve who asks, and for no other`() {
        let premises = premises([
            listener(.http, "192.168.1.1:3128", interface: "eth1"), listener(.socks5, "192.168.1.1:1080"),
            listener(.mixed, "0.0.0.0:8080"), listener(.https, "192.168.1.1:3129"), listener(.http, "[::]:3128"),
            listener(.http, "203.0.113.5:3130", interface: "eth0"),
            listener(.http, "192.168.1.1:3131", clients: ["192.168.1.99"]),
        ])
        func isOwn(_ server: String, from client: String = "192.168.1.20", by address: String = "192.168.1.1") -> Bool {
            premises.answers(at: endpoint(server), to: IPAddress(client)!, by: IPAddress(address)!)
        }
        for server in [
            "192.168.1.1:3128", "[::ffff:192.168.1.1]:3128", "192.168.1.1:8080", "203.0.113.5:8080",
            "[2001:db8:2::1]:3128",
        ] { #expect(isOwn(server), "\(server)") }
        for server in [
            "192.168.1.1:1080", "192.168.1.1:3129", "192.168.1.1:80", "192.168.1.7:3128", "192.168.1.7:8080",
            "203.0.113.5:3128", "203.0.113.5:3130", "192.168.1.1:3131", "[2001:db8:2::1]:8080", "[2001:db8:9::1]:3128",
        ] { #expect(!isOwn(server), "\(server)") }
        #expect(isOwn("192.168.1.1:3131", from: "::ffff:192.168.1.99"))
        // Who came in on the other side is not told of this one.
        #expect(!isOwn("192.168.1.1:3128", from: "198.51.100.9", by: "203.0.113.5"))
        #expect(isOwn("203.0.113.5:3130", from: "198.51.100.9", by: "203.0.113.5"))
    }

    @Test func `A client is offered what it can reach by the address that it came to`() {
        let premises = premises([
            listener(.http, "192.168.1.1:3128", interface: "eth1"), listener(.socks5, "192.168.1.1:1080"),
            listener(.mixed, "0.0.0.0:8080"), listener(.https, "203.0.112.5:3129", authentication: .required),
            listener(.http, "127.0.0.1:3128"), listener(.http, "[2001:db9:2::1]:3128"), listener(.socks5, "[::]:1081"),
            listener(.mixed, "0.0.0.0:8081", interface: "eth0", authentication: .required),
        ])
        let client = IPAddress("192.168.1.20")!
        #expect(
            texts(premises.offers(to: client, at: IPAddress("192.168.1.1")!))
                == ["http 192.168.1.1:3128", "socks5 192.168.1.1:1080", "mixed 192.168.1.1:8080"])
        #expect(
            texts(premises.offers(to: client, at: IPAddress("::ffff:192.168.1.1")!))
                == texts(premises.offers(to: client, at: IPAddress("192.168.1.1")!)))
        #expect(
            texts(premises.offers(to: IPAddress("2001:db9:2::20")!, at: IPAddress("2001:db9:2::1")!))
                == ["http [2001:db9:2::1]:3128", "socks5 [2001:db9:2::1]:1081"])
        #expect(
            texts(premises.offers(to: IPAddress("198.51.101.9")!, at: IPAddress("203.0.112.5")!))
                == ["mixed 203.0.112.5:8080", "https 203.0.112.5:3129", "mixed 203.0.112.5:8081"])
    }

    @Test func `A client is not offered what serves other networks`() {
        let premises = premises([
            listener(.http, "192.168.1.1:3128", clients: ["192.168.1.0/28"]),
            listener(.socks5, "192.168.1.1:1080", clients: ["10.0.0.0/8", "192.168.1.16/28"]),
        ])
        let address = IPAddress("192.168.1.1")!
        #expect(texts(premises.offers(to: IPAddress("192.168.1.3")!, at: address)) == ["http 192.168.1.1:3128"])
        #expect(texts(premises.offers(to: IPAddress("192.168.1.17")!, at: address)) == ["socks5 192.168.1.1:1080"])
        #expect(premises.offers(to: IPAddress("192.168.1.99")!, at: address).isEmpty)
    }

    @Test func `The home's devices are offered what is on the home's side, at its addresses`() {
        let listeners = [
            listener(.http, "192.168.1.1:3128"), listener(.https, "203.0.112.5:3129", authentication: .required),
            listener(.mixed, "0.0.0.0:8080"), listener(.socks5, "[::]:1080", interface: "eth1"),
            listener(.http, "127.0.0.1:3128"),
        ]
        #expect(
            texts(premises(listeners).offers())
                == ["http 192.168.1.1:3128", "mixed 192.168.1.1:8080", "socks5 [2001:db9:2::1]:1080"])
    }

    @Test func `Before there is a LAN everything is offered, loopback where it was asked for by name`() {
        let listeners = [
            listener(.http, "127.0.0.1:3128"), listener(.mixed, "0.0.0.0:8080"), listener(.socks5, "[::]:1080"),
        ]
        #expect(
            texts(premises(listeners, lan: [], wan: []).offers()) == [
                "http 127.0.0.1:3128", "mixed 203.0.112.5:8080", "mixed 192.168.1.1:8080",
                "socks5 [2001:db9:1::5]:1080", "socks5 [2001:db9:2::1]:1080",
            ])
    }

    @Test func `Near are the networks of the interface that the client came in by, if it is the home's`() {
        let premises = premises([])
        #expect(
            premises.networks(around: IPAddress("192.168.1.1")!) == [
                Network("192.168.1.0/24")!, Network("2001:db9:2::/64")!,
            ])
        #expect(premises.networks(around: IPAddress("203.0.112.5")!).isEmpty)
        #expect(premises.networks(around: IPAddress("192.168.1.2")!).isEmpty)
        // Nobody has told where the home is: what is private is near, a public network is not.
        let early = self.premises([], lan: [], wan: [])
        #expect(early.networks(around: IPAddress("192.168.1.1")!) == [Network("192.168.1.0/24")!])
    }
}
