import Address
import Glibc
import Logging
import Policy
import Reactor
import Resolver
import Wire

// The commands of SOCKS beside CONNECT: what the client is told, and where.

extension SOCKSConversation {
    /// UDP ASSOCIATE (RFC 1928 §7): opens the socket that the client is to send to, and says where it is.
    ///
    /// Where the client says it will send from is not looked at: real ones name the target, or nothing.
    ///
    /// - Returns: also what is to be shut after it.
    func associate(on reactor: Reactor) async throws(Farewell) -> (DatagramSocket, [Pinhole]) {
        try checkLimits(in: .version5)
        let socks = session.listener.socks
        let (datagrams, bound): (DatagramSocket, Endpoint)
        do throws(Errno) {
            // The address that the client reached us on is one that it can reach.
            let here = try client.socket.localAddress
            datagrams = try DatagramSocket(
                bound: Endpoint(address: here.address, port: 0, scope: here.scope), ports: socks.udpPorts?.closed,
                on: reactor)
            bound = try datagrams.localAddress
        } catch {
            relay.logger.debug("no UDP association", metadata: ["why": "\(error)"])
            throw refused("no socket for datagrams: \(error)", in: .version5)
        }
        let pinholes = [Pinhole(transport: .udp, peer: session.client.address.unmapped, own: bound.pinhole)]
        if !isLocal { try await open(pinholes, in: .version5) }
        let told = socks.advertisedAddress.map { Endpoint(address: $0, port: bound.port) } ?? bound
        do throws(Farewell) {
            try await send(SOCKSDialect.version5.success(told))
        } catch {
            shut(pinholes)
            throw error
        }
        session.note(.allowed)
        return (datagrams, pinholes)
    }

    /// Whoever comes from this machine itself needs no door.
    private var isLocal: Bool {
        session.client.address.isLoopback
            || (try? client.socket.localAddress.address.unmapped) == session.client.address.unmapped
    }

    /// Opens the firewall; where that cannot be had the client is refused, as nothing would come to it.
    private func open(_ pinholes: [Pinhole], in dialect: SOCKSDialect) async throws(Farewell) {
        guard !pinholes.isEmpty, let refusal = await relay.doorkeeper.open(pinholes) else { return }
        relay.logger.notice(
            "the firewall could not be opened for a session",
            metadata: ["client": "\(session.client)", "why": "\(refusal)"])
        session.note(.noPinhole(refusal))
        throw .failure(.generalFailure, in: dialect)
    }

    func shut(_ pinholes: [Pinhole]) {
        if !isLocal, !pinholes.isEmpty { relay.doorkeeper.shut(pinholes) }
    }

    private func checkLimits(in dialect: SOCKSDialect) throws(Farewell) {
        guard let refusal = session.refusal else { return }
        session.note(.refused(.overLimit(refusal)))
        throw .failure(.notAllowed, in: dialect)
    }

    /// BIND (RFC 1928 §4): waits for the one connection that the client expects. Two replies: where it is awaited, and from
    /// whom it came.
    ///
    /// The peer has to be the one that the request names, by address: its port is of its own choice. A request that names
    /// nobody (0.0.0.0) takes whomever the client may be connected to.
    func bind(
        _ request: SOCKSRequest, in dialect: SOCKSDialect, on reactor: Reactor
    ) async throws(Farewell) -> Connection {
        try checkLimits(in: dialect)
        guard let host = Host(request.address) else { throw refused("the name is not one", in: dialect) }
        let expected = try await peers(host, port: request.port, in: dialect, on: reactor)
        // The first address of a name may be of a family that this machine has no route for.
        let reachable = expected?.first { (try? DatagramSocket.egress(to: $0)) != nil } ?? expected?[0]
        let rendezvous = try rendezvous(towards: reachable ?? host.everywhere, in: dialect)
        // Ports of the kernel's choice are open to nobody.
        var pinholes: [Pinhole] = []
        if session.listener.socks.bindPorts != nil, !rendezvous.address.address.isLoopback {
            let peers: [IPAddress?] = if let expected { expected.map { $0.address.unmapped } } else { [nil] }
            let own = rendezvous.address.pinhole
            pinholes = Set(peers.filter { $0?.isIPv6 ?? own.address.isIPv6 == own.address.isIPv6 }).map {
                Pinhole(transport: .tcp, peer: $0, own: own)
            }
        }
        try await open(pinholes, in: dialect)
        defer { if !pinholes.isEmpty { relay.doorkeeper.shut(pinholes) } }
        try await send(dialect.success(rendezvous.address))
        session.didBegin(.bind)
        let origin: Connection
        do throws(Errno) {
            origin = try await rendezvous.accept(
                beside: client, within: relay.limits.incoming, on: reactor
            ) { peer in
                let address = peer.address.unmapped
                if let expected, !expected.contains(where: { $0.address == address }) { return false }
                let asked = expected == nil ? Host.address(address) : host
                return relay.access.verdict(on: address, of: asked, port: request.port, for: session.identity)
                    == .allow
            }
        } catch {
            if error == .canceled { throw .silent }
            session.note(.failed("nobody came: \(error)"), host, port: request.port)
            throw .failure(DialFailure.unreachable(error).replyCode, in: dialect)
        }
        let peer = origin.peer.address.unmapped
        session.didConnect(expected == nil ? .address(peer) : host, to: origin.peer, port: request.port)
        session.own(origin.socket)
        session.note(.allowed, expected == nil ? .address(peer) : host, port: request.port)
        try await send(dialect.success(origin.peer))
        return origin
    }

    /// nil: the request names nobody.
    private func peers(
        _ host: Host, port: UInt16, in dialect: SOCKSDialect, on reactor: Reactor
    ) async throws(Farewell) -> [Endpoint]? {
        if case .address(let address) = host, address.isUnspecified { return nil }
        do throws(DialFailure) {
            return try await relay.route(
                to: host, port: port, for: session, by: Waiter(on: reactor, for: client), isWhole: true, on: reactor
            ).candidates
        } catch {
            throw refusal(to: host, error, in: dialect)
        }
    }

    private func rendezvous(towards peer: Endpoint, in dialect: SOCKSDialect) throws(Farewell) -> Rendezvous {
        do throws(Errno) {
            let egress = try DatagramSocket.egress(to: peer)
            return try Rendezvous(at: egress, ports: session.listener.socks.bindPorts?.closed)
        } catch {
            relay.logger.debug("no BIND", metadata: ["why": "\(error)"])
            session.note(.failed("no port to wait at: \(error)"))
            throw .failure(DialFailure.unreachable(error).replyCode, in: dialect)
        }
    }
}

extension Host {
    /// An address on the internet, of the same family, to find the way there. It is one that is reserved for examples (RFC 5737,
    /// RFC 3849), so that it belongs to nobody.
    fileprivate var everywhere: Endpoint {
        if case .address(.v6) = self { .v6(0x2001_0db8 << 96, port: 9) } else { .v4(0xc000_0201, port: 9) }
    }
}

extension Endpoint {
    /// As the firewall knows it.
    fileprivate var pinhole: Endpoint { Endpoint(address: address.unmapped, port: port) }
}

extension PortRange {
    fileprivate var closed: ClosedRange<UInt16> { lower...upper }
}
