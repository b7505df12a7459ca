import Address
import Policy
import Testing

private func check(
    _ socks: Listener.SOCKSOptions, kind: Listener.Kind = .socks5,
    _ authentication: Listener.Authentication = .none, beside others: [Listener] = []
) -> String? {
    let listener = Listener(
        kind: kind, endpoint: endpoint("192.168.1.1:1080"), authentication: authentication, interface: "eth1",
        socks: socks)
    let policy = Policy(listeners: others + [listener], lan: ["eth1"], wan: ["eth0"])
    return refusal { () throws(Refusal) in try policy.check(in: home) }
}

@Suite struct SOCKSCheckTests {
    @Test func `Sensible options hold`() {
        let all = Listener.SOCKSOptions(
            allowsVersion4: true, advertisedAddress: IPAddress("203.0.112.7"), udpPorts: PortRange(50000, 50100),
            bindPorts: PortRange(21000, 21000))
        #expect(check(all) == nil)
        #expect(check(all, kind: .mixed) == nil)
        #expect(check(.init(udpPorts: PortRange(1024, 65535)), .required) == nil)
        // UDP and TCP ports are not the same ports.
        #expect(check(.init(udpPorts: PortRange(1024, 65535))) == nil)
    }

    @Test(arguments: [Listener.Kind.http, .https])
    func `A listener that speaks no SOCKS has no options for it`(_ kind: Listener.Kind) {
        #expect(check(.init(), kind: kind) == nil)
        #expect(
            check(.init(udpPorts: PortRange(50000, 50100)), kind: kind)
                == "\(kind) on 192.168.1.1:1080 does not speak SOCKS, so it has no options for it; leave them out, or make "
                + "it `socks5`")
    }

    @Test func `SOCKS4 is no way round a password`() {
        #expect(
            check(.init(allowsVersion4: true), .required)
                == "SOCKS4 knows no password, so socks5 on 192.168.1.1:1080 cannot ask for one and allow it; leave out "
                + "`--socks4` (`listener set` takes it away with `--no-socks4`) or the password")
    }

    @Test(arguments: ["2001:db9::7", "0.0.0.0", "::", "224.0.0.1", "ff02::1"])
    func `An address that the clients cannot send to is not advertised`(_ address: String) {
        #expect(check(.init(advertisedAddress: IPAddress(address)))?.contains(address) == true)
    }

    @Test func `Ports that the roles may not bind are refused`() {
        #expect(
            check(.init(udpPorts: PortRange(1000, 2000)))
                == "`--udp-ports 1000-2000` begins with a port that only root may use; begin at 1024 or above")
        #expect(check(.init(bindPorts: PortRange(20, 21)))?.contains("--bind-ports 20-21") == true)
    }

    @Test func `BIND's ports hold no listener's, its own or another's`() {
        let text = check(.init(bindPorts: PortRange(1080, 1090)))
        #expect(
            text == "the ports 1080-1090 for BIND on 192.168.1.1:1080 hold that of the socks5 listener on "
                + "192.168.1.1:1080; choose others with `--bind-ports`")
        let other = Listener(kind: .http, endpoint: endpoint("127.0.0.1:3128"))
        #expect(check(.init(bindPorts: PortRange(3000, 3200)), beside: [other])?.contains("127.0.0.1:3128") == true)
    }
}
