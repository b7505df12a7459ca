import Address
import Logging
import Policy
import Reactor
import Wire

/// What is spoken with a client of an HTTP proxy listener (RFC 9110, RFC 9112): one request after the other, each judged for itself,
/// until the connection ends or becomes a tunnel.
struct HTTPConversation {
    let relay: Relay
    let session: Session
    let client: Connection

    func run(on reactor: Reactor) async {
        do throws(Farewell) {
            let origin = try await serve(on: reactor)
            reactor.tunnel(client: client, origin: origin)
        } catch {
            await session.close(client, with: error, on: reactor)
        }
    }

    /// Serves one request after the other.
    ///
    /// - Returns: the other end of the tunnel that the connection has become; the client has been told.
    private func serve(on reactor: Reactor) async throws(Farewell) -> Connection {
        var limits = HTTPRequestHeadParser.Limits()
        limits.head = relay.limits.head
        var parser = HTTPRequestHeadParser(limits: limits)
        var challenges = 0
        var isAuthorized = true
        // A client that asks first is asked for the password, and gives it then.
        defer { if !isAuthorized { session.note(.noLogin) } }
        lazy var pool = OriginPool(life: relay.limits.upstream)
        while true {
            let (head, share) = try await nextHead(&parser)
            defer { withExtendedLifetime(share) {} }
            session.enter(.serving)
            let form = head.form
            if form == .origin {
                try await answerItself(head)
            } else if try await !mayAsk(head, &isAuthorized) {
                if let response = relay.ownAnswer(to: head, from: client, session) {
                    isAuthorized = true
                    try await answer(response, to: head)
                } else {
                    challenges += 1
                    try await challenge(head, isLast: challenges > relay.limits.challenges)
                }
            } else {
                switch form {
                case .authority: return try await tunnel(for: head, on: reactor)
                case .absolute: if let origin = try await exchange(head, by: pool, on: reactor) { return origin }
                case .origin: break
                case .asterisk: try await answer(HTTPAnswers.toAsterisk(head), to: head)
                }
            }
            await session.waitForTurn(on: reactor)
            // A client may have sent any number of requests ahead, all of them answered without a wait.
            if !client.inbox.isEmpty { await reactor.rest() }
            try await awaitNext()
        }
    }

    /// Waits for the first byte of another request, which may take its time; the rest of the head then may not.
    private func awaitNext() async throws(Farewell) {
        if client.inbox.isEmpty {
            client.inbox.shrink()
            session.enter(.idle)
            guard let count = try? await client.fill(), count > 0 else { throw .silent }
        }
        session.enter(.request)
    }

    /// - Returns: the head, and the memory that it takes as long as it is needed; nil: no more than usual.
    private func nextHead(
        _ parser: inout HTTPRequestHeadParser
    ) async throws(Farewell) -> (HTTPRequestHead, HeadBudget.Share?) {
        var share: HeadBudget.Share?
        do throws(Interruption<HTTPError>) {
            let head = try await client.message(
                admittedBy: { client throws(Errno) in
                    try relay.heads.admit(client, &share, for: relay.key(of: session))
                },
                { bytes throws(HTTPError) in try parser.parse(bytes) })
            if share != nil { client.inbox.shrink() }
            return (head, share)
        } catch {
            switch error {
            case .lost(HeadBudget.isUsedUp, _):
                throw failed(.serviceUnavailable, relay.heads.description, advice: "\nTry again in a moment.")
            case .malformed(let mistake):
                if let stranger = Stranger(firstByte: client.inbox.unread.first), stranger != .http {
                    throw relay.farewell(to: stranger, client, of: session)
                }
                throw failed(mistake.status, mistake.reason)
            case .lost(.timedOut?, hasBegun: true):
                throw failed(.requestTimeout, "the request took too long to arrive")
            case .lost: throw .silent
            }
        }
    }

    // MARK: requests

    /// - Returns: the origin if both ends have agreed on another protocol.
    private func exchange(
        _ head: HTTPRequestHead, by pool: OriginPool, on reactor: Reactor
    ) async throws(Farewell) -> Connection? {
        let (target, framing, left): (HTTPTarget, HTTPFraming, Int?)
        do throws(HTTPError) {
            (framing, left) = (try head.framing(), try head.forwardsLeft())
            target = try head.absoluteTarget()
        } catch {
            session.note(.failed(error.reason))
            // Whatever comes behind a request that was not understood is not to be understood either.
            throw .answer(HTTPAnswers.mistake(error, in: head).presented(to: head, by: gateway).encode())
        }
        // RFC 9110 §7.6.2: the recipient of a request with 0 left answers in place of the origin.
        if left == 0 {
            try await answer(HTTPAnswers.last(head), to: head)
            return nil
        }
        let exchange = HTTPExchange(
            head, to: target, framing: framing, forwardsLeft: left.map { $0 - 1 }, from: client,
            by: pool, for: session, relay: relay)
        let (outcome, rest) = await exchange.run(on: reactor)
        if case .tunnel(let origin) = outcome { return origin }
        session.didDisconnect()
        switch outcome {
        case .persists, .tunnel: return nil
        case .closes: throw .finished
        // The session is not counted, so it is not to stay.
        case .failed(.answer(let response)) where response.status == .tooManyRequests:
            throw .answer(response.presented(to: head, by: gateway).encode())
        case .failed(.answer(let response)): try await answer(response, to: head, rest: rest)
        case .failed(.isCutShort): throw .reset
        case .failed(.clientIsGone): throw .gone
        }
        return nil
    }

    /// Answers what the gateway is asked as if it were a server, for which nobody needs a password.
    private func answerItself(_ head: HTTPRequestHead) async throws(Farewell) {
        try await answer(relay.ownAnswer(to: head, path: head.target, from: client, session), to: head)
    }

    /// Where a CONNECT leads (RFC 9110 §9.3.6); the client has been told that the tunnel stands. After a refusal the connection
    /// closes: what the client sent behind it was meant for the tunnel, and must never be read as a request.
    private func tunnel(for head: HTTPRequestHead, on reactor: Reactor) async throws(Farewell) -> Connection {
        let (host, port) = try destination(of: head)
        let origin: Connection
        do throws(DialFailure) {
            origin = try await relay.dial(host, port: port, for: session, of: client, on: reactor)
        } catch {
            relay.logger.debug("no connection", metadata: ["to": "\(host)", "why": "\(error)"])
            throw .answer(
                OwnResponse(error.status, reason: "\(head.target): \(error)\n\(error.advice)").encode())
        }
        // The client may have left answers to earlier requests unread, so that there is no room for this one.
        session.enter(.answer)
        guard (try? await client.socket.write(OwnResponse.tunnelOpened)) != nil else { throw .gone }
        return origin
    }

    private func destination(of head: HTTPRequestHead) throws(Farewell) -> (Host, UInt16) {
        do throws(HTTPError) {
            let authority = try Authority(head.targetBytes)
            // Nobody could tell what is content and what is for the tunnel already.
            switch try head.framing() {
            case .none, .length(0): break
            default: throw .malformed("CONNECT has no content")
            }
            do throws(Refusal) { return (try Host(authority), authority.port) } catch {
                throw .malformed(error.description)
            }
        } catch {
            throw failed(error.status, error.reason)
        }
    }

    // MARK: credentials

    /// - Parameter isAuthorized: false from a request without a password that can be read to one that has any.
    private func mayAsk(_ head: HTTPRequestHead, _ isAuthorized: inout Bool) async throws(Farewell) -> Bool {
        guard session.needsPassword else { return true }
        if let refusal = session.clientRefusal {
            let failure = DialFailure.overLimit(refusal)
            session.note(.refused(failure))
            var response = OwnResponse(failure.status, reason: "\(failure)", advice: failure.advice)
            response.omitsBody = head.isMethod("HEAD")
            throw .answer(response.presented(to: head, by: gateway).encode())
        }
        let given = head.fields.values(of: "proxy-authorization")
        guard given.count <= 1 else { throw failed(.badRequest, "there is more than one Proxy-Authorization") }
        isAuthorized = false
        guard let value = given.first, let login = BasicCredentials.parse(value) else { return false }
        isAuthorized = true
        switch await relay.logIn(login, session) {
        case .right: return true
        case .wrong: return false
        case .busy(let cause):
            throw .words(HTTPAnswers.busy(cause, for: head).presented(to: head, by: gateway).encode())
        }
    }

    private func challenge(_ head: HTTPRequestHead, isLast: Bool) async throws(Farewell) {
        // A client that did not wait has sent what it meant for the tunnel, and that must never be read as a request.
        let closes = isLast || head.form == .authority && !client.inbox.isEmpty
        let response = OwnResponse.authenticationRequired(
            reason: "this proxy asks for a user and a password",
            advice:
                "Enter those that you were given for this gateway. Whoever runs it makes them: `gatehousectl user add`",
            closes: closes)
        try await answer(response, to: head)
    }

    // MARK: answers of the proxy's own

    /// The answer to what cannot be understood, or not now.
    private func failed(_ status: HTTPStatus, _ reason: String, advice: String = "") -> Farewell {
        session.note(.failed(reason))
        return .answer(OwnResponse(status, reason: reason + advice).encode())
    }

    /// Where this client finds the gateway's own page.
    private var gateway: Premises.Offer? {
        guard let address = try? client.socket.localAddress else { return nil }
        return Premises.Offer(
            kind: session.listener.kind, endpoint: Endpoint(address: address.address.unmapped, port: address.port),
            authentication: session.listener.authentication)
    }

    /// Answers a request at once, reads over what is left of its content, and ends the connection unless another request can follow.
    ///
    /// - Parameter rest: what has not been read of the request's content, if any of it has.
    private func answer(
        _ response: OwnResponse, to head: HTTPRequestHead, rest: HTTPBody? = nil
    ) async throws(Farewell) {
        var response = response.presented(to: head, by: gateway)
        response.omitsBody = head.isMethod("HEAD")
        var content = rest
        if content == nil, let framing = try? head.framing() { content = HTTPBody(framing) }
        if !response.closes || rest != nil { response.closes = !canContinue(after: head, content) }
        session.enter(.answer)
        guard (try? await client.socket.write(response.encode())) != nil else { throw .gone }
        guard !response.closes, let content, await readOver(content) else { throw .finished }
    }

    /// Whether what comes behind a request and its content can only be the next request.
    ///
    /// - Parameter content: what is left of it; nil: that cannot be told.
    private func canContinue(after head: HTTPRequestHead, _ content: HTTPBody?) -> Bool {
        guard head.isPersistent, let content else { return false }
        if content.isComplete { return true }
        // A client that waits for a 100 may send the content or not, now that it has its answer (RFC 9110 §10.1.1).
        if head.form == .authority || head.expectsContinue { return false }
        return content.left ?? 0 <= relay.limits.discard
    }

    /// Reads content that nobody wants.
    ///
    /// - Returns: whether its end has come, before it was too much or too late.
    private func readOver(_ content: HTTPBody) async -> Bool {
        var content = content
        var left = relay.limits.discard
        while !content.isComplete {
            guard let taken = try? client.take(&content).taken else { return false }
            client.inbox.drop(taken)
            left -= taken
            if content.isComplete { break }
            guard left > 0, let count = try? await client.fill(), count > 0 else { return false }
        }
        return true
    }
}
