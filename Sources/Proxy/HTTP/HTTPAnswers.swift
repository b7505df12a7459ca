import Wire

/// Answers of the proxy's own to requests that are not passed on.
enum HTTPAnswers {
    private static let methods = "GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH"

    /// A request that cannot be passed on. What comes behind it is not read.
    static func mistake(_ error: HTTPError, in head: HTTPRequestHead) -> OwnResponse {
        var answer = OwnResponse(error.status, reason: error.reason)
        answer.omitsBody = head.isMethod("HEAD")
        return answer
    }

    /// A login that was not looked at.
    static func busy(_ cause: LoginVerdict.Cause, for head: HTTPRequestHead) -> OwnResponse {
        var answer = OwnResponse(cause.status, reason: "\(cause); try again in a few seconds")
        answer.retryAfter = 3
        answer.omitsBody = head.isMethod("HEAD")
        return answer
    }

    /// `OPTIONS *` asks the proxy itself what it can do (RFC 9110 §9.3.7); for any other method the target means nothing.
    static func toAsterisk(_ head: HTTPRequestHead) -> OwnResponse {
        guard head.isMethod("OPTIONS") else {
            return OwnResponse(.badRequest, reason: "the target * is for OPTIONS only")
        }
        return abilities
    }

    /// The answer to OPTIONS or TRACE with Max-Forwards: 0 (RFC 9110 §7.6.2).
    static func last(_ head: HTTPRequestHead) -> OwnResponse {
        guard head.isMethod("TRACE") else { return abilities }
        // RFC 9110 §9.3.8: the request as it came, but for what nobody should see again.
        return OwnResponse(head.traced, mediaType: "message/http")
    }

    private static var abilities: OwnResponse {
        var answer = OwnResponse("", mediaType: "")
        answer.allow = methods
        return answer
    }
}
