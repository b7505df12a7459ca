import Logging
import Policy
import Reactor
import Wire

/// One client of an HTTP proxy listener, from its first request to its tunnel (RFC 9110 §9.3.6, RFC 9112).
struct HTTPSession {
    let relay: Relay
    let requester: Requester

    /// How a connection ends that becomes no tunnel: with this answer, or none.
    private struct Ending: Error {
        let answer: HTTPResponse?

        static let silent = Ending(answer: nil)
        static func answer(_ status: HTTPStatus, _ reason: String) -> Ending {
            Ending(answer: HTTPResponse(status, reason: reason))
        }
    }

    /// - Parameter client: with a deadline for its first head, the whole of it and not each read.
    func run(_ client: consuming Socket, on reactor: isolated Reactor) async {
        var limits = HTTPHeadParser.Limits()
        limits.head = relay.limits.head
        var parser = HTTPHeadParser(limits: limits)
        // Room for one byte beyond the limit lets the parser say what is wrong.
        var inbox = Inbox(limit: limits.head + 1)
        var challenges = 0
        do throws(Ending) {
            while true {
                let head = try await next(from: client, &inbox, &parser)
                if let answer = relay.ownAnswer(to: head, from: client, for: requester) {
                    throw Ending(answer: answer)
                }
                guard try await isAuthorized(head) else {
                    challenges += 1
                    let closes = challenges > relay.limits.challenges || !canContinue(after: head, inbox.isEmpty)
                    let answer = challenge(head, closes: closes)
                    if closes { throw Ending(answer: answer) }
                    try await send(answer.encode(), to: client)
                    client.setDeadline(after: relay.limits.handshake)
                    continue
                }
                client.clearDeadline()
                let origin = try await tunnel(for: head, on: reactor)
                try await send(HTTPResponse.tunnelOpened, to: client)
                guard await origin.take(early: inbox.unread, within: relay.limits.handshake) else {
                    // The tunnel stood already: a FIN would make what the client gets look whole.
                    return client.resetOnClose()
                }
                reactor.tunnel(client: client, origin: origin)
                return
            }
        } catch {
            await client.close(saying: error.answer?.encode() ?? [], within: relay.limits.farewell)
        }
    }

    /// Where a request with this head leads.
    private func tunnel(for head: HTTPRequestHead, on reactor: isolated Reactor) async throws(Ending) -> Socket {
        guard head.method == "CONNECT" else { throw Ending(answer: unserved(head)) }
        let (host, port) = try destination(head.target)
        do throws(DialFailure) {
            return try await relay.dial(host, port: port, for: requester, on: reactor).takeSocket()
        } catch {
            relay.logger.debug("no connection", metadata: ["to": "\(host)", "why": "\(error)"])
            throw .answer(error.status, "\(head.target): \(error)")
        }
    }

    private func destination(_ target: String) throws(Ending) -> (Host, UInt16) {
        let authority: Authority
        do throws(HTTPError) { authority = try Authority(target) } catch { throw .answer(error.status, error.reason) }
        if authority.isBracketed {
            guard let address = IPAddress(authority.host), case .v6 = address else {
                throw .answer(.badRequest, "[\(authority.host)] is not an IPv6 address")
            }
            return (.address(address), authority.port)
        }
        do throws(Refusal) {
            return (try Host(authority.host), authority.port)
        } catch {
            throw .answer(.badRequest, error.description)
        }
    }

    /// What this proxy does not do.
    private func unserved(_ head: HTTPRequestHead) -> HTTPResponse {
        var answer = HTTPResponse(.notImplemented, reason: "this proxy carries tunnels (CONNECT) only; use https")
        answer.omitsBody = head.method == "HEAD"
        return answer
    }

    // MARK: credentials

    private func isAuthorized(_ head: HTTPRequestHead) async throws(Ending) -> Bool {
        guard requester.needsPassword else { return true }
        let given = head.fields.values(of: "proxy-authorization")
        guard given.count <= 1 else { throw .answer(.badRequest, "there is more than one Proxy-Authorization") }
        guard let value = given.first, let login = BasicCredentials.parse(value) else { return false }
        if await relay.credentials.accept(login, on: requester.listener) {
            requester.user = String(decoding: login.name, as: UTF8.self)
            return true
        }
        relay.logger.debug("login refused", metadata: ["user": "\(login.printableName)"])
        return false
    }

    private func challenge(_ head: HTTPRequestHead, closes: Bool) -> HTTPResponse {
        var answer = HTTPResponse.authenticationRequired(
            reason: "this proxy asks for a user and a password", closes: closes)
        answer.omitsBody = head.method == "HEAD"
        return answer
    }

    /// Whether the bytes behind a refused request can only be a request. A client that did not wait has sent what it meant
    /// for the tunnel, and that must never be read as a request; nor must a body.
    private func canContinue(after head: HTTPRequestHead, _ isEverythingRead: Bool) -> Bool {
        isEverythingRead && head.isPersistent && !head.fields.contains("content-length")
            && !head.fields.contains("transfer-encoding")
    }

    // MARK: bytes

    private func next(
        from client: borrowing Socket, _ inbox: inout Inbox, _ parser: inout HTTPHeadParser
    ) async throws(Ending) -> HTTPRequestHead {
        do throws(Interruption<HTTPError>) {
            return try await inbox.message(from: client) { bytes throws(HTTPError) in try parser.parse(bytes) }
        } catch {
            switch error {
            case .malformed(let mistake): throw .answer(mistake.status, mistake.reason)
            case .lost(.timedOut?, hasBegun: true):
                throw .answer(.requestTimeout, "the request took too long to arrive")
            case .lost: throw .silent
            }
        }
    }

    private func send(_ bytes: [UInt8], to client: borrowing Socket) async throws(Ending) {
        do { try await client.write(bytes) } catch { throw .silent }
    }
}
