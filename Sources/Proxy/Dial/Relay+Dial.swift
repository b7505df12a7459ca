import Address
import Policy
import Reactor
import Resolver

extension Relay {
    /// Connects to `host`: looked up once, each address judged, and those very addresses dialled (a name that answers
    /// differently a moment later gains nothing), IPv6 and IPv4 in a staggered race (RFC 8305).
    func dial(
        _ host: Host, port: UInt16, for session: Session, of client: Connection, on reactor: Reactor
    ) async throws(DialFailure) -> Connection {
        let route = try await route(
            to: host, port: port, for: session, by: Waiter(on: reactor, for: client), on: reactor)
        return try await dial(route, for: session, of: client, as: .tunnel, on: reactor)
    }

    /// Looks `host` up and judges each address. What is refused by its name alone is not looked up.
    ///
    /// - Parameters:
    ///   - transport: what is to carry the payload.
    ///   - waiter: who waits for it: the lookup is given up with them.
    ///   - isWhole: both families are waited for, though a connection could begin.
    func route(
        to host: Host, port: UInt16, over transport: Opening.Transport = .tcp, for session: Session,
        by waiter: @autoclosure () -> Waiter, isWhole: Bool = false, on reactor: Reactor
    ) async throws(DialFailure) -> Route {
        do throws(DialFailure) {
            return try await find(
                host, port: port, over: transport, for: session, by: waiter, isWhole: isWhole, on: reactor)
        } catch {
            session.note(.refused(error), host, port: port)
            throw error
        }
    }

    private func find(
        _ host: Host, port: UInt16, over transport: Opening.Transport, for session: Session,
        by waiter: () -> Waiter, isWhole: Bool, on reactor: Reactor
    ) async throws(DialFailure) -> Route {
        if let refusal = session.refusal { throw .overLimit(refusal) }
        var access = self.access
        let client = session.identity
        switch host {
        case .address(let address):
            let address = address.unmapped
            if case .deny(let reason) = access.verdict(on: address, of: host, port: port, over: transport, for: client)
            {
                throw .notAllowed(host, reason)
            }
            return Route(
                host: host, port: port, candidates: [Endpoint(address: address, port: port)], access: access,
                timeout: limits.dial)
        case .name(let name):
            if let reason = access.refusal(of: host, port: port, over: transport, for: client) {
                throw .notAllowed(host, reason)
            }
            let start = ContinuousClock.now
            let waiter = waiter()
            // The resolver works on the reactor's own thread.
            nonisolated(unsafe) let asking: Waiter? = waiter
            let answer = try await answer(on: name, for: client, by: waiter, on: reactor)
            access = self.access
            var outcome = allowed(answer.addresses, of: host, port: port, over: transport, for: client, by: access)
            if !answer.isWhole, isWhole || outcome.mayImprove {
                let addresses = await resolver(on: reactor).rest(
                    of: name, as: access.party(of: client), by: asking)
                access = self.access
                if !addresses.isEmpty {
                    outcome = allowed(addresses, of: host, port: port, over: transport, for: client, by: access)
                }
            }
            let candidates = try outcome.get()
            let timeout = limits.dial - (ContinuousClock.now - start)
            guard timeout > .zero else { throw .unresolved(.timedOut) }
            return Route(
                host: host, port: port, candidates: candidates, isWhole: answer.isWhole || isWhole, access: access,
                timeout: timeout)
        }
    }

    func dial(
        _ route: Route, for session: Session, of client: Connection, as activity: SessionRecord.Activity,
        on reactor: Reactor
    ) async throws(DialFailure) -> Connection {
        let origin: Connection
        do {
            origin = try await Dial.connect(
                to: route.candidates, followedBy: late(route, for: session.identity, on: reactor),
                timeout: route.timeout, for: client, on: reactor)
        } catch {
            session.note(.refused(.unreachable(error.errno)), route.host, port: route.port)
            throw .unreachable(error.errno)
        }
        try join(session, to: origin, by: route, as: activity)
        return origin
    }

    /// Makes `origin` the other end of a session, if the policy in force allows it: it may have changed since the route was found, and
    /// nobody but the caller knew of the connection.
    func join(
        _ session: Session, to origin: Connection, by route: Route, as activity: SessionRecord.Activity
    ) throws(DialFailure) {
        session.didConnect(route.host, to: origin.peer, as: activity)
        session.own(origin.socket)
        let now = self.access
        let address = origin.peer.address
        // An address that the box got a moment ago is known to the kernel before the policy's surroundings have it. A connection to
        // oneself has one address at both ends.
        let isOwn = !address.isLoopback && (try? origin.socket.localAddress)?.address == address
        if now !== route.access || isOwn {
            let verdict = now.verdict(
                on: address, of: route.host, port: route.port, for: session.identity, isOwn: isOwn)
            if case .deny(let reason) = verdict {
                session.note(.refused(.notAllowed(route.host, reason)), route.host, port: route.port)
                throw .notAllowed(route.host, reason)
            }
        }
        session.note(.allowed, route.host, port: route.port)
    }

    /// The candidates of the family that has not been answered yet; nil: both have been.
    private func late(_ route: Route, for client: Access.Client, on reactor: Reactor) -> Dial.Late? {
        guard !route.isWhole, case .name(let name) = route.host else { return nil }
        let late = Dial.Late()
        reactor.begin { [self] in
            let addresses = await resolver(on: reactor).rest(of: name, as: access.party(of: client))
            let outcome = allowed(
                addresses, of: route.host, port: route.port, over: .tcp, for: client, by: access)
            late.end(with: ((try? outcome.get()) ?? []).filter { !route.candidates.contains($0) })
        }
        return late
    }

    private func answer(
        on name: String, for client: Access.Client, by waiter: Waiter, on reactor: Reactor
    ) async throws(DialFailure) -> Resolver.Answer {
        do {
            nonisolated(unsafe) let waiter: Waiter? = waiter
            let limits = limitTable
            return try await resolver(on: reactor).addresses(
                of: name, for: limits.client(at: client.address, device: client.device).key.address,
                as: access.party(of: client),
                atMost: limits.limit(forClient: client.address, device: client.device).lookups, by: waiter)
        } catch .abandoned {
            throw .unreachable(.canceled)
        } catch {
            throw .unresolved(error)
        }
    }

    /// The addresses that may be dialled, at least one; or why none may.
    private func allowed(
        _ addresses: [IPAddress], of host: Host, port: UInt16, over transport: Opening.Transport,
        for client: Access.Client, by access: Access
    ) -> Result<[Endpoint], DialFailure> {
        var candidates: [Endpoint] = []
        var refusal: DialFailure?
        for address in addresses {
            let address = address.unmapped
            switch access.verdict(on: address, of: host, port: port, over: transport, for: client) {
            case .allow: candidates.append(Endpoint(address: address, port: port))
            case .deny(.blocked): refusal = refusal ?? .notAllowed(host, .blocked)
            // Of a gateway that has a listener at one of its addresses, that one says what is meant.
            case .deny(.ownListener): refusal = .notAllowed(.address(address), .ownListener)
            case .deny(let reason): refusal = refusal ?? .notAllowed(.address(address), reason)
            }
        }
        return candidates.isEmpty ? .failure(refusal ?? .unresolved(.noSuchName)) : .success(candidates)
    }
}

extension Result<[Endpoint], DialFailure> {
    /// Whether the addresses of the other family may be better. A name that is blocked is so in both.
    fileprivate var mayImprove: Bool {
        switch self {
        case .success, .failure(.notAllowed(_, .blocked)): false
        case .failure: true
        }
    }
}
