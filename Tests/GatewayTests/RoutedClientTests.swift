import Foundation
import TestNetwork
import TestProcess
import Testing

/// What devices do that know no proxy, with the programs that they do it with.
@Suite("Through the routed home", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct RoutedClientTests {
    /// A Python program, its lines in a file of their own.
    private func program(_ name: String, _ text: String, of home: Home) throws -> String {
        let path = home.directory + "/\(name).py"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test("FTP in passive mode fetches and stores a file")
    func ftp() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        let root = home.directory + "/ftp"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        try "a file\n".write(toFile: root + "/file", atomically: true, encoding: .utf8)
        let server = try RunningProgram(
            ["/usr/bin/python3", "-m", "pyftpdlib", "-i", Home.wanHost, "-p", "21", "-w", "-d", root], in: home.wan,
            log: home.directory + "/ftpd")
        let url = "ftp://\(Home.wanHost)/"
        #expect(try eventually { try home.lan.attempt(["curl", "-s", "-m", "5", url + "file"]).output == "a file\n" })
        try home.lan.run("curl", "-s", "-m", "5", "-T", root + "/file", url + "copy")
        #expect(try String(contentsOfFile: root + "/copy", encoding: .utf8) == "a file\n")
        withExtendedLifetime(server) {}
    }

    @Test("a clock is set by NTP")
    func ntp() throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        // The clock of a day in 2020, by RFC 5905's header.
        let clock = try program(
            "clock",
            """
            import socket, struct
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(("\(Home.wanHost)", 123))
            while True:
                asked, client = server.recvfrom(512)
                now = struct.pack("!II", 1577880000 + 2208988800, 0)
                server.sendto(struct.pack("!BBbbII4s", 0x24, 1, 6, -20, 0, 0, b"LOCL") + now + asked[40:48] + now + now, client)
            """, of: home)
        let server = try RunningProgram(["python3", clock], in: home.wan, log: home.directory + "/ntpd")
        // It only asks, and tells how far its own clock is from that day.
        #expect(
            try eventually {
                let asked = try home.lan.attempt(["ntpdig", "-t", "2", Home.wanHost])
                return asked.status == 0 && asked.output.contains("2020-01-01 12:00:00")
                    && asked.output.contains(Home.wanHost)
            })
        withExtendedLifetime(server) {}
    }

    /// Each of them is a way of talking that home routers are known to break.
    @Test(
        "flows over UDP hold: a call in both directions, a game without a loss, a tunnel whose end roams",
        arguments: ["call", "game", "roaming"])
    func datagrams(kind: String) throws {
        let routed = try RoutedHome.ready()
        let home = routed.home
        let far = try program(
            "far",
            """
            import socket, threading
            def serve(port):
                server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                server.bind(("\(Home.wanHost)", port))
                while True:
                    word, client = server.recvfrom(2048)
                    server.sendto(b"%d:" % client[1] + word, client)
            for port in 5060, 30000, 51820, 27015: threading.Thread(target=serve, args=[port]).start()
            """, of: home)
        let server = try RunningProgram(["python3", far], in: home.wan, log: home.directory + "/far")
        let near = try program(
            "near",
            """
            import socket, sys, time
            def own(port):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                client.bind(("0.0.0.0", port))
                client.settimeout(2)
                return client
            def ask(client, port, word):
                for _ in range(5):
                    client.sendto(word, ("\(Home.wanHost)", port))
                    try:
                        answer = client.recv(2048)
                    except TimeoutError:
                        continue
                    assert answer.endswith(word), answer
                    return int(answer.split(b":")[0])
                raise SystemExit("no answer from %d" % port)
            if sys.argv[1] == "call":
                # A telephone is known by its own ports, which are kept where they are free.
                signal, voice = own(5060), own(40000)
                assert ask(signal, 5060, b"INVITE") == 5060
                for number in range(100): assert ask(voice, 30000, b"%d" % number) == 40000
                assert ask(signal, 5060, b"BYE") == 5060
            elif sys.argv[1] == "game":
                client, end, sent, came = own(0), time.time() + 10, 0, 0
                while time.time() < end:
                    client.sendto(b"state %d" % sent, ("\(Home.wanHost)", 27015))
                    sent += 1
                    came += client.recv(2048).endswith(b"state %d" % (sent - 1))
                    time.sleep(1 / 60)
                assert sent == came > 300, (sent, came)
            else:
                # The same session goes on from another port, as a phone does that wakes up.
                ports = {ask(own(port), 51820, b"keepalive") for port in (51820, 51821, 51822)}
                assert len(ports) == 3, ports
            """, of: home)
        #expect(try eventually { try routed.answers(home.lan, Home.wanHost, 27015) })
        let outcome = try home.lan.attempt(["timeout", "60", "python3", near, kind])
        #expect(outcome.status == 0, "\(outcome)")
        withExtendedLifetime(server) {}
    }
}
