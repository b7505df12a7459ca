import Address
import Policy
import Testing

private let guests = Zone(name: "guest", interfaces: ["guest0"])

/// A gateway of 0.1.0's kind, on which things name interfaces, with one more listener than a setup makes.
private let grown = Policy(
    listeners: [
        Listener(kind: .socks5, endpoint: endpoint("192.168.1.1:1080"), interface: "eth1"),
        Listener(kind: .http, endpoint: endpoint("192.168.1.1:3128"), interface: "eth1"),
        Listener(kind: .mixed, endpoint: endpoint("192.168.1.1:8080")),
        Listener(kind: .http, endpoint: endpoint("203.0.112.5:3128"), authentication: .required),
    ],
    users: [User(name: "alice", passwordHash: hash)],
    openings: [Opening(name: "ssh", .ssh, from: .interface("eth1"))], firewall: .enforce, lan: ["eth1"], wan: ["eth0"])

/// Why `change` is refused; nil: it is not.
private func told(_ change: () throws -> Void) -> String? {
    do { try change() } catch { return "\(error)" }
    return nil
}

/// `home`, after `edit`.
private func home(_ edit: (inout Surroundings) -> Void) -> Surroundings {
    var surroundings = home
    edit(&surroundings)
    return surroundings
}

@Suite struct ZoneTests {
    @Test(arguments: [
        (0, "1970-01-01 00:00:00"), (951_782_400, "2000-02-29 00:00:00"), (4_107_542_399, "2100-02-28 23:59:59"),
        (4_107_542_400, "2100-03-01 00:00:00"), (1_798_761_599, "2026-12-31 23:59:59"),
    ])
    func `An opening tells when it closes, in a time that is the same everywhere`(until: Int, text: String) {
        let opening = Opening(name: "web", services: [.init("tcp 80")!], place: .zone("home"), until: until)
        #expect("\(opening)" == "web tcp 80 from home until \(text) UTC")
    }

    @Test func `A zone is made, changed and removed, and the two that are always there stay`() throws {
        var policy = Policy(lan: ["eth1"], wan: ["eth0"])
        try policy.add(guests, in: home)
        #expect(policy.zones.map(\.name) == ["guest", "home", "internet"])
        #expect(policy.zone(of: "guest0")?.name == "guest")
        #expect(policy.zone(of: "eth9") == nil)
        try policy.changeZone(named: "guest", in: home) { $0.interfaces = ["guest0", "guest1"] }
        #expect(policy.interfaces(of: "guest") == ["guest0", "guest1"])
        let refusals: [(String, (inout Policy) throws -> Void)] = [
            ("there is a zone guest already", { policy in try policy.add(guests, in: home) }),
            (
                "there is no zone things",
                { p in try p.changeZone(named: "things", in: home) { $0.interfaces = [] } }
            ),
            (
                "eth0 cannot be in the zones guest and internet",
                { policy in try policy.changeZone(named: "guest", in: home) { $0.interfaces = ["eth0"] } }
            ),
            (
                "the zone home is always there",
                { policy in try policy.removeZone(named: "home", in: home) }
            ),
        ]
        for (text, change) in refusals {
            let before = policy
            #expect(told { try change(&policy) }?.hasPrefix(text) == true, "\(text)")
            #expect(policy == before)
        }
        try policy.open(Opening(name: "print", .init("tcp 631")!, from: .zone("guest")), in: home)
        #expect(
            told { try policy.removeZone(named: "guest", in: home) }
                == "the opening print is for the zone guest; `gatehousectl firewall close print` first")
        try policy.closeOpening(named: "print")
        try policy.removeZone(named: "guest", in: home)
        #expect(policy.zones == Policy(lan: ["eth1"], wan: ["eth0"]).zones)
    }

    @Test func `A listener without a password is for any zone but the internet`() throws {
        var policy = Policy(zones: Zone.builtIn + [guests], lan: ["eth1"], wan: ["eth0"])
        for (zone, isAllowed) in [("home", true), ("guest", true), ("internet", false)] {
            let listener = Listener(kind: .http, endpoint: endpoint("192.168.1.1:3128"), zone: zone)
            #expect(policy.isConfined(listener, in: home) == isAllowed, "\(zone)")
        }
        try policy.add(Listener(kind: .http, endpoint: endpoint("0.0.0.0:3128"), zone: "guest"), in: home)
        // An interface in no zone is not trusted.
        let stray = Listener(kind: .http, endpoint: endpoint("0.0.0.0:3129"), interface: "eth2")
        #expect(
            told { try policy.add(stray, in: home) }?.contains("without a password") == true)
    }

    /// Linux answers for an address on every interface: a LAN host's proxy was used from the internet's segment while the
    /// firewall only observed.
    @Test func `A listener without a password is bound to the one interface that it is for`() {
        #expect(grown.listeners.map { grown.device(of: $0, in: home) } == ["eth1", "eth1", "eth1", nil])
        var policy = Policy(lan: ["eth1"], wan: ["eth0"])
        let listener = Listener(kind: .http, endpoint: endpoint("192.168.1.1:3128"), zone: "home")
        #expect(policy.device(of: listener, in: home) == "eth1")
        policy.lan = ["eth1", "eth2"]
        #expect(policy.device(of: listener, in: home) == nil)
        #expect(policy.device(of: Listener(kind: .http, endpoint: endpoint("127.0.0.1:3128")), in: home) == nil)
    }

    /// The home's address turned up on the internet's side as well, and a listener without a password was open there.
    @Test func `A listener without a password is never for the internet, wherever its address turns up`() {
        let twice = home { $0.interfaces[1].addresses.append(.init(address: IPAddress("192.168.1.1")!, prefix: 32)) }
        #expect(grown.interfaces(of: grown.listeners[2], in: home) == ["eth1"])
        #expect(grown.interfaces(of: grown.listeners[2], in: twice) == ["eth1"])
        let moved = home { ($0.interfaces[1].addresses, $0.interfaces[2].addresses) = ($0.interfaces[2].addresses, []) }
        #expect(grown.interfaces(of: grown.listeners[2], in: moved) == [])
        #expect(grown.device(of: grown.listeners[2], in: moved) == "lo")
        var asking = grown.listeners[2]
        asking.authentication = .required
        #expect(grown.interfaces(of: asking, in: twice) == ["eth0", "eth1"])
    }

    @Test func `Two listeners share a port where their interfaces keep them apart`() throws {
        var policy = Policy(lan: ["eth1", "eth2"], wan: ["eth0"])
        let listener = { Listener(kind: .socks5, endpoint: endpoint($0), interface: $1) }
        try policy.add(listener("192.168.1.1:1080", "eth1"), in: home)
        try policy.add(listener("0.0.0.0:1080", "eth2"), in: home)
        try policy.check(in: home)
        let surroundings = home { $0.interfaces[3].addresses = $0.interfaces[2].addresses }
        #expect(
            told { try policy.add(listener("192.168.1.1:1080", "eth2"), in: surroundings) }?.contains("is taken by")
                == true)
        let everywhere = Listener(kind: .socks5, endpoint: endpoint("0.0.0.0:1080"), authentication: .required)
        #expect(told { try policy.add(everywhere, in: home) }?.contains("listener remove") == true)
    }

    @Test(
        arguments: [
            (Place.zone("eth1"), nil, Place.interface("eth1")), (.zone("home"), nil, .zone("home")),
            (.anywhere, "192.168.1.0/25", .zone("home")), (.anywhere, "203.0.112.7", .zone("internet")),
            (.anywhere, "198.51.101.0/24", .anywhere), (.anywhere, "0.0.0.0/0", .anywhere),
            (.interface("eth0"), "192.168.1.0/25", .interface("eth0")),
        ] as [(Place, String?, Place)])
    func `An opening is for the place that was meant`(_ place: Place, _ source: String?, _ expected: Place) throws {
        var policy = Policy(lan: ["eth1"], wan: ["eth0"])
        try policy.open(Opening(name: "x", .ssh, from: place, source: source.map { Network($0)! }), in: home)
        #expect(policy.openings[0].place == expected)
    }

    @Test func `An opening for a place that there is not is refused`() {
        var policy = Policy(lan: ["eth1"], wan: ["eth0"])
        #expect(
            told { try policy.open(Opening(name: "x", .ssh, from: .zone("guest")), in: home) }
                == "there is no zone and no interface guest; the zones are home and internet, the interfaces lo, eth0, eth1 "
                + "and eth2")
    }

    @Test func `An opening closes when its time is up`() {
        var policy = Policy(openings: [
            Opening(name: "a", .ssh, until: 1000), Opening(name: "b", .ssh), Opening(name: "c", .ssh, until: 900),
        ])
        #expect(policy.nextExpiry == 900)
        #expect(policy.closeExpired(at: 899) == [])
        #expect(policy.closeExpired(at: 900) == ["firewall close c"])
        #expect(policy.nextExpiry == 1000)
        #expect(policy.closeExpired(at: 5000) == ["firewall close a"])
        #expect(policy.openings.map(\.name) == ["b"] && policy.nextExpiry == nil)
    }

    @Test(arguments: ["anywhere", "home", "guest-2", "interface:eth1", "interface:anywhere"])
    func `A place is read as it is printed`(_ text: String) {
        #expect(Place(text)?.description == text)
    }

    @Test(arguments: ["tcp 22", "udp 5000-5100", "protocol gre", "protocol 200", "protocol ipv6"])
    func `A service is read as it is printed`(_ text: String) {
        #expect(Opening.Service(text)?.description == text)
    }

    @Test func `What is no place and no service is none`() {
        for text in ["", "a b", "interface:"] { #expect(Place(text) == nil, "\(text)") }
        for text in [
            "", "tcp", "tcp 0", "tcp 22 23", "sctp 1", "protocol", "protocol 256", "protocol nothing", "tcp  22",
        ] {
            #expect(Opening.Service(text) == nil, "\(text)")
        }
        #expect(IPProtocol("41")?.description == "ipv6")
        #expect(HardwareAddress("52:54:00:aB:cd:01")?.description == "52:54:00:ab:cd:01")
        for text in [
            "", "52:54:00:ab:cd", "00:00:00:00:00:00", "5:54:00:ab:cd:01", "52-54-00-ab-cd-01", "+1:54:00:ab:cd:01",
        ] {
            #expect(HardwareAddress(text) == nil, "\(text)")
        }
    }
}

/// Anything that was missing kept every change from being made, the one that shuts something too.
@Suite struct `53 What is missing keeps no unrelated change from being made` {
    /// DSL is down, the LAN has another number, a card has another name.
    static let troubles: [(String, Surroundings)] = [
        ("no interface of the internet", home { $0.interfaces.remove(at: 1) }),
        ("renumbered", home { $0.interfaces[2].addresses = [.init(address: IPAddress("10.0.0.1")!, prefix: 24)] }),
        ("renamed", home { $0.interfaces[2].name = "enp3s0" }),
        ("no address", home { $0.interfaces[2].addresses = [] }),
        ("nothing at all", Surroundings()),
    ]

    @Test("53: a change goes through and what is missing is told", arguments: troubles.map(\.0))
    func change(_ name: String) throws {
        let surroundings = try #require(Self.troubles.first { $0.0 == name }).1
        #expect(!grown.warnings(in: surroundings).isEmpty)
        let changes: [(inout Policy) throws -> Void] = [
            { policy in try policy.closeOpening(named: "ssh") },
            { policy in try policy.open(Opening(name: "web", .init("tcp 80")!), in: surroundings) },
            { policy in try policy.removeListener(on: endpoint("192.168.1.1:8080")) },
            { policy in
                try policy.changeListener(on: endpoint("192.168.1.1:8080"), in: surroundings) {
                    $0.authentication = .required
                }
            },
            { policy in
                try policy.changeListener(on: endpoint("192.168.1.1:8080"), in: surroundings) {
                    $0.clients = [Network("192.168.1.0/28")!]
                }
            },
            { policy in try policy.add(User(name: "bob", passwordHash: hash)) },
            { policy in
                try policy.add(Listener(kind: .http, endpoint: endpoint("127.0.0.1:3128")), in: surroundings)
            },
            { policy in try policy.add(guests, in: surroundings) },
            { policy in policy.firewall = .observe },
            // A rollback to what was before everything, and back.
            { policy in policy = Policy() },
        ]
        for change in changes {
            var policy = grown
            try change(&policy)
            #expect(policy != grown)
            try policy.check(in: surroundings, since: grown)
            try grown.check(in: home, since: policy)
            // The way back is never shut, whoever took it and whatever has become of the machine.
            try grown.check(in: surroundings, since: policy)
        }
    }

    @Test func `what a change makes wrong is refused all the same`() throws {
        let surroundings = Self.troubles[1].1
        var policy = grown
        policy.listeners.append(Listener(kind: .http, endpoint: endpoint("0.0.0.0:9999")))
        #expect(
            told { try policy.check(in: surroundings, since: grown) }?.contains(
                "without a password") == true)
        policy = grown
        policy.listeners[3].authentication = .none
        #expect(
            told { try policy.check(in: surroundings, since: grown) }?.contains("203.0.112.5")
                == true)
        // The side on which a listener without a password is becomes the internet's.
        policy = grown
        (policy.lan, policy.wan) = (["eth0"], ["eth1"])
        #expect(
            told { try policy.check(in: home, since: grown) }?.contains("without a password")
                == true)
    }

    @Test func `what is missing is told with its name`() {
        #expect(grown.warnings(in: home) == [])
        #expect(
            grown.warnings(in: Self.troubles[0].1) == [
                "there is no interface eth0 at the moment, which is in the zone internet",
                "nobody reaches http 203.0.112.5:3128: no interface has the address 203.0.112.5 at the moment",
            ])
        #expect(
            grown.warnings(in: home { $0.interfaces.remove(at: 2) }) == [
                "there is no interface eth1 at the moment, which is in the zone home",
                "nobody reaches socks5 192.168.1.1:1080: there is no interface eth1 at the moment",
                "nobody reaches http 192.168.1.1:3128: there is no interface eth1 at the moment",
                "nobody reaches mixed 192.168.1.1:8080: no interface has the address 192.168.1.1 at the moment",
                "the opening ssh lets nobody in: there is no interface eth1 at the moment",
            ])
        let policy = Policy(openings: [
            Opening(name: "ssh", .ssh), Opening(name: "all", .ssh, from: .anywhere),
            Opening(name: "far", .ssh, from: .anywhere, source: Network("203.0.112.7")!),
        ])
        #expect(
            policy.warnings(in: home) == [
                "the opening ssh lets nobody in: the zone home has no interface; `gatehousectl zone set home` gives it one",
                "the opening all is for anywhere, the internet included; `gatehousectl firewall close all`, and open it "
                    + "again with `--from home` to keep it to the home",
            ])
    }
}

@Suite struct `An interface that changed its name` {
    let known = ["eth0": HardwareAddress("52:54:00:00:00:01")!, "eth1": HardwareAddress("52:54:00:00:00:02")!]

    private func named(_ internet: String, _ lan: String) -> Surroundings {
        home {
            ($0.interfaces[1].name, $0.interfaces[2].name) = (internet, lan)
            ($0.interfaces[1].hardware, $0.interfaces[2].hardware) = (known["eth0"], known["eth1"])
        }
    }

    @Test func `is told by its hardware address, with what to do, and doing it heals everything`() throws {
        #expect(grown.warnings(in: named("eth0", "eth1"), known: known) == [])
        let surroundings = named("eth0", "enp3s0")
        let told = grown.warnings(in: surroundings, known: known)
        #expect(
            told == [
                "eth1 is now called enp3s0: `gatehousectl zone set home --interface enp3s0`",
                "nobody reaches mixed 192.168.1.1:8080, which asks for no password: its address is on enp3s0, which is in no "
                    + "zone",
            ])
        #expect(grown.interfaces(of: grown.listeners[2], in: surroundings) == [])
        var policy = grown
        try policy.changeZone(named: "home", in: surroundings) { $0.interfaces = ["enp3s0"] }
        #expect(policy.listeners.map(\.interface) == ["enp3s0", "enp3s0", nil, nil])
        #expect(policy.openings == [Opening(name: "ssh", .ssh, from: .interface("enp3s0"))])
        #expect(policy.warnings(in: surroundings, known: known) == [])
    }

    @Test func `keeps the zone's others`() {
        var policy = grown
        policy.lan = ["eth1", "wlan0"]
        #expect(
            policy.warnings(in: named("eth0", "enp3s0"), known: known).first
                == "eth1 is now called enp3s0: `gatehousectl zone set home --interface enp3s0,wlan0`")
    }

    @Test func `is told when two have each other's`() {
        #expect(
            grown.warnings(in: named("eth1", "eth0"), known: known).prefix(2) == [
                "eth0 is now called eth1, and eth1 is in the zone home; `gatehousectl setup` puts the sides right",
                "eth1 is now called eth0, and eth0 is in the zone internet; `gatehousectl setup` puts the sides right",
            ])
    }

    @Test func `is the member and not the bridge over it`() {
        var surroundings = named("eth0", "enp3s0")
        surroundings.interfaces.insert(
            .init(name: "br0", addresses: [], hardware: known["eth1"], driver: "bridge"), at: 0)
        #expect(grown.warnings(in: surroundings, known: known).first?.hasPrefix("eth1 is now called enp3s0") == true)
    }

    @Test func `is not confused with another card in its place`() {
        let surroundings = home { $0.interfaces[2].hardware = HardwareAddress("52:54:00:00:00:09") }
        #expect(grown.warnings(in: surroundings, known: known) == [])
    }
}

@Suite struct `The sides of a setup` {
    /// As a machine looks that was set up by DHCP on eth0.
    static let machine = home { $0.interfaces[1].hasDefaultRoute = true }

    /// A setup with LAN and WAN swapped left a proxy for everybody on the internet, and SSH with it.
    @Test func `that are swapped are refused with the right ones, unless it is said that they are meant`() throws {
        for wan in ["eth1", nil] {
            var policy = Policy()
            #expect(
                told {
                    try policy.setup(lan: "eth0", wan: wan, allowSSH: true, surroundings: Self.machine)
                } == "eth0 carries the default route, so the internet is behind it and not the home, it seems: "
                    + "`gatehousectl setup --home eth1 --internet eth0`; if the sides are right all the same, add `--force`"
            )
            #expect(policy == Policy())
            try policy.setup(lan: "eth0", wan: wan, allowSSH: true, isForced: true, surroundings: Self.machine)
            #expect(policy.lan == ["eth0"])
        }
    }

    @Test func `are believed where nothing else could be the internet`() throws {
        let others: [(inout Surroundings) -> Void] = [
            { $0.interfaces = [$0.interfaces[0], $0.interfaces[1]] },
            { for index in [2, 3] { $0.interfaces[index].hasCarrier = false } },
            { for index in [2, 3] { $0.interfaces[index].driver = "bridge" } },
            { for index in [2, 3] { $0.interfaces[index].hasDefaultRoute = true } },
        ]
        for edit in others {
            var surroundings = Self.machine
            edit(&surroundings)
            var policy = Policy()
            try policy.setup(lan: "eth0", wan: nil, allowSSH: false, surroundings: surroundings)
        }
    }

    /// Only the opening that was called `ssh` moved: any other one stayed on the interface that was the internet's by then.
    @Test func `that change take along what is for a zone, and what names an interface is refused with a remedy`()
        throws
    {
        var policy = grown
        policy.listeners.removeLast()
        policy.openings.append(Opening(name: "dns", .init("udp 53")!, from: .interface("eth1")))
        let swapped = home {
            ($0.interfaces[1].addresses, $0.interfaces[2].addresses) = (
                home.interfaces[2].addresses, home.interfaces[1].addresses
            )
        }
        let before = policy
        #expect(
            told {
                try policy.setup(lan: "eth0", wan: "eth1", allowSSH: false, surroundings: swapped)
            }
                == "eth1 moves from home to internet, and the opening dns names it, which would then be one to internet; first "
                + "`gatehousectl firewall close dns`, and open it again with `--from home`")
        #expect(policy == before)
        policy.openings[1].place = .zone("home")
        try policy.setup(lan: "eth0", wan: "eth1", allowSSH: false, surroundings: swapped)
        #expect(policy.openings.map(\.place) == [.zone("home"), .zone("home")])
        #expect(policy.listeners.map(\.place) == [.zone("home"), .zone("home"), .anywhere])

        policy = before
        policy.openings.removeLast()
        policy.listeners.append(
            Listener(
                kind: .http, endpoint: endpoint("0.0.0.0:8443"), authentication: .required, interface: "eth1"))
        #expect(
            told {
                try policy.setup(lan: "eth0", wan: "eth1", allowSSH: false, surroundings: swapped)
            }?.hasSuffix("first `gatehousectl listener set 0.0.0.0:8443 --from home`") == true)
    }

    /// A zone change on trial could not be taken back, because the way back moved an interface as well.
    @Test func `may go back to where they were, with what names their interfaces`() throws {
        var policy = Policy(
            openings: [Opening(name: "print", .init("tcp 631")!, from: .interface("eth2"))],
            zones: [Zone(name: "guest", interfaces: ["eth2"])] + Zone.builtIn, lan: ["eth1"], wan: ["eth0"])
        let before = policy
        policy.zones[0].interfaces = []
        policy.lan = ["eth1", "eth2"]
        try policy.check(in: home, since: before)
        try before.check(in: home, since: policy)
        #expect(
            told { try policy.changeZone(named: "home", in: home) { $0.interfaces = ["eth1"] } } == nil)
        policy = before
        #expect(told { try policy.removeZone(named: "guest", in: home) } == nil)
    }

    @Test func `with another address take every listener of the old one along`() throws {
        let moved = home { $0.interfaces[2].addresses = [.init(address: IPAddress("10.0.0.1")!, prefix: 24)] }
        var policy = grown
        policy.listeners[2].authentication = .required
        policy.listeners[2].users = ["alice"]
        try policy.setup(lan: "eth1", wan: nil, allowSSH: false, surroundings: moved)
        #expect(
            policy.listeners.map(\.endpoint.description) == [
                "10.0.0.1:1080", "10.0.0.1:3128", "10.0.0.1:8080", "203.0.112.5:3128",
            ])
        #expect(policy.listeners[2].users == ["alice"])
    }

    @Test func `of a second interface of the home keep their own listeners`() throws {
        let wireless = home { $0.interfaces[3].addresses = [.init(address: IPAddress("192.168.2.1")!, prefix: 24)] }
        var policy = Policy(
            listeners: [Listener(kind: .socks5, endpoint: endpoint("192.168.2.1:1080"), zone: "home")],
            lan: ["eth1", "eth2"], wan: ["eth0"])
        try policy.setup(lan: "eth1", wan: "eth0", allowSSH: false, surroundings: wireless)
        #expect(policy.lan == ["eth1", "eth2"])
        #expect(
            policy.listeners.map(\.endpoint.description) == [
                "192.168.2.1:1080", "192.168.1.1:1080", "192.168.1.1:3128",
            ])
    }
}
