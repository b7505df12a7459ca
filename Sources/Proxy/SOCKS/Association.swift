import Address
import Glibc
import Logging
import Policy
import Reactor
import Resolver
import Wire

/// A client's UDP association (RFC 1928 §7). It lives as long as its TCP connection, and no datagram needs a task of its own.
///
/// Answers are taken only from where the client has sent to, address and port: all that a firewall lets through which keeps
/// track of connections, and no stranger reaches the client by way of the gateway.
final class Association {
    /// Datagrams that were dropped, by reason.
    struct Losses: Equatable {
        /// From another address or port than the client's.
        var strangers = 0
        /// With a header that cannot be read, or to port 0.
        var malformed = 0
        var notAllowed = 0
        /// To names that have no address, or with too many waiting already.
        var unresolved = 0
        /// Answers from a place that the client has not sent to.
        var unasked = 0
        /// Beyond what limits allow.
        var overLimit = 0
        /// Not taken by the kernel: no route, no room, too large with their header.
        var unsent = 0
        /// Fragments that came out of order, late or without the rest.
        var fragments = 0
    }

    private let relay: Relay
    private let session: Session
    private let reactor: Reactor
    private let batch: DatagramBatch
    private let client: DatagramSocket
    /// Where the client sends from; nil until its first datagram.
    private var pinned: PackedEndpoint?
    /// Towards the origins, opened when they are needed.
    private var outlets: (v4: DatagramSocket?, v6: DatagramSocket?)
    /// The socket that the batch under way is for, and the bytes in it.
    private var current: DatagramSocket?
    private var currentBytes = 0
    private var access: Access
    private var flows = FlowTable(capacity: 1024)
    private var names = NameTable()
    /// Of the names that are being looked up.
    private var waiters: [NameTable.Target: Waiter] = [:]
    private var recent: Recent?
    private var lastAnswer: (source: PackedEndpoint, flow: Flow)?
    private var reassembly = SOCKS5Reassembly()
    private var reassemblyEnd: ContinuousClock.Instant?
    private var isTimingReassembly = false
    private(set) var losses = Losses()
    private let control: Connection

    /// The header and destination of the last datagram: most often the next one has the same.
    private struct Recent {
        let header: [UInt8]
        let destination: PackedEndpoint
        let isIPv6: Bool
        let name: NameTable.Entry?
    }

    /// - Parameters:
    ///   - control: the TCP connection on which the client asked for it.
    ///   - client: bound to where the client was told to send to.
    init(
        relay: Relay, session: Session, control: Connection, client: DatagramSocket, on reactor: Reactor
    ) {
        self.relay = relay
        self.session = session
        self.reactor = reactor
        self.control = control
        self.client = client
        batch = reactor.datagrams
        access = relay.access
    }

    /// Relays until the TCP connection ends, or is half-closed.
    func run() async {
        session.didBegin(.udp)
        do throws(Errno) {
            try client.whenReadable(isBulk: true) { [unowned self] in pumpUp() }
            // The client has nothing more to say here, and what it says is not looked at.
            try await control.socket.discard()
        } catch {
            relay.logger.debug("association lost", metadata: ["why": "\(error)"])
        }
        // Before the connection: a client that sees that end finds the ports free.
        for socket in [client, outlets.v4, outlets.v6] { socket?.close() }
        for waiter in waiters.values { waiter.leave() }
        losses.fragments = reassembly.dropped
        if losses != Losses() { relay.logger.debug("datagrams dropped", metadata: ["what": "\(losses)"]) }
    }

    // MARK: from the client

    private func pumpUp() {
        judgeAnew()
        if let entry = recent?.name, !names.isFresh(entry, within: relay.limits.nameLife) || names.isSilent(entry) {
            recent = nil
        }
        let count = client.receive(into: batch)
        guard session.mayMove(isUp: true) else { return dropForLimits(count) }
        for index in 0..<count {
            let run = batch[index]
            guard isFromClient(run.source) else {
                losses.strangers += run.count
                continue
            }
            run.forEach { forward($0) }
        }
        flush()
    }

    /// The first datagram from the client's address pins the port; from then on the kernel keeps the others away.
    private func isFromClient(_ source: PackedEndpoint) -> Bool {
        if let pinned { return source == pinned }
        guard let address = source.endpoint, address.address.unmapped == session.client.address.unmapped,
            (try? client.connect(to: address)) != nil
        else { return false }
        pinned = source
        return true
    }

    private func forward(_ datagram: UnsafeRawBufferPointer) {
        if let recent, reassembly.isEmpty, datagram.starts(with: recent.header) {
            let payload = UnsafeRawBufferPointer(rebasing: datagram[recent.header.count...])
            return send(payload, to: recent.destination, isIPv6: recent.isIPv6)
        }
        let bytes = datagram.bindMemory(to: UInt8.self)
        guard case .done(let header, let length)? = try? SOCKS5DatagramHeader.parse(bytes.span) else {
            losses.malformed += 1
            return
        }
        let payload = UnsafeRawBufferPointer(rebasing: datagram[length...])
        guard header.fragment == 0 else { return reassemble(header, payload) }
        if !reassembly.isEmpty { reassembly.abandon() }
        forward(payload, to: header.address, port: header.port, behind: Array(datagram[..<length]))
    }

    /// - Parameter header: what stood before it, if it was a datagram of its own.
    private func forward(
        _ payload: UnsafeRawBufferPointer, to address: SOCKSAddress, port: UInt16, behind header: [UInt8]?
    ) {
        guard port != 0, let host = Host(address) else {
            losses.malformed += 1
            return
        }
        switch host {
        case .address(let address):
            forward(payload, to: address.unmapped, of: host, port: port, behind: header, entry: nil)
        case .name:
            let target = NameTable.Target(host: host, port: port)
            switch names.look(for: target, within: relay.limits.nameLife) {
            case .address(let address, let entry):
                if names.isSilent(entry), names.begin(target, with: payload, isAgain: true) {
                    resolve(target, avoiding: address)
                } else {
                    forward(payload, to: address, of: host, port: port, behind: header, entry: entry)
                }
            case .pending:
                if !names.queue(payload, to: target) { losses.unresolved += 1 }
            case .unknown:
                guard access.refusal(of: host, port: port, over: .udp, for: session.identity) == nil else {
                    session.noteVisit(to: host, port: port, over: .udp, isRefused: true)
                    losses.notAllowed += 1
                    return
                }
                guard names.begin(target, with: payload) else {
                    losses.unresolved += 1
                    return
                }
                resolve(target, avoiding: nil)
            }
        }
    }

    private func forward(
        _ payload: UnsafeRawBufferPointer, to address: IPAddress, of host: Host, port: UInt16, behind header: [UInt8]?,
        entry: NameTable.Entry?
    ) {
        let destination = PackedEndpoint(Endpoint(address: address, port: port))
        if flows.use(destination)?.host != host {
            guard session.mayReachAnother(access.limits) else {
                losses.overLimit += 1
                return
            }
            if case .deny(let reason) = access.verdict(
                on: address, of: host, port: port, over: .udp, for: session.identity)
            {
                session.note(.refused(.notAllowed(host, reason)), host, port: port, over: .udp)
                losses.notAllowed += 1
                return
            }
            session.noteVisit(to: host, port: port, over: .udp, isRefused: false)
            flows.insert(Flow(host: host, address: address, port: port), to: destination)
            session.keeps = Int32(flows.count * Flow.size)
            lastAnswer = nil
        }
        if let entry, let flow = flows.use(destination) { names.didSend(entry, on: flow) }
        let isIPv6 = if case .v6 = address { true } else { false }
        if let header { recent = Recent(header: header, destination: destination, isIPv6: isIPv6, name: entry) }
        send(payload, to: destination, isIPv6: isIPv6)
    }

    /// The payload has to stay where it is until `flush()`.
    private func send(_ payload: UnsafeRawBufferPointer, to destination: PackedEndpoint, isIPv6: Bool) {
        guard let outlet = (isIPv6 ? outlets.v6 : outlets.v4) ?? openOutlet(isIPv6: isIPv6) else {
            losses.unsent += 1
            return
        }
        if current !== outlet {
            flush()
            current = outlet
        }
        losses.unsent += outlet.add(payload, to: destination, in: batch)
        currentBytes += payload.count
    }

    private func flush() {
        guard let outlet = current else { return }
        losses.unsent += outlet.flush(batch)
        session.count(sent: currentBytes)
        (current, currentBytes) = (nil, 0)
    }

    /// Not connected, so that no ICMP error of one destination is heard by another.
    private func openOutlet(isIPv6: Bool) -> DatagramSocket? {
        do throws(Errno) {
            let isFirst = outlets.v4 == nil && outlets.v6 == nil
            let any: Endpoint = isIPv6 ? .v6(0, port: 0) : .v4(0, port: 0)
            let outlet = try DatagramSocket(bound: any, isPrepaid: isFirst, on: reactor)
            try outlet.whenReadable(isBulk: true) { [unowned self, unowned outlet] in pumpDown(from: outlet) }
            if isIPv6 { outlets.v6 = outlet } else { outlets.v4 = outlet }
            return outlet
        } catch {
            relay.logger.debug("no socket towards origins", metadata: ["why": "\(error)"])
            return nil
        }
    }

    // MARK: from the origins

    private func pumpDown(from outlet: DatagramSocket) {
        judgeAnew()
        let count = outlet.receive(into: batch)
        guard session.mayMove(isUp: false) else { return dropForLimits(count) }
        var received = 0
        for index in 0..<count {
            let run = batch[index]
            guard let flow = flow(from: run.source) else {
                losses.unasked += run.count
                continue
            }
            flow.isAnswered = true
            received += run.bytes.count
            run.forEach { losses.unsent += client.add(header: flow.header, $0, in: batch) }
        }
        losses.unsent += client.flush(batch)
        session.count(received: received)
    }

    private func dropForLimits(_ runs: Int) {
        for index in 0..<runs { losses.overLimit += batch[index].count }
    }

    private func flow(from source: PackedEndpoint) -> Flow? {
        if let lastAnswer, lastAnswer.source == source { return lastAnswer.flow }
        guard let flow = flows.flow(from: source) else { return nil }
        lastAnswer = (source, flow)
        return flow
    }

    /// After a change of policy, drops the flows that it does not allow.
    private func judgeAnew() {
        let access = relay.access
        guard access !== self.access else { return }
        self.access = access
        let client = session.identity
        flows.keep { access.verdict(on: $0.address, of: $0.host, port: $0.port, over: .udp, for: client) == .allow }
        recent = nil
        lastAnswer = nil
    }

    // MARK: names

    /// Other datagrams go on meanwhile.
    ///
    /// - Parameter silent: an address that does not answer: one of the other family is better, if there is any.
    private func resolve(_ target: NameTable.Target, avoiding silent: IPAddress?) {
        let (relay, session, reactor) = (relay, session, reactor)
        let waiter = Waiter(on: reactor)
        waiters[target] = waiter
        reactor.begin { [weak self] in
            let route = try? await relay.route(
                to: target.host, port: target.port, over: .udp, for: session, by: waiter, on: reactor)
            // UDP tells nobody that an address leads nowhere, but the routing table does.
            let candidates = route?.candidates ?? []
            let others = candidates.filter { $0.address.isIPv6 != silent?.isIPv6 }
            let reachable = (others + candidates).first { (try? DatagramSocket.egress(to: $0)) != nil }
            self?.settle(target, reachable?.address)
        }
    }

    private func settle(_ target: NameTable.Target, _ address: IPAddress?) {
        judgeAnew()
        waiters[target] = nil
        let (waiting, entry) = names.settle(target, address)
        guard let address, let entry else {
            losses.unresolved += waiting.count
            return
        }
        for payload in waiting {
            payload.withUnsafeBytes { payload in
                forward(payload, to: address, of: target.host, port: target.port, behind: nil, entry: entry)
                flush()
            }
        }
    }

    // MARK: fragments

    private func reassemble(_ header: SOCKS5DatagramHeader, _ fragment: UnsafeRawBufferPointer) {
        let bytes = fragment.bindMemory(to: UInt8.self)
        switch reassembly.add(header, bytes.span) {
        case .began:
            reassemblyEnd = .now + relay.limits.reassembly
            if !isTimingReassembly { timeReassembly() }
        case .completed(let datagram):
            datagram.payload.withUnsafeBytes { payload in
                forward(payload, to: datagram.address, port: datagram.port, behind: nil)
                flush()
            }
        case .went, .refused: break
        }
    }

    /// Starts the one task that keeps the time, however often the client begins anew.
    private func timeReassembly() {
        isTimingReassembly = true
        let reactor = reactor
        reactor.begin { [weak self] in
            while let left = self?.reassemblyTimeLeft { await reactor.sleep(for: left) }
        }
    }

    /// nil: there is nothing to wait for any more.
    private var reassemblyTimeLeft: Duration? {
        if let end = reassemblyEnd, !reassembly.isEmpty {
            let left = end - .now
            if left > .zero { return left }
            reassembly.abandon()
        }
        isTimingReassembly = false
        return nil
    }
}

extension DatagramBatch.Run {
    /// Each datagram of the run; one without a byte is one too.
    fileprivate func forEach(_ body: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        repeat {
            let end = min(start + segment, bytes.count)
            body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            start = end
        } while start < bytes.count
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func starts(with prefix: [UInt8]) -> Bool {
        count >= prefix.count && memcmp(baseAddress!, prefix, prefix.count) == 0
    }
}
