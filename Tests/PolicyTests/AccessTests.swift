import Address
import Policy
import Testing

private let lanProxy = endpoint("192.168.1.1:1080")
private let guestProxy = endpoint("192.168.1.1:3128")

/// Two listeners, three people and these rules.
private func access(_ rules: Rule..., default action: Rule.Action = .allow) -> Access {
    Access(
        Policy(
            listeners: [
                Listener(kind: .socks5, endpoint: lanProxy),
                Listener(
                    kind: .http, endpoint: guestProxy, authentication: .required,
                    clients: [Network("192.168.1.0/25")!, Network("2001:db9:2::/64")!], users: ["guest", "kid"]),
            ],
            users: ["alice", "guest", "kid"].map { User(name: $0, passwordHash: hash) }, rules: rules,
            defaultAction: action, lan: ["eth1"], wan: ["eth0"]), surroundings: home)
}

private func client(
    _ address: String = "192.168.1.50", as user: String? = nil, at listener: Endpoint? = nil, kind: Listener.Kind? = nil
) -> Access.Client {
    let listener = listener ?? (user == nil ? lanProxy : guestProxy)
    return Access.Client(
        listener: listener, kind: kind ?? (listener == lanProxy ? .socks5 : .http), address: IPAddress(address)!,
        user: user)
}

private func network(_ text: String) -> Network { Network(text)! }
private func host(_ text: String) throws -> Host { try Host(text) }
private func ports(_ text: String) -> PortRange { PortRange(text)! }
private let web = "93.184.216.34"

@Suite struct AccessTests {
    @Test(
        arguments: [
            // Whoever the rule is about, and nobody else.
            (Rule(id: 1, action: .deny, user: "kid"), client(as: "kid"), "example.com", web, 443, .rule(id: 1)),
            (Rule(id: 1, action: .deny, user: "kid"), client(as: "guest"), "example.com", web, 443, nil),
            (Rule(id: 1, action: .deny, user: "kid"), client(), "example.com", web, 443, nil),
            (Rule(id: 1, action: .deny, client: network("192.168.1.48/28")), client(), web, web, 443, .rule(id: 1)),
            (
                Rule(id: 1, action: .deny, client: network("192.168.1.48/28")), client("192.168.1.64"), web, web, 443,
                nil
            ),
            (
                Rule(id: 1, action: .deny, client: network("192.168.1.50")), client("::ffff:192.168.1.50"), web, web,
                443,
                .rule(id: 1)
            ),
            (
                Rule(id: 1, action: .deny, client: network("2001:db9:2::/64")), client("2001:db9:2::7"), web, web, 443,
                .rule(id: 1)
            ),
            (Rule(id: 1, action: .deny, client: network("::/0")), client(), web, web, 443, nil),
            // Wherever.
            (Rule(id: 1, action: .deny, destination: network("93.184.0.0/16")), client(), web, web, 443, .rule(id: 1)),
            (Rule(id: 1, action: .deny, destination: network("93.185.0.0/16")), client(), web, web, 443, nil),
            (Rule(id: 1, action: .deny, destination: network("0.0.0.0/0")), client(), "e.com", web, 443, .rule(id: 1)),
            (Rule(id: 1, action: .deny, destination: network("::/0")), client(), "e.com", web, 443, nil),
            // The name asked for, or one below it; never an address, whatever its reverse name.
            (Rule(id: 1, action: .deny, domain: "example.com"), client(), "example.com", web, 443, .rule(id: 1)),
            (Rule(id: 1, action: .deny, domain: "example.com"), client(), "WWW.Example.COM.", web, 443, .rule(id: 1)),
            (Rule(id: 1, action: .deny, domain: "example.com"), client(), "a.b.example.com", web, 443, .rule(id: 1)),
            (Rule(id: 1, action: .deny, domain: "example.com"), client(), "notexample.com", web, 443, nil),
            (Rule(id: 1, action: .deny, domain: "example.com"), client(), "example.com.org", web, 443, nil),
            (Rule(id: 1, action: .deny, domain: "example.com"), client(), "com", web, 443, nil),
            (Rule(id: 1, action: .deny, domain: "example.com"), client(), web, web, 443, nil),
            (Rule(id: 1, action: .deny, domain: "com"), client(), "example.com", web, 443, .rule(id: 1)),
            // At which port.
            (Rule(id: 1, action: .deny, ports: ports("25")), client(), web, web, 25, .rule(id: 1)),
            (Rule(id: 1, action: .deny, ports: ports("25")), client(), web, web, 26, nil),
            (Rule(id: 1, action: .deny, ports: ports("6881-6889")), client(), web, web, 6881, .rule(id: 1)),
            (Rule(id: 1, action: .deny, ports: ports("6881-6889")), client(), web, web, 6889, .rule(id: 1)),
            (Rule(id: 1, action: .deny, ports: ports("6881-6889")), client(), web, web, 6890, nil),
            // All of it at once, or not at all.
            (
                Rule(id: 1, action: .deny, user: "kid", domain: "example.com", ports: ports("443")), client(as: "kid"),
                "example.com", web, 443, .rule(id: 1)
            ),
            (
                Rule(id: 1, action: .deny, user: "kid", domain: "example.com", ports: ports("443")), client(as: "kid"),
                "example.com", web, 80, nil
            ),
            (
                Rule(id: 1, action: .deny, user: "kid", domain: "example.com", ports: ports("443")),
                client(as: "guest"),
                "example.com", web, 443, nil
            ),
            // Everybody everywhere, as the last word may be.
            (Rule(id: 1, action: .deny), client(), web, web, 443, .rule(id: 1)),
        ] as [(Rule, Access.Client, String, String, UInt16, Access.Reason?)])
    func `A rule is about what it names and nothing else`(
        _ rule: Rule, _ client: Access.Client, _ asked: String, _ address: String, _ port: UInt16,
        _ reason: Access.Reason?
    ) throws {
        let verdict = access(rule).verdict(on: IPAddress(address)!, of: try host(asked), port: port, for: client)
        #expect(verdict == reason.map { .deny($0) } ?? .allow)
        // Turned round: what the rule is about it allows, and the default denies the rest.
        var turned = rule
        turned.action = .allow
        let other = access(turned, default: .deny)
            .verdict(on: IPAddress(address)!, of: try host(asked), port: port, for: client)
        #expect(other == (reason == nil ? .deny(.noRule) : .allow))
    }

    @Test func `The first rule that matches decides, in the order of their numbers`() throws {
        let first = Rule(id: 1, action: .allow, user: "kid", domain: "school.example")
        let second = Rule(id: 2, action: .deny, user: "kid")
        for access in [access(first, second), access(second, first)] {
            let verdict = { (name: String, user: String) in
                access.verdict(on: IPAddress(web)!, of: try host(name), port: 443, for: client(as: user))
            }
            #expect(try verdict("www.school.example", "kid") == .allow)
            #expect(try verdict("games.example", "kid") == .deny(.rule(id: 2)))
            #expect(try verdict("games.example", "guest") == .allow)
        }
    }

    @Test(
        arguments: [
            (Rule(id: 1, action: .allow), .deny(.privateRange)),
            (Rule(id: 1, action: .allow, client: network("192.168.1.50")), .deny(.privateRange)),
            (Rule(id: 1, action: .allow, domain: "nas.example"), .deny(.privateRange)),
            (Rule(id: 1, action: .allow, ports: ports("443")), .deny(.privateRange)),
            (Rule(id: 1, action: .allow, destination: network("192.168.1.20")), .allow),
            (Rule(id: 1, action: .allow, destination: network("192.168.0.0/16"), domain: "nas.example"), .allow),
            (Rule(id: 1, action: .allow, destination: network("192.168.1.20"), ports: ports("80")), .deny(.noRule)),
            (Rule(id: 1, action: .allow, destination: network("192.168.1.21")), .deny(.noRule)),
        ] as [(Rule, Access.Verdict)])
    func `33 Only a rule that names a network opens what the guard shuts`(_ rule: Rule, _ verdict: Access.Verdict)
        throws
    {
        let nas = IPAddress("192.168.1.20")!
        let found = access(rule, default: .deny).verdict(on: nas, of: try host("nas.example"), port: 443, for: client())
        #expect(found == verdict)
        let byDefault = access().verdict(on: nas, of: try host("nas.example"), port: 443, for: client())
        #expect(byDefault == .deny(.privateRange))
    }

    @Test func `33 No rule opens the gateway's own listeners, to nobody`() throws {
        let access = access(Rule(id: 1, action: .allow, destination: network("0.0.0.0/0")))
        for (address, port) in [("192.168.1.1", 1080), ("192.168.1.1", 3128), ("64:ff9b::192.168.1.1", 1080)] {
            let address = IPAddress(address)!
            let verdict = access.verdict(on: address, of: .address(address), port: UInt16(port), for: client())
            #expect(verdict == .deny(.ownListener))
        }
    }

    /// Whoever followed the advice to allow what a blocking name server had answered opened the gateway's own loopback: Linux
    /// takes a connection to 0.0.0.0 or :: for one to the machine itself.
    @Test(arguments: ["0.0.0.0", "::", "::ffff:0.0.0.0", "64:ff9b::", "64:ff9b:1::", "2002::1", "2001::ffff:ffff"])
    func `46 No rule opens 0.0.0.0 or an address that stands for it, by name or as it is`(_ text: String) throws {
        let address = IPAddress(text)!
        let rules = ["0.0.0.0/0", "0.0.0.0/8", "::/0", "64:ff9b::/32"].enumerated().map {
            Rule(id: $0.offset + 1, action: .allow, destination: network($0.element))
        }
        let access = access(rules[0], rules[1], rules[2], rules[3])
        let named = access.verdict(on: address, of: try host("ads.example"), port: 443, for: client())
        #expect(named == .deny(.blocked))
        let asIs = access.verdict(on: address, of: .address(address), port: 443, for: client())
        #expect(asIs == .deny(.unspecified))
    }

    @Test func `33 A NAT64 address has to pass as both, whatever names it`() throws {
        let asked = try host("www.example")
        let nat64 = IPAddress("64:ff9b::93.184.216.34")!
        let verdict = { (access: Access) in access.verdict(on: nat64, of: asked, port: 443, for: client()) }
        #expect(verdict(access()) == .allow)
        #expect(
            verdict(access(Rule(id: 4, action: .deny, destination: network("93.184.216.34")))) == .deny(.rule(id: 4)))
        #expect(
            verdict(access(Rule(id: 4, action: .deny, destination: network("64:ff9b::/96")))) == .deny(.rule(id: 4)))
        let allowed = Rule(id: 4, action: .allow, destination: network("64:ff9b::/96"))
        #expect(verdict(access(allowed, default: .deny)) == .deny(.noRule))
        let both = access(
            allowed, Rule(id: 5, action: .allow, destination: network("93.184.216.34")), default: .deny)
        #expect(verdict(both) == .allow)
        #expect(verdict(access(Rule(id: 4, action: .allow, domain: "example"), default: .deny)) == .allow)
    }

    @Test(
        arguments: [
            ([], .allow, nil),
            ([], .deny, .noRule),
            ([Rule(id: 1, action: .deny, domain: "example")], .allow, .rule(id: 1)),
            ([Rule(id: 1, action: .deny, domain: "other")], .allow, nil),
            ([Rule(id: 1, action: .deny, ports: ports("443"))], .allow, .rule(id: 1)),
            ([Rule(id: 1, action: .deny, destination: network("0.0.0.0/0"))], .allow, nil),
            ([Rule(id: 1, action: .allow, domain: "example")], .deny, nil),
            ([Rule(id: 1, action: .allow, domain: "other")], .deny, .noRule),
            // An allow that is about some address may still decide; one that is about another name may not.
            (
                [
                    Rule(id: 1, action: .allow, destination: network("10.0.0.0/8")),
                    Rule(id: 2, action: .deny, domain: "example"),
                ], .allow, nil
            ),
            (
                [
                    Rule(id: 1, action: .allow, destination: network("10.0.0.0/8"), domain: "other"),
                    Rule(id: 2, action: .deny, domain: "example"),
                ], .allow, .rule(id: 2)
            ),
            // Either denies.
            (
                [
                    Rule(id: 1, action: .deny, destination: network("10.0.0.0/8")),
                    Rule(id: 2, action: .deny, domain: "example"),
                ], .allow, .rule(id: 2)
            ),
            ([Rule(id: 1, action: .allow, destination: network("10.0.0.0/8"))], .deny, nil),
            ([Rule(id: 1, action: .deny, destination: network("10.0.0.0/8"))], .deny, .noRule),
        ] as [([Rule], Rule.Action, Access.Reason?)])
    func `A name that is denied whatever its address is known as such before it is looked up`(
        _ rules: [Rule], _ action: Rule.Action, _ reason: Access.Reason?
    ) throws {
        let listener = Listener(kind: .socks5, endpoint: lanProxy)
        let access = Access(
            Policy(listeners: [listener], rules: rules, defaultAction: action), surroundings: home)
        let asked = try host("www.example")
        #expect(access.refusal(of: asked, port: 443, for: client()) == reason)
        // It never says more than the verdict would.
        guard reason != nil else { return }
        for address in [web, "10.1.2.3", "2606:4700::1", "64:ff9b::10.1.2.3"] {
            let verdict = access.verdict(on: IPAddress(address)!, of: asked, port: 443, for: client())
            guard case .deny = verdict else {
                Issue.record("\(address) is allowed")
                continue
            }
        }
    }

    @Test(
        arguments: [
            (client(), true), (client("203.0.112.77"), true),
            (client(as: "guest"), true), (client(as: "kid"), true),
            // Somebody with a password, but not for this listener; nobody; somebody who is gone.
            (client(as: "alice"), false), (client(at: guestProxy), false), (client(as: "mallory"), false),
            // The networks of the second listener.
            (client("192.168.1.127", as: "kid"), true), (client("192.168.1.128", as: "kid"), false),
            (client("::ffff:192.168.1.5", as: "kid"), true), (client("2001:db9:2::9", as: "kid"), true),
            (client("2001:db9:3::9", as: "kid"), false),
            // Where a listener asks for no password, whoever gave one under an earlier policy stays.
            (client(as: "mallory", at: lanProxy), true),
            // Not what it was, or not there.
            (client(kind: .http), false), (client(as: "kid", kind: .https), false),
            (client(at: endpoint("192.168.1.1:1081")), false), (client(at: endpoint("192.168.1.2:1080")), false),
        ] as [(Access.Client, Bool)])
    func `A listener serves its networks and its users`(_ client: Access.Client, _ isServed: Bool) throws {
        let access = access()
        #expect(access.admits(client) == isServed)
        let verdict = access.verdict(on: IPAddress(web)!, of: try host("e.com"), port: 443, for: client)
        #expect(verdict == (isServed ? .allow : .deny(.listener)))
        #expect(access.refusal(of: try host("e.com"), port: 443, for: client) == (isServed ? nil : .listener))
    }

    @Test(
        arguments: [
            (.socks5, .socks5, true), (.socks5, .mixed, true), (.http, .mixed, true), (.https, .mixed, false),
            (.mixed, .socks5, false), (.mixed, .mixed, true), (.http, .https, false), (.https, .http, false),
            (.socks5, .http, false), (.https, .https, true),
        ] as [(Listener.Kind, Listener.Kind, Bool)])
    func `A listener that becomes another kind keeps the clients that it can go on serving`(
        _ earlier: Listener.Kind, _ kind: Listener.Kind, _ isServed: Bool
    ) {
        let access = Access(
            Policy(listeners: [Listener(kind: kind, endpoint: lanProxy)]), surroundings: home)
        #expect(access.admits(client(kind: earlier)) == isServed)
    }

    @Test func `Every reason reads as the end of a sentence`() {
        #expect("1.2.3.4 is refused: \(Access.Reason.rule(id: 7))" == "1.2.3.4 is refused: rule 7 denies it")
        #expect("1.2.3.4 is refused: \(Access.Reason.noRule)" == "1.2.3.4 is refused: no rule allows it")
        for reason in [
            .ownListener, .blocked, .unspecified, .loopback, .linkLocal, .multicast, .broadcast, .reserved,
            .privateRange,
            .ownAddress, .lan,
        ] as [Access.Reason] {
            #expect(reason.description.hasPrefix("it is "))
        }
    }
}
