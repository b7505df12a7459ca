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
        "HTTP/2 200 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 200\tOK\r\n\r\n", "<html>not found</html>\r\n\r\n", "\r\n\r\n",
        "HTTP/1.1 200 OK\nServer: x\n\n", "HTTP/1.1 200 OK\r\nServer: x\r y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 O\u{0}K\r\n\r\n",
    ])
    func `Anything but the grammar is refused`(_ text: String) {
        #expect(throws: HTTPError.self) {
            var parser = HTTPResponseHeadParser()
            _ = try parser.parse(bytes(text).span)
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
