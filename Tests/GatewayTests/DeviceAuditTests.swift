import Foundation
import TestNetwork
import Testing

/// `audit DEVICE`: the LAN host is a camera with services, real ones where there is a program, and asked with nmap as the judge.
@Suite("What audit says of a device", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct DeviceAuditTests {
    private struct Report: Decodable {
        struct Offer: Decodable {
            var transport: String
            var port: Int
            var service: String
            var addresses: [String]
            var says: String?
            var verdict: String
            var why: String?
            var advice: String?
        }
        struct Place: Decodable {
            var address: String
            var presence: String
        }
        var device: String
        var places: [Place]
        var offers: [Offer]
        var ports: Int
        var milliseconds: Int

        subscript(place: String) -> Offer? { offers.first { "\($0.transport) \($0.port)" == place } }
    }

    let home: Home

    init() throws {
        home = try Home.ready()
        try home.ctl("device", "name", card(), "camera")
    }

    private func card() throws -> String {
        String(try home.lan.run("ip", "-br", "link", "show", "eth0").split(separator: " ")[2])
    }

    private func log() -> String { home.directory + "/device-\(UUID().uuidString)" }

    private func report(_ arguments: String...) throws -> Report {
        try JSONDecoder().decode(Report.self, from: Data(try home.ctl(["--json", "audit"] + arguments).utf8))
    }

    /// Services of a home that take no program of their own: each says what the real ones say.
    private func startDevice() throws -> [RunningProgram] {
        let script = """
            import socket, threading
            def tcp(port, answer, host="::", greeting=b""):
                listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                    dualstack_ipv6=host == "::", backlog=64)
                def talk(peer):
                    try:
                        if greeting: peer.sendall(greeting)
                        if answer and (said := peer.recv(4096)): peer.sendall(answer(said))
                        if not answer: peer.recv(1)
                    except OSError: pass
                    peer.close()
                def serve():
                    while True: threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
                threading.Thread(target=serve, daemon=True).start()
            def udp(port, answer):
                for family, host in (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"):
                    peer = socket.socket(family, socket.SOCK_DGRAM)
                    if family == socket.AF_INET6: peer.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    peer.bind((host, port))
                    def serve(peer=peer):
                        while True:
                            said, whom = peer.recvfrom(4096)
                            if reply := answer(said): peer.sendto(reply, whom)
                    threading.Thread(target=serve, daemon=True).start()
            page = lambda status, *fields, body=b"": lambda said: (
                "HTTP/1.0 %s\\r\\n%s\\r\\n" % (status, "".join(f + "\\r\\n" for f in fields))).encode() + body
            tcp(22, None, greeting=b"SSH-2.0-OpenSSH_9.2p1 Debian\\r\\n")
            tcp(23, None, greeting=b"\\xff\\xfd\\x01\\xff\\xfb\\x03\\r\\ncamera login: ")
            tcp(80, page("401 Unauthorized", "Server: Boa/0.94", 'WWW-Authenticate: Basic realm="cam"'))
            tcp(8081, page("200 OK", "Content-Type: multipart/x-mixed-replace; boundary=x", body=b"--x\\r\\n"))
            tcp(554, lambda said: b"RTSP/1.0 200 OK\\r\\nCSeq: 1\\r\\nServer: Hipcam\\r\\n\\r\\n" if said.startswith(b"DESCRIBE rtsp://") else b"")
            tcp(445, lambda said: b"\\0\\0\\0\\x40\\xffSMB" + said[8:9] + b"\\0" * 4 + b"\\x98" + b"\\0" * 22 + b"\\x11\\0\\0" + b"\\0" * 26
                if said[4:8] == b"\\xffSMB" and b"NT LM 0.12" in said else b"")
            tcp(1883, lambda said: b"\\x20\\x02\\0\\0" if said[:1] == b"\\x10" and said[4:8] == b"MQTT" else b"")
            # A printer would print whatever it is told.
            tcp(9100, lambda said: open("PRINTED", "wb").write(said) and b"")
            tcp(47111, page("200 OK", "Server: hidden", body=b"<html><title>Only\\nhere</title>"), host="192.168.77.10")
            udp(161, lambda said: said[:-2] + b"\\x04\\x0cLinux \\x1bcam 1" if b"public" in said else None)
            udp(5353, lambda said: said[:2] + b"\\x84\\0\\0\\0\\0\\x01\\0\\0\\0\\0\\x04_rsp\\x04_tcp\\x05local\\0" if b"_dns-sd" in said else None)
            print("ready", flush=True)
            threading.Event().wait()
            """.replacing("PRINTED", with: home.directory + "/printed")
        let device = try RunningProgram(["/usr/bin/python3", "-c", script], in: home.lan, log: log())
        let files = try RunningProgram(
            ["/usr/bin/python3", "-m", "http.server", "8000", "--directory", home.directory], in: home.lan, log: log())
        guard eventually({ device.said.contains("ready") }) else { throw Failure(device.said) }
        let isServing = try eventually { try home.lan.run("ss", "-Hltn", "sport", "=", ":8000").contains("LISTEN") }
        guard isServing else { throw Failure(files.said) }
        return [device, files]
    }

    @Test("Each service with what it says, what to think of it and what to do, over IPv4 and IPv6")
    func offers() throws {
        let programs = try startDevice()
        // It shows its other address, too.
        try home.lan.run("ping", "-c", "1", "-W", "5", "-I", "fd77::10", "fd77::1")
        #expect(try eventually { try home.ctl("device", "list").contains("fd77::10") })
        // Root looks around at home whatever else may not go out.
        try home.ctl("egress", "strict")
        let report = try report("camera")
        #expect(report.device == "camera" && report.milliseconds < 20_000, "\(report.milliseconds) ms")
        #expect(Set(report.places.map(\.address)).isSuperset(of: ["192.168.77.10", "fd77::10"]))
        #expect(report.places.allSatisfy { $0.presence == "there" }, "\(report.places)")
        for (place, service, verdict) in [
            ("tcp 22", "ssh", "usual"), ("tcp 23", "telnet", "bad"), ("tcp 80", "http", "doubtful"),
            ("tcp 445", "smb", "bad"),
            ("tcp 554", "rtsp", "bad"), ("tcp 1883", "mqtt", "bad"), ("tcp 8000", "http", "doubtful"),
            ("tcp 8081", "http", "bad"), ("tcp 9100", "printer", "usual"), ("udp 161", "snmp", "bad"),
            ("udp 5353", "mdns", "usual"),
        ] {
            let offer = try #require(report[place], "\(place): \(report.offers)")
            #expect(offer.service == service && offer.verdict == verdict, "\(offer)")
            #expect((offer.why == nil) == (verdict == "usual") && (offer.advice == nil) == (verdict == "usual"))
            // http.server listens on IPv4 alone.
            if place != "tcp 8000" {
                #expect(Set(offer.addresses).isSuperset(of: ["192.168.77.10", "fd77::10"]), "\(offer)")
            }
        }
        #expect(report["tcp 22"]?.says == "SSH-2.0-OpenSSH_9.2p1 Debian")
        #expect(report["tcp 23"]?.says == "camera login: ")
        #expect(report["tcp 80"]?.says == "HTTP/1.0 401 Unauthorized, Boa/0.94")
        #expect(
            report["tcp 8000"]?.says?.contains("SimpleHTTP") == true
                && report["tcp 8000"]?.why?.contains("files") == true)
        #expect(
            report["tcp 8081"]?.why?.contains("its picture") == true
                && report["tcp 554"]?.why?.contains("its picture") == true)
        #expect(report["udp 161"]?.says == "Linux cam 1" && report["udp 5353"]?.says == "_rsp")
        #expect(!FileManager.default.fileExists(atPath: home.directory + "/printed"))
        #expect(report.offers.count == 11, "\(report.offers)")
        let text = try home.ctl("audit", "192.168.77.10")
        #expect(
            text.contains("camera (") && text.contains("tcp 23")
                && text.contains("! tcp 23: anybody at home may try passwords"))
        withExtendedLifetime(programs) {}
    }

    @Test(
        "With --all every port is looked at, as many as nmap finds, and no more than a thousand are begun in a second",
        .enabled(if: isThorough, "only with --thorough: 65 535 ports take more than a minute"))
    func whole() throws {
        let programs = try startDevice()
        let report = try report("camera", "--all")
        #expect(report.ports == 65_535)
        let hidden = try #require(report["tcp 47111"])
        #expect(
            hidden.service == "http" && hidden.addresses == ["192.168.77.10"]
                && hidden.says == "HTTP/1.0 200 OK, hidden, \"Only here\"")
        let rate = Double(report.ports * report.places.count) / Double(report.milliseconds) * 1000
        #expect(rate < 1010, "\(rate) a second")
        let found = try home.gateway.run(
            "nmap", "-n", "-Pn", "-sT", "-p-", "--min-rate", "5000", "-oG", "-", "192.168.77.10")
        let ports = Set(found.matches(of: /(\d+)\/open\/tcp/).compactMap { Int($0.1) })
        #expect(
            ports
                == Set(
                    report.offers.filter { $0.transport == "tcp" && $0.addresses.contains("192.168.77.10") }.map(\.port)
                ))
        withExtendedLifetime(programs) {}
    }

    @Test("A device that is away is told, one that says nothing to anybody too, and one that nobody knows")
    func away() throws {
        try home.lan.run(
            "nft",
            "add table inet mute; add chain inet mute input { type filter hook input priority 0; policy drop; meta l4proto icmpv6 accept; }"
        )
        let silent = try report("camera")
        #expect(silent.places.contains { $0.presence == "silent" } && silent.offers.isEmpty, "\(silent)")
        #expect(try home.ctl("audit", "camera").contains("It is there and says nothing to anybody."))
        // What lets nothing out is the gateway's own, be it by a word or by none.
        for verdict in ["drop", "reject with tcp reset"] {
            let others = verdict == "drop" ? "drop" : "reject"
            try home.gateway.run(
                "nft",
                "add table inet shut; add chain inet shut output { type filter hook output priority 0; }; "
                    + "add rule inet shut output oif lan0 meta l4proto tcp \(verdict); "
                    + "add rule inet shut output oif lan0 meta l4proto udp \(others)")
            let forbidden = try home.attempt("audit", "camera")
            #expect(
                forbidden.status == 1 && forbidden.errors.contains("own firewall lets nothing out to"), "\(forbidden)")
            try home.gateway.run("nft", "delete table inet shut")
        }
        try home.lan.run("ip", "link", "set", "eth0", "down")
        try home.gateway.run("ip", "neigh", "flush", "dev", "lan0")
        let away = try home.attempt("audit", "camera")
        #expect(away.status == 1 && away.errors.contains("camera is away or asleep"), "\(away)")
        let unknown = try home.attempt("audit", "toaster")
        #expect(unknown.status == 1 && unknown.errors.contains("no device of the home is or has toaster"), "\(unknown)")
        #expect(try home.attempt("audit", "camera", "--accept").status == 2)
    }
}
