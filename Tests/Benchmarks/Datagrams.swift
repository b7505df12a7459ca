import CEpoll
import Glibc
import Synchronization

/// UDP associations, each with a window of datagrams under way to an echo and back. What comes back is sent again; both are
/// done in batches, since the client must not be what is measured.
struct Datagrams: Sendable {
    let route: Route
    let origin: Endpoint
    let associations: Int
    /// Of the payload; a proxy's header comes on top.
    let size: Int
    /// Datagrams that are sent at once are one run to the kernel, at the client and at the origin, as with QUIC stacks (udp(7),
    /// UDP_SEGMENT and UDP_GRO).
    let inRuns: Bool

    /// Datagrams of one association that are under way at once.
    static let window = 32
    /// What has not come back after this long is lost.
    private static let patience: UInt64 = 100_000_000

    func run(_ plan: Course.Plan) throws(Failure) -> Course.Result {
        try Course.run(plan) { index, course, tally throws(Failure) in
            try work(index, of: plan.threads, course, tally)
        }
    }

    private func work(_ index: Int, of threads: Int, _ course: Course, _ tally: Tally) throws(Failure) -> Histogram {
        let poll = try Epoll()
        var flows: [Flow] = []
        defer { for flow in flows { flow.end() } }
        for _ in stride(from: index, to: associations, by: threads) {
            let flow = try Flow(route: route, origin: origin, size: size, inRuns: inRuns)
            poll.add(flow.fd, tag: flows.count, for: Epoll.input)
            flows.append(flow)
        }
        course.begin()
        for slot in flows.indices { flows[slot].send(Self.window) }
        var lastSweep = Clock.now()
        while !course.isFinished {
            poll.wait(milliseconds: 100) { slot, _ in
                let count = flows[slot].receive()
                tally.units.add(count, ordering: .relaxed)
                flows[slot].send(count)
            }
            let now = Clock.now()
            guard now - lastSweep > Self.patience else { continue }
            lastSweep = now
            for slot in flows.indices {
                let lost = flows[slot].sweep()
                tally.errors.add(lost, ordering: .relaxed)
                flows[slot].send(lost)
            }
        }
        return Histogram()
    }
}

/// One association of a client.
private struct Flow {
    let fd: Int32
    private let control: Int32
    private let outgoing: DatagramArray
    private let incoming: DatagramArray
    private let length: Int
    private let inRuns: Bool
    private var sent = 0
    private var received = 0
    private var lost = 0
    /// How many were sent before the sweep before.
    private var sentBefore = 0

    init(route: Route, origin: Endpoint, size: Int, inRuns: Bool) throws(Failure) {
        let echo = inRuns ? RunEcho.endpoint(of: origin) : origin
        let association = try route.associate(with: echo)
        self.inRuns = inRuns
        control = association.control
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        self.fd = fd
        guard fd >= 0 else { throw Failure(errno: "socket") }
        Socket.set(fd, level: SOL_SOCKET, SO_RCVBUF, 4 << 20)
        guard association.target.withSockaddr({ connect(fd, $0, $1) }) == 0 else { throw Failure(errno: "connect") }
        length = association.header.count + size
        if inRuns {
            Socket.set(fd, level: Int32(IPPROTO_UDP), Int32(SEGMENT_SENT), Int32(length))
            Socket.set(fd, level: Int32(IPPROTO_UDP), Int32(COALESCED), 1)
        }
        outgoing = DatagramArray(count: Datagrams.window, size: length)
        incoming = DatagramArray(count: Datagrams.window, size: length + 64)
        for index in 0..<Datagrams.window { outgoing.write(association.header, to: index) }
    }

    func end() {
        close(fd)
        if control >= 0 { close(control) }
    }

    mutating func send(_ count: Int) {
        guard count > 0 else { return }
        guard !inRuns else {
            let bytes = Glibc.send(fd, outgoing.buffers, min(count, Datagrams.window) * length, 0)
            sent += max(0, bytes) / length
            return
        }
        sent += max(0, Int(send_datagrams(fd, outgoing.headers, UInt32(min(count, Datagrams.window)))))
    }

    /// How many came back as they were sent.
    mutating func receive() -> Int {
        guard !inRuns else {
            var count = 0
            while count < Datagrams.window {
                let bytes = recv(fd, incoming.buffers, incoming.size * Datagrams.window, 0)
                guard bytes > 0 else { break }
                count += bytes % length == 0 ? bytes / length : 0
            }
            received += count
            return count
        }
        let count = max(0, Int(receive_datagrams(fd, incoming.headers, UInt32(Datagrams.window), 0)))
        received += count
        var good = 0
        for index in 0..<count where incoming.headers[index].length == UInt32(length) { good += 1 }
        return good
    }

    /// How many were lost: sent before the sweep before, and not back yet.
    mutating func sweep() -> Int {
        let missing = max(0, sentBefore - received - lost)
        lost += missing
        sentBefore = sent
        return missing
    }
}

/// Buffers of one size, with what sendmmsg(2) and recvmmsg(2) want to know of them. Never freed: there are few, and they
/// last as long as the program.
struct DatagramArray: @unchecked Sendable {
    let headers: UnsafeMutablePointer<datagram>
    let buffers: UnsafeMutablePointer<UInt8>
    private let names: UnsafeMutablePointer<sockaddr_in>
    private let vectors: UnsafeMutablePointer<iovec>
    private let count: Int
    let size: Int

    init(count: Int, size: Int) {
        self.count = count
        self.size = size
        headers = .allocate(capacity: count)
        buffers = .allocate(capacity: count * size)
        buffers.initialize(repeating: 0x67, count: count * size)
        names = .allocate(capacity: count)
        names.initialize(repeating: sockaddr_in(), count: count)
        vectors = .allocate(capacity: count)
        for index in 0..<count {
            vectors[index] = iovec(iov_base: buffers + index * size, iov_len: size)
            var header = datagram()
            header.header.msg_iov = vectors + index
            header.header.msg_iovlen = 1
            headers[index] = header
        }
    }

    func write(_ bytes: [UInt8], to index: Int) {
        for (offset, byte) in bytes.enumerated() { buffers[index * size + offset] = byte }
    }

    /// Makes every buffer ready for another receive that tells the senders.
    func expectNames() {
        for index in 0..<count {
            vectors[index].iov_len = size
            headers[index].header.msg_name = UnsafeMutableRawPointer(names + index)
            headers[index].header.msg_namelen = socklen_t(MemoryLayout<sockaddr_in>.size)
        }
    }

    /// Makes what was received ready to be sent back to where it came from.
    func turnRound(_ count: Int) {
        for index in 0..<count { vectors[index].iov_len = Int(headers[index].length) }
    }
}

/// The origin's echo for datagrams, on the port of its other services.
enum DatagramEcho {
    static func start(port: UInt16) throws(Failure) {
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw Failure(errno: "socket") }
        Socket.set(fd, level: SOL_SOCKET, SO_RCVBUF, 4 << 20)
        guard Endpoint(address: 0, port: port).withSockaddr({ bind(fd, $0, $1) }) == 0 else {
            throw Failure(errno: "cannot receive on port \(port)")
        }
        Thread.start {
            let batch = DatagramArray(count: 256, size: 2048)
            while true {
                batch.expectNames()
                let count = receive_datagrams(fd, batch.headers, 256, Int32(WAIT_FOR_ONE))
                guard count > 0 else { continue }
                batch.turnRound(Int(count))
                var done: Int32 = 0
                while done < count {
                    // One that cannot be sent is lost, and the others go on.
                    done += max(1, send_datagrams(fd, batch.headers + Int(done), UInt32(count - done)))
                }
            }
        }
    }
}

/// The origin's echo for runs of datagrams, on the port after the other services'.
enum RunEcho {
    static func endpoint(of origin: Endpoint) -> Endpoint { Endpoint(address: origin.address, port: origin.port + 1) }

    static func start(at endpoint: Endpoint) throws(Failure) {
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw Failure(errno: "socket") }
        Socket.set(fd, level: SOL_SOCKET, SO_RCVBUF, 4 << 20)
        Socket.set(fd, level: Int32(IPPROTO_UDP), Int32(COALESCED), 1)
        guard endpoint.withSockaddr({ bind(fd, $0, $1) }) == 0 else {
            throw Failure(errno: "cannot receive on port \(endpoint.port)")
        }
        Thread.start {
            let capacity = 64 << 10
            let buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
            // A run that cannot be sent is lost, and the others go on.
            while true { _ = echo_run(fd, buffer, UInt(capacity)) }
        }
    }
}
