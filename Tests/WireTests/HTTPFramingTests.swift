import Testing
import Wire

/// A request's head, of which only what matters here is given.
func request(_ fields: String, line: String = "POST http://a/ HTTP/1.1") throws -> HTTPRequestHead {
    var parser = HTTPRequestHeadParser()
    let host = line.hasSuffix("1.1") ? "Host: a\r\n" : ""
    guard case .done(let head, _) = try parser.parse(bytes("\(line)\r\n\(host)\(fields)\r\n").span) else {
        throw HTTPError.malformed("incomplete")
    }
    return head
}

func response(_ fields: String, line: String = "HTTP/1.1 200 OK") throws -> HTTPResponseHead {
    var parser = HTTPResponseHeadParser()
    guard case .done(let head, _) = try parser.parse(bytes("\(line)\r\n\(fields)\r\n").span) else {
        throw HTTPError.malformed("incomplete")
    }
    return head
}

@Suite struct HTTPFramingTests {
    @Test(arguments: [
        ("", HTTPFraming.none), ("Content-Length: 0\r\n", .length(0)), ("content-length:  42 \r\n", .length(42)),
        ("Content-Length: 7\r\nContent-Length: 7\r\n", .length(7)), ("Content-Length: 7, 7\r\n", .length(7)),
        ("Content-Length: 007\r\n", .length(7)), ("Transfer-Encoding: chunked\r\n", .chunked),
        ("Transfer-Encoding:\tCHUNKED\r\n", .chunked),
    ])
    func `A request has one framing`(_ fields: String, _ framing: HTTPFraming) throws {
        #expect(try request(fields).framing() == framing)
    }

    /// What two recipients could read in two ways: the vectors of request smuggling.
    @Test(arguments: [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 6\r\n", "Content-Length: 5,\r\n",
        "Content-Length:\r\n", "Content-Length: +5\r\n", "Content-Length: -5\r\n", "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n", "Content-Length: 5.0\r\n", "Content-Length: 1e3\r\n", "Content-Length: five\r\n",
        "Content-Length: 9999999999999999999\r\n", "Content-Length: 18446744073709551621\r\n",
        "Transfer-Encoding: identity\r\n", "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunkedx\r\n", "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n", "Transfer-Encoding:\r\n", "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n", "Transfer-Encoding : chunked\r\n", " Transfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n", "X: y\rTransfer-Encoding: chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n", "Content_Length: 5\r\nContent-Length : 5\r\n",
    ])
    func `What can be read in two ways is a 400`(_ fields: String) {
        #expect(throws: HTTPError.self) {
            do { _ = try request(fields).framing() } catch let error as HTTPError {
                #expect(error.status == .badRequest)
                throw error
            }
        }
    }

    @Test func `A coding under chunked is a 501, and any with HTTP/1.0 a 400`() {
        func status(_ fields: String, _ line: String = "POST http://a/ HTTP/1.1") -> HTTPStatus? {
            do { _ = try request(fields, line: line).framing() } catch { return (error as? HTTPError)?.status }
            return nil
        }
        #expect(status("Transfer-Encoding: gzip, chunked\r\n") == .notImplemented)
        #expect(status("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") == .notImplemented)
        #expect(status("Transfer-Encoding: chunked\r\n", "POST http://a/ HTTP/1.0") == .badRequest)
        #expect(status("Content-Length: 5\r\n", "POST http://a/ HTTP/1.0") == nil)
    }

    @Test(arguments: [
        ("", "200 OK", HTTPFraming.untilClose, true), ("Content-Length: 5\r\n", "200 OK", .length(5), true),
        ("Transfer-Encoding: chunked\r\n", "200 OK", .chunked, true),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "200 OK", .chunked, false),
        ("Content-Length: 5\r\n", "204 No Content", .none, true), ("Content-Length: 5\r\n", "304 x", .none, true),
        ("Transfer-Encoding: chunked\r\n", "100 Continue", .none, true), ("", "205 x", .untilClose, true),
        ("Transfer-Encoding: identity\r\n", "200 OK", .untilClose, true),
        ("Transfer-Encoding: Identity\r\nContent-Length: 5\r\n", "200 OK", .untilClose, true),
        ("Transfer-Encoding:\r\n", "200 OK", .untilClose, true),
        ("Transfer-Encoding: identity, chunked\r\n", "200 OK", .chunked, true),
        ("Transfer-Encoding: chunked,\r\n", "200 OK", .chunked, true),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "200 OK", .chunked, false),
    ])
    func `A response has one framing, which is not always certain`(
        _ fields: String, _ status: String, _ framing: HTTPFraming, _ isCertain: Bool
    ) throws {
        let found = try response(fields, line: "HTTP/1.1 \(status)").framing(answering: request(""))
        #expect(found.0 == framing && found.isCertain == isCertain)
    }

    @Test func `A response to HEAD has no content, and one to HTTP 1_0 with chunked is not trusted further`() throws {
        let head = try request("", line: "HEAD http://a/ HTTP/1.1")
        #expect(try response("Content-Length: 5\r\n").framing(answering: head).0 == .none)
        let old = try response("Transfer-Encoding: chunked\r\n", line: "HTTP/1.0 200 OK")
        #expect(try old.framing(answering: request("")) == (.chunked, isCertain: false))
    }

    @Test(arguments: [
        "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: x\r\n", "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: chunked;x\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Content-Length:\r\n", "Content-Length: 5 5\r\n", "Content-Length: -5\r\n",
    ])
    func `A response whose end cannot be told is no response`(_ fields: String) throws {
        #expect(throws: HTTPError.self) { try response(fields).framing(answering: request("")) }
    }
}
