import Policy
import Testing

@Suite struct ChangeTests {
    @Test func `A listener is added once, found by its endpoint, and removed`() throws {
        var policy = Policy(lan: ["eth1"])
        let listener = Listener(kind: .http, endpoint: endpoint("127.0.0.1:3128"))
        try policy.add(listener, in: home)
        #expect(policy.listeners == [listener])
        #expect(throws: Refusal.self) { try policy.add(listener, in: home) }
        #expect(throws: Refusal.self) {
            try policy.add(Listener(kind: .socks5, endpoint: endpoint("203.0.113.5:1080")), in: home)
        }
        #expect(policy.listeners == [listener])
        #expect(
            refusal { () throws(Refusal) in try policy.removeListener(on: endpoint("127.0.0.1:1080")) }
                == "no listener on 127.0.0.1:1080; `gatehousectl listener list` shows what there is")
        #expect(try policy.removeListener(on: listener.endpoint) == listener)
        #expect(policy.listeners.isEmpty)
    }

    @Test func `A broken listener can be removed while another is broken`() throws {
        let gone = { (port: Int) in
            Listener(kind: .socks5, endpoint: endpoint("10.9.9.9:\(port)"), authentication: .required)
        }
        var policy = Policy(listeners: [gone(1), gone(2)])
        try policy.removeListener(on: endpoint("10.9.9.9:1"))
        #expect(policy.listeners == [gone(2)])
    }

    @Test func `A user is added, given another password and removed`() throws {
        var policy = Policy()
        try policy.add(User(name: "alice", passwordHash: hash))
        #expect(
            refusal { () throws(Refusal) in try policy.add(User(name: "alice", passwordHash: hash)) }
                == "there is a user alice already; `gatehousectl user passwd alice` gives a new password")
        try policy.setPasswordHash("other", ofUser: "alice")
        #expect(policy.users == [User(name: "alice", passwordHash: "other")])
        #expect(
            refusal { () throws(Refusal) in try policy.setPasswordHash("x", ofUser: "bob") }
                == "no user bob; `gatehousectl user list` shows who there is")
        #expect(throws: Refusal.self) { try policy.removeUser(named: "bob") }
        #expect(throws: Refusal.self) { try policy.add(User(name: "a:b", passwordHash: hash)) }
        try policy.removeUser(named: "alice")
        #expect(policy.users.isEmpty)
    }

    @Test func `Rules are numbered upwards and one network has one rule`() throws {
        var policy = Policy()
        #expect(try policy.addRule(.allow, to: Network("10.0.0.0/8")!).id == 1)
        #expect(try policy.addRule(.deny, to: Network("1.1.1.1")!).id == 2)
        try policy.removeRule(1)
        #expect(try policy.addRule(.allow, to: Network("10.0.0.0/8")!).id == 3)
        #expect(
            refusal { () throws(Refusal) in try policy.addRule(.deny, to: Network("10.0.0.0/8")!) }
                == "rule 3 decides about 10.0.0.0/8 already (allow); `gatehousectl rule remove 3` first")
        #expect(
            refusal { () throws(Refusal) in try policy.removeRule(1) }
                == "no rule 1; `gatehousectl rule list` shows what there is")
        #expect(policy.rules.map(\.id) == [2, 3])
    }

    @Test func `An opening is opened and closed by its name`() throws {
        var policy = Policy()
        let ssh = Opening(name: "ssh", transport: .tcp, port: 22, interface: "eth1")
        try policy.open(ssh, in: home)
        #expect(throws: Refusal.self) { try policy.open(ssh, in: home) }
        #expect(throws: Refusal.self) {
            try policy.open(Opening(name: "web", transport: .tcp, port: 80, interface: "eth9"), in: home)
        }
        #expect(
            refusal { () throws(Refusal) in try policy.closeOpening(named: "web") }
                == "no opening web; `gatehousectl firewall show` shows what there is")
        #expect(try policy.closeOpening(named: "ssh") == ssh)
        #expect(policy.openings.isEmpty)
    }
}

@Suite struct SetupTests {
    private func setup(_ policy: inout Policy, _ surroundings: Surroundings = home) throws {
        try policy.setup(lan: "eth1", wan: "eth0", allowSSH: true, surroundings: surroundings)
    }

    @Test func `One step makes a gateway, and a second changes nothing`() throws {
        var policy = Policy()
        try setup(&policy)
        #expect(
            policy
                == Policy(
                    listeners: [
                        Listener(kind: .socks5, endpoint: endpoint("192.168.1.1:1080"), interface: "eth1"),
                        Listener(kind: .http, endpoint: endpoint("192.168.1.1:3128"), interface: "eth1"),
                    ], openings: [Opening(name: "ssh", transport: .tcp, port: 22, interface: "eth1")],
                    firewall: .enforce, lan: ["eth1"], wan: ["eth0"]))
        let once = policy
        try setup(&policy)
        #expect(policy == once)
        try policy.setup(lan: "eth1", wan: nil, allowSSH: false, surroundings: home)
        #expect(policy == once)
    }

    @Test func `The listeners move along with the LAN's address and keep their authentication`() throws {
        var policy = Policy()
        try setup(&policy)
        policy.listeners[0].authentication = .required
        var moved = home
        moved.interfaces[2].addresses = [.init(address: IPAddress("10.0.0.1")!, prefix: 24)]
        try setup(&policy, moved)
        #expect(policy.listeners.map(\.endpoint) == [endpoint("10.0.0.1:1080"), endpoint("10.0.0.1:3128")])
        #expect(policy.listeners.map(\.authentication) == [.required, .none])
        try setup(&policy, moved)
        #expect(policy.listeners.count == 2)
    }

    @Test func `Listeners that the operator added stay`() throws {
        var policy = Policy(listeners: [Listener(kind: .socks5, endpoint: endpoint("127.0.0.1:1080"))])
        try setup(&policy)
        #expect(policy.listeners.count == 3)
    }

    @Test func `What cannot be set up leaves the policy as it was`() {
        var policy = Policy()
        let attempts: [(String, String?, String)] = [
            ("eth9", nil, "there is no interface eth9; "), ("eth1", "eth9", "there is no interface eth9; "),
            ("eth1", "eth1", "eth1 cannot be LAN and WAN at once"), ("eth2", "eth0", "eth2 has no IPv4 address yet"),
        ]
        for (lan, wan, text) in attempts {
            let told = refusal { () throws(Refusal) in
                try policy.setup(lan: lan, wan: wan, allowSSH: true, surroundings: home)
            }
            #expect(told?.hasPrefix(text) == true, "\(told ?? "no refusal")")
            #expect(policy == Policy())
        }
        policy = Policy(listeners: [
            Listener(kind: .http, endpoint: endpoint("192.168.1.1:1080"), authentication: .required)
        ])
        let before = policy
        #expect(
            refusal { () throws(Refusal) in
                try policy.setup(lan: "eth1", wan: nil, allowSSH: false, surroundings: home)
            }?.hasPrefix("192.168.1.1:1080 is taken by the http listener") == true)
        #expect(policy == before)
    }
}
