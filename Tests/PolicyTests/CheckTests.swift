import Address
import Policy
import Testing

private func check(_ policy: Policy) -> String? { refusal { () throws(Refusal) in try policy.check(in: home) } }

private func listener(
    _ text: String, _ authentication: Listener.Authentication = .none, on interface: String? = nil
) -> Listener {
    Listener(kind: .socks5, endpoint: endpoint(text), authentication: authentication, interface: interface)
}

/// A listener on the LAN that asks for a password, changed.
private func serving(_ edit: (inout Listener) -> Void) -> Listener {
    var listener = listener("192.168.1.1:1080", .required, on: "eth1")
    edit(&listener)
    return listener
}

private func network(_ text: String) -> Network { Network(text)! }

@Suite struct CheckTests {
    @Test func `An empty policy and a sensible one hold`() {
        #expect(check(Policy()) == nil)
        #expect(
            check(
                Policy(
                    listeners: [
                        listener("127.0.0.1:1080"), listener("127.0.0.7:1080"), listener("[::1]:1080"),
                        listener("192.168.1.1:1080", on: "eth1"), listener("192.168.1.1:1081"),
                        listener("[2001:db9:2::1]:1080"), listener("0.0.0.0:1082", on: "eth1"),
                        listener("203.0.112.5:1080", .required), listener("0.0.0.0:1083", .required),
                        listener("[::]:1083", .required),
                    ],
                    users: [User(name: "alice", passwordHash: hash)],
                    rules: [Rule(id: 1, action: .allow, destination: Network("10.0.0.0/8")!)],
                    openings: [Opening(name: "ssh", .ssh, from: .interface("eth1"))],
                    lan: ["eth1"], wan: ["eth0"])) == nil)
    }

    @Test(arguments: [
        listener("203.0.112.5:1080"), listener("[2001:db9:1::5]:1080"), listener("0.0.0.0:1080"), listener("[::]:1080"),
        listener("203.0.112.5:1080", on: "eth0"), listener("0.0.0.0:1080", on: "eth0"),
    ])
    func `An unauthenticated listener that the WAN can reach is refused`(_ listener: Listener) {
        let text = check(Policy(listeners: [listener], lan: ["eth1"], wan: ["eth0"]))
        #expect(
            text == "socks5 on \(listener.endpoint) without a password could be used by anybody on the internet; "
                + "add `--auth required`, or say where its clients are, with `--from home`")
    }

    @Test func `Without a known LAN, a listener beyond loopback wants a password`() {
        let text = check(Policy(listeners: [listener("192.168.1.1:1080", on: "eth1")]))
        #expect(text?.hasSuffix("with `--from home`") == true)
    }

    @Test func `An address that a WAN interface also holds is not confined to the LAN`() {
        var twice = home
        twice.interfaces[1].addresses.append(.init(address: IPAddress("192.168.1.1")!, prefix: 32))
        let policy = Policy(listeners: [listener("192.168.1.1:1080")], lan: ["eth1"])
        #expect(policy.isConfined(policy.listeners[0], in: home))
        #expect(!policy.isConfined(policy.listeners[0], in: twice))
    }

    @Test func `Two listeners do not share a port on one address`() {
        #expect(
            check(Policy(listeners: [listener("127.0.0.1:1080"), listener("127.0.0.1:1080")]))
                == "127.0.0.1:1080 is taken by the socks5 listener on 127.0.0.1:1080; choose another port, or "
                + "`gatehousectl listener remove 127.0.0.1:1080` first")
        #expect(
            check(Policy(listeners: [listener("0.0.0.0:1080", .required), listener("127.0.0.1:1080")]))
                == "127.0.0.1:1080 is covered by the socks5 listener on 0.0.0.0:1080; choose another port, or "
                + "`gatehousectl listener remove 0.0.0.0:1080` first")
    }

    private func add(_ listener: Listener) -> String? {
        var policy = Policy(lan: ["eth1"], wan: ["eth0"])
        return refusal { () throws(Refusal) in try policy.add(listener, in: home) }
    }

    @Test func `A new listener names what the machine has, and what it has is said`() {
        #expect(
            add(listener("127.0.0.1:1080", on: "eth9"))
                == "there is no interface eth9; this machine has lo, eth0, eth1 and eth2")
        #expect(
            add(listener("10.9.9.9:1080", .required))?
                .hasPrefix("no interface holds 10.9.9.9; this machine has 127.0.0.1, ::1, 203.0.112.5, ") == true)
        #expect(
            add(listener("203.0.112.5:1080", .required, on: "eth1"))
                == "eth1 does not hold 203.0.112.5; it has 192.168.1.1 and 2001:db9:2::1")
        #expect(
            add(listener("203.0.112.5:1080", .required, on: "eth2"))
                == "eth2 does not hold 203.0.112.5; it has no address")
        #expect(check(Policy(listeners: [listener("[fe80::5]:1080", .required)]))?.contains("is link-local") == true)
        var guest = listener("192.168.1.1:1080")
        guest.zone = "guest"
        #expect(add(guest) == "there is no zone guest; the zones are home and internet")
        guest.interface = "eth1"
        #expect(add(guest)?.contains("give either `--interface` or `--from`") == true)
    }

    @Test func `An interface is in one zone at most`() {
        #expect(
            check(Policy(lan: ["eth0"], wan: ["eth0"]))?.hasPrefix("eth0 cannot be in the zones home and internet")
                == true)
        #expect(check(Policy(lan: ["lo"]))?.hasPrefix("lo leads nowhere") == true)
        #expect(check(Policy(lan: ["eth 0"]))?.contains("no name of an interface") == true)
        for name in ["", "Guest", "9", "a b", "anywhere", "interface:x", String(repeating: "a", count: 33)] {
            #expect(
                check(Policy(zones: Zone.builtIn + [Zone(name: name)]))?.contains("no name for a zone") == true,
                "\(name)")
        }
        #expect(
            check(Policy(zones: Zone.builtIn + [Zone(name: "guest"), Zone(name: "guest")]))?.hasPrefix(
                "there are two zones") == true)
        #expect(check(Policy(zones: Zone.builtIn + [Zone(name: "guest-2_a", interfaces: ["not.there"])])) == nil)
    }

    @Test func `A port of 0 is refused`() {
        let zero = Listener(kind: .http, endpoint: Endpoint(address: IPAddress("127.0.0.1")!, port: 0))
        #expect(check(Policy(listeners: [zero])) == "127.0.0.1:0 has the port 0; give a port from 1 to 65535")
        let mapped = Listener(kind: .http, endpoint: Endpoint("[::ffff:127.0.0.1]:1080")!)
        #expect(check(Policy(listeners: [mapped])) == "[::ffff:127.0.0.1]:1080 is IPv4; write 127.0.0.1:1080")
    }

    @Test(
        arguments: [
            (serving { $0.users = ["alice"] }, nil),
            (serving { $0.users = ["alice", "bob"] }, "there is no user bob; `gatehousectl user add bob` first"),
            (serving { $0.users = ["alice", "alice"] }, "user alice is named twice"),
            (
                serving {
                    $0.users = ["alice"]
                    $0.authentication = .none
                },
                "192.168.1.1:1080 asks for no password, so it cannot know whether it is alice; add `--auth required`"
            ),
            (serving { $0.clients = [network("192.168.1.0/25"), network("10.0.0.0/8")] }, nil),
            (serving { $0.clients = [network("10.0.0.0/8"), network("10.0.0.0/8")] }, "10.0.0.0/8 is named twice"),
            (
                serving { $0.clients = [network("2001:db9::/32")] },
                "nobody from 2001:db9::/32 can connect to 192.168.1.1:1080, which is of the other IP version"
            ),
            (serving { $0.clients = [network("::ffff:1.2.3.4")] }, "::ffff:1.2.3.4/128 is IPv4; write 1.2.3.4/32"),
        ] as [(Listener, String?)])
    func `What a listener says about its clients makes sense`(_ listener: Listener, _ text: String?) {
        let policy = Policy(
            listeners: [listener], users: [User(name: "alice", passwordHash: hash)], lan: ["eth1"], wan: ["eth0"])
        let told = check(policy)
        #expect(text.map { told?.hasPrefix($0) == true } ?? (told == nil), "\(told ?? "no refusal")")
    }

    @Test func `36 Networks of clients are no confinement, since a source address is easily forged`() {
        var open = listener("203.0.112.5:1080")
        open.clients = [network("192.168.1.0/24")]
        #expect(
            check(Policy(listeners: [open], lan: ["eth1"], wan: ["eth0"]))?.contains("could be used by anybody") == true
        )
    }

    @Test func `A user's name fits both protocols`() {
        for name in ["", String(repeating: "a", count: 256), "a:b", "a\nb", "a\u{7f}", "\u{0}"] {
            #expect(check(Policy(users: [User(name: name, passwordHash: hash)])) != nil, "\(name.debugDescription)")
        }
        #expect(check(Policy(users: [User(name: "Zoë Müller", passwordHash: hash)])) == nil)
        let alice = User(name: "alice", passwordHash: hash)
        #expect(check(Policy(users: [alice, alice]))?.hasPrefix("user alice exists twice") == true)
        #expect(check(Policy(users: [User(name: "bob", passwordHash: "secret")]))?.contains("secret") == false)
    }

    @Test func `Rules and openings have numbers and names of their own`() {
        let rule = Rule(id: 3, action: .deny, destination: Network("1.0.0.0/8")!)
        #expect(check(Policy(rules: [rule, rule]))?.hasPrefix("two rules have the number 3") == true)
        #expect(
            check(Policy(rules: [Rule(id: 1, action: .deny, user: "bob")]))
                == "there is no user bob; `gatehousectl user add bob` first")
        let limit = Limit(subject: .eachUser, sessions: 1)
        #expect(
            check(Policy(limits: [limit, limit]))
                == "there are two limits for user; remove one with `gatehousectl limit remove user`")
        let ssh = Opening(name: "ssh", .ssh, from: .anywhere)
        #expect(check(Policy(openings: [ssh, ssh]))?.hasPrefix("there is an opening ssh already") == true)
        #expect(check(Policy(openings: [Opening(name: "a b", .init("tcp 1")!, from: .anywhere)])) != nil)
        for (services, text) in [
            ([], "lets nothing in"), ([.ssh, .ssh], "names tcp 22 twice"), ([.init("protocol tcp")!], "tcp has ports"),
            ([.init("protocol 17")!], "udp has ports"), ([.init("protocol icmp")!], "icmp is let in as IP needs it"),
        ] as [([Opening.Service], String)] {
            let opening = Opening(name: "x", services: services, place: .anywhere)
            #expect(check(Policy(openings: [opening]))?.contains(text) == true, "\(services)")
        }
        #expect(
            check(Policy(openings: [Opening(name: "x", .ssh, from: .zone("guest"))]))?.contains("no zone guest") == true
        )
        // A client is never seen as v4-mapped, so such an opening was one for nobody.
        let mapped = Opening(name: "x", .ssh, source: Network("::ffff:192.168.1.5")!)
        #expect(check(Policy(openings: [mapped])) == "::ffff:192.168.1.5/128 is IPv4; write 192.168.1.5/32")
    }
}
