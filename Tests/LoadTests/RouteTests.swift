import Testing

@testable import gatehouse_load

@Suite struct `The handshakes of the load generator` {
    static let proxy = Endpoint(address: 0x7F00_0001, port: 1080)
    static let target = Endpoint(address: 0x7F01_02FE, port: 20800)

    private func message(_ route: Route, step: Int) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: Route.scratchSize)
        let length = route.write(step: step, target: Self.target, into: &buffer)
        return Array(buffer[..<length])
    }

    @Test func `SOCKS5 without credentials offers only that, and names the origin by address`() {
        let route = Route(way: .socks5, proxy: Self.proxy)
        #expect(route.steps == 2)
        #expect(message(route, step: 0) == [5, 1, 0])
        #expect(message(route, step: 1) == [5, 1, 0, 1, 127, 1, 2, 254, 0x51, 0x40])
    }

    @Test func `SOCKS5 with credentials offers only them`() {
        let route = Route(way: .socks5, proxy: Self.proxy, credentials: ("al", "pw1"))
        #expect(route.steps == 3)
        #expect(message(route, step: 0) == [5, 1, 2])
        #expect(message(route, step: 1) == [1, 2, 0x61, 0x6C, 3, 0x70, 0x77, 0x31])
        #expect(message(route, step: 2).count == 10)
    }

    @Test func `CONNECT names the origin twice and carries Basic credentials`() {
        let route = Route(way: .http, proxy: Self.proxy, credentials: ("Aladdin", "open sesame"))
        #expect(
            String(decoding: message(route, step: 0), as: UTF8.self) == """
                CONNECT 127.1.2.254:20800 HTTP/1.1\r
                Host: 127.1.2.254:20800\r
                Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r
                \r

                """)
    }

    @Test(
        arguments: [
            ([], .incomplete), ([5, 0, 0, 1], .incomplete), ([5, 0, 0, 1, 127, 0, 0, 1, 4, 56], .passed),
            ([5, 0, 0, 1, 127, 0, 0, 1, 4, 56, 0], .refused), ([5, 2, 0, 1, 0, 0, 0, 0, 0, 0], .refused),
            ([5, 0, 0, 3, 1, 0x61, 0, 80], .passed),
        ] as [([UInt8], Route.Verdict)])
    func `A SOCKS5 reply is waited for whole and judged by its code`(reply: [UInt8], verdict: Route.Verdict) {
        let route = Route(way: .socks5, proxy: Self.proxy)
        #expect(route.judge(step: 1, reply: reply, count: reply.count) == verdict)
    }

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\n", .incomplete), ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", .passed),
            ("HTTP/1.0 403 Forbidden\r\n\r\n", .refused), ("SSH-2.0-OpenSSH_9.2p1\r\n", .refused),
        ] as [(String, Route.Verdict)])
    func `A CONNECT reply is waited for whole and judged by its status`(reply: String, verdict: Route.Verdict) {
        let route = Route(way: .http, proxy: Self.proxy)
        let bytes = Array(reply.utf8)
        #expect(route.judge(step: 0, reply: bytes, count: bytes.count) == verdict)
    }

    @Test func `A proxy is asked in absolute form, an origin in origin-form`() {
        func head(_ way: Route.Way) -> String {
            var buffer = [UInt8](repeating: 0, count: Route.scratchSize)
            let length = Route(way: way, proxy: Self.proxy).writeRequest(target: Self.target, into: &buffer)
            return String(decoding: buffer[..<length].prefix { $0 != 13 }, as: UTF8.self)
        }
        #expect(head(.http) == "GET http://127.1.2.254:20800/page HTTP/1.1")
        #expect(head(.direct) == "GET /page HTTP/1.1")
    }

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", .incomplete),
            ("HTTP/1.1 200 OK\r\nVia: x\r\nContent-Length: 3\r\n\r\nabc", .passed),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", .refused),
            ("HTTP/1.1 200 OK\r\n\r\n", .refused), ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", .refused),
            ("HTTP/1.1 200 OK\r\nContent-Le", .incomplete), ("\r\n", .refused),
        ] as [(String, Route.Verdict)])
    func `An answer is waited for whole and judged by its status and length`(answer: String, verdict: Route.Verdict) {
        let bytes = Array(answer.utf8)
        #expect(Answer.judge(bytes, bytes.count) == verdict)
    }
}
