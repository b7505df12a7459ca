import Testing
import Wire

private func parse(
    _ bytes: [UInt8], limits: HTTPRequestHeadParser.Limits = .init()
) throws(HTTPError) -> Parsed<HTTPRequestHead> {
    var parser = HTTPRequestHeadParser(limits: limits)
    return try parser.parse(bytes.span)
}

private func head(_ text: String) throws -> HTTPRequestHead {
    guard case .done(let head, consumed: text.utf8.count) = try parse(bytes(text)) else {
        throw Incomplete()
    }
    return head
}

private struct Incomplete: Error {}

private func status(_ text: String) -> HTTPStatus? {
    do {
        _ = try parse(bytes(text))
        return nil
    } catch { return error.status }
}

private let connect =
    "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nUser-Agent: \t curl \r\nX-Empty:\r\n\r\n"

@Suite struct HTTPHeadTests {
    @Test func `A request head is read into its parts`() throws {
        let head = try head(connect)
        #expect(head.method == "CONNECT" && head.target == "example.org:443" && head.minorVersion == 1)
        #expect(head.fields.count == 3)
        #expect(head.fields.values(of: "user-agent").map(Array.init) == [bytes("curl")])
        #expect(head.fields.values(of: "X-EMPTY").map(Array.init) == [[]])
        #expect(head.fields.values(of: "x-emptyy").isEmpty)
        #expect(head.isPersistent)
    }

    @Test func `A head that arrives byte by byte is the same head, and early bytes are left alone`() throws {
        let all = bytes(connect + connect)
        var parser = HTTPRequestHeadParser()
        var buffer: [UInt8] = []
        var heads: [HTTPRequestHead] = []
        for byte in all {
            buffer.append(byte)
            if case .done(let head, let consumed) = try parser.parse(buffer.span) {
                #expect(consumed == connect.utf8.count)
                buffer.removeFirst(consumed)
                heads.append(head)
            }
        }
        #expect(heads == [try head(connect), try head(connect)])
        guard case .done(_, consumed: connect.utf8.count) = try parse(all) else {
            Issue.record()
            return
        }
    }

    @Test func `Every truncation waits for more`() throws {
        for length in 0..<connect.utf8.count { #expect(try parse(Array(bytes(connect)[..<length])) == .needMore) }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\tb: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\u{0}\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\u{7f}\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: a\r\n\r\n", "GET / HTTP/1.1\r\nHost\r\n\r\n", "GET / HTTP/1.1\r\n: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / a HTTP/1.1\r\nHost: a\r\n\r\n", " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "GET / HTTP/11\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n", "GET\r\nHost: a\r\n\r\n", "GET / HTTP/1,1\r\nHost: a\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", "G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}", "\u{0}",
    ])
    func `Anything but the grammar is a 400`(_ text: String) {
        #expect(status(text) == .badRequest)
    }

    @Test func `What is allowed is not refused`() throws {
        #expect(try head("\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n").target == "/")
        #expect(try head("OPTIONS * HTTP/1.0\r\n\r\n").minorVersion == 0)
        #expect(try head("GET / HTTP/1.7\r\nhost: a\r\n\r\n").minorVersion == 1)
        #expect(try head("GET / HTTP/1.1\r\nHost: a\r\nX: gr\u{fc}n\t \"x\"\r\n\r\n").fields.count == 2)
        #expect(try head("GET http://a/t\u{f6} HTTP/1.1\r\nHost: a\r\n\r\n").target == "http://a/t%C3%B6")
        #expect(try head("CONNECT a:1 HTTP/1.1\r\n\r\n").target == "a:1")
        #expect(status("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == .versionNotSupported)
    }

    @Test(arguments: [
        "", "example.org", "example.org:443", "example.org:", "192.168.1.1:3128", "[2001:db8::1]", "[::1]:443", "a_b",
        "a%20b", "xn--bcher-kva.example", "!$&'()*+;=~",
    ])
    func `A Host is a host and perhaps a port, or nothing`(_ host: String) {
        #expect(status("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n") == nil)
    }

    @Test(arguments: [
        "a b", "a, b", "http://a/", "a/b", "user@a", "a:b", "a:80:80", ":::1", "2001:db8::1", "[::1", "[::1]a", "[]",
        "a]", "a\\b", "a?b", "a#b", "\"a\"", "b\u{fc}cher", "a%2", "a%zz", "[a/b]",
    ])
    func `Any other Host is a 400`(_ host: String) {
        #expect(status("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n") == .badRequest)
    }

    @Test func `A target that is too long is a 414, at the line's end and without one`() {
        let long = String(repeating: "a", count: 64 * 1024)
        #expect(status("GET \(long) HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
        #expect(status("GET \(long)a HTTP/1.1\r\nHost: a\r\n\r\n") == .uriTooLong)
        #expect(status("GET \(long)\(long)") == .uriTooLong)
    }

    @Test func `A head that is too large is a 431, and so is one field too many`() {
        let field = "X: " + String(repeating: "a", count: 1000) + "\r\n"
        #expect(status("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: field, count: 132)) == .headTooLarge)
        #expect(status("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 1 << 20)) == .headTooLarge)
        let many = { "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: $0) + "\r\n" }
        #expect(status(many(499)) == nil)
        #expect(status(many(500)) == .headTooLarge)
    }

    @Test func `Connection has at most 32 options, however they are written`() {
        func status(_ options: Int, _ separator: String) -> HTTPStatus? {
            let list = Array(repeating: "x", count: options).joined(separator: separator)
            return WireTests.status("GET / HTTP/1.1\r\nHost: a\r\nConnection: \(list)\r\n\r\n")
        }
        for separator in [",", ", ,", "\r\nConnection: "] {
            #expect(status(32, separator) == nil)
            #expect(status(33, separator) == .badRequest)
        }
    }

    @Test func `The limit is the whole head, to the byte`() {
        var limits = HTTPRequestHeadParser.Limits()
        limits.head = connect.utf8.count
        #expect(throws: Never.self) { try parse(bytes(connect), limits: limits) }
        limits.head -= 1
        #expect(throws: HTTPError.headTooLarge(limit: limits.head)) { try parse(bytes(connect), limits: limits) }
    }

    @Test func `A method longer than any is a 501`() {
        #expect(status(String(repeating: "A", count: 33) + " / HTTP/1.1\r\nHost: a\r\n\r\n") == .notImplemented)
    }

    @Test func `Whether a connection stays follows the version and Connection`() throws {
        #expect(try !head("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").isPersistent)
        #expect(try !head("GET / HTTP/1.0\r\n\r\n").isPersistent)
        // RFC 9112 §9.3: a proxy keeps none of an HTTP/1.0 client.
        #expect(try !head("GET / HTTP/1.0\r\nConnection: , ,Keep-Alive ,\r\n\r\n").isPersistent)
        #expect(try head("GET / HTTP/1.1\r\nHost: a\r\nConnection: , ,Keep-Alive ,\r\n\r\n").isPersistent)
        #expect(
            try !head("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n").isPersistent)
    }

    @Test func `Garbage never traps, however it is cut`() {
        var noise = Noise(state: 25)
        let pieces = [
            "GET ", "/", " HTTP/1.1", "\r", "\n", "\r\n", "Host", ":", " ", "a", "\t", "\u{0}",
            "CONNECT a:1 HTTP/1.1\r\n",
        ]
        for _ in 0..<20_000 {
            var text: [UInt8] = []
            for _ in 0..<Int.random(in: 0...12, using: &noise) { text += bytes(pieces.randomElement(using: &noise)!) }
            var parser = HTTPRequestHeadParser()
            var whole: Result<Parsed<HTTPRequestHead>, HTTPError>
            do { whole = .success(try parser.parse(text.span)) } catch { whole = .failure(error) }
            // Arriving in pieces must not change the outcome.
            var torn = HTTPRequestHeadParser()
            var last: Result<Parsed<HTTPRequestHead>, HTTPError> = .success(.needMore)
            for length in 0...text.count {
                do { last = .success(try torn.parse(Array(text[..<length]).span)) } catch { last = .failure(error) }
                if case .success(.needMore) = last { continue }
                break
            }
            #expect(whole == last, "\(String(decoding: text, as: UTF8.self).debugDescription)")
        }
    }
}
