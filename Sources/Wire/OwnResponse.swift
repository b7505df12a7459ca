/// A short answer of the proxy's own, always delimited by Content-Length.
package struct OwnResponse: Hashable, Sendable {
    package var status: HTTPStatus
    /// The value of Proxy-Authenticate.
    package var challenge: String?
    /// The value of Allow: the methods that are (RFC 9110 §10.2.1).
    package var allow: String?
    package var body: String
    package var mediaType = Self.plainText
    /// Seconds for which the client alone may keep the answer (RFC 9111 §5.2.2); nil: not said.
    package var freshness: Int?
    /// Seconds after which asking again may help (RFC 9110 §10.2.3); nil: not said.
    package var retryAfter: Int?
    /// Whether the connection ends with this answer.
    package var closes: Bool
    /// The answer to HEAD has the length of a body, and no body (RFC 9110 §9.3.2).
    package var omitsBody = false

    private static let plainText = "text/plain; charset=utf-8"

    /// - Parameter reason: one or two sentences, what is wrong and what to do; sent with a line feed after them.
    package init(_ status: HTTPStatus, reason: String, closes: Bool = true) {
        self.status = status
        self.closes = closes
        // Limits are per second, or until a session ends.
        if status == .tooManyRequests { retryAfter = 1 }
        body = reason + "\n"
    }

    /// 200 with a document.
    package init(_ body: String, mediaType: String) {
        status = .ok
        closes = false
        self.body = body
        self.mediaType = mediaType
    }

    /// 407 with the challenge that RFC 9110 §11.7.1 asks for; names and passwords are taken as UTF-8 (RFC 7617 §2.1).
    package static func authenticationRequired(reason: String, closes: Bool) -> OwnResponse {
        var response = OwnResponse(.proxyAuthenticationRequired, reason: reason, closes: closes)
        response.challenge = #"Basic realm="gatehouse", charset="UTF-8""#
        return response
    }

    /// The answer that opens a tunnel. A 2xx to CONNECT has neither Content-Length nor Transfer-Encoding (RFC 9110 §9.3.6).
    package static let tunnelOpened = Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8)

    package func encode() -> [UInt8] {
        var head = "HTTP/1.1 \(status.rawValue) \(status.phrase)\r\n"
        if let challenge { head += "Proxy-Authenticate: \(challenge)\r\n" }
        if let allow { head += "Allow: \(allow)\r\n" }
        if !body.isEmpty {
            head += "Content-Type: \(mediaType)\r\n"
            // The script must not be run by a page that includes it from elsewhere (fetch.spec.whatwg.org).
            if mediaType != Self.plainText { head += "X-Content-Type-Options: nosniff\r\n" }
        }
        head += "Content-Length: \(body.utf8.count)\r\n"
        if let retryAfter { head += "Retry-After: \(retryAfter)\r\n" }
        if let freshness { head += "Cache-Control: private, max-age=\(freshness)\r\n" }
        // Said in both cases, though a connection stays if nothing is said (RFC 9112 §9.3).
        head += closes ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n"
        return Array((omitsBody ? head : head + body).utf8)
    }
}
