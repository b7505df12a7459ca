import CEpoll
import Glibc
import Synchronization

/// Plain HTTP requests over connections that are kept: each client asks one origin, waits for the whole answer, and asks
/// again. A proxy that closes after its answer is connected to anew, which is then a part of its request.
struct Requests: Sendable {
    let route: Route
    let origin: Endpoint
    let clients: Int

    func run(_ plan: Course.Plan) throws(Failure) -> Course.Result {
        guard route.way != .socks5 else { throw Failure("requests go through an HTTP proxy, or through none") }
        return try Course.run(plan) { index, course, tally throws(Failure) in
            var desk = try Desk(requests: self, first: index, stride: plan.threads)
            course.begin()
            return try desk.run(course, tally)
        }
    }
}

/// The clients of one thread.
private struct Desk {
    private struct Client {
        var fd: Int32 = -1
        var target: Endpoint
        var received = 0
        var sent: UInt64 = 0
    }

    private static let roomForAnswer = 4096
    private let route: Route
    private let poll: Epoll
    private var clients: [Client] = []
    private let answers: UnsafeMutablePointer<UInt8>
    private let request = UnsafeMutablePointer<UInt8>.allocate(capacity: Route.scratchSize)

    init(requests: Requests, first: Int, stride: Int) throws(Failure) {
        route = requests.route
        poll = try Epoll()
        for number in Swift.stride(from: first, to: requests.clients, by: stride) {
            clients.append(Client(target: Sessions.origin(UInt32(number), port: requests.origin.port)))
        }
        answers = .allocate(capacity: max(clients.count, 1) * Self.roomForAnswer)
    }

    mutating func run(_ course: Course, _ tally: Tally) throws(Failure) -> Histogram {
        defer {
            for client in clients where client.fd >= 0 { close(client.fd) }
            answers.deallocate()
            request.deallocate()
        }
        var latencies = Histogram()
        var ready: [Int] = []
        for slot in clients.indices { try ask(slot) }
        while !course.isFinished {
            ready.removeAll(keepingCapacity: true)
            poll.wait(milliseconds: 100) { slot, _ in ready.append(slot) }
            for slot in ready {
                switch receive(slot) {
                case nil:
                    continue
                case .passed?:
                    tally.units.add(1, ordering: .relaxed)
                    if course.isMeasuring { latencies.record(Clock.now() - clients[slot].sent) }
                case .refused?, .incomplete?:
                    // Nothing passes at all through a proxy that does not do this; one failure among many is counted.
                    guard tally.units.load(ordering: .relaxed) > 0 else {
                        throw Failure("no answer to a request: \(answer(slot))")
                    }
                    tally.errors.add(1, ordering: .relaxed)
                    hangUp(slot)
                }
                try ask(slot)
            }
        }
        return latencies
    }

    private mutating func ask(_ slot: Int) throws(Failure) {
        if clients[slot].fd < 0 {
            let fd = try route.open(to: clients[slot].target, isTunnel: false)
            Socket.setNonBlocking(fd)
            clients[slot].fd = fd
            poll.add(fd, tag: slot, for: Epoll.input | Epoll.edge)
        }
        clients[slot].received = 0
        clients[slot].sent = Clock.now()
        let length = route.writeRequest(target: clients[slot].target, into: request)
        // A connection that the proxy has just closed refuses it; the event that says so brings another one.
        _ = send(clients[slot].fd, request, length, 0)
    }

    private mutating func hangUp(_ slot: Int) {
        close(clients[slot].fd)
        clients[slot].fd = -1
    }

    /// nil while there is more to come; `incomplete` if the connection ended within an answer.
    private mutating func receive(_ slot: Int) -> Route.Verdict? {
        while true {
            let count = clients[slot].received
            let got = recv(clients[slot].fd, answers + slot * Self.roomForAnswer + count, Self.roomForAnswer - count, 0)
            guard got > 0 else {
                if got < 0 && errno == EAGAIN { return nil }
                // Between two answers that is the proxy's right, and the request is made again.
                guard count == 0, got == 0 || errno == ECONNRESET else { return .incomplete }
                hangUp(slot)
                return (try? ask(slot)) == nil ? .incomplete : nil
            }
            clients[slot].received += got
            let verdict = Answer.judge(answers + slot * Self.roomForAnswer, clients[slot].received)
            if verdict != .incomplete { return verdict }
            if clients[slot].received == Self.roomForAnswer { return .refused }
        }
    }

    private func answer(_ slot: Int) -> String {
        let bytes = UnsafeBufferPointer(start: answers + slot * Self.roomForAnswer, count: clients[slot].received)
        return String(decoding: bytes.prefix { $0 != 13 }, as: UTF8.self)
    }
}

/// An HTTP response as far as a load generator has to read it.
package enum Answer {
    /// `passed` when a whole one with status 200 and exactly its Content-Length is there.
    package static func judge(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Route.Verdict {
        var lineStart = 0
        var length: Int?
        for index in 0..<count where bytes[index] == 10 {
            if index - lineStart <= 1 {
                guard index >= 12, bytes[0] == 0x48, bytes[9] == 0x32, bytes[10] == 0x30, bytes[11] == 0x30, let length
                else {
                    return .refused
                }
                let missing = index + 1 + length - count
                return missing > 0 ? .incomplete : missing == 0 ? .passed : .refused
            }
            if let found = contentLength(bytes + lineStart, index - lineStart) { length = found }
            lineStart = index + 1
        }
        return .incomplete
    }

    private static func contentLength(_ line: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        let name: StaticString = "content-length:"
        guard count > name.utf8CodeUnitCount else { return nil }
        for index in 0..<name.utf8CodeUnitCount where line[index] | 0x20 != name.utf8Start[index] | 0x20 { return nil }
        var number = 0
        for index in name.utf8CodeUnitCount..<count where 0x30...0x39 ~= line[index] {
            number = number * 10 + Int(line[index] - 0x30)
        }
        return number
    }
}
