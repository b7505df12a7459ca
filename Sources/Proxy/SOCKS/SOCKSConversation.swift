import Address
import Logging
import Policy
import Reactor
import Wire

/// What is spoken with a client of a SOCKS listener, from its first byte to its tunnel or its association (RFC 1928, RFC 1929; SOCKS4
/// and SOCKS4a where the listener allows them).
struct SOCKSConversation {
    let relay: Relay
    let session: Session
    let client: Connection

    func run(on reactor: Reactor) async {
        do throws(Farewell) {
            let (request, dialect) = try await request()
            session.enter(.serving)
            if request.command == .associate {
                let datagrams = try await associate(on: reactor)
                return await Association(
                    relay: relay, session: session, control: client, client: datagrams, on: reactor
                ).run()
            }
            reactor.tunnel(client: client, origin: try await open(request, in: dialect, on: reactor))
        } catch {
            await session.close(client, with: error, on: reactor)
        }
    }

    private func request() async throws(Farewell) -> (SOCKSRequest, SOCKSDialect) {
        if try await next(SOCKSVersion.parse) == .four { return (try await version4Request(), .version4) }
        try await authenticate()
        return (try await next(SOCKS5Request.parse), .version5)
    }

    /// The greeting and, if the listener asks for it, the login.
    private func authenticate() async throws(Farewell) {
        let greeting = try await next(SOCKS5Greeting.parse)
        guard session.needsPassword else {
            guard greeting.offersNone else { throw .words(SOCKS5Method.noneAcceptable.reply) }
            return try await send(SOCKS5Method.none.reply)
        }
        guard greeting.offersPassword else { throw .words(SOCKS5Method.noneAcceptable.reply) }
        try await send(SOCKS5Method.password.reply)
        let login = try await next(SOCKS5Login.parse)
        guard let account = await relay.credentials.accept(login, on: session.listener) else {
            relay.logger.debug("login refused", metadata: ["user": "\(login.printableName)"])
            throw .words(SOCKS5Login.refused)
        }
        session.logIn(account, relay.limitTable)
        try await send(SOCKS5Login.accepted)
    }

    /// There is no password in SOCKS4, so it opens no listener that asks for one.
    private func version4Request() async throws(Farewell) -> SOCKSRequest {
        guard session.listener.socks.allowsVersion4, !session.needsPassword else {
            throw .words(SOCKS4Reply.refused)
        }
        do throws(Interruption<SOCKS4Error>) {
            return try await client.message(SOCKS4Request.parse)
        } catch {
            guard case .malformed = error else { throw .silent }
            throw .words(SOCKS4Reply.refused)
        }
    }

    /// CONNECT or BIND: the other end, once the client knows of it.
    private func open(
        _ request: SOCKSRequest, in dialect: SOCKSDialect, on reactor: Reactor
    ) async throws(Farewell) -> Connection {
        if request.command == .bind { return try await bind(request, in: dialect, on: reactor) }
        // connect(2) to port 0 is refused by nobody but the peer's kernel; there is nothing to reach.
        guard request.port != 0, let host = Host(request.address) else { throw .failure(.generalFailure, in: dialect) }
        let origin: Connection
        do throws(DialFailure) {
            origin = try await relay.dial(host, port: request.port, for: session, of: client, on: reactor)
        } catch {
            throw refusal(to: host, error, in: dialect)
        }
        guard let bound = try? origin.socket.localAddress else { throw .failure(.generalFailure, in: dialect) }
        try await send(dialect.success(bound))
        return origin
    }

    func refusal(to host: Host, _ failure: DialFailure, in dialect: SOCKSDialect) -> Farewell {
        relay.logger.debug("no connection", metadata: ["to": "\(host)", "why": "\(failure)"])
        return .failure(failure.replyCode, in: dialect)
    }

    private func next<Value: Sendable>(
        _ parse: (borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<Value>
    ) async throws(Farewell) -> Value {
        do throws(Interruption<SOCKS5Error>) {
            return try await client.message(parse)
        } catch {
            guard case .malformed(let mistake) = error else { throw .silent }
            throw .words(mistake.answer)
        }
    }

    func send(_ bytes: [UInt8]) async throws(Farewell) {
        do { try await client.socket.write(bytes) } catch { throw .silent }
    }
}

extension Farewell {
    /// With a reply to the request.
    static func failure(_ code: SOCKS5ReplyCode, in dialect: SOCKSDialect) -> Farewell {
        .words(dialect.failure(code))
    }
}
