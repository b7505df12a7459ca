import Testing
import Wire

@Suite struct HTTPResponseTests {
    private func text(_ response: OwnResponse) -> String { String(decoding: response.encode(), as: UTF8.self) }

    @Test func `A refusal is short, plain and delimited`() {
        #expect(
            text(OwnResponse(.badGateway, reason: "example.org: connection refused")) == """
                HTTP/1.1 502 Bad Gateway\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Length: 32\r
                Cache-Control: no-store\r
                Connection: close\r
                \r
                example.org: connection refused

                """)
    }

    @Test func `A script says what it is, and that it may be kept for a while by its browser`() {
        var response = OwnResponse(.ok, reason: "1;")
        response.mediaType = "application/x-ns-proxy-autoconfig"
        response.freshness = 60
        #expect(
            text(response) == """
                HTTP/1.1 200 OK\r
                Content-Type: application/x-ns-proxy-autoconfig\r
                X-Content-Type-Options: nosniff\r
                Content-Length: 3\r
                Cache-Control: private, max-age=60\r
                Connection: close\r
                \r
                1;

                """)
    }

    @Test func `A 407 has its challenge and keeps the connection`() {
        #expect(
            text(.authenticationRequired(reason: "grün", closes: false)) == """
                HTTP/1.1 407 Proxy Authentication Required\r
                Proxy-Authenticate: Basic realm="gatehouse", charset="UTF-8"\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Length: 6\r
                Cache-Control: no-store\r
                Connection: keep-alive\r
                \r
                grün

                """)
    }

    @Test func `An opened tunnel has no Content-Length and no Transfer-Encoding`() {
        #expect(
            String(decoding: OwnResponse.tunnelOpened, as: UTF8.self) == "HTTP/1.1 200 Connection established\r\n\r\n")
    }

    @Test func `The answer to HEAD has no body`() {
        var response = OwnResponse(.forbidden, reason: "no")
        response.omitsBody = true
        #expect(text(response).hasSuffix("Content-Length: 3\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"))
    }

    @Test func `Every status has its phrase`() {
        for status in HTTPStatus.allCases { #expect(!status.phrase.isEmpty) }
    }
}
