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
        #expect(throws: (any Error).self) { try Peer(to: Home.gatewayOnLAN, 8080, from: home.wan) }
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
        try home.ctl("user", "add", "alice", "--password-stdin", input: "secret\n")
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
        // The LAN's networks go straight, the WAN's do not.
        let script = try home.lan.run("curl", "-sf", url)
        func isNear(_ address: [UInt8], _ prefix: Int) -> Bool {
            let bits = address.map { byte in String(String(256 + Int(byte), radix: 2).dropFirst()) }.joined()
            return script.contains("\"4\(bits.prefix(prefix))\"")
        }
        #expect(isNear([192, 168, 77, 0], 24) && !isNear([203, 0, 113, 0], 24))
    }
}
