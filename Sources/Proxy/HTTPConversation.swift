import Address
import Logging
import Policy
import Reactor
import Wire

/// One client of an HTTP proxy listener (RFC 9110, RFC 9112): one request after the other, each judged for itself, until the
/// connection ends or becomes a tunnel.
struct HTTPConversation {
    let relay: Relay
    let session: Session

    /// How a client's connection ends that becomes no tunnel.
    private enum Ending: Error {
        /// With this answer, or none.
        case close(OwnResponse?)
        /// With the response that it had; what it sends beyond that is read over, or a RST might overtake the response.
        case finished
        /// By a RST, since what it has got must not look whole.
        case reset
        /// It has ended already.
        case gone

        static let silent = Ending.close(nil)
        static func answer(_ status: HTTPStatus, _ reason: String) -> Ending {
            .close(OwnResponse(status, reason: reason))
        }
    }

    /// - Parameter client: with a deadline for its first head, the whole of it and not each read.
    func run(_ client: consuming Socket, on reactor: Reactor) async {
        let client = HTTPConnection(client: client)
        do throws(Ending) {
            let origin = try await serve(client, on: reactor)
            guard await origin.socket.take(early: client.inbox.unread, within: relay.limits.handshake) else {
                // The tunnel stood already: a FIN would make what the client gets look whole.
                throw .gone
            }
            session.count(sent: client.inbox.unread.count)
            reactor.tunnel(client: client.socket.take(), origin: origin.socket.take())
        } catch {
            switch error {
            case .close(let answer):
                await client.socket.close(saying: answer?.encode() ?? [], within: relay.limits.farewell)
            case .finished: await client.socket.finishAndDrain(within: relay.limits.farewell)
            case .reset: await client.socket.take().reset(within: relay.limits.farewell, on: reactor)
            case .gone: client.socket.resetOnClose()
            }
        }
    }

    /// Serves one request after the other.
    ///
    /// - Returns: the other end of the tunnel that the connection has become; the client has been told.
    private func serve(
        _ client: HTTPConnection, on reactor: Reactor
    ) async throws(Ending) -> HTTPConnection {
        var limits = HTTPRequestHeadParser.Limits()
        limits.head = relay.limits.head
        var parser = HTTPRequestHeadParser(limits: limits)
        var challenges = 0
        while true {
            let head = try await nextHead(from: client, &parser)
            let form = head.form
            if form == .origin {
                try await answerItself(head, from: client)
            } else if try await !isAuthorized(head) {
                challenges += 1
                try await challenge(head, from: client, isLast: challenges > relay.limits.challenges)
            } else {
                switch form {
                case .authority: return try await tunnel(for: head, from: client, on: reactor)
                case .absolute: if let origin = try await exchange(head, from: client, on: reactor) { return origin }
                case .origin: break
                case .asterisk: try await answer(HTTPAnswers.toAsterisk(head), to: head, from: client)
                }
            }
            // A client may have sent any number of requests ahead, all of them answered without a wait.
            if !client.inbox.isEmpty { await reactor.rest() }
            try await awaitNext(from: client)
        }
    }

    /// Waits for the first byte of another request, which may take its time; the rest of the head then may not.
    private func awaitNext(from client: HTTPConnection) async throws(Ending) {
        if client.inbox.isEmpty {
            client.inbox.shrink()
            client.socket.setExpendableDeadline(after: relay.limits.keepAlive)
            guard let count = try? await client.fill(), count > 0 else { throw .silent }
        }
        client.socket.setExpendableDeadline(after: relay.limits.handshake)
    }

    private func nextHead(
        from client: HTTPConnection, _ parser: inout HTTPRequestHeadParser
    ) async throws(Ending) -> HTTPRequestHead {
        do throws(Interruption<HTTPError>) {
            let head = try await client.inbox.message(from: client.socket) { bytes throws(HTTPError) in
                try parser.parse(bytes)
            }
            client.socket.endExpendability()
            return head
        } catch {
            switch error {
            case .malformed(let mistake): throw .answer(mistake.status, mistake.reason)
            case .lost(.timedOut?, hasBegun: true):
                throw .answer(.requestTimeout, "the request took too long to arrive")
            case .lost: throw .silent
            }
        }
    }

    // MARK: requests

    /// - Returns: the origin if both ends have agreed on another protocol.
    private func exchange(
        _ head: HTTPRequestHead, from client: HTTPConnection, on reactor: Reactor
    ) async throws(Ending) -> HTTPConnection? {
        let (target, framing, left): (HTTPTarget, HTTPFraming, Int?)
        do throws(HTTPError) {
            (framing, left) = (try head.framing(), try head.forwardsLeft())
            target = try head.absoluteTarget()
        } catch {
            // Whatever comes behind a request that was not understood is not to be understood either.
            throw .close(HTTPAnswers.mistake(error, in: head))
        }
        // RFC 9110 §7.6.2: who gets it with 0 left answers in place of the origin.
        if left == 0 {
            try await answer(HTTPAnswers.last(head), to: head, from: client)
            return nil
        }
        let exchange = HTTPExchange(
            head, to: target, framing: framing, forwardsLeft: left.map { $0 - 1 }, from: client, for: session,
            relay: relay)
        let ending = await exchange.run(on: reactor)
        if case .tunnel(let origin) = ending { return origin }
        session.didDisconnect()
        await session.waitForTurn(on: reactor)
        switch ending {
        case .persists, .tunnel: break
        case .closes: throw .finished
        // It is not counted, so it is not to stay.
        case .failed(.answer(let response)) where response.status == .tooManyRequests: throw .close(response)
        case .failed(.answer(let response)):
            try await answer(response, to: head, from: client, rest: exchange.content)
        case .failed(.isCutShort): throw .reset
        case .failed(.clientIsGone): throw .gone
        }
        return nil
    }

    /// Answers what the gateway is asked as if it were a server, for which nobody needs a password.
    private func answerItself(_ head: HTTPRequestHead, from client: HTTPConnection) async throws(Ending) {
        guard let response = relay.ownAnswer(to: head, from: client.socket, for: session) else { throw .silent }
        try await answer(response, to: head, from: client)
    }

    /// Where a CONNECT leads (RFC 9110 §9.3.6); the client has been told that the tunnel stands. After a refusal the connection
    /// closes: what the client sent behind it was meant for the tunnel, and must never be read as a request.
    private func tunnel(
        for head: HTTPRequestHead, from client: HTTPConnection, on reactor: Reactor
    ) async throws(Ending) -> HTTPConnection {
        let (host, port) = try destination(of: head)
        client.socket.clearDeadline()
        let origin: HTTPConnection
        do throws(DialFailure) {
            let connection = try await relay.dial(host, port: port, for: session, on: reactor)
            let address = connection.address
            origin = HTTPConnection(origin: connection.takeSocket(), at: address)
        } catch {
            relay.logger.debug("no connection", metadata: ["to": "\(host)", "why": "\(error)"])
            throw .answer(error.status, "\(head.target): \(error)\n\(error.advice)")
        }
        // It may have left answers to earlier requests unread, so that there is no room for this one.
        client.socket.setDeadline(after: relay.limits.handshake)
        guard (try? await client.socket.write(OwnResponse.tunnelOpened)) != nil else { throw .gone }
        return origin
    }

    private func destination(of head: HTTPRequestHead) throws(Ending) -> (Host, UInt16) {
        do throws(HTTPError) {
            let authority = try Authority(head.targetBytes)
            // What would be content and what is for the tunnel already: nobody can tell.
            switch try head.framing() {
            case .none, .length(0): break
            default: throw .malformed("CONNECT has no content")
            }
            do throws(Refusal) { return (try Host(authority), authority.port) } catch {
                throw .malformed(error.description)
            }
        } catch {
            throw .answer(error.status, error.reason)
        }
    }

    // MARK: credentials

    private func isAuthorized(_ head: HTTPRequestHead) async throws(Ending) -> Bool {
        guard session.needsPassword else { return true }
        let given = head.fields.values(of: "proxy-authorization")
        guard given.count <= 1 else { throw .answer(.badRequest, "there is more than one Proxy-Authorization") }
        guard let value = given.first, let login = BasicCredentials.parse(value) else { return false }
        if let account = await relay.credentials.accept(login, on: session.listener) {
            session.logIn(account, relay.limitTable)
            return true
        }
        relay.logger.debug("login refused", metadata: ["user": "\(login.printableName)"])
        return false
    }

    private func challenge(
        _ head: HTTPRequestHead, from client: HTTPConnection, isLast: Bool
    ) async throws(Ending) {
        // A client that did not wait has sent what it meant for the tunnel, and that must never be read as a request.
        let closes = isLast || head.form == .authority && !client.inbox.isEmpty
        let response = OwnResponse.authenticationRequired(
            reason: "this proxy asks for a user and a password", closes: closes)
        try await answer(response, to: head, from: client)
    }

    // MARK: answers of the proxy's own

    /// Answers a request, and ends the connection unless another request can follow.
    ///
    /// - Parameter rest: what has not been read of the request's content, if any of it has.
    private func answer(
        _ response: OwnResponse, to head: HTTPRequestHead, from client: HTTPConnection, rest: HTTPBody? = nil
    ) async throws(Ending) {
        var response = response
        response.omitsBody = head.isMethod("HEAD")
        if !response.closes || rest != nil { response.closes = await !canContinue(after: head, from: client, rest) }
        if response.closes { throw .close(response) }
        // The head's deadline may have passed, and the end of an upload takes away the one after it.
        client.socket.setDeadline(after: relay.limits.handshake)
        guard (try? await client.socket.write(response.encode())) != nil else { throw .gone }
    }

    /// Whether what comes behind a request can only be the next one; its content, if it is not too much, is read over.
    private func canContinue(
        after head: HTTPRequestHead, from client: HTTPConnection, _ rest: HTTPBody?
    ) async -> Bool {
        guard head.isPersistent, let framing = try? head.framing() else { return false }
        var content = rest ?? HTTPBody(framing)
        if content.isComplete { return true }
        if head.form == .authority || head.expectsContinue { return false }
        client.socket.setDeadline(after: relay.limits.handshake)
        var left = relay.limits.discard
        while left > 0 {
            guard let (_, taken) = try? client.inbox.take(&content) else { return false }
            client.inbox.drop(taken)
            left -= taken
            if content.isComplete { return true }
            guard let count = try? await client.fill(), count > 0 else { return false }
        }
        return false
    }
}

extension Host {
    /// - Throws: what is wrong with it, in words.
    init(_ authority: Authority) throws(Refusal) {
        guard authority.isBracketed else {
            self = try Host(authority.host)
            return
        }
        guard let address = IPAddress(authority.host), case .v6 = address else {
            throw Refusal("[\(authority.host)] is not an IPv6 address")
        }
        self = .address(address)
    }
}
