import CEpoll
import Glibc
import Synchronization

/// Sessions as a browser makes them: connect, shake hands, one request, its response, close; a fixed number at once.
///
/// Both ends are spread over many addresses. Against a single one the sockets in TIME_WAIT fill the range of
/// local ports, and the kernel's search for a free one is all that is measured.
struct Sessions: Sendable {
    let route: Route
    let origin: Endpoint
    let atOnce: Int
    /// The first of the clients, where the first origin is `origin` itself; nil: all are on loopback, origins at 127.1.0.1 and the
    /// following, clients at 127.2.0.1 and the following.
    var firstClient: Endpoint?

    static let originAddresses: UInt32 = 1024
    static let clientAddresses: UInt32 = 64
    static let timeout: UInt64 = 10_000_000_000

    static func origin(_ number: UInt32, port: UInt16) -> Endpoint {
        Endpoint(address: 0x7F01_0001 + number % originAddresses, port: port)
    }

    func origin(_ number: UInt32) -> Endpoint {
        guard firstClient != nil else { return Self.origin(number, port: origin.port) }
        return Endpoint(address: origin.address + number % Self.originAddresses, port: origin.port)
    }

    func client(_ number: UInt32) -> Endpoint {
        Endpoint(address: (firstClient?.address ?? 0x7F02_0001) + number % Self.clientAddresses, port: 0)
    }

    func run(_ plan: Course.Plan) throws(Failure) -> Course.Result {
        try Course.run(plan) { index, course, tally throws(Failure) in
            let share = atOnce / plan.threads + (index < atOnce % plan.threads ? 1 : 0)
            var crowd = try Crowd(sessions: self, size: share, first: UInt32(index), stride: UInt32(plan.threads))
            course.begin()
            return crowd.run(course, tally)
        }
    }
}

/// The sessions of one thread.
private struct Crowd {
    private struct Session {
        var fd: Int32 = -1
        var step = 0
        var received = 0
        var started: UInt64 = 0
        var target = Endpoint(address: 0, port: 0)
    }

    private let sessions: Sessions
    private let route: Route
    private let steps: Int
    private let poll: Epoll
    private let stride: UInt32
    private var turn: UInt32
    private var slots: [Session]
    private let replies: UnsafeMutablePointer<UInt8>
    private let message = UnsafeMutablePointer<UInt8>.allocate(capacity: Route.scratchSize)
    private let request = UnsafeMutablePointer<UInt8>.allocate(capacity: Exchange.request)

    init(sessions: Sessions, size: Int, first: UInt32, stride: UInt32) throws(Failure) {
        self.sessions = sessions
        route = sessions.route
        steps = sessions.route.steps
        poll = try Epoll()
        turn = first
        self.stride = stride
        slots = .init(repeating: Session(), count: size)
        replies = .allocate(capacity: size * Route.scratchSize)
        request.initialize(repeating: 0x67, count: Exchange.request)
        request[0] = Service.exchange.rawValue
    }

    mutating func run(_ course: Course, _ tally: Tally) -> Histogram {
        var latencies = Histogram()
        var ready: [(slot: Int, events: UInt32)] = []
        ready.reserveCapacity(slots.count)
        for slot in slots.indices { open(slot, tally) }
        var lastSweep = Clock.now()
        while !course.isFinished {
            ready.removeAll(keepingCapacity: true)
            poll.wait(milliseconds: 100) { ready.append(($0, $1)) }
            for (slot, events) in ready {
                guard let ended = advance(slot, events) else { continue }
                if ended {
                    tally.units.add(1, ordering: .relaxed)
                    if course.isMeasuring { latencies.record(Clock.now() - slots[slot].started) }
                } else {
                    tally.errors.add(1, ordering: .relaxed)
                }
                close(slots[slot].fd)
                open(slot, tally)
            }
            let now = Clock.now()
            if now - lastSweep > 500_000_000 {
                lastSweep = now
                sweep(before: now - Sessions.timeout, tally)
            }
        }
        for slot in slots where slot.fd >= 0 { close(slot.fd) }
        return latencies
    }

    /// Starts the next session in a slot; one that fails at once is counted and left to the sweep to start again.
    private mutating func open(_ slot: Int, _ tally: Tally) {
        slots[slot] = Session()
        slots[slot].started = Clock.now()
        let target = sessions.origin(turn)
        let source = sessions.client(turn)
        turn &+= stride
        slots[slot].target = target

        let fd = Socket.stream(blocking: false)
        guard fd >= 0 else {
            tally.errors.add(1, ordering: .relaxed)
            return
        }
        // The port is chosen by connect, for its whole 4-tuple, instead of by bind, for the address alone (ip(7)).
        Socket.set(fd, level: Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
        _ = source.withSockaddr { bind(fd, $0, $1) }
        let connected = route.firstHop(to: target).withSockaddr { connect(fd, $0, $1) }
        guard connected == 0 || errno == EINPROGRESS else {
            tally.errors.add(1, ordering: .relaxed)
            close(fd)
            return
        }
        slots[slot].fd = fd
        // On loopback the connection stands when connect returns, so the first message usually goes out right here.
        let sent = speak(slot)
        poll.add(fd, tag: slot, for: Epoll.input | Epoll.edge | (sent ? 0 : Epoll.output))
    }

    /// Sends the message that the session's step calls for.
    private func speak(_ slot: Int) -> Bool {
        let session = slots[slot]
        if session.step == steps {
            return send(session.fd, request, Exchange.request, 0) == Exchange.request
        }
        let length = route.write(step: session.step, target: session.target, into: message)
        return send(session.fd, message, length, 0) == length
    }

    /// Whether the session has ended, well (true) or badly (false); nil while it goes on.
    private mutating func advance(_ slot: Int, _ events: UInt32) -> Bool? {
        guard slots[slot].fd >= 0 else { return nil }
        if events & (Epoll.input | EPOLLERR.rawValue | EPOLLHUP.rawValue) == 0 {
            // The connection was not up yet when it was opened.
            return speak(slot) ? nil : false
        }
        let reply = replies + slot * Route.scratchSize
        let room = Route.scratchSize - slots[slot].received
        let got = recv(slots[slot].fd, reply + slots[slot].received, room, 0)
        guard got > 0 else { return got < 0 && errno == EAGAIN ? nil : false }
        slots[slot].received += got
        if slots[slot].step == steps {
            return slots[slot].received < Exchange.response ? nil : slots[slot].received == Exchange.response
        }
        switch route.judge(step: slots[slot].step, reply: reply, count: slots[slot].received) {
        case .incomplete:
            return slots[slot].received < Route.scratchSize ? nil : false
        case .refused:
            return false
        case .passed:
            slots[slot].step += 1
            slots[slot].received = 0
            return speak(slot) ? nil : false
        }
    }

    private mutating func sweep(before limit: UInt64, _ tally: Tally) {
        for slot in slots.indices {
            if slots[slot].fd < 0 {
                open(slot, tally)
            } else if slots[slot].started < limit {
                tally.errors.add(1, ordering: .relaxed)
                close(slots[slot].fd)
                open(slot, tally)
            }
        }
    }
}
