import Foundation
import TestNetwork
import Testing

/// What phones and desktops do beside asking for an address: packets as they send them.
@Suite("Stubs of phones and desktops", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct StubTests {
    let routed: RoutedHome
    let upstream: NameServer
    let phone: Namespace
    let desk: Namespace

    init() throws {
        routed = try RoutedHome()
        upstream = try NameServer(in: routed.home.wan, Home.wanHost) { query in
            query.name.hasSuffix(".example")
                ? .addresses([Home.wanHost, Home.wanHost6], seconds: 60) : .none(code: 3, seconds: 60)
        }
        try routed.home.startNames(firewall: nil)
        try routed.home.ctl("zone", "add", "guest", "--interface", "guest0", "--no-dhcp", "--dns")
        phone = try routed.home.plugIn(21)
        desk = try routed.home.plugIn(22)
    }

    private var home: Home { routed.home }

    /// What a Python program says that has the questions of `dns.py`.
    private func run(_ text: String, in host: Namespace) throws -> String {
        let clients = URL(filePath: #filePath).deletingLastPathComponent().path + "/Clients"
        let outcome = try host.attempt([
            "timeout", "30", "python3", "-c",
            "import sys\nsys.path.insert(0, \"\(clients)\")\nimport dns, errno, select, socket, struct, time\n" + text,
        ])
        guard outcome.status == 0 else { throw Failure("\(outcome)") }
        return outcome.output
    }

    /// Private DNS in its usual setting probes port 853 of the name server that it was given, and goes on without where that is refused:
    /// a probe in the void would cost the phone's first seconds.
    @Test("Android: TLS is probed and refused at once, then A and AAAA go out together, each from a port of its own")
    func android() throws {
        let said = try run(
            """
            start = time.monotonic()
            for family, server in (socket.AF_INET, "\(Home.gatewayOnLAN)"), (socket.AF_INET6, "fd77::1"):
                try:
                    probe = socket.socket(family)
                    probe.settimeout(5)
                    probe.connect((server, 853))
                    print("open")
                except ConnectionRefusedError:
                    pass
                except OSError as error:
                    print(error)
            print("probed" if time.monotonic() - start < 1 else "slow")
            pending = {}
            for number in range(30):
                for kind in 1, 28:
                    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    port.connect(("\(Home.gatewayOnLAN)", 53))
                    identity = (number * 7919 + kind) & 0xFFFF
                    port.send(dns.query(identity, "WwW%d.eXamPle" % number, kind, edns=1440))
                    pending[port.fileno()] = (port, identity, kind, dns.name("WwW%d.eXamPle" % number))
            good = 0
            end = time.monotonic() + 10
            while pending and time.monotonic() < end:
                for descriptor in select.select(list(pending), [], [], 1)[0]:
                    port, identity, kind, name = pending.pop(descriptor)
                    answer = port.recv(4096)
                    assert dns.number(answer) == identity and answer[12:12 + len(name)] == name, "0x20"
                    assert answer[2] & 0x80 and answer[3] & 0x80 and not answer[2] & 2, "QR, RA, no TC"
                    assert struct.unpack_from("!H", answer, 10)[0] == 1, "an OPT record"
                    good += dns.code(answer) == 0 and dns.answers(answer) == 1
            print(good)
            """, in: phone)
        #expect(said == "probed\n60\n", "\(said)")
    }

    /// A single label is tried with the search domain, and by LLMNR and mDNS, before anything else; a name of the device's own is
    /// registered at the zone's server (RFC 2136), which it finds by asking for SOA.
    @Test(
        "Windows: single labels, SOA and dynamic updates are answered and stay inside, and LLMNR and mDNS leave no zone"
    )
    func windows() throws {
        let watch = try RunningProgram(
            ["tcpdump", "-l", "-n", "-i", "eth0", "udp port 5355 or udp port 5353 or udp port 137"], in: home.wan,
            log: home.directory + "/wan")
        let guests = try RunningProgram(
            ["tcpdump", "-l", "-n", "-i", "eth0", "udp port 5355 or udp port 5353 or udp port 137"], in: routed.guest,
            log: home.directory + "/guests")
        #expect(eventually { watch.said.contains("listening on") && guests.said.contains("listening on") })
        let said = try run(
            """
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            for group, port in ("224.0.0.252", 5355), ("224.0.0.251", 5353):
                s.sendto(dns.query(0, "nas", 1, edns=0, flags=0), (group, port))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            s.sendto(dns.query(3, "nas", 1, edns=0, flags=0x110), ("192.168.77.255", 137))
            s.settimeout(5)
            s.connect(("\(Home.gatewayOnLAN)", 53))
            def ask(message):
                s.send(message)
                answer = s.recv(4096)
                assert answer[:2] == message[:2]
                return dns.CODES[dns.code(answer)], dns.answers(answer)
            print(*ask(dns.query(1, "nas.home.arpa", 1, edns=0)), *ask(dns.query(2, "nas.home.arpa", 28, edns=0)))
            print(*ask(dns.query(3, "nas", 1, edns=0)), *ask(dns.query(4, "wpad.home.arpa", 1, edns=0)))
            print(*ask(dns.query(5, "home.arpa", 6, edns=0)), *ask(dns.query(6, "desk.home.arpa", 6, edns=0)))
            # An update of home.arpa (opcode 5) with one record.
            record = dns.name("desk.home.arpa") + struct.pack("!2HIH4s", 1, 1, 1200, 4, socket.inet_aton("192.168.77.22"))
            print(*ask(struct.pack("!6H", 7, 0x2800, 1, 0, 1, 0) + dns.name("home.arpa") + struct.pack("!2H", 6, 1) + record))
            print(*ask(dns.query(8, "_ldap._tcp.dc._msdcs.home.arpa", 33, edns=0)))
            """, in: desk)
        let lines = said.split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "NXDOMAIN 0 NXDOMAIN 0", "NXDOMAIN 0 NXDOMAIN 0", "NOERROR 1 NXDOMAIN 0", "NOTIMP 0", "NXDOMAIN 0",
            ], "\(said)")
        #expect(upstream.queries.isEmpty, "\(upstream.queries.map(\.name))")
        // A question from the desk that is seen on the other side, so that what was sent before would have been as well.
        try desk.run("ping", "-c", "1", "-W", "2", Home.wanHost)
        for side in [watch, guests] {
            #expect(!side.said.contains("192.168.77.22") && !side.said.contains("nas"), "\(side.said)")
        }
    }

    @Test(
        "mDNS passes between devices of one zone as if there were no gateway, and reaches no other zone and no internet"
    )
    func multicast() throws {
        func listener(_ host: Namespace, _ name: String) throws -> RunningProgram {
            try RunningProgram(
                [
                    "python3", "-u", "-c",
                    """
                    import socket, struct
                    index = socket.if_nametoindex("eth0")
                    four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    four.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    four.bind(("", 5353))
                    four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        struct.pack("=4s4si", socket.inet_aton("224.0.0.251"), bytes(4), index))
                    six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
                    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    six.bind(("::", 5353))
                    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                        socket.inet_pton(socket.AF_INET6, "ff02::fb") + struct.pack("=I", index))
                    print("ready")
                    import select
                    while True:
                        for each in select.select([four, six], [], [])[0]:
                            word, sender = each.recvfrom(2048)
                            print(word.decode(), sender[0])
                            # The answer goes to all as well, as mDNS has it.
                            if word == b"question":
                                six.sendto(b"answer of \(name)", ("ff02::fb", 5353, 0, index))
                    """,
                ], in: host, log: home.directory + "/" + name)
        }
        let printer = try listener(phone, "printer")
        let asker = try listener(desk, "asker")
        let (guest, outside) = (try listener(routed.guest, "guest"), try listener(home.wan, "outside"))
        #expect(eventually { [printer, asker, guest, outside].allSatisfy { $0.said.contains("ready") } })
        _ = try run(
            """
            index = socket.if_nametoindex("eth0")
            four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            four.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            four.bind(("192.168.77.22", 0))
            four.sendto(b"question", ("224.0.0.251", 5353))
            six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            six.sendto(b"question", ("ff02::fb", 5353, 0, index))
            """, in: desk)
        #expect(
            eventually {
                printer.said.contains("question 192.168.77.22") && printer.said.contains("question fd77::22")
                    && asker.said.contains("answer of printer fd77::21")
            }, "\(printer.said) \(asker.said)")
        try desk.run("ping", "-c", "1", "-W", "2", Home.wanHost)
        #expect(guest.said == "ready\n" && outside.said == "ready\n", "\(guest.said) \(outside.said)")
        // What a program asks the gateway instead is no name of the world's.
        #expect(try desk.attempt(["dig", "@\(Home.gatewayOnLAN)", "printer.local"]).output.contains("NXDOMAIN"))
        #expect(upstream.queries.isEmpty)
    }
}
