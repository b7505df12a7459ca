import Foundation
import TestProcess
import Testing
import Wire

/// The judge is pactester (libpacparser), which runs the script as a browser would.
@Suite struct ProxyAutoConfigurationTests {
    private let home = ProxyAutoConfiguration(
        proxies: [
            .init(.http, host: "192.168.1.1", port: 3128), .init(.https, host: "192.168.1.1", port: 3129),
            .init(.socks5, host: "[fd77::1]", port: 1080),
        ],
        networks: [
            .init([127, 0, 0, 0], prefix: 8, name: "near"), .init([192, 168, 1, 0], prefix: 24, name: "near"),
            .init([10, 64, 0, 0], prefix: 10, name: "near"),
            .init([0xfd, 0x77] + [UInt8](repeating: 0, count: 14), prefix: 64, name: "near"),
            .init([0xfe, 0x80] + [UInt8](repeating: 0, count: 14), prefix: 10, name: "near"),
            .init([UInt8](repeating: 0, count: 15) + [1], prefix: 128, name: "near"),
        ])

    /// What the script answers for each URL.
    private func judge(_ script: String, _ urls: [String]) throws -> [String] {
        let file = FileManager.default.temporaryDirectory.appending(path: "gatehouse-\(UUID()).pac")
        try script.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        return try urls.map { url in
            try ChildProcess.run(["pactester", "-p", file.path, "-u", url, "-h", host(of: url)]).output
                .trimmingCharacters(in: .newlines)
        }
    }

    /// As browsers give it; pactester's own idea of it ends at the first colon.
    private func host(of url: String) -> String {
        let authority = url.split(separator: "/")[1]
        return String(authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" })
    }

    @Test func `What is out in the world goes through the proxies, in their order, and never past them`() throws {
        let urls = [
            "https://example.org/", "http://example.org:8080/a?b", "https://203.0.113.9/", "http://192.168.2.1/",
            "http://10.128.0.1/", "https://[2001:db8::1]/", "http://[fd77:0:0:1::1]/", "http://local.example/",
            "http://[::ffff:192.168.1.7]/", "http://192.168.1.7.example.org/", "http://2130706433.example/",
        ]
        let route = "PROXY 192.168.1.1:3128; HTTPS 192.168.1.1:3129; SOCKS5 [fd77::1]:1080"
        for (url, answer) in zip(urls, try judge(home.text, urls)) { #expect(answer == route, "\(url)") }
    }

    @Test func `What is near goes straight: addresses of the LAN in both families, and names of the LAN`() throws {
        let urls = [
            "http://192.168.1.255/", "http://192.168.1.20:631/", "http://127.0.0.1:8000/", "http://10.127.255.255/",
            "http://[fd77::20]/", "http://[FD77:0::20:0:1]/", "http://[fe80::1]/", "http://[febf::1]/",
            "http://[::1]:80/", "http://printer/", "http://localhost/", "http://nas.local/", "http://NAS.LOCAL./",
            "http://router.home.arpa/", "http://app.localhost/",
        ]
        for (url, answer) in zip(urls, try judge(home.text, urls)) { #expect(answer == "DIRECT", "\(url)") }
    }

    // isPlainHostName, which most PAC files ask first, says yes to every IPv6 address, since none has a dot.
    @Test func `An IPv6 address is no plain name`() throws {
        let alone = ProxyAutoConfiguration(proxies: [.init(.socks5, host: "192.0.2.1", port: 1)], networks: [])
        #expect(
            try judge(alone.text, ["http://[2001:db8::1]/", "http://[::]/", "http://[1:2:3:4:5:6:7:8]/"])
                == Array(repeating: "SOCKS5 192.0.2.1:1", count: 3))
    }

    @Test func `It asks no name server`() {
        for call in ["isInNet", "dnsResolve", "isResolvable", "myIpAddress"] { #expect(!home.text.contains(call)) }
    }

    @Test func `Nothing that a host could be ends the string that it stands in`() throws {
        let host = "\"; evil(); // \\ \n </script> '"
        func script(_ host: String) -> String {
            ProxyAutoConfiguration(proxies: [.init(.http, host: host, port: 1)], networks: []).text
        }
        #expect(!script(host).contains("\"; evil") && !script(host).contains("</"))
        // Two characters end a line in JavaScript that do so nowhere else.
        #expect(script("\u{2028}\u{2029}\u{1f600}").utf8.allSatisfy { $0 < 0x7f })
        let answer = try judge(script(host), ["http://example.org/"])[0]
        #expect(answer == "PROXY \(host):1")
    }
}
