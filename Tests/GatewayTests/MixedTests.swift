import Foundation
import TestNetwork
import Testing

@Suite(
    "One port for both proxies, and the file that tells of it", .enabled(if: isRoot, "needs root: network namespaces"))
struct MixedTests {
    let home: Home

    init() throws { home = try Home.ready() }

    private func web() throws -> (origin: Origin, url: String) {
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        }
        return (origin, "http://\(Home.wanHost):\(origin.port)/")
    }

    @Test("curl uses one port as either proxy; its opening and its count are one listener's")
    func curl() throws {
        let (origin, url) = try web()
        try home.ctl("listener", "add", "mixed", "192.168.77.1:8080", "--interface", "lan0")
        #expect(try home.openings().contains { $0.contains("8080") })
        #expect(try home.lan.run("curl", "-sf", "-p", "-x", "http://192.168.77.1:8080", url) == "hello")
        #expect(try home.lan.run("curl", "-sf", "-x", "socks5h://192.168.77.1:8080", url) == "hello")
        let status = try home.ctl("status").split(separator: "\n").first { $0.hasPrefix("mixed") }
        let fields = try #require(status).split(separator: " ").map(String.init)
        #expect(fields.starts(with: ["mixed", "192.168.77.1:8080", "lan0", "none"]) && fields[5] == "2", "\(fields)")
        // Not from the other side, and not to itself.
        let stranger = #expect(throws: SocketFailure.self) { try Peer(to: Home.gatewayOnLAN, 8080, from: home.wan) }
        #expect(stranger?.code == EINPROGRESS, "nobody answers: \(String(describing: stranger))")
        let loop = try home.lan.attempt(
            ["curl", "-sf", "-p", "-x", "http://192.168.77.1:8080", "http://192.168.77.1:8080/"])
        #expect(loop.status != 0)
        try home.ctl("listener", "remove", "192.168.77.1:8080")
        #expect(try !home.openings().contains { $0.contains("8080") })
        withExtendedLifetime(origin) {}
    }

    @Test("with a password both ask for it, each in its own way")
    func password() throws {
        let (origin, url) = try web()
        try home.ctl("user", "add", "alice", "--password-stdin", "--weak", input: "secret\n")
        try home.ctl("listener", "add", "mixed", "192.168.77.1:8080", "--interface", "lan0", "--auth", "required")
        for scheme in ["http", "socks5h"] {
            func fetch(_ login: String) throws -> Outcome {
                try home.lan.attempt(["curl", "-sf", "-p", "-x", "\(scheme)://\(login)192.168.77.1:8080", url])
            }
            #expect(try fetch("alice:secret@").output == "hello", "\(scheme)")
            for login in ["", "alice:wrong@", "bob:secret@"] {
                #expect(try fetch(login).status != 0, "\(scheme) \(login)")
            }
        }
        withExtendedLifetime(origin) {}
    }

    @Test("SOCKS4 and SOCKS4a are a third way in, once the operator has allowed them")
    func version4() throws {
        let (origin, url) = try web()
        try home.ctl("listener", "add", "mixed", "192.168.77.1:8080", "--interface", "lan0")
        func fetch(_ scheme: String) throws -> Outcome {
            try home.lan.attempt(["curl", "-sf", "-p", "-x", "\(scheme)://192.168.77.1:8080", url])
        }
        for scheme in ["socks4", "socks4a"] { #expect(try fetch(scheme).status != 0, "\(scheme)") }
        try home.ctl("listener", "set", "192.168.77.1:8080", "--socks4")
        for scheme in ["socks4", "socks4a", "socks5h", "http"] {
            #expect(try fetch(scheme).output == "hello", "\(scheme)")
        }
        withExtendedLifetime(origin) {}
    }

    @Test("23: the PAC file tells what there is now, to each side of the house in its own words")
    func autoConfiguration() throws {
        func route(_ url: String) throws -> String? {
            try home.lan.run("curl", "-sf", "-g", url).split(separator: "\n").first { $0.hasPrefix("var route") }
                .map(String.init)
        }
        let url = "http://192.168.77.1:3128/proxy.pac"
        #expect(try route(url) == #"var route = "PROXY 192.168.77.1:3128; SOCKS5 192.168.77.1:1080";"#)
        let head = try home.lan.run("curl", "-sfI", "http://192.168.77.1:3128/wpad.dat").lowercased()
        #expect(head.contains("content-type: application/x-ns-proxy-autoconfig\r\n"))
        try home.ctl("listener", "add", "mixed", "0.0.0.0:8080", "--interface", "lan0")
        #expect(
            try route(url)
                == #"var route = "PROXY 192.168.77.1:3128; PROXY 192.168.77.1:8080; SOCKS5 192.168.77.1:1080";"#)
        try home.ctl("listener", "remove", "192.168.77.1:1080")
        try home.ctl("listener", "add", "http", "[fd77::1]:3128", "--interface", "lan0")
        #expect(try route(url) == #"var route = "PROXY 192.168.77.1:3128; PROXY 192.168.77.1:8080";"#)
        #expect(try route("http://[fd77::1]:3128/wpad.dat") == #"var route = "PROXY [fd77::1]:3128";"#)
        try home.ctl("listener", "add", "https", "192.168.77.1:3129", "--interface", "lan0")
        try home.ctl("tls", "export-ca").write(toFile: home.directory + "/ca.pem", atomically: true, encoding: .utf8)
        let secure = try home.lan.run(
            "curl", "-sf", "--cacert", home.directory + "/ca.pem", "https://192.168.77.1:3129/proxy.pac")
        #expect(
            secure.contains(
                #"var route = "HTTPS 192.168.77.1:3129; PROXY 192.168.77.1:3128; PROXY 192.168.77.1:8080";"#))
        // With a certificate of one's own it is the name that counts.
        try home.gateway.run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", home.directory + "/key.pem", "-out", home.directory + "/own.pem", "-subj", "/CN=proxy.example",
            "-addext", "subjectAltName=DNS:proxy.example")
        try home.ctl(
            "tls", "use", "--cert", home.directory + "/own.pem", "--key", home.directory + "/key.pem")
        let named = try home.lan.run(
            "curl", "-sf", "--cacert", home.directory + "/own.pem", "--resolve", "proxy.example:3129:192.168.77.1",
            "https://proxy.example:3129/proxy.pac")
        #expect(named.contains(#"var route = "HTTPS proxy.example:3129; PROXY 192.168.77.1:3128;"#))
        // The LAN's networks go straight, the WAN's do not.
        let script = try home.lan.run("curl", "-sf", url)
        #expect(script.contains(#"["192.168.77.0/24", "4110000001010100001001101"]"#))
        #expect(!script.contains("203.0.112.0"))
    }
}

@Suite("What client-setup prints, as it is printed", .enabled(if: isRoot, "needs root: network namespaces"))
struct ClientSetupTests {
    /// The lines of a verb's output that are to be copied: those that stand in by four.
    private func lines(_ output: String) -> [String] {
        output.split(separator: "\n").filter { $0.hasPrefix("    ") }.map { String($0.dropFirst(4)) }
    }

    @Test("Each command works on the LAN host, by either proxy")
    func commands() throws {
        let home = try Home.ready()
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        }
        let commands = lines(try home.ctl("client-setup", "curl"))
        #expect(commands.count == 2)
        for command in commands {
            let here = command.replacing("https://example.org/", with: "-sf -p http://\(Home.wanHost):\(origin.port)/")
            #expect(try home.lan.run("sh", "-c", here) == "hello", "\(command)")
        }
        let exports = lines(try home.ctl("client-setup", "linux")).filter { $0.hasPrefix("export ") }
        #expect(exports.count == 5)
        let script = exports.joined(separator: "\n") + "\ncurl -sf -p http://\(Home.wanHost):\(origin.port)/"
        #expect(try home.lan.run("sh", "-c", script) == "hello")
        // apt and git say what they understood.
        let file = home.directory + "/apt.conf"
        try lines(try home.ctl("client-setup", "apt")).joined(separator: "\n").write(
            toFile: file, atomically: true, encoding: .utf8)
        let understood = try home.lan.run("apt-config", "-c", file, "dump", "Acquire::https::Proxy")
        #expect(understood == "Acquire::https::Proxy \"http://192.168.77.1:3128\";\n")
        let git = try #require(lines(try home.ctl("client-setup", "git")).first)
        let asked = "export HOME=\(home.directory)\n\(git)\ngit config --global http.proxy"
        #expect(try home.lan.run("sh", "-c", asked) == "http://192.168.77.1:3128\n")
        withExtendedLifetime(origin) {}
    }

    @Test("setup ends with the address from which devices set themselves up, and it answers there")
    func ending() throws {
        let home = try Home()
        try home.start()
        let output = try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        let url = "http://192.168.77.1:3128/proxy.pac"
        #expect(output.contains(url) && output.contains("gatehousectl client-setup"))
        #expect(try home.lan.run("curl", "-sf", url).contains("FindProxyForURL"))
    }
}

@Suite("The gateway's own page", .enabled(if: isRoot, "needs root: network namespaces"))
struct GuideTests {
    private let page = "http://192.168.77.1:3128/"

    private func fetch(_ home: Home, _ path: String, _ options: String...) throws -> Outcome {
        try home.lan.attempt(["curl", "-sf", "-H", "Accept: text/html", page + path] + options)
    }

    @Test("43: With an https listener by its own authority it hands out that, as a file and as a profile; else neither")
    func authority() throws {
        let home = try Home.ready()
        #expect(try !fetch(home, "").output.contains("mobileconfig"))
        for file in ["gatehouse-ca.crt", "gatehouse.mobileconfig"] { #expect(try fetch(home, file).status == 22) }
        try home.ctl("listener", "add", "https", "192.168.77.1:3129", "--interface", "lan0")
        let certificate = try home.ctl("tls", "export-ca")
        #expect(try fetch(home, "gatehouse-ca.crt").output == certificate)
        let guide = try fetch(home, "").output
        let fingerprint = try home.lan.run("openssl", "x509", "-noout", "-fingerprint", "-sha256", input: certificate)
        #expect(guide.contains(try #require(fingerprint.split(separator: "=").last).trimmingCharacters(in: .newlines)))
        #expect(guide.contains("href=\"/gatehouse.mobileconfig\"") && guide.contains("href=\"/gatehouse-ca.crt\""))

        // The profile as another reader of property lists has it.
        let profile = home.directory + "/gatehouse.mobileconfig"
        let head = try fetch(home, "gatehouse.mobileconfig", "-o", profile, "-w", "%{content_type}").output
        #expect(head == "application/x-apple-aspen-config")
        let read = """
            import plistlib, sys, uuid
            p = plistlib.load(open(sys.argv[1], "rb"))
            c = p["PayloadContent"][0]
            assert p["PayloadType"] == "Configuration" and c["PayloadType"] == "com.apple.security.root"
            assert len(p["PayloadContent"]) == 1 and p["PayloadVersion"] == c["PayloadVersion"] == 1
            assert len({str(uuid.UUID(x["PayloadUUID"])) for x in (p, c)}) == 2
            assert uuid.UUID(p["PayloadUUID"]).version == 8 and uuid.UUID(p["PayloadUUID"]).variant == uuid.RFC_4122
            assert p["PayloadIdentifier"] + ".authority" == c["PayloadIdentifier"]
            assert p["PayloadDisplayName"].startswith("Gatehouse CA of ")
            sys.stdout.buffer.write(c["PayloadContent"])
            """
        let script = home.directory + "/read.py"
        try read.write(toFile: script, atomically: true, encoding: .utf8)
        let within = try home.lan.run(
            "sh", "-c", "/usr/bin/python3 \(script) \(profile) | openssl x509 -inform der")
        #expect(within == certificate)
        // It is the same one next time, or a device would have it twice.
        #expect(try fetch(home, "gatehouse.mobileconfig").output == String(contentsOfFile: profile, encoding: .utf8))

        // With a certificate by somebody else's authority there is nothing to trust.
        try home.gateway.run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", home.directory + "/key.pem", "-out", home.directory + "/own.pem", "-subj", "/CN=proxy.example",
            "-addext", "subjectAltName=DNS:proxy.example")
        try home.ctl("tls", "use", "--cert", home.directory + "/own.pem", "--key", home.directory + "/key.pem")
        #expect(try fetch(home, "gatehouse-ca.crt").status == 22)
        #expect(try !fetch(home, "").output.contains("mobileconfig"))
        try home.ctl("tls", "use", "--own")
        #expect(try fetch(home, "gatehouse-ca.crt").output == certificate)
        try home.ctl("tls", "renew", "--authority")
        #expect(try fetch(home, "gatehouse-ca.crt").output == home.ctl("tls", "export-ca"))
        #expect(try fetch(home, "gatehouse.mobileconfig").output != String(contentsOfFile: profile, encoding: .utf8))
    }

    @Test("43: It is there by every address of the gateway and through the proxy, from the home and from nowhere else")
    func addresses() throws {
        let home = try Home.ready()
        try home.ctl("listener", "add", "mixed", "0.0.0.0:8080", "--from", "home")
        try home.ctl("listener", "add", "http", "[fd77::1]:3128", "--from", "home")
        let proxy = ["-x", "http://192.168.77.1:3128"]
        for url in [page, "http://192.168.77.1:8080/", "http://[fd77::1]:3128/"] {
            for way in [[], proxy] {
                let outcome = try home.lan.attempt(["curl", "-sfg", "-H", "Accept: text/html", url] + way)
                #expect(outcome.output.contains("What to enter where"), "\(url) \(way): \(outcome)")
            }
        }
        for (way, port) in [([], "8080"), (proxy, "3128")] {
            let outcome = try home.wan.attempt(["curl", "-sS", "--max-time", "2", "http://203.0.112.1:\(port)/"] + way)
            #expect(outcome.status == 28, "\(outcome)")
        }
        // Nobody is told what is on the other side.
        let other = try home.lan.attempt(["curl", "-s"] + proxy + ["http://203.0.112.1:3128/"])
        #expect(other.output.contains("No proxy leads to itself") || other.output.contains("address of this gateway"))
    }
}
