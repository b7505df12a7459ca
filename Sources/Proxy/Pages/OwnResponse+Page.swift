import Address
import Policy
import Wire

extension OwnResponse {
    /// The answer as whoever sent `head` reads it: a page for a person with a browser, and the text for a program. A browser
    /// shows a page of its own where CONNECT was refused, and never what the proxy says.
    func presented(to head: HTTPRequestHead, by gateway: Premises.Offer?) -> OwnResponse {
        guard let notice, head.form != .authority, head.prefersHTML else { return self }
        let content: Markup = """
            <article class="sheet">
            <p class="status">\(status.rawValue) \(status.phrase)</p>
            <h1>\(status.headline)</h1>
            <dl class="notice">
            <dt>Why</dt><dd>\(Self.asSentence(notice.reason))</dd>
            <dt>What to do</dt><dd>\(Self.withCommands(notice.advice ?? status.advice))</dd>
            </dl>
            </article>
            \(gateway.map(Self.footer) ?? "")
            """
        return with(Page(title: status.headline, content: content))
    }

    /// A reason that begins with where the request leads, `host:port`, keeps that as it is.
    private static func asSentence(_ reason: String) -> String {
        reason.prefix { $0 != " " }.contains(":") ? reason : reason.prefix(1).uppercased() + reason.dropFirst()
    }

    /// What stands between backquotes is to be typed.
    private static func withCommands(_ text: String) -> Markup {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
        return "\(parts.map { index, part in index % 2 == 0 ? "\(part)" : "<code>\(part)</code>" as Markup })"
    }

    private static func footer(_ gateway: Premises.Offer) -> Markup {
        let page = gateway.page ?? ""
        return """
            <footer><p>This page comes from the gateway of the network that you are in, Gatehouse at \(gateway.endpoint), and not \
            from the site. <a href="\(page)">How this device is set up</a></p></footer>
            """
    }
}

extension HTTPStatus {
    /// What happened, for somebody who wanted to see a site.
    fileprivate var headline: String {
        switch self {
        case .badRequest: "The gateway did not understand the request"
        case .forbidden: "The gateway does not let this through"
        case .notFound: "There is nothing here"
        case .proxyAuthenticationRequired: "The gateway asks who you are"
        case .requestTimeout: "The request took too long"
        case .uriTooLong: "The address is too long"
        case .tooManyRequests: "Too much at once"
        case .headTooLarge: "The request is too large"
        case .badGateway: "The site cannot be reached"
        case .serviceUnavailable: "The gateway cannot reach anything just now"
        case .gatewayTimeout: "The site does not answer"
        default: phrase
        }
    }

    /// What to do about it, where the answer itself does not say so.
    fileprivate var advice: String {
        switch self {
        case .requestTimeout, .tooManyRequests, .serviceUnavailable, .gatewayTimeout: "Try again in a moment."
        default: "Go back and try another way. If it happens time and again, tell whoever runs this gateway."
        }
    }
}
