import CEpoll
import Glibc

/// What an origin does with a connection: the client's first byte says it, so that one port serves all measurements and
/// a proxy with a single fixed destination can take part.
enum Service: UInt8 {
    /// Bytes without end.
    case source = 0x44
    /// Swallows everything.
    case sink = 0x55
    /// Sends back what it gets.
    case echo = 0x45
    /// `Exchange.request` bytes in, `Exchange.response` bytes out, over and over.
    case exchange = 0x52
    /// HTTP/1.1 requests without a body in, `Exchange.page` out; the letter is that of GET.
    case web = 0x47
}

/// One small request and its answer, the size of a short HTTP GET and a redirect.
enum Exchange {
    static let request = 128
    static let response = 256
    static let page: [UInt8] = Array(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 256\r\n\r\n\(String(repeating: "g", count: 256))"
            .utf8)
}

/// The origin server of every measurement. It listens on all loopback addresses at once (0.0.0.0 covers 127.0.0.0/8).
///
/// One thread accepts and deals the connections out in turn, so that a few bulk flows always spread evenly. Received bulk
/// data is dropped in the kernel (MSG_TRUNC, tcp(7)), because the origin must never be what is measured: without a proxy
/// 8 flows reach 54–67 Gbit/s on two cores, and 26–42 when the data is read.
struct Origin {
    static let chunk = 256 << 10
    static let swallow = 4 << 20

    let port: UInt16
    let threads: Int

    func run() throws(Failure) -> Never {
        let listener = try Socket.listen(at: Endpoint(address: 0, port: port))
        try DatagramEcho.start(port: port)
        try RunEcho.start(at: RunEcho.endpoint(of: Endpoint(address: 0, port: port)))
        var polls: [Epoll] = []
        for _ in 0..<threads { polls.append(try Epoll()) }
        let table = ConnectionTable()
        for index in 1..<max(threads, 1) where index < threads {
            let poll = polls[index]
            Thread.start { Desk(poll: poll, table: table).serve() }
        }
        polls[0].add(listener, tag: Int(listener), for: Epoll.input)
        Desk(poll: polls[0], table: table).serve(listener: listener, dealingTo: polls)
    }
}

/// The state of each connection by its descriptor. An entry is touched only by the thread whose epoll holds the descriptor.
private struct ConnectionTable: @unchecked Sendable {
    struct Entry {
        var service: UInt8 = 0
        var pending: Int32 = 0
    }

    let entries: UnsafeMutablePointer<Entry>

    init() {
        let capacity = Int(DescriptorLimit.raise())
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: Entry(), count: capacity)
    }
}

/// One thread of the origin.
private struct Desk {
    let poll: Epoll
    let table: ConnectionTable
    let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: Origin.swallow)

    init(poll: Epoll, table: ConnectionTable) {
        self.poll = poll
        self.table = table
        buffer.initialize(repeating: 0x67, count: Origin.swallow)
    }

    func serve() -> Never {
        while true { poll.wait(milliseconds: -1) { tag, _ in work(on: Int32(tag)) } }
    }

    func serve(listener: Int32, dealingTo polls: [Epoll]) -> Never {
        var next = 0
        while true {
            poll.wait(milliseconds: -1) { tag, _ in
                if tag == Int(listener) {
                    accept(listener, polls, &next)
                } else {
                    work(on: Int32(tag))
                }
            }
        }
    }

    private func accept(_ listener: Int32, _ polls: [Epoll], _ next: inout Int) {
        while true {
            let fd = accept4(listener, nil, nil, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            guard fd >= 0 else { return }
            Socket.set(fd, level: Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            table.entries[Int(fd)] = .init()
            polls[next].add(fd, tag: Int(fd), for: Epoll.input)
            next = (next + 1) % polls.count
        }
    }

    private func work(on fd: Int32) {
        let entry = table.entries + Int(fd)
        let stays =
            switch Service(rawValue: entry.pointee.service) {
            case .source: pour(fd)
            case .sink: discard(fd)
            case .echo: echo(fd)
            case .exchange: answer(fd, entry)
            case .web: respond(fd, entry)
            case nil: begin(fd, entry)
            }
        if !stays { close(fd) }
    }

    private func begin(_ fd: Int32, _ entry: UnsafeMutablePointer<ConnectionTable.Entry>) -> Bool {
        var first: UInt8 = 0
        let got = recv(fd, &first, 1, Int32(MSG_PEEK))
        guard got == 1, let service = Service(rawValue: first) else { return got < 0 && errno == EAGAIN }
        entry.pointee.service = first
        switch service {
        case .exchange:
            return answer(fd, entry)
        case .web:
            return respond(fd, entry)
        case .source:
            recv(fd, &first, 1, 0)
            poll.change(fd, tag: Int(fd), for: Epoll.output)
        case .sink, .echo:
            recv(fd, &first, 1, 0)
        }
        return true
    }

    private func pour(_ fd: Int32) -> Bool {
        send(fd, buffer, Origin.chunk, 0) > 0 || errno == EAGAIN
    }

    private func discard(_ fd: Int32) -> Bool {
        let got = recv(fd, buffer, Origin.swallow, Int32(MSG_TRUNC))
        return got > 0 || got < 0 && errno == EAGAIN
    }

    /// Its clients never have more than a few hundred bytes under way, so the send cannot fall short.
    private func echo(_ fd: Int32) -> Bool {
        let got = recv(fd, buffer, 16 << 10, 0)
        guard got > 0 else { return got < 0 && errno == EAGAIN }
        return send(fd, buffer, got, 0) == got
    }

    private func answer(_ fd: Int32, _ entry: UnsafeMutablePointer<ConnectionTable.Entry>) -> Bool {
        let got = recv(fd, buffer, 16 << 10, 0)
        guard got > 0 else { return got < 0 && errno == EAGAIN }
        entry.pointee.pending += Int32(got)
        while entry.pointee.pending >= Exchange.request {
            entry.pointee.pending -= Int32(Exchange.request)
            guard send(fd, buffer, Exchange.response, 0) == Exchange.response else {
                return false
            }
        }
        return true
    }

    /// A page for each head that ends; `pending` is how much of the empty line that ends one has come.
    private func respond(_ fd: Int32, _ entry: UnsafeMutablePointer<ConnectionTable.Entry>) -> Bool {
        let got = recv(fd, buffer, 16 << 10, 0)
        guard got > 0 else { return got < 0 && errno == EAGAIN }
        for index in 0..<got {
            let isExpected = buffer[index] == (entry.pointee.pending % 2 == 0 ? 13 : 10)
            entry.pointee.pending = isExpected ? entry.pointee.pending + 1 : buffer[index] == 13 ? 1 : 0
            guard entry.pointee.pending == 4 else { continue }
            entry.pointee.pending = 0
            guard send(fd, Exchange.page, Exchange.page.count, 0) == Exchange.page.count else { return false }
        }
        // A proxy that does not keep its connections says so, and waits for the end.
        return !contains("onnection: close", got)
    }

    private func contains(_ text: StaticString, _ count: Int) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count >= length else { return false }
        return (0...count - length).contains { memcmp(buffer + $0, text.utf8Start, length) == 0 }
    }
}
