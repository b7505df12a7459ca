import Address
import Policy
import Testing

private func verdict(
    _ address: String, port: UInt16 = 443, _ policy: Policy = Policy(lan: ["eth1"], wan: ["eth0"])
) -> Access.Verdict {
    verdict(IPAddress(address)!, port: port, policy)
}

/// On a client of the LAN that asked for the address itself.
private func verdict(_ address: IPAddress, port: UInt16, _ policy: Policy) -> Access.Verdict {
    var policy = policy
    let listener = Listener(kind: .socks5, endpoint: endpoint("192.168.1.1:9"))
    policy.listeners.append(listener)
    let client = Access.Client(listener: listener.endpoint, kind: .socks5, address: IPAddress("192.168.1.50")!)
    return Access(policy, surroundings: home).verdict(on: address, of: .address(address), port: port, for: client)
}

private func rules(_ rules: (Rule.Action, String)...) -> [Rule] {
    rules.enumerated().map { Rule(id: $0.offset + 1, action: $0.element.0, destination: Network($0.element.1)!) }
}

@Suite struct DestinationGuardTests {
    @Test(arguments: [
        "1.1.1.1", "203.0.112.9", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
        "192.169.0.0", "223.255.255.255", "2606:4700::1111", "2001:db9:1::6", "3fff:1000::", "::ffff:1.1.1.1",
        "192.0.1.255", "192.0.3.0", "192.88.98.255", "192.88.100.0", "198.17.255.255", "198.20.0.0", "198.51.99.255",
        "198.51.101.0", "203.0.112.200", "203.0.114.0", "2001:db7:ffff::", "2001:db9::", "2001:2:1::", "2001:f::",
        "2001:30::", "3ffe::1", "2001:1::1", "2001:4860:4860::8888",
        "64:ff9b::1.1.1.1", "2002:0101:0101::1", "::1.1.1.1",
    ])
    func `The internet is open`(_ address: String) {
        #expect(verdict(address) == .allow)
    }

    @Test(
        arguments: [
            ("0.0.0.0", .unspecified), ("0.1.2.3", .unspecified), ("127.0.0.1", .loopback),
            ("127.255.255.255", .loopback),
            ("10.0.0.0", .privateRange), ("10.255.255.255", .privateRange), ("100.64.0.0", .privateRange),
            ("100.127.255.255", .privateRange), ("169.254.0.1", .linkLocal), ("169.254.169.254", .linkLocal),
            ("172.16.0.0", .privateRange), ("172.31.255.255", .privateRange), ("192.168.0.0", .privateRange),
            ("192.168.255.255", .privateRange), ("192.0.0.8", .privateRange), ("224.0.0.1", .multicast),
            ("239.255.255.255", .multicast), ("240.0.0.1", .reserved), ("255.255.255.255", .broadcast),
            ("203.0.112.255", .broadcast), ("203.0.112.0", .broadcast), ("203.0.112.5", .ownAddress),
            ("::", .unspecified), ("::1", .loopback), ("fe80::1", .linkLocal), ("febf::1", .linkLocal),
            ("fec0::1", .privateRange), ("fc00::1", .privateRange), ("fdff::1", .privateRange), ("ff02::1", .multicast),
            ("4000::1", .reserved), ("64:ff9b:1::1", .privateRange), ("2001:db9:1::5", .ownAddress),
            ("2001:db9:2::1", .ownAddress), ("2001:db9:2::99", .lan), ("fe80::5", .linkLocal),
            // The rest of the registries of special-purpose addresses (RFC 6890).
            ("192.0.2.0", .reserved), ("192.0.2.255", .reserved), ("198.51.100.0", .reserved),
            ("198.51.100.255", .reserved), ("203.0.113.0", .reserved), ("203.0.113.255", .reserved),
            ("198.18.0.0", .reserved), ("198.19.255.255", .reserved), ("192.88.99.0", .reserved),
            ("192.88.99.255", .reserved), ("2001:2::", .reserved), ("2001:2:0:ffff::1", .reserved),
            ("2001:10::", .reserved), ("2001:1f:ffff::", .reserved), ("2001:20::", .reserved),
            ("2001:2f:ffff::", .reserved), ("2001:db8::", .reserved), ("2001:db8:ffff::1", .reserved),
            ("3fff::", .reserved), ("3fff:fff:ffff::", .reserved), ("64:ff9b::198.18.0.1", .reserved),
            ("2002:cb00:7101::1", .reserved), ("::ffff:192.0.2.1", .reserved),
        ] as [(String, Access.Reason)])
    func `What is no place on the internet is shut`(_ address: String, _ reason: Access.Reason) {
        #expect(verdict(address) == .deny(reason))
    }

    @Test(
        arguments: [
            ("127.0.0.1", .loopback), ("10.1.2.3", .privateRange), ("169.254.169.254", .linkLocal),
            ("0.0.0.0", .unspecified),
            ("255.255.255.255", .broadcast), ("203.0.112.5", .ownAddress), ("192.168.1.1", .privateRange),
        ] as [(String, Access.Reason)])
    func `An IPv4 address in an IPv6 one is judged as what it is`(_ address: String, _ reason: Access.Reason) {
        guard case .v4(let bits)? = IPAddress(address) else {
            Issue.record()
            return
        }
        let low = UInt128(bits)
        let disguises: [UInt128] = [
            0xffff << 32 | low,  // v4-mapped
            0xffff_0000 << 32 | low,  // IPv4-translated
            0x0064_ff9b << 96 | low,  // NAT64
            0x2002 << 112 | low << 80 | 1,  // 6to4
            0x2001_0000 << 96 | UInt128(~bits),  // Teredo
        ]
        for disguise in disguises {
            #expect(verdict(.v6(disguise), port: 80, Policy()) == .deny(reason), "\(IPAddress.v6(disguise))")
        }
        // A rule that opens the disguise does not open what is in it.
        let opened = Policy(rules: rules((.allow, "::/0")))
        for disguise in disguises { #expect(verdict(.v6(disguise), port: 80, opened) == .deny(reason)) }
    }

    @Test func `The first rule that matches decides, in the order of their numbers`() {
        var policy = Policy(rules: rules((.allow, "10.1.0.0/16"), (.deny, "10.0.0.0/8"), (.deny, "1.1.1.0/24")))
        #expect(verdict("10.1.2.3", policy) == .allow)
        #expect(verdict("10.2.2.3", policy) == .deny(.rule(id: 2)))
        #expect(verdict("::ffff:10.1.2.3", policy) == .allow)
        #expect(verdict("64:ff9b::10.1.2.3", policy) == .allow)
        #expect(verdict("64:ff9b::1.1.1.1", policy) == .deny(.rule(id: 3)))
        #expect(verdict("1.1.2.1", policy) == .allow)
        policy.rules.reverse()
        #expect(verdict("10.1.2.3", policy) == .allow)
        policy.rules = rules((.deny, "0.0.0.0/0"), (.allow, "2606:4700::/32"), (.deny, "::/0"))
        #expect(verdict("8.8.8.8", policy) == .deny(.rule(id: 1)))
        #expect(verdict("2606:4700::1", policy) == .allow)
        #expect(verdict("2607::1", policy) == .deny(.rule(id: 3)))
    }

    @Test func `No rule opens our own listeners`() {
        let policy = Policy(
            listeners: [
                Listener(kind: .socks5, endpoint: endpoint("127.0.0.1:1080")),
                Listener(kind: .http, endpoint: endpoint("0.0.0.0:3128"), authentication: .required),
            ], rules: rules((.allow, "0.0.0.0/0"), (.allow, "::/0")), lan: ["eth1"])
        #expect(verdict("127.0.0.1", port: 1080, policy) == .deny(.ownListener))
        #expect(verdict("::ffff:127.0.0.1", port: 1080, policy) == .deny(.ownListener))
        #expect(verdict("0.0.0.0", port: 1080, policy) == .deny(.ownListener))
        #expect(verdict("127.0.0.2", port: 1080, policy) == .allow)
        #expect(verdict("127.0.0.1", port: 1081, policy) == .allow)
        for own in ["127.0.0.1", "127.9.9.9", "192.168.1.1", "203.0.112.5", "64:ff9b::203.0.112.5", "2001:db9:1::5"] {
            #expect(verdict(own, port: 3128, policy) == .deny(.ownListener), "\(own)")
        }
        #expect(verdict("203.0.112.6", port: 3128, policy) == .allow)
    }
}
