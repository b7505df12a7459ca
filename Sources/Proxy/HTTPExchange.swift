import Address
import Glibc
import Logging
import Policy
import Reactor
import Wire

/// One request that is passed on to its origin, and the response that is passed back (RFC 9110 §7, RFC 9112).
///
/// The response is read while the request is still being sent: an origin may answer before it has read everything. So a
/// request whose content has not come yet is sent by a task of its own, which ends before `run` does.
final class HTTPExchange {
    enum Ending {
        /// All went well; the client's next request may come.
        case persists
        /// All went well, and the client was told that the connection ends.
        case closes
        /// From here on both ends speak another protocol; the client has been told so.
        case tunnel(HTTPConnection)
        case failed(Failure)
    }

    enum Failure: Error {
        /// Nothing of a response was passed on: this is to be the response.
        case answer(OwnResponse)
        /// The response was cut short, and the client must not take it for whole.
        case isCutShort
        /// The client is gone, or its session was ended.
        case clientIsGone
    }

    private let relay: Relay
    private let session: Session
    private let client: HTTPConnection
    private let head: HTTPRequestHead
    private let target: HTTPTarget
    private let forwardsLeft: Int?
    private let framing: HTTPFraming
    /// What of the request's content has not been sent; nobody has read it, either.
    private(set) var content: HTTPBody
    /// What goes to the origin at once: the head, and what had come of the content.
    private var firstBytes: [UInt8] = []
    private var upload: Upload?
    /// The origin has asked for the content.
    private var wasContinued = false

    init(
        _ head: HTTPRequestHead, to target: HTTPTarget, framing: HTTPFraming, forwardsLeft: Int?,
        from client: HTTPConnection, for session: Session, relay: Relay
    ) {
        self.relay = relay
        self.session = session
        self.client = client
        self.head = head
        self.target = target
        self.framing = framing
        self.forwardsLeft = forwardsLeft
        content = HTTPBody(framing)
    }

    func run(on reactor: Reactor) async -> Ending {
        do throws(Failure) {
            let route = try await route(on: reactor)
            try prepare()
            var mayReuse = true
            while true {
                let (origin, isReused) = try await connect(route, mayReuse: mayReuse, on: reactor)
                if let response = try await ask(origin, mayRepeat: isReused, on: reactor) {
                    return try await passBack(response, from: origin, on: reactor)
                }
                // The origin had closed the connection just when the request was sent. Once is bad luck.
                mayReuse = false
            }
        } catch {
            await stopUpload()
            return .failed(error)
        }
    }

    // MARK: the way to the origin

    private func route(on reactor: Reactor) async throws(Failure) -> Route {
        let host: Host
        do throws(Refusal) { host = try Host(target.authority) } catch {
            throw .answer(OwnResponse(.badRequest, reason: error.description))
        }
        do throws(DialFailure) {
            return try await relay.route(to: host, port: target.authority.port, for: session, on: reactor)
        } catch {
            throw .answer(refusal(error))
        }
    }

    private func connect(
        _ route: Route, mayReuse: Bool, on reactor: Reactor
    ) async throws(Failure) -> (HTTPConnection, isReused: Bool) {
        let pool = relay.upstreams(on: reactor)
        if mayReuse, let origin = pool.take(route.candidates, for: session.id), let address = origin.address {
            session.didConnect(route.host, to: address, as: .requests)
            session.own(origin.socket)
            return (origin, true)
        }
        do throws(DialFailure) {
            let connection = try await relay.dial(route, for: session, as: .requests, on: reactor)
            let address = connection.address
            return (HTTPConnection(origin: connection.takeSocket(), at: address), false)
        } catch {
            throw .answer(refusal(error))
        }
    }

    private func refusal(_ failure: DialFailure) -> OwnResponse {
        relay.logger.debug("no connection", metadata: ["to": "\(target.authority.host)", "why": "\(failure)"])
        return OwnResponse(
            failure.status, reason: "\(target.authority.host):\(target.authority.port): \(failure)\n\(failure.advice)")
    }

    private func problem(_ status: HTTPStatus, _ reason: String) -> Failure {
        relay.logger.debug("no response", metadata: ["from": "\(target.authority.host)", "why": "\(reason)"])
        return .answer(
            OwnResponse(
                status, reason: "\(target.authority.host):\(target.authority.port) \(reason)\nTry again in a moment."))
    }

    // MARK: the request

    private func prepare() throws(Failure) {
        firstBytes = head.forwarded(
            to: target, framing: framing, keepsUpgrade: head.asksForUpgrade, forwardsLeft: forwardsLeft,
            room: content.isComplete ? 0 : client.inbox.unread.count)
        guard !content.isComplete, !client.inbox.isEmpty else { return }
        do throws(HTTPError) {
            let (kept, taken) = try client.inbox.take(&content)
            firstBytes.append(contentsOf: kept)
            client.inbox.drop(taken)
        } catch {
            throw .answer(OwnResponse(error.status, reason: error.reason))
        }
    }

    /// Whether all of it is at hand, and doing it twice is doing it once (RFC 9110 §9.2.2).
    private var mayBeRepeated: Bool { head.isIdempotent && content.isComplete }

    /// Sends the request and waits for the head of its final response.
    ///
    /// - Returns: nil if the origin had closed the connection before it read a byte, and the request may be repeated.
    private func ask(
        _ origin: HTTPConnection, mayRepeat isReused: Bool, on reactor: Reactor
    ) async throws(Failure) -> HTTPResponseHead? {
        // Not what came of a deadline, or of a session that was ended meanwhile.
        func isBadLuck(_ errno: Errno?) -> Bool {
            isReused && mayBeRepeated && errno != .timedOut && errno != .canceled && !client.socket.hasFailed
        }
        client.socket.setDeadline(after: relay.limits.exchange)
        origin.socket.setDeadline(after: relay.limits.exchange)
        do throws(Errno) {
            try await origin.socket.write(firstBytes)
            session.count(sent: firstBytes.count)
        } catch {
            if isBadLuck(error) { return nil }
            // It may have answered before it closed.
        }
        if !content.isComplete { startUpload(to: origin, on: reactor) }
        var parser = HTTPResponseHeadParser()
        while true {
            do throws(Interruption<HTTPError>) {
                let response = try await nextHead(from: origin, &parser)
                guard response.isInterim else { return response }
                try await passBack(interim: response)
                origin.socket.setDeadline(after: relay.limits.exchange)
                // However many there are, others get their turn.
                await reactor.rest()
            } catch {
                switch error {
                case .malformed(let mistake): throw problem(.badGateway, "gives no proper answer: \(mistake.reason)")
                case .lost(let errno, hasBegun: false) where isBadLuck(errno): return nil
                case .lost(let errno, _): throw failure(errno)
                }
            }
        }
    }

    private func nextHead(
        from origin: HTTPConnection, _ parser: inout HTTPResponseHeadParser
    ) async throws(Interruption<HTTPError>) -> HTTPResponseHead {
        while true {
            do throws(HTTPError) {
                let head = try origin.inbox.next { bytes throws(HTTPError) in try parser.parse(bytes) }
                if let head { return head }
            } catch {
                throw .malformed(error)
            }
            do throws(Errno) {
                let count = try await origin.fill(for: client, patience: relay.limits.halfOpen)
                guard count == 0 else { continue }
            } catch {
                throw .lost(error, hasBegun: !origin.inbox.isEmpty)
            }
            throw .lost(nil, hasBegun: !origin.inbox.isEmpty)
        }
    }

    /// What it means that no response came.
    private func failure(_ errno: Errno?) -> Failure {
        if errno == .canceled || client.socket.hasFailed { return .clientIsGone }
        // It is the upload that ends the wait for a response if the client is at fault.
        switch upload?.failure {
        case .malformed(let mistake)?: return .answer(OwnResponse(mistake.status, reason: mistake.reason))
        case .source(.timedOut?)?:
            return .answer(OwnResponse(.requestTimeout, reason: "the content of the request took too long to arrive"))
        case .source?: return .clientIsGone
        case .sink?, nil: break
        }
        switch errno {
        case nil: return problem(.badGateway, "closed the connection without an answer")
        case .timedOut?:
            return client.socket.hasHungUp ? .clientIsGone : problem(.gatewayTimeout, "did not answer in time")
        case let errno?: return problem(.badGateway, "gave no answer: \(errno)")
        }
    }

    // MARK: content on its way to the origin

    /// The rest of a request's content, and the task that sends it.
    private final class Upload {
        let transfer: HTTPTransfer
        let origin: HTTPConnection
        let ended: Alarm
        /// Grows as long as it goes on: with what it moves, and with its wait for what limits let it move.
        var progress = 0
        var isOver = false
        var failure: HTTPTransfer.Failure?

        init(_ transfer: HTTPTransfer, to origin: HTTPConnection, ended: Alarm) {
            self.transfer = transfer
            self.origin = origin
            self.ended = ended
        }

        func run(for session: Session, on reactor: Reactor) async {
            do throws(HTTPTransfer.Failure) {
                try await transfer.run(on: reactor) {
                    progress &+= $0
                    await session.didMove(sent: $0, on: reactor) {
                        progress &+= 1
                        // The origin has nothing to answer yet.
                        origin.socket.setDeadline(after: transfer.idle)
                    }
                }
            } catch {
                failure = error
            }
            isOver = true
            ended.ring()
            switch failure {
            // Now nobody reads from the client: who waits for the response is to notice if it goes.
            case nil: origin.socket.nudge()
            // Whatever the origin has to say about that, it says in the other direction.
            case .sink?: break
            case .source?, .malformed?: origin.socket.interrupt()
            }
        }
    }

    private func startUpload(to origin: HTTPConnection, on reactor: Reactor) {
        let transfer = HTTPTransfer(content, from: client, to: origin, idle: relay.limits.exchange)
        let upload = Upload(transfer, to: origin, ended: Alarm(on: reactor))
        self.upload = upload
        // Both tasks are this reactor's, so they never run at the same time.
        nonisolated(unsafe) let (own, session) = (upload, session)
        reactor.spawn { reactor in await own.run(for: session, on: reactor) }
    }

    /// Lets the upload go on after its response, as long as it does: an origin may read what it has answered already.
    private func finishUpload() async {
        guard let upload else { return }
        // A client that waits for a 100 has its answer now, and sends nothing.
        if head.expectsContinue, !wasContinued { return }
        var progress = -1
        while !upload.isOver, progress != upload.progress {
            progress = upload.progress
            await upload.ended.wait(atMost: relay.limits.halfOpen)
        }
    }

    /// Ends the upload if it is under way, and takes over what it has left.
    private func stopUpload() async {
        guard let upload else { return }
        if !upload.isOver {
            upload.transfer.isStopped = true
            client.socket.interrupt()
            upload.origin.socket.interrupt()
            while !upload.isOver { await upload.ended.wait() }
        }
        client.socket.clearDeadline()
        content = upload.transfer.body
        self.upload = nil
    }

    private var isSent: Bool { upload.map { $0.isOver && $0.failure == nil } ?? content.isComplete }

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
        _ response: HTTPResponseHead, from origin: HTTPConnection, on reactor: Reactor
    ) async throws(Failure) -> Ending {
        if response.status == 101 { return try await switchProtocols(response, of: origin) }
        let (framing, isCertain): (HTTPFraming, Bool)
        do throws(HTTPError) {
            (framing, isCertain) = try response.framing(answering: head)
        } catch {
            throw problem(.badGateway, "gives no proper answer: \(error.reason)")
        }
        let knowsChunks = head.minorVersion >= 1
        let passedFraming = !knowsChunks && framing == .chunked ? .untilClose : framing
        // RFC 9112 §9.3: a proxy keeps no connection of an HTTP/1.0 client. One that still sends when it has its answer
        // may not be able to say what of that is content.
        let persists = knowsChunks && head.isPersistent && isSent && passedFraming != .untilClose
        var bytes = response.forwarded(
            framing: passedFraming, keepsLength: head.isMethod("HEAD") || response.status == 304,
            connection: persists ? .stays : .closes, at: time(nil), room: origin.inbox.unread.count)
        var body = HTTPBody(framing, keepsCoding: knowsChunks)
        do throws(HTTPError) {
            let (kept, taken) = try origin.inbox.take(&body)
            bytes.append(contentsOf: kept)
            origin.inbox.drop(taken)
        } catch {
            throw problem(.badGateway, "gives no proper answer: \(error.reason)")
        }
        guard (try? await client.socket.write(bytes)) != nil else { throw .clientIsGone }
        session.count(received: bytes.count)
        if !body.isComplete { try await pass(body, from: origin, on: reactor) }
        await finishUpload()
        let isReusable = isCertain && response.isPersistent && isSent && framing != .untilClose
        await stopUpload()
        if head.fields.authenticatesConnection || response.fields.authenticatesConnection {
            origin.owner = session.id
        }
        if isReusable { relay.upstreams(on: reactor).give(origin) }
        return persists ? .persists : .closes
    }

    private func pass(
        _ body: HTTPBody, from origin: HTTPConnection, on reactor: Reactor
    ) async throws(Failure) {
        let transfer = HTTPTransfer(body, from: origin, to: client, idle: relay.limits.exchange)
        do throws(HTTPTransfer.Failure) {
            let session = self.session
            try await transfer.run(for: client, patience: relay.limits.exchange, on: reactor) {
                await session.didMove(received: $0, on: reactor)
            }
        } catch {
            if case .sink = error { throw .clientIsGone }
            throw client.socket.hasFailed ? .clientIsGone : .isCutShort
        }
    }

    /// 101 (RFC 9110 §15.2.2). What the origin has said in the new protocol goes with it.
    private func switchProtocols(
        _ response: HTTPResponseHead, of origin: HTTPConnection
    ) async throws(Failure) -> Ending {
        guard head.asksForUpgrade, isSent else {
            throw problem(.badGateway, "gives no proper answer: it changes the protocol unasked")
        }
        await stopUpload()
        var bytes = response.forwarded(
            framing: .none, connection: .upgrades, at: time(nil), room: origin.inbox.unread.count)
        bytes.append(contentsOf: origin.inbox.unread)
        client.socket.setDeadline(after: relay.limits.handshake)
        guard (try? await client.socket.write(bytes)) != nil else { throw .clientIsGone }
        session.count(received: bytes.count)
        session.didBegin(.tunnel)
        return .tunnel(origin)
    }
}
