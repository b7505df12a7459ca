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
                let (datagrams, pinholes) = try await associate(on: reactor)
                await Association(
                    relay: relay, session: session, control: client, client: datagrams, on: reactor
                ).run()
                return shut(pinholes)
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
            if greeting.offersNone { return try await send(SOCKS5Method.none.reply) }
            return try await acceptAnyLogin(greeting)
        }
        guard greeting.offersPassword else {
            session.note(.noLogin)
            throw .words(SOCKS5Method.noneAcceptable.reply)
        }
        try await send(SOCKS5Method.password.reply)
        let login = try await next(SOCKS5Login.parse)
        // RFC 1929 knows one refusal, and programs take it for a wrong password: where the password was not looked at, nothing is said.
        if let refusal = session.clientRefusal {
            session.note(.refused(.overLimit(refusal)), claim: login.printableName)
            throw .silent
        }
        switch await relay.logIn(login, session) {
        case .right: try await send(SOCKS5Login.accepted)
        case .wrong: throw .words(SOCKS5Login.refused)
        case .busy: throw .silent
        }
    }

    /// Some programs offer nothing but a password, and say one that was never set. Where none is asked for, any will do.
    private func acceptAnyLogin(_ greeting: SOCKS5Greeting) async throws(Farewell) {
        guard greeting.offersPassword else {
            session.note(.failed("the client offers neither to go without a password nor to give one"))
            throw .words(SOCKS5Method.noneAcceptable.reply)
        }
        try await send(SOCKS5Method.password.reply)
        _ = try await next(SOCKS5Login.parse)
        try await send(SOCKS5Login.accepted)
    }

    /// There is no password in SOCKS4, so it opens no listener that asks for one.
    private func version4Request() async throws(Farewell) -> SOCKSRequest {
        guard session.listener.socks.allowsVersion4, !session.needsPassword else {
            session.note(
                session.needsPassword ? .noLogin : .failed("the client speaks SOCKS4, which the listener does not"))
            throw .words(SOCKS4Reply.refused)
        }
        do throws(Interruption<SOCKS4Error>) {
            return try await client.message(SOCKS4Request.parse)
        } catch {
            guard case .malformed = error else { throw .silent }
            session.note(.failed("the request is not one of SOCKS4"))
            throw .words(SOCKS4Reply.refused)
        }
    }

    /// CONNECT or BIND: the other end, once the client knows of it.
    private func open(
        _ request: SOCKSRequest, in dialect: SOCKSDialect, on reactor: Reactor
    ) async throws(Farewell) -> Connection {
        if request.command == .bind { return try await bind(request, in: dialect, on: reactor) }
        // connect(2) to port 0 is refused by nobody but the peer's kernel; there is nothing to reach.
        guard request.port != 0, let host = Host(request.address) else {
            throw refused(request.port == 0 ? "nothing is at port 0" : "the name is not one", in: dialect)
        }
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

    /// A request that leads nowhere, for this reason.
    func refused(_ reason: String, in dialect: SOCKSDialect) -> Farewell {
        session.note(.failed(reason))
        return .failure(.generalFailure, in: dialect)
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
            if case .unknownVersion(let byte) = mistake, let stranger = Stranger(firstByte: byte) {
                throw relay.farewell(to: stranger, client, of: session)
            }
            session.note(.failed(mistake.reason))
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
