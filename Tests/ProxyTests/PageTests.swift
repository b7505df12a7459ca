import Address
import COpenSSL
import Foundation
import Policy
import Proxy
import Testing

private let alice = User(name: "alice", passwordHash: Password.hash(Array("secret".utf8)).description)

/// What Firefox sends for what a person is to read.
private let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"

/// Point 43 of what correct means: a browser gets a page, a program gets plain text.
@Suite(.timeLimit(.minutes(1))) struct PageTests {
    private typealias Answer = (head: String, body: String)

    private func ask(_ port: UInt16, _ line: String, _ fields: String = "") async throws -> Answer {
        let client = try await Peer.connect(to: port)
        try await client.send("\(line) HTTP/1.1\r\nHost: gateway\r\n\(fields)\r\n")
        return try await client.receiveAnswer()
    }

    /// What holds of every page, whatever it says.
    private func checkSafety(_ answer: Answer) {
        let (head, body) = answer
        #expect(head.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"))
        #expect(head.contains("\r\nX-Content-Type-Options: nosniff\r\n"))
        #expect(head.contains("\r\nCache-Control: no-store\r\n"))
        #expect(head.contains("\r\nReferrer-Policy: no-referrer\r\n"))
        let style = body.components(separatedBy: "<style>").last?.components(separatedBy: "</style>").first ?? ""
        let policy = "default-src 'none'; style-src 'sha256-\(digest(style))'; base-uri 'none'; form-action 'none'; "
        #expect(head.contains("\r\nContent-Security-Policy: \(policy)frame-ancestors 'none'\r\n"))
        for forbidden in ["<script", "javascript:", "<link", "<img", "<iframe", " style=", "@import", "url(", " on"] {
            let tags = body.matches(of: /<[^>]*>/).map { String($0.output) }.joined() + style
            #expect(!tags.lowercased().contains(forbidden), "\(forbidden): \(tags)")
        }
        #expect(style.contains("prefers-color-scheme:dark") && body.contains("width=device-width"))
        #expect(body.hasPrefix("<!DOCTYPE html>\n") && body.hasSuffix("</html>\n"))
    }

    private func digest(_ text: String) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_Digest(Array(text.utf8), text.utf8.count, &digest, nil, EVP_sha256(), nil)
        return Data(digest).base64EncodedString()
    }

    // MARK: what did not work

    @Test func `43 What did not work is a page for a browser, and a line for a program`() async throws {
        let silent = try NameServer([:])
        silent.fallSilent()
        defer { silent.stop() }
        var limits = Relay.Limits()
        limits.dial = .milliseconds(300)
        let gateway = try Gateway(limits: limits, nameServer: silent)
        let guarded = try Gateway(authentication: .required, users: [alice])
        let limited = try Gateway(quotas: [Limit(subject: .eachClient, sessions: 1)])
        let limitedGuarded = try Gateway(
            authentication: .required, users: [alice], quotas: [Limit(subject: .eachClient, sessions: 1)])
        let second = try await Peer.connect(to: limitedGuarded.http)
        while await limitedGuarded.sessionCount < 1 { await Task.yield() }
        let holder = try await Peer.connect(to: limited.socks5)
        let origin = try Origin()
        try await holder.send([5, 1, 0] + connect(loopback, origin.port))
        _ = try await origin.accept()
        let shut = try { try Origin().port }()
        let cases: [(port: UInt16, target: String, status: Int, headline: String, reason: String)] = [
            (gateway.http, "http://10.9.8.7/", 403, "does not let this through", "10.9.8.7 is not allowed"),
            (
                guarded.http, "http://127.0.0.1:\(shut)/", 407, "asks who you are",
                "his proxy asks for a user and a password"
            ),
            (gateway.http, "http://127.0.0.1:\(shut)/", 502, "cannot be reached", "127.0.0.1:\(shut): "),
            (gateway.http, "http://silent.example/", 504, "does not answer", "the name servers do not answer"),
            (limited.http, "http://127.0.0.1:\(shut)/", 429, "Too much at once", "refused: "),
            (limitedGuarded.http, "http://al:s3cret@127.0.0.1:\(shut)/", 429, "Too much at once", "refused: "),
            (gateway.http, "ftp://127.0.0.1/", 501, "Not Implemented", "his proxy fetches http only"),
            (gateway.http, "/nothing", 404, "There is nothing here", "his is the port of a proxy"),
        ]
        for (port, target, status, headline, reason) in cases {
            let plain = try await ask(port, "GET \(target)", "Accept: */*\r\n")
            #expect(plain.head.hasPrefix("HTTP/1.1 \(status) ") && plain.head.contains("Type: text/plain;"), "\(plain)")
            #expect(plain.body.contains(reason) && !plain.body.contains("<"), "\(plain)")
            let page = try await ask(port, "GET \(target)", browser)
            #expect(page.head.hasPrefix("HTTP/1.1 \(status) "), "\(page)")
            checkSafety(page)
            #expect(!plain.body.contains("s3cret") && !page.body.contains("s3cret"))
            let (says, hint) = (page.body.contains(headline) && page.body.contains(reason), "<dt>What to do</dt><dd>")
            #expect(says && page.body.contains(hint) && !page.body.contains("\(hint)</dd>"), "\(page)")
            // Whose gateway it is.
            #expect(page.body.contains("Gatehouse at 127.0.0.1:\(port)"))
            #expect(page.body.contains("href=\"http://127.0.0.1:\(port)/\""))
            #expect(plain.head.contains("\r\nProxy-Authenticate: ") == (status == 407))
            #expect(page.head.contains("\r\nProxy-Authenticate: ") == (status == 407))
        }
        withExtendedLifetime((holder, second)) {}
    }

    @Test func `43 A browser shows no page where CONNECT fails, so that it gets the line`() async throws {
        let gateway = try Gateway()
        let answer = try await ask(gateway.http, "CONNECT 10.9.8.7:443", browser)
        #expect(answer.head.hasPrefix("HTTP/1.1 403 ") && answer.body.hasPrefix("10.9.8.7:443: refused"))
    }

    @Test func `43 HEAD has the length of the page and no body, and the connection goes on`() async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        for target in ["http://10.9.8.7/", "/"] {
            try await client.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\(browser)\r\n")
            let whole = try await client.receiveAnswer()
            try await client.send("HEAD \(target) HTTP/1.1\r\nHost: a\r\n\(browser)\r\n")
            #expect(try await client.receiveHead() == whole.head)
        }
    }

    /// What a site that cannot be reached could put into an address that somebody follows.
    @Test func `43 Nothing of a request is markup on a page`() async throws {
        let gateway = try Gateway()
        let mark = "\"'><script>alert(1)</script>&"
        let hostile = [
            ("GET http://10.9.8.7/\(mark)?\(mark)", browser), ("GET http://a\(mark)/", browser),
            ("GET http://10.9.8.7/", "\(browser)User-Agent: \(mark)iPhone\r\nReferer: \(mark)\r\n"),
            ("GET /\(mark)", browser), ("GET /?\(mark)", "\(browser)User-Agent: \(mark)Windows\r\n"),
            ("GET \(mark)://a/", browser), ("G\(mark)T http://10.9.8.7/", browser),
            ("GET http://[\(mark)]/", browser), ("GET http://a:\(mark)/", browser),
            ("GET http://10.9.8.7/", "\(browser)Proxy-Authorization: \(mark)\r\nX-\(mark)\r\n"),
        ]
        for (line, fields) in hostile {
            let answer = try await ask(gateway.http, line, fields)
            #expect(!answer.body.contains("<script") && !answer.body.contains("\"'>"), "\(line): \(answer)")
            if answer.head.contains("text/html") { checkSafety(answer) }
        }
        // What an origin sends is told where it was wrong.
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("GET http://127.0.0.1:\(origin.port)/ HTTP/1.1\r\nHost: a\r\n\(browser)\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: \(mark)\r\n\r\n")
        let answer = try await client.receiveAnswer()
        #expect(answer.head.hasPrefix("HTTP/1.1 502 ") && !answer.body.contains("<script"), "\(answer)")
        checkSafety(answer)
    }

    // MARK: the gateway's own address

    @Test func `43 The gateway's own address says what to enter where, the device that asks first`() async throws {
        let gateway = try Gateway()
        let page = try await ask(
            gateway.http, "GET /", "\(browser)User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_5)\r\n")
        #expect(page.head.hasPrefix("HTTP/1.1 200 OK\r\n"))
        checkSafety(page)
        #expect(page.body.contains("<code class=\"copy\">http://127.0.0.1:\(gateway.http)/proxy.pac</code>"))
        let titles = page.body.matches(of: /<summary>([^<]*)</).map { String($0.1) }
        #expect(
            titles == ["iPhone and iPad", "Windows 11", "macOS", "Android", "Linux", "Firefox", "curl", "apt", "git"])
        #expect(page.body.components(separatedBy: "<details open>").count == 2)
        for port in [gateway.http, gateway.mixed, gateway.socks5] {
            #expect(page.body.contains("<code>\(port)</code>"), "\(port)")
        }
        // There is no certificate to trust.
        #expect(!page.body.contains("mobileconfig"))
        for path in ["/gatehouse-ca.crt", "/gatehouse.mobileconfig"] {
            #expect(try await ask(gateway.http, "GET \(path)").head.hasPrefix("HTTP/1.1 404 "))
        }
        let plain = try await ask(gateway.http, "GET /", "Accept: */*\r\n")
        #expect(plain.body.contains("Automatic configuration: http://127.0.0.1:\(gateway.http)/proxy.pac\n"))
    }

    @Test func `43 It tells a client of the listeners that are for it, and of nothing else that the gateway knows`()
        async throws
    {
        let gateway = try Gateway(users: [alice])
        gateway.change { policy in
            policy.listeners.append(
                Listener(
                    kind: .mixed, endpoint: Endpoint(address: .v4(loopback), port: 4711), authentication: .required,
                    clients: [Network("192.0.2.0/24")!]))
            policy.rules.append(Rule(id: 7, action: .deny, domain: "secret.example"))
        }
        for fields in [browser, ""] {
            let page = try await ask(gateway.http, "GET /", fields).body
            for secret in ["4711", "alice", "secret.example", "192.0.2"] {
                #expect(!page.contains(secret), "\(secret)")
            }
        }
        // A client that is not let in learns nothing, neither so nor through the proxy.
        let other = try Gateway(clients: [Network("192.0.2.0/24")!])
        for target in ["/", "http://127.0.0.1:\(other.http)/"] {
            let answer = try await ask(other.http, "GET \(target)", browser)
            #expect(answer.head.hasPrefix("HTTP/1.1 403 ") && !answer.body.contains("\(other.mixed)"), "\(answer)")
        }
    }

    /// Every program that goes by http_proxy asks so, also for the PAC file and for the page.
    @Test func `29, 43 What is asked of a listener through a proxy is answered by the gateway itself`() async throws {
        // Of a gateway with both kinds of addresses a listener may be at one alone.
        let names = try NameServer([
            "gateway.lan": .init(v4: [loopback], v6: [1]), "elsewhere.lan": .init(v4: [0x0a09_0807]),
        ])
        defer { names.stop() }
        let open = try Gateway(nameServer: names)
        let guarded = try Gateway(authentication: .required, users: [alice], nameServer: names)
        let login = "Proxy-Authorization: Basic \(Data("alice:secret".utf8).base64EncodedString())\r\n"
        for (gateway, fields) in [(open, ""), (guarded, ""), (guarded, login)] {
            for (asked, by) in [(gateway.http, gateway.http), (gateway.mixed, gateway.http)] {
                for host in fields.isEmpty && gateway === guarded ? ["127.0.0.1"] : ["127.0.0.1", "gateway.lan"] {
                    let script = try await ask(by, "GET http://\(host):\(asked)/proxy.pac", fields)
                    #expect(script.head.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(host) \(script)")
                    #expect(script.body.contains("FindProxyForURL"))
                    let page = try await ask(by, "GET http://\(host):\(asked)", browser + fields)
                    #expect(page.head.hasPrefix("HTTP/1.1 200 OK\r\n") && page.body.contains("What to enter where"))
                    let nothing = try await ask(by, "GET http://\(host):\(asked)/nothing", fields)
                    #expect(nothing.head.hasPrefix("HTTP/1.1 404 ") && nothing.body.contains("is said at /"))
                }
            }
        }
        // No lookup for somebody who has given no password.
        let unknown = try await ask(guarded.http, "GET http://gateway.lan:\(guarded.http)/proxy.pac")
        #expect(unknown.head.hasPrefix("HTTP/1.1 407 "))
        // No proxy leads to itself otherwise.
        for line in [
            "GET http://127.0.0.1:\(open.socks5)/proxy.pac", "CONNECT 127.0.0.1:\(open.http)",
            "CONNECT gateway.lan:\(open.http)", "GET http://elsewhere.lan:\(open.http)/proxy.pac",
        ] {
            let answer = try await ask(open.http, line)
            #expect(answer.head.hasPrefix("HTTP/1.1 403 "), "\(line): \(answer)")
        }
    }
}
