import Address
import Logging
import Policy
import Reactor
import Wire

/// One client of a SOCKS listener, from its first byte to its tunnel or its association (RFC 1928, RFC 1929; SOCKS4 and
/// SOCKS4a where the listener allows them).
struct SOCKSConversation {
    let relay: Relay
    let session: Session

    /// How a session ends that gets nothing.
    enum Ending: Error {
        /// With these last words, or none.
        case words([UInt8])
        /// With a reply to the request.
        case failure(SOCKS5ReplyCode)

        static let silent = Ending.words([])

        func lastWords(in dialect: SOCKSDialect) -> [UInt8] {
            switch self {
            case .words(let words): words
            case .failure(let code): dialect.failure(code)
            }
        }
    }

    /// The longest message is a SOCKS4a request of 520 bytes.
    private static let longestMessage = 1024

    /// - Parameter client: with a deadline for all that it has to say, not one for each message.
    func run(_ client: consuming Socket, on reactor: Reactor) async {
        var inbox = Inbox(limit: Self.longestMessage)
        var dialect = SOCKSDialect.version5
        do throws(Ending) {
            let request: SOCKSRequest
            if try await next(from: client, &inbox, SOCKSVersion.parse) == .four {
                dialect = .version4
                request = try await version4Request(client, &inbox)
            } else {
                try await authenticate(client, &inbox)
                request = SOCKSRequest(try await next(from: client, &inbox, SOCKS5Request.parse))
            }
            client.clearDeadline()
            if request.command == .associate {
                let datagrams = try await associate(client, on: reactor)
                let association = Association(
                    relay: relay, session: session, control: client, client: datagrams, on: reactor)
                return await association.run()
            }
            let origin = try await open(request, for: client, in: dialect, on: reactor)
            guard await origin.take(early: inbox.unread, within: relay.limits.handshake) else {
                // The tunnel stood already: a FIN would make what the client gets look whole.
                return client.resetOnClose()
            }
            session.count(sent: inbox.unread.count)
            reactor.tunnel(client: client, origin: origin)
        } catch {
            await client.close(saying: error.lastWords(in: dialect), within: relay.limits.farewell)
        }
    }

    /// The greeting and, if the listener asks for it, the login.
    private func authenticate(_ client: borrowing Socket, _ inbox: inout Inbox) async throws(Ending) {
        let greeting = try await next(from: client, &inbox, SOCKS5Greeting.parse)
        guard session.needsPassword else {
            guard greeting.offersNone else { throw .words(SOCKS5Method.noneAcceptable.reply) }
            return try await send(SOCKS5Method.none.reply, to: client)
        }
        guard greeting.offersPassword else { throw .words(SOCKS5Method.noneAcceptable.reply) }
        try await send(SOCKS5Method.password.reply, to: client)
        let login = try await next(from: client, &inbox, SOCKS5Login.parse)
        guard let account = await relay.credentials.accept(login, on: session.listener) else {
            relay.logger.debug("login refused", metadata: ["user": "\(login.printableName)"])
            throw .words(SOCKS5Login.refused)
        }
        session.logIn(account, relay.limitTable)
        try await send(SOCKS5Login.accepted, to: client)
    }

    /// There is no password in SOCKS4, so it opens no listener that asks for one.
    private func version4Request(
        _ client: borrowing Socket, _ inbox: inout Inbox
    ) async throws(Ending) -> SOCKSRequest {
        guard session.listener.socks.allowsVersion4, !session.needsPassword else {
            throw .words(SOCKS4Reply.refused)
        }
        do throws(Interruption<SOCKS4Error>) {
            return SOCKSRequest(try await inbox.message(from: client, SOCKS4Request.parse))
        } catch {
            guard case .malformed = error else { throw .silent }
            throw .words(SOCKS4Reply.refused)
        }
    }

    /// CONNECT or BIND: the other end, once the client knows of it.
    private func open(
        _ request: SOCKSRequest, for client: borrowing Socket, in dialect: SOCKSDialect, on reactor: Reactor
    ) async throws(Ending) -> Socket {
        if request.command == .bind { return try await bind(request, for: client, in: dialect, on: reactor) }
        // connect(2) to port 0 is refused by nobody but the peer's kernel; there is nothing to reach.
        guard request.port != 0, let host = Host(request.address) else { throw .failure(.generalFailure) }
        let origin: Socket
        do throws(DialFailure) {
            origin = try await relay.dial(host, port: request.port, for: session, on: reactor).takeSocket()
        } catch {
            throw refusal(to: host, error)
        }
        guard let bound = try? origin.localAddress else { throw .failure(.generalFailure) }
        try await send(dialect.success(bound), to: client)
        return origin
    }

    func refusal(to host: Host, _ failure: DialFailure) -> Ending {
        relay.logger.debug("no connection", metadata: ["to": "\(host)", "why": "\(failure)"])
        return .failure(failure.replyCode)
    }

    private func next<Value: Sendable>(
        from client: borrowing Socket, _ inbox: inout Inbox,
        _ parse: (borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<Value>
    ) async throws(Ending) -> Value {
        do throws(Interruption<SOCKS5Error>) {
            return try await inbox.message(from: client, parse)
        } catch {
            guard case .malformed(let mistake) = error else { throw .silent }
            throw .words(mistake.answer)
        }
    }

    func send(_ bytes: [UInt8], to client: borrowing Socket) async throws(Ending) {
        do { try await client.write(bytes) } catch { throw .silent }
    }
}

extension Host {
    /// nil for a name that cannot be one, and for ambiguous spellings of addresses.
    init?(_ address: SOCKS5Address) {
        switch address {
        case .v4(let bits): self = .address(.v4(bits))
        case .v6(let bits): self = .address(.v6(bits))
        case .name(let text):
            guard let host = try? Host(text) else { return nil }
            self = host
        }
    }
}
