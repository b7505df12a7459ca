import Logging
import Policy
import Reactor
import Wire

/// One client of a SOCKS5 listener, from its greeting to its tunnel (RFC 1928, RFC 1929).
struct SOCKS5Session {
    let relay: Relay
    let requester: Requester

    /// How a session ends that gets no tunnel: with these last words, or none.
    private struct Ending: Error {
        let lastWords: [UInt8]

        static let silent = Ending(lastWords: [])
        static func reply(_ code: SOCKS5ReplyCode) -> Ending { Ending(lastWords: code.reply()) }
    }

    /// The longest message is a login of 513 bytes.
    private static let longestMessage = 1536

    /// - Parameter client: with a deadline for all that it has to say, not one for each message.
    func run(_ client: consuming Socket, on reactor: isolated Reactor) async {
        var inbox = Inbox(limit: Self.longestMessage)
        do throws(Ending) {
            try await authenticate(client, &inbox)
            let request = try await next(from: client, &inbox, SOCKS5Request.parse)
            client.clearDeadline()
            let origin = try await dial(request, on: reactor)
            guard let bound = try? origin.localAddress else { throw .reply(.generalFailure) }
            try await send(
                SOCKS5ReplyCode.succeeded.reply(bound: SOCKS5Address(bound), port: bound.port), to: client)
            guard await origin.take(early: inbox.unread, within: relay.limits.handshake) else {
                // The tunnel stood already: a FIN would make what the client gets look whole.
                return client.resetOnClose()
            }
            reactor.tunnel(client: client, origin: origin)
        } catch {
            await client.close(saying: error.lastWords, within: relay.limits.farewell)
        }
    }

    /// The greeting and, if the listener asks for it, the login.
    private func authenticate(_ client: borrowing Socket, _ inbox: inout Inbox) async throws(Ending) {
        let greeting = try await next(from: client, &inbox, SOCKS5Greeting.parse)
        guard requester.needsPassword else {
            guard greeting.offersNone else { throw Ending(lastWords: SOCKS5Method.noneAcceptable.reply) }
            return try await send(SOCKS5Method.none.reply, to: client)
        }
        guard greeting.offersPassword else { throw Ending(lastWords: SOCKS5Method.noneAcceptable.reply) }
        try await send(SOCKS5Method.password.reply, to: client)
        let login = try await next(from: client, &inbox, SOCKS5Login.parse)
        guard let account = await relay.credentials.accept(login, on: requester.listener) else {
            relay.logger.debug("login refused", metadata: ["user": "\(login.printableName)"])
            throw Ending(lastWords: SOCKS5Login.refused)
        }
        requester.logIn(account, relay.limitTable)
        try await send(SOCKS5Login.accepted, to: client)
    }

    private func dial(_ request: SOCKS5Request, on reactor: isolated Reactor) async throws(Ending) -> Socket {
        guard request.command == .connect else { throw .reply(.commandNotSupported) }
        // connect(2) to port 0 is refused by nobody but the peer's kernel; there is nothing to reach.
        guard request.port != 0, let host = Host(request.address) else { throw .reply(.generalFailure) }
        do throws(DialFailure) {
            return try await relay.dial(host, port: request.port, for: requester, on: reactor).takeSocket()
        } catch {
            relay.logger.debug("no connection", metadata: ["to": "\(host)", "why": "\(error)"])
            throw .reply(error.replyCode)
        }
    }

    private func next<Value: Sendable>(
        from client: borrowing Socket, _ inbox: inout Inbox,
        _ parse: (borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<Value>
    ) async throws(Ending) -> Value {
        do throws(Interruption<SOCKS5Error>) {
            return try await inbox.message(from: client, parse)
        } catch {
            guard case .malformed(let mistake) = error else { throw .silent }
            throw Ending(lastWords: mistake.answer)
        }
    }

    private func send(_ bytes: [UInt8], to client: borrowing Socket) async throws(Ending) {
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
