/// A short answer of the proxy's own, always delimited by Content-Length.
package struct OwnResponse: Hashable, Sendable {
    package var status: HTTPStatus
    /// The value of Proxy-Authenticate.
    package var challenge: String?
    /// The value of Allow: the methods that are (RFC 9110 §10.2.1).
    package var allow: String?
    package var body: String
    package var mediaType = Self.plainText
    /// What the body says, for a page that says it to a person; nil: the answer is a document.
    package var notice: Notice?
    /// Seconds for which the client alone may keep the answer (RFC 9111 §5.2.2); nil: nobody may keep it.
    package var freshness: Int?
    /// Seconds after which asking again may help (RFC 9110 §10.2.3); nil: not said.
    package var retryAfter: Int?
    /// What a page may load and do (W3C, Content Security Policy Level 3); nil: it is no page.
    package var securityPolicy: String?
    /// Whether the connection ends with this answer.
    package var closes: Bool
    /// The answer to HEAD has the length of a body, and no body (RFC 9110 §9.3.2).
    package var omitsBody = false

    private static let plainText = "text/plain; charset=utf-8"

    package struct Notice: Hashable, Sendable {
        /// What is wrong.
        package var reason: String
        /// What to do about it, with commands between backquotes; nil: the reason says it, or the status.
        package var advice: String?
    }

    /// - Parameters:
    ///   - reason: a sentence, what is wrong.
    ///   - advice: another one, what to do about it; nil: the reason says that, or there is nothing to do.
    package init(_ status: HTTPStatus, reason: String, advice: String? = nil, closes: Bool = true) {
        self.status = status
        self.closes = closes
        // Limits are per second, or until a session ends.
        if status == .tooManyRequests { retryAfter = 1 }
        notice = Notice(reason: reason, advice: advice)
        body = reason + "\n" + (advice.map { $0 + "\n" } ?? "")
    }

    /// 200 with a document.
    package init(_ body: String, mediaType: String) {
        status = .ok
        closes = false
        self.body = body
        self.mediaType = mediaType
    }

    /// 407 with the challenge that RFC 9110 §11.7.1 asks for; names and passwords are taken as UTF-8 (RFC 7617 §2.1).
    package static func authenticationRequired(
        reason: String, advice: String? = nil, closes: Bool
    ) -> OwnResponse {
        var response = OwnResponse(.proxyAuthenticationRequired, reason: reason, advice: advice, closes: closes)
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
        if let securityPolicy {
            head += "Content-Security-Policy: \(securityPolicy)\r\nReferrer-Policy: no-referrer\r\n"
        }
        head += "Cache-Control: \(freshness.map { "private, max-age=\($0)" } ?? "no-store")\r\n"
        // Said in both cases, though a connection stays if nothing is said (RFC 9112 §9.3).
        head += closes ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n"
        return Array((omitsBody ? head : head + body).utf8)
    }
}
