import CEpoll
import Glibc
import Synchronization

/// Flows that each send 64 bytes, wait for them to come back, and send again.
struct PingPong: Sendable {
    static let size = 64

    let route: Route
    let origin: Endpoint
    let flows: Int

    func run(_ plan: Course.Plan) throws(Failure) -> Course.Result {
        try Course.run(plan) { index, course, tally throws(Failure) in
            try work(index, of: plan.threads, course, tally)
        }
    }

    private struct Flow {
        var fd: Int32
        var received = 0
        var sent: UInt64 = 0
    }

    private func work(_ index: Int, of threads: Int, _ course: Course, _ tally: Tally) throws(Failure) -> Histogram {
        let poll = try Epoll()
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: Self.size)
        buffer.initialize(repeating: 0x67, count: Self.size)
        defer { buffer.deallocate() }
        var flows: [Flow] = []
        defer { for flow in flows { close(flow.fd) } }

        for _ in stride(from: index, to: self.flows, by: threads) {
            let fd = try route.open(to: origin)
            flows.append(Flow(fd: fd))
            var service = Service.echo.rawValue
            guard send(fd, &service, 1, 0) == 1 else { throw Failure(errno: "ping-pong") }
            Socket.setNonBlocking(fd)
            poll.add(fd, tag: flows.count - 1, for: Epoll.input | Epoll.edge)
        }
        course.begin()

        var latencies = Histogram()
        var broken = false
        for slot in flows.indices { broken = !serve(&flows[slot], buffer) || broken }
        while !course.isFinished && !broken {
            poll.wait(milliseconds: 100) { slot, _ in
                let got = recv(flows[slot].fd, buffer, Self.size, 0)
                guard got > 0 else {
                    broken = broken || got == 0 || errno != EAGAIN
                    return
                }
                flows[slot].received += got
                guard flows[slot].received == Self.size else { return }
                if course.isMeasuring { latencies.record(Clock.now() - flows[slot].sent) }
                tally.units.add(1, ordering: .relaxed)
                broken = !serve(&flows[slot], buffer) || broken
            }
        }
        if broken { throw Failure("a ping-pong flow broke") }
        return latencies
    }

    private func serve(_ flow: inout Flow, _ buffer: UnsafeMutablePointer<UInt8>) -> Bool {
        flow.received = 0
        flow.sent = Clock.now()
        return send(flow.fd, buffer, Self.size, 0) == Self.size
    }
}
