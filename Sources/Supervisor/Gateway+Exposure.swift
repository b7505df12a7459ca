import Address
import Admin
import Glibc
import Logging
import Machine
import Policy
import Reactor
import Ruleset
import Store

/// What listens on the machine, from where it can be reached, and what is to be thought of it. Whose a socket is in the end,
/// the supervisor may not see: sock_diag(7) tells a user and a control group, and everything else takes root.
extension Gateway {
    /// Looked for new ports so often.
    private static let watchInterval = Duration.seconds(2)
    /// New ports that are told one by one in a look.
    private static let announcedPorts = 8

    // MARK: - The report

    func listSockets() async throws(AdminError) -> ListSockets.Reply {
        let door = await door.state(firewallMode)
        let expected = try read { () throws(StoreError) in try store.expectedSockets() }
        let waiting = try waitingSockets([.tcp, .udp, .raw])
        let assessor = assessor(door, expected: expected)
        var sockets: [SocketStatus] = []
        for socket in waiting { sockets.append(assessor.status(of: socket, since: portWatch.since(socket))) }
        sockets += self.door.published.map(assessor.status)
        sockets.sort { $0.order < $1.order }
        let there = Set(
            waiting.map { ExpectedSocket.Place($0) } + self.door.published.map { ExpectedSocket.Place($0) })
        let absent = (expected ?? []).filter { !there.contains($0.place) }.map {
            "\($0.place) of \($0.holder ?? "the kernel")"
        }
        return ListSockets.Reply(
            sockets: sockets, absent: absent.sorted(), isJudged: expected != nil, door: door, others: self.door.foreign)
    }

    /// What listens now is what is expected.
    func expectSockets(by caller: Caller) async throws(AdminError) -> Int {
        _ = await door.state(firewallMode)
        let ephemeral = Connections.ephemeralPorts
        let groups = ControlGroup.all()
        let sockets = try waitingSockets([.tcp, .udp]).filter { !$0.isClient(ephemeral) }.map {
            ExpectedSocket(place: ExpectedSocket.Place($0), holder: $0.holder(groups))
        }
        let published = door.published.map { ExpectedSocket(place: ExpectedSocket.Place($0), holder: $0.holder) }
        let all = Set(sockets + published)
        try read { () throws(StoreError) in try store.expect(Array(all), at: Int(time(nil))) }
        tell(.port, "\(caller.author.name) says that the \(all.count) ports that listen are right")
        return all.count
    }

    private func waitingSockets(
        _ transports: [Connections.ListeningSocket.Transport]
    ) throws(AdminError) -> [Connections.ListeningSocket] {
        do throws(MachineFailure) {
            return try Connections.waiting(transports)
        } catch {
            throw .refused("\(error)")
        }
    }

    private func assessor(
        _ door: DoorState, expected: [ExpectedSocket]?
    ) -> Assessor {
        let filter: Assessor.Filter =
            switch door {
            case .off, .observing, .left: .none
            case .enforced, .trial: .ruleset
            case .starting, .unknown, .refused: .unknown
            case .fallback: rules(of: policy) == nil ? .none : .ruleset
            }
        let held = filter == .none ? nil : rules(of: policy)
        let own = SocketHolder.ownInodes
        return Assessor(
            filter: filter,
            exposure: Exposure(
                ruleset: held, policy: policy, surroundings: surroundings, elements: self.door.elements,
                published: self.door.published),
            surroundings: surroundings, strict: self.door.strict, openings: Set(policy.openings.map(\.name)),
            passages: Set(policy.passages.map { "\($0.ends)" }), own: own,
            companion: companion.wanted == nil ? nil : Privileges.userOfCompanion(besides: user)?.uid,
            expected: expected, groups: ControlGroup.all(), ephemeralPorts: Connections.ephemeralPorts,
            way: Route.interface(towards:), isPassedOn: KernelSetting.isPassedOn)
    }

    // MARK: - The watch

    /// Looks for ports that begin to listen, for as long as the daemon runs.
    func followPorts() async {
        while !isStopping {
            await lookAtPorts()
            await reactor.sleep(for: Self.watchInterval)
        }
    }

    private func lookAtPorts() async {
        guard let waiting = try? Connections.waiting([.tcp, .udp]) else { return }
        let ephemeral = Connections.ephemeralPorts
        let news = portWatch.look(
            waiting.filter { !$0.isClient(ephemeral) && !isOfSession($0, ephemeral) }, at: Int(time(nil)), .now)
        guard !news.opened.isEmpty || !news.closed.isEmpty || news.uncounted > 0 else { return }
        let own = SocketHolder.ownInodes
        let opened = news.opened.filter { !own.contains($0.inode) }
        let door = await opened.isEmpty ? DoorState.starting : self.door.state(firewallMode)
        let assessor = assessor(door, expected: nil)
        for socket in opened.prefix(Self.announcedPorts) {
            let text = assessor.announcement(of: socket)
            log.notice("\(text)")
            tell(.port, text)
        }
        let rest = max(0, opened.count - Self.announcedPorts) + news.uncounted
        if rest > 0 { tell(.port, "\(rest) more ports began to listen; `gatehousectl audit` shows them") }
        for port in news.closed.prefix(Self.announcedPorts) {
            tell(.port, "\(port.place.shown) of \(accountName(port.uid) ?? "uid \(port.uid)") no longer listens")
        }
        if news.closed.count > Self.announcedPorts {
            tell(.port, "\(news.closed.count - Self.announcedPorts) more ports no longer listen")
        }
    }

    /// Whether a proxy's session waits there, for a peer or for datagrams: many of them would fill the history, and what is strange would
    /// not be told. Beyond the kernel's own choice of ports that is where a pinhole is, and nowhere else.
    private func isOfSession(_ socket: Connections.ListeningSocket, _ ephemeral: ClosedRange<UInt16>) -> Bool {
        guard socket.uid == user?.uid ?? getuid() else { return false }
        return ephemeral.contains(socket.local.port)
            || pinholes.values.contains { held in
                held.keys.contains {
                    $0.own.port == socket.local.port && $0.own.address == socket.local.address.unmapped
                        && ($0.transport == .tcp) == (socket.transport == .tcp)
                }
            }
    }

    // MARK: - What happened

    /// Writes down that something happened, as soon as the store can be written.
    func tell(_ kind: ChronicleEntry.Kind, _ text: String) {
        chronicler.note(kind, text, at: Int(time(nil)))
        keepChronicle()
    }

    func noteSurroundings() {
        chronicler.note(surroundings, policy, at: Int(time(nil)))
        keepChronicle()
    }

    func keepChronicle() {
        let entries = chronicler.waiting
        guard !entries.isEmpty else { return }
        do throws(StoreError) {
            try store.record(entries)
            chronicler.forget(entries.count)
        } catch {
            log.debug("what happened could not be kept: \(error)")
        }
    }
}

extension SocketStatus {
    /// Exposed ones first, then by port.
    fileprivate var order: (Int, UInt16, String) {
        let rank =
            switch standing {
            case .exposed: 0
            case .unknown: 1
            case .shut: difference == nil ? 3 : 2
            case .expected: 4
            }
        return (isClient ? 5 : rank, local.port, "\(transport.rawValue) \(local)")
    }
}
