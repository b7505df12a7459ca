import CEpoll
import COpenSSL
import Glibc
import Synchronization

/// The client's half of TLS to a proxy, by OpenSSL with its own defaults: nothing is resumed, and no certificate is looked at.
struct TLSClient: @unchecked Sendable {
    private let context: OpaquePointer

    init() throws(Failure) {
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw Failure("OpenSSL gives no context") }
        self.context = context
    }

    func connection(over fd: Int32) -> OpaquePointer? {
        let connection = SSL_new(context)
        SSL_set_fd(connection, fd)
        SSL_set_connect_state(connection)
        return connection
    }

    /// A flow behind its handshakes, the proxy's and TLS's, non-blocking from then on.
    func open(_ route: Route, to target: Endpoint) throws(Failure) -> (fd: Int32, connection: OpaquePointer) {
        let fd = Socket.stream(blocking: true)
        guard fd >= 0 else { throw Failure(errno: "socket") }
        Socket.setTimeout(fd, seconds: 10)
        guard route.firstHop(to: target).withSockaddr({ connect(fd, $0, $1) }) == 0 else {
            throw Failure(errno: "connect")
        }
        guard let connection = connection(over: fd), SSL_do_handshake(connection) == 1 else {
            throw Failure("the TLS handshake failed")
        }
        var buffer = [UInt8](repeating: 0, count: Route.scratchSize)
        for step in 0..<route.steps {
            let length = route.write(step: step, target: target, into: &buffer)
            guard SSL_write(connection, buffer, Int32(length)) == length else {
                throw Failure("cannot send in handshake step \(step)")
            }
            var count = 0
            while true {
                let got = buffer.withUnsafeMutableBytes {
                    SSL_read(connection, $0.baseAddress! + count, Int32($0.count - count))
                }
                guard got > 0 else { throw Failure("closed in handshake step \(step)") }
                count += Int(got)
                let verdict = route.judge(step: step, reply: buffer, count: count)
                if verdict == .passed { break }
                guard verdict == .incomplete, count < buffer.count else {
                    throw Failure("refused in handshake step \(step)")
                }
            }
        }
        Socket.setNonBlocking(fd)
        return (fd, connection)
    }
}

/// TLS handshakes as fast as they go: connect, a full handshake, close_notify, and the proxy's own end of the connection, so
/// that none is counted which the proxy has not seen through.
struct Handshakes: Sendable {
    let route: Route
    let origin: Endpoint
    let atOnce: Int

    private struct Attempt {
        var fd: Int32 = -1
        var connection: OpaquePointer?
        var isShaken = false
        var started: UInt64 = 0
    }

    func run(_ plan: Course.Plan) throws(Failure) -> Course.Result {
        let client = try TLSClient()
        return try Course.run(plan) { index, course, tally throws(Failure) in
            let share = atOnce / plan.threads + (index < atOnce % plan.threads ? 1 : 0)
            return try work(client, share, from: UInt32(index), by: UInt32(plan.threads), course, tally)
        }
    }

    private func work(
        _ client: TLSClient, _ count: Int, from first: UInt32, by stride: UInt32, _ course: Course, _ tally: Tally
    ) throws(Failure) -> Histogram {
        let poll = try Epoll()
        var attempts = [Attempt](repeating: Attempt(), count: count)
        var latencies = Histogram()
        var turn = first
        func begin(_ slot: Int) {
            attempts[slot] = Attempt(started: Clock.now())
            let fd = Socket.stream(blocking: false)
            let source = Endpoint(address: 0x7F02_0001 + turn % Sessions.clientAddresses, port: 0)
            turn &+= stride
            Socket.set(fd, level: Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
            _ = source.withSockaddr { bind(fd, $0, $1) }
            _ = route.firstHop(to: origin).withSockaddr { connect(fd, $0, $1) }
            attempts[slot].fd = fd
            attempts[slot].connection = client.connection(over: fd)
            poll.add(fd, tag: slot, for: Epoll.input | Epoll.output | Epoll.edge)
        }
        for slot in attempts.indices { begin(slot) }
        course.begin()
        var ready: [Int] = []
        while !course.isFinished {
            ready.removeAll(keepingCapacity: true)
            poll.wait(milliseconds: 100) { tag, _ in ready.append(tag) }
            for slot in ready {
                guard let isGood = advance(&attempts[slot]) else { continue }
                if isGood {
                    tally.units.add(1, ordering: .relaxed)
                    if course.isMeasuring { latencies.record(Clock.now() - attempts[slot].started) }
                } else {
                    tally.errors.add(1, ordering: .relaxed)
                }
                SSL_free(attempts[slot].connection)
                close(attempts[slot].fd)
                begin(slot)
            }
        }
        for attempt in attempts {
            SSL_free(attempt.connection)
            close(attempt.fd)
        }
        return latencies
    }

    /// Whether it has ended, well or badly; nil while it goes on.
    private func advance(_ attempt: inout Attempt) -> Bool? {
        ERR_clear_error()
        if !attempt.isShaken {
            let result = SSL_do_handshake(attempt.connection)
            guard result == 1 else {
                let error = SSL_get_error(attempt.connection, result)
                return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? nil : false
            }
            attempt.isShaken = true
            SSL_shutdown(attempt.connection)
            shutdown(attempt.fd, Int32(SHUT_WR))
        }
        // Tickets, the proxy's close_notify, its FIN.
        var byte: UInt8 = 0
        while true {
            let count = recv(attempt.fd, &byte, 1 << 16, Int32(MSG_TRUNC))
            if count == 0 { return true }
            if count < 0 { return errno == EAGAIN ? nil : errno == ECONNRESET }
        }
    }
}

/// A number of flows that carry as much as they can from the origin, inside TLS up to the proxy.
struct EncryptedBulk: Sendable {
    let route: Route
    let origin: Endpoint
    let flows: Int

    func run(_ plan: Course.Plan) throws(Failure) -> Course.Result {
        let client = try TLSClient()
        return try Course.run(plan) { index, course, tally throws(Failure) in
            try work(client, index, of: plan.threads, course, tally)
            return Histogram()
        }
    }

    private func work(
        _ client: TLSClient, _ index: Int, of threads: Int, _ course: Course, _ tally: Tally
    ) throws(Failure) {
        let poll = try Epoll()
        var connections: [(fd: Int32, connection: OpaquePointer)] = []
        defer {
            for (fd, connection) in connections {
                SSL_free(connection)
                close(fd)
            }
        }
        for _ in stride(from: index, to: flows, by: threads) {
            let flow = try client.open(route, to: origin)
            var service = Service.source.rawValue
            guard SSL_write(flow.connection, &service, 1) == 1 else { throw Failure("cannot begin a flow") }
            poll.add(flow.fd, tag: connections.count, for: Epoll.input)
            connections.append(flow)
        }
        course.begin()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var broken: String?
        while !course.isFinished {
            poll.wait(milliseconds: 100) { tag, _ in
                // Others get their turn after a while, and the level-triggered event comes again.
                for _ in 0..<64 {
                    ERR_clear_error()
                    let count = SSL_read(connections[tag].connection, &buffer, Int32(buffer.count))
                    if count > 0 {
                        tally.units.add(Int(count), ordering: .relaxed)
                    } else {
                        let error = SSL_get_error(connections[tag].connection, count)
                        if error != SSL_ERROR_WANT_READ { broken = "a flow inside TLS ended early (\(error))" }
                        break
                    }
                }
            }
            if let broken { throw Failure(broken) }
        }
    }
}
