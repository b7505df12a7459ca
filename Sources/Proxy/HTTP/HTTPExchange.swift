import Address
import Glibc
import Logging
import Policy
import Reactor
import Resolver
import Wire

/// One request that is passed on to its origin, and the response that is passed back (RFC 9110 §7, RFC 9112).
///
/// The response is read while the request is still being sent (`HTTPUpload`), whose task ends before `run` does.
final class HTTPExchange {
    /// What came of it.
    enum Outcome {
        /// The response was passed on; the client's next request may come.
        case persists
        /// The response was passed on, and the client was told that the connection ends, and has got its end.
        case closes
        /// From here on both ends speak another protocol; the client has been told so.
        case tunnel(Connection)
        case failed(Setback)
    }

    /// Why there is no whole response.
    enum Setback: Error {
        /// Nothing of a response was passed on: this is to be the response.
        case answer(OwnResponse)
        /// The response was cut short, and the client must not take it for whole.
        case isCutShort
        /// The client is gone, or its session was ended.
        case clientIsGone
    }

    private let relay: Relay
    private let session: Session
    private let client: Connection
    private let head: HTTPRequestHead
    private let target: HTTPTarget
    private let forwardsLeft: Int?
    private let framing: HTTPFraming
    /// What of the request's content has not been read from the client; while `upload` is there, the upload knows.
    private var content: HTTPBody
    private var upload: HTTPUpload?
    /// The origin has asked for the content.
    private var wasContinued = false
    /// The client has logged in for the connection to the origin (NTLM): a request that comes after the login does not show it.
    private var isLoggedIn = false
    /// The memory of a response's head; nil: no more than usual.
    private var share: HeadBudget.Share?
    private let pool: OriginPool

    init(
        _ head: HTTPRequestHead, to target: HTTPTarget, framing: HTTPFraming, forwardsLeft: Int?,
        from client: Connection, by pool: OriginPool,
        for session: Session, relay: Relay
    ) {
        self.relay = relay
        self.session = session
        self.client = client
        self.pool = pool
        self.head = head
        self.target = target
        self.framing = framing
        self.forwardsLeft = forwardsLeft
        content = HTTPBody(framing)
    }

    /// - Returns: what came of it, and what of the request's content has not been read from the client.
    func run(on reactor: Reactor) async -> (Outcome, rest: HTTPBody) {
        let outcome: Outcome
        do throws(Setback) {
            outcome = try await pass(on: reactor)
        } catch {
            outcome = .failed(error)
        }
        await endUpload()
        return (outcome, content)
    }

    private func pass(on reactor: Reactor) async throws(Setback) -> Outcome {
        let route = try await route(on: reactor)
        let firstBytes = try firstBytes()
        var mayReuse = true
        while true {
            let (origin, isReused) = try await connect(route, mayReuse: mayReuse, on: reactor)
            if let response = try await ask(origin, firstBytes, mayRepeat: isReused, on: reactor) {
                return try await passBack(response, from: origin, on: reactor)
            }
            // The origin had closed the connection just when the request was sent. Once is bad luck.
            mayReuse = false
        }
    }

    // MARK: the way to the origin

    private func route(on reactor: Reactor) async throws(Setback) -> Route {
        let host: Host
        do throws(Refusal) { host = try Host(target.authority) } catch {
            throw .answer(OwnResponse(.badRequest, reason: error.description))
        }
        do throws(DialFailure) {
            return try await relay.route(
                to: host, port: target.authority.port, for: session, by: Waiter(on: reactor, for: client), on: reactor)
        } catch {
            throw refusal(error)
        }
    }

    private func connect(
        _ route: Route, mayReuse: Bool, on reactor: Reactor
    ) async throws(Setback) -> (Connection, isReused: Bool) {
        do throws(DialFailure) {
            if mayReuse,
                let (origin, isLoggedIn) = pool.borrow(to: route.candidates, isRepeatable: mayBeRepeated)
            {
                try relay.join(session, to: origin, by: route, as: .requests)
                self.isLoggedIn = isLoggedIn
                return (origin, true)
            }
            isLoggedIn = false
            let origin = try await relay.dial(route, for: session, of: client, as: .requests, on: reactor)
            origin.socket.keepAlive()
            return (origin, false)
        } catch {
            throw refusal(error)
        }
    }

    private func refusal(_ failure: DialFailure) -> Setback {
        if case .notAllowed(.address(let address), .ownListener) = failure,
            let answer = relay.ownAnswer(
                to: head, for: target, at: Endpoint(address: address, port: target.authority.port), from: client,
                session)
        {
            return .answer(answer)
        }
        relay.logger.debug("no connection", metadata: ["to": "\(target.authority.host)", "why": "\(failure)"])
        return .answer(
            OwnResponse(
                failure.status, reason: "\(target.authority.host):\(target.authority.port): \(failure)",
                advice: failure.advice))
    }

    private func problem(_ status: HTTPStatus, _ reason: String) -> Setback {
        if let host = try? Host(target.authority) { session.note(.failed(reason), host, port: target.authority.port) }
        relay.logger.debug("no response", metadata: ["from": "\(target.authority.host)", "why": "\(reason)"])
        return .answer(
            OwnResponse(
                status, reason: "\(target.authority.host):\(target.authority.port) \(reason)",
                advice: "Try again in a moment."))
    }

    // MARK: the request

    /// The head, and what has come of the content: sent to the origin in one piece.
    private func firstBytes() throws(Setback) -> [UInt8] {
        var bytes = head.forwarded(
            to: target, framing: framing, keepsUpgrade: head.asksForUpgrade, forwardsLeft: forwardsLeft,
            room: content.isComplete ? 0 : client.inbox.unread.count)
        guard !content.isComplete, !client.inbox.isEmpty else { return bytes }
        do throws(HTTPError) {
            let part = try client.take(&content)
            bytes += part.renewed ?? Array(part.kept)
            client.inbox.drop(part.taken)
        } catch {
            throw .answer(OwnResponse(error.status, reason: error.reason))
        }
        return bytes
    }

    /// Whether all of the request is at hand, and doing it twice is doing it once (RFC 9110 §9.2.2).
    private var mayBeRepeated: Bool { head.isIdempotent && content.isComplete }

    /// Sends the request and waits for the head of its final response.
    ///
    /// - Returns: nil if the origin had closed the connection before it read a byte, and the request may be repeated.
    private func ask(
        _ origin: Connection, _ firstBytes: [UInt8], mayRepeat isReused: Bool, on reactor: Reactor
    ) async throws(Setback) -> HTTPResponseHead? {
        // Not what came of a deadline, or of a session that was ended meanwhile.
        func isBadLuck(_ errno: Errno?) -> Bool {
            isReused && mayBeRepeated && errno != .timedOut && errno != .canceled && !client.socket.hasFailed
        }
        session.enter(.exchange)
        do throws(Errno) {
            try await origin.socket.write(firstBytes)
            session.count(sent: firstBytes.count)
        } catch {
            if isBadLuck(error) { return nil }
            // The origin may have answered before it closed.
        }
        if !content.isComplete {
            // A client that waits for a 100 waits for the origin.
            upload = HTTPUpload(
                content, from: client, to: origin, of: session, in: head.expectsContinue ? .exchange : .content,
                on: reactor)
        }
        var parser = HTTPResponseHeadParser()
        var interims = 0
        var patience: ContinuousClock.Instant?
        while true {
            do throws(Interruption<HTTPError>) {
                let response = try await origin.message(
                    for: client,
                    admittedBy: { origin throws(Errno) in
                        try relay.heads.admit(origin, &share, for: relay.key(of: session))
                    },
                    { bytes throws(HTTPError) in try parser.parse(bytes) })
                guard response.isInterim else { return response }
                interims += 1
                guard interims <= relay.limits.interims else {
                    throw .malformed(.malformed("more than \(relay.limits.interims) interim responses"))
                }
                try await passBack(interim: response)
                let now = ContinuousClock.now
                patience = patience ?? now + relay.limits.interimTime
                if let patience, now < patience { session.enter(isSent ? .exchange : .content) }
                // Others get their turn.
                await reactor.rest()
            } catch {
                switch error {
                case .malformed(let mistake): throw problem(.badGateway, "gives no proper answer: \(mistake.reason)")
                case .lost(let errno, hasBegun: false) where isBadLuck(errno): return nil
                case .lost(let errno, _): throw await failure(errno)
                }
            }
        }
    }

    /// Why no response came, as the client is told.
    private func failure(_ errno: Errno?) async -> Setback {
        // One deadline holds for both ends: whose it was the upload knows.
        if errno == .timedOut { await upload?.finish(within: .seconds(1)) }
        if errno == .canceled || client.socket.hasFailed { return .clientIsGone }
        // It is the upload that ends the wait for a response if the client is at fault.
        switch upload?.stop {
        case .malformed(let mistake)?: return .answer(OwnResponse(mistake.status, reason: mistake.reason))
        case .source(.timedOut?)?:
            return .answer(OwnResponse(.requestTimeout, reason: "the content of the request took too long to arrive"))
        case .source?: return .clientIsGone
        case .sink?, nil: break
        }
        switch errno {
        case HeadBudget.isUsedUp?:
            return problem(.serviceUnavailable, "answers with a large head: \(relay.heads.description)")
        case nil: return problem(.badGateway, "closed the connection without an answer")
        case .timedOut?: return problem(.gatewayTimeout, "did not answer in time")
        case let errno?: return problem(.badGateway, "gave no answer: \(errno)")
        }
    }

    private var isSent: Bool { upload?.isSent ?? content.isComplete }

    /// Lets the upload go on after its response, as long as it does.
    private func finishUpload() async {
        // A client that waits for a 100 has its answer now, and sends nothing.
        if head.expectsContinue, !wasContinued { return }
        await upload?.finish(within: relay.limits.upload)
    }

    private func endUpload() async {
        guard let upload else { return }
        content = await upload.end()
        self.upload = nil
    }

    // MARK: the response

    private func passBack(interim response: HTTPResponseHead) async throws(Interruption<HTTPError>) {
        if response.status == 100 { wasContinued = true }
        // RFC 9110 §15.2: an HTTP/1.0 client knows none.
        guard head.minorVersion >= 1 else { return }
        let bytes = response.forwarded(framing: .none, connection: .stays, at: time(nil))
        do throws(Errno) { try await client.socket.write(bytes) } catch { throw .lost(.canceled, hasBegun: true) }
        session.count(received: bytes.count)
    }

    private func passBack(
        _ response: HTTPResponseHead, from origin: Connection, on reactor: Reactor
    ) async throws(Setback) -> Outcome {
        if response.status == 101 { return try await switchProtocols(response, of: origin) }
        if let upload {
            upload.isAnswered()
            session.enter(.exchange)
        }
        let (framing, isCertain): (HTTPFraming, Bool)
        do throws(HTTPError) {
            (framing, isCertain) = try response.framing(answering: head)
        } catch {
            throw problem(.badGateway, "gives no proper answer: \(error.reason)")
        }
        let passesChunks = head.minorVersion >= 1
        let passedFraming = !passesChunks && framing == .chunked ? .untilClose : framing
        // RFC 9112 §9.3: a proxy keeps no connection of an HTTP/1.0 client. One that still sends when it has its answer
        // may not be able to say what of that is content.
        let persists = head.isPersistent && isSent && passedFraming != .untilClose
        var bytes = response.forwarded(
            framing: passedFraming, keepsLength: head.isMethod("HEAD") || response.status == 304,
            connection: persists ? .stays : .closes, at: time(nil), room: origin.inbox.unread.count)
        var body = HTTPBody(framing, keepsCoding: passesChunks, isLenient: true)
        do throws(HTTPError) {
            let part = try origin.take(&body)
            bytes += part.renewed ?? Array(part.kept)
            origin.inbox.drop(part.taken)
        } catch {
            throw problem(.badGateway, "gives no proper answer: \(error.reason)")
        }
        try await tell(bytes)
        if !body.isComplete { try await pass(body, from: origin, on: reactor) }
        // The end of the response goes out at once, whatever of the request is still on its way.
        if !persists { await client.socket.finish() }
        await finishUpload()
        let isReusable = isCertain && response.isPersistent && isSent && framing != .untilClose
        await endUpload()
        guard isReusable else { return persists ? .persists : .closes }
        pool.keep(
            origin,
            isLoggedIn: isLoggedIn || head.fields.authenticatesConnection || response.fields.authenticatesConnection)
        return persists ? .persists : .closes
    }

    private func tell(_ bytes: [UInt8]) async throws(Setback) {
        guard (try? await client.socket.write(bytes)) != nil else { throw .clientIsGone }
        session.count(received: bytes.count)
    }

    private func pass(_ body: HTTPBody, from origin: Connection, on reactor: Reactor) async throws(Setback) {
        let transfer = HTTPTransfer(body, from: origin, to: client, of: session, in: .exchange)
        do throws(HTTPTransfer.Stop) {
            try await transfer.run(on: reactor) { [client] origin throws(Errno) in
                try await origin.fill(for: client)
            } count: {
                session.count(received: $0)
            } pause: {
                await session.waitForTurn(isUp: false, on: reactor)
            }
        } catch {
            if case .sink = error { throw .clientIsGone }
            throw client.socket.hasFailed ? .clientIsGone : .isCutShort
        }
    }

    /// 101 (RFC 9110 §15.2.2).
    private func switchProtocols(_ response: HTTPResponseHead, of origin: Connection) async throws(Setback) -> Outcome {
        guard head.asksForUpgrade, isSent else {
            throw problem(.badGateway, "gives no proper answer: it changes the protocol unasked")
        }
        await endUpload()
        session.enter(.answer)
        try await tell(response.forwarded(framing: .none, connection: .upgrades, at: time(nil)))
        session.didBegin(.tunnel)
        return .tunnel(origin)
    }
}
