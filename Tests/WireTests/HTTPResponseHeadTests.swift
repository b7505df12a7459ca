import Testing
import Wire

private func parse(_ text: String, limits: HTTPResponseHeadParser.Limits = .init()) -> HTTPResponseHead? {
    var parser = HTTPResponseHeadParser(limits: limits)
    guard case .done(let head, consumed: text.utf8.count)? = try? parser.parse(bytes(text).span) else { return nil }
    return head
}

@Suite struct HTTPResponseHeadTests {
    @Test func `A response head is read into its parts`() throws {
        let head = try #require(parse("HTTP/1.1 404 Not Found\r\nServer : x\r\nX-Empty:\r\n\r\n"))
        #expect(head.status == 404 && head.minorVersion == 1 && head.fields.count == 2 && head.isPersistent)
        // RFC 9112 §5.1: the space is to be taken away in a response.
        #expect(head.fields.values(of: "server").map(Array.init) == [bytes("x")])
        #expect(try #require(parse("HTTP/1.0 200\r\n\r\n")).minorVersion == 0)
        #expect(try #require(parse("HTTP/1.1 200 \r\nConnection: x, Close\r\n\r\n")).isPersistent == false)
        #expect(try #require(parse("HTTP/1.1 103 Early Hints\r\n\r\n")).isInterim)
        #expect(try #require(parse("HTTP/1.1 101 Switching Protocols\r\n\r\n")).isInterim == false)
    }

    @Test(arguments: [
        "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 Low\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "ICYX 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1200 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "<html>not found</html>\r\n\r\n",
        String(repeating: "\r\n", count: 9), "HTTP/1.1\r\n\r\n", "200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nX\r\n : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX\u{0}: y\r\n\r\n", "HTTP/1.1 200 O\u{0}K\r\n\r\n",
    ])
    func `Anything but the grammar is refused`(_ text: String) {
        #expect(throws: HTTPError.self) {
            var parser = HTTPResponseHeadParser()
            _ = try parser.parse(bytes(text).span)
        }
    }

    @Test(arguments: [
        ("X: a\r\n b", "a b"), ("X: a \r\n\t b\r\n c ", "a b c"), ("X:\r\n a", "a"), ("X: a\r\n ", "a"),
        ("X: a\n b", "a b"),
        ("X: a\r\n \r\n b", "a b"), ("X: a\rb", "a b"), ("X: a\u{0}b\u{1f}c\u{7f}d", "a b c d"), ("X: a\r\r", "a"),
        ("X \t: a", "a"), (" dropped\r\nX: a", "a"), ("X: a\tb", "a\tb"),
    ])
    func `38 Of folds and control characters spaces become`(_ line: String, _ value: String) throws {
        for end in ["\r\n", "\n"] {
            let head = try #require(parse("HTTP/1.1 200 a\rb\(end)\(line)\(end)Y: z\(end)\(end)"))
            #expect(head.fields.count == 2)
            #expect(head.fields.values(of: "x").map { String(decoding: $0, as: UTF8.self) } == [value])
            #expect(head.fields.values(of: "y").map(Array.init) == [bytes("z")])
            #expect(
                String(decoding: head.forwarded(framing: .none, connection: .stays, at: 0), as: UTF8.self)
                    .hasPrefix("HTTP/1.1 200 a b\r\nX: \(value)\r\nY: z\r\n"))
        }
    }

    @Test func `A head that arrives byte by byte is the same head`() throws {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\n"
        var parser = HTTPResponseHeadParser()
        let all = bytes(text + "abc")
        for length in 0..<text.utf8.count {
            let part = try parser.parse(Array(all[..<length]).span)
            #expect(part == .needMore)
        }
        let whole = try parser.parse(all.span)
        #expect(whole == .done(try #require(parse(text)), consumed: text.utf8.count))
    }

    @Test func `Size and number of fields are limited`() {
        var limits = HTTPResponseHeadParser.Limits()
        (limits.head, limits.fields) = (40, 2)
        func failure(_ text: String) -> HTTPError? {
            var parser = HTTPResponseHeadParser(limits: limits)
            do { _ = try parser.parse(bytes(text).span) } catch { return error }
            return nil
        }
        #expect(failure("HTTP/1.1 200 OK\r\na: b\r\nc: d\r\n\r\n") == nil)
        #expect(failure("HTTP/1.1 200 OK\r\na: b\r\nc: d\r\ne: f\r\n\r\n") == .tooManyFields(limit: 2))
        #expect(failure("HTTP/1.1 200 OK\r\na: " + String(repeating: "b", count: 40)) == .headTooLarge(limit: 40))
    }
}
