import CEpoll
import Glibc
import Synchronization

/// A number of flows that carry as much as they can in one direction.
struct Bulk: Sendable {
    enum Direction: String, Sendable {
        case down, up
    }

    let route: Route
    let origin: Endpoint
    let flows: Int
    let direction: Direction

    /// The name of the measurement in a record.
    static func measure(_ verb: String, flows: Int) -> String { "\(verb)-\(flows)" }

    func run(_ plan: Course.Plan) throws(Failure) -> Course.Result {
        try Course.run(plan) { index, course, tally throws(Failure) in
            try work(index, of: plan.threads, course, tally)
            return Histogram()
        }
    }

    private func work(_ index: Int, of threads: Int, _ course: Course, _ tally: Tally) throws(Failure) {
        let poll = try Epoll()
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: Origin.swallow)
        buffer.initialize(repeating: 0x67, count: Origin.swallow)
        defer { buffer.deallocate() }
        var sockets: [Int32] = []
        defer { for fd in sockets { close(fd) } }

        for _ in stride(from: index, to: flows, by: threads) {
            let fd = try route.open(to: origin)
            sockets.append(fd)
            var service = direction == .down ? Service.source.rawValue : Service.sink.rawValue
            guard send(fd, &service, 1, 0) == 1 else { throw Failure(errno: "bulk flow") }
            Socket.setNonBlocking(fd)
            poll.add(fd, tag: Int(fd), for: direction == .down ? Epoll.input : Epoll.output)
        }
        course.begin()

        var broken: String?
        while !course.isFinished {
            poll.wait(milliseconds: 100) { tag, _ in
                let moved =
                    direction == .down
                    ? recv(Int32(tag), buffer, Origin.swallow, Int32(MSG_TRUNC))
                    : send(Int32(tag), buffer, Origin.chunk, 0)
                if moved > 0 {
                    tally.units.add(moved, ordering: .relaxed)
                } else if moved == 0 {
                    broken = "a bulk flow ended early"
                } else if errno != EAGAIN {
                    broken = "a bulk flow broke: \(String(cString: strerror(errno)))"
                }
            }
            if let broken { throw Failure(broken) }
        }
    }
}
