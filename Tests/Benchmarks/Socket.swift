import CEpoll
import Glibc

/// Why a run could not be done; the text is all that its reader gets.
package struct Failure: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }

    /// Captures errno, so it must be the first thing after the call that failed.
    init(errno what: String) {
        let code = errno
        description = "\(what): \(String(cString: strerror(code)))"
    }
}

/// An IPv4 address and port in host byte order. Loopback is all this program ever talks to.
package struct Endpoint: Equatable, Sendable {
    var address: UInt32
    var port: UInt16

    package init(address: UInt32, port: UInt16) {
        self.address = address
        self.port = port
    }

    package init?(_ text: String) {
        let halves = text.split(separator: ":", omittingEmptySubsequences: false)
        guard halves.count == 2, let port = UInt16(halves[1]) else { return nil }
        var parsed = in_addr()
        guard inet_pton(AF_INET, String(halves[0]), &parsed) == 1 else { return nil }
        self.init(address: UInt32(bigEndian: parsed.s_addr), port: port)
    }

    func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.bigEndian
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

enum Socket {
    static func stream(blocking: Bool) -> Int32 {
        let flags = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | (blocking ? 0 : SOCK_NONBLOCK.rawValue)
        let fd = socket(AF_INET, Int32(flags), 0)
        if fd >= 0 { set(fd, level: Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        return fd
    }

    @discardableResult
    static func set(_ fd: Int32, level: Int32, _ option: Int32, _ value: Int32) -> Bool {
        var value = value
        return setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
    }

    static func setNonBlocking(_ fd: Int32) {
        _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
    }

    static func setTimeout(_ fd: Int32, seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    }

    static func listen(at endpoint: Endpoint) throws(Failure) -> Int32 {
        let fd = stream(blocking: false)
        guard fd >= 0 else { throw Failure(errno: "socket") }
        set(fd, level: SOL_SOCKET, SO_REUSEADDR, 1)
        guard endpoint.withSockaddr({ bind(fd, $0, $1) }) == 0 else {
            throw Failure(errno: "cannot listen on port \(endpoint.port)")
        }
        guard Glibc.listen(fd, 4096) == 0 else { throw Failure(errno: "listen") }
        return fd
    }
}

/// An epoll set with the array that its events arrive in. Each belongs to one thread; only `add` may be called from another.
struct Epoll: @unchecked Sendable {
    private let fd: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private static let capacity = 256

    static let input = EPOLLIN.rawValue
    static let output = EPOLLOUT.rawValue
    static let edge = EPOLLET.rawValue

    init() throws(Failure) {
        fd = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard fd >= 0 else { throw Failure(errno: "epoll_create1") }
        events = .allocate(capacity: Self.capacity)
        events.initialize(repeating: epoll_event(), count: Self.capacity)
    }

    func add(_ socket: Int32, tag: Int, for interest: UInt32) {
        control(EPOLL_CTL_ADD, socket, tag, interest)
    }

    func change(_ socket: Int32, tag: Int, for interest: UInt32) {
        control(EPOLL_CTL_MOD, socket, tag, interest)
    }

    private func control(_ operation: Int32, _ socket: Int32, _ tag: Int, _ interest: UInt32) {
        var event = epoll_event()
        event.events = interest
        event.data.u64 = UInt64(tag)
        _ = epoll_ctl(fd, operation, socket, &event)
    }

    @inline(__always)
    func wait(milliseconds: Int32, _ body: (_ tag: Int, _ events: UInt32) -> Void) {
        let count = epoll_wait(fd, events, Int32(Self.capacity), milliseconds)
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            body(Int(events[index].data.u64), events[index].events)
        }
    }
}

enum Clock {
    /// Nanoseconds since boot.
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    static func sleep(seconds: Double) {
        let end = now() + UInt64(seconds * 1e9)
        while true {
            let left = Int64(bitPattern: end &- now())
            guard left > 0 else { return }
            usleep(useconds_t(min(left / 1000 + 1, 500_000)))
        }
    }
}
