import Glibc
import Synchronization

/// Clients on one address that want the others to have nothing.
struct Attack: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        /// One wrong password after the other.
        case guessing
        /// Connections that begin a greeting or a head and say no more.
        case halfOpen = "half-open"
        /// Heads that come a byte at a time.
        case slow
        /// Names that no server answers for, asked for with the right password.
        case unresolved
        /// Heads as long as they may be that do not end, downloads that nobody reads, and datagrams to all ports of a host, with the right
        /// password.
        case greedy
    }

    let kind: Kind
    let proxy: Endpoint
    let origin: Endpoint
    let isSOCKS: Bool
    let attackers: Int
    let credentials: (user: String, password: String)
    var source = Endpoint(address: 0x7F09_0909, port: 0)

    /// Connections that one attacker holds.
    private static let held = 64

    /// - Returns: how often something was tried.
    func run(seconds: Double) -> Int {
        let end = Clock.now() + UInt64(seconds * 1e9)
        let tries = Atomic<Int>(0)
        let running = Atomic<Int>(attackers)
        for _ in 0..<attackers {
            Thread.start {
                var crowd: [Int32] = []
                while Clock.now() < end {
                    tries.add(1, ordering: .relaxed)
                    if crowd.count >= Self.held { close(crowd.removeFirst()) }
                    guard let fd = Socket.connected(to: proxy, from: source) else {
                        usleep(1000)
                        continue
                    }
                    if act(on: fd, among: crowd) { crowd.append(fd) } else { close(fd) }
                }
                for fd in crowd { close(fd) }
                running.subtract(1, ordering: .sequentiallyConsistent)
            }
        }
        while running.load(ordering: .sequentiallyConsistent) > 0 { usleep(5000) }
        return tries.load(ordering: .relaxed)
    }

    /// Whether the connection is to be held.
    private func act(on fd: Int32, among crowd: [Int32]) -> Bool {
        switch kind {
        case .guessing:
            say(
                isSOCKS ? [5, 1, 2, 1, 5] + Array("alice".utf8) + [5] + Array("wrong".utf8) : request(login: true),
                on: fd)
            var answer = [UInt8](repeating: 0, count: 512)
            while recv(fd, &answer, answer.count, 0) > 0 {}
            return false
        case .halfOpen:
            say(isSOCKS ? [5] : Array("GET http://a/ HTTP/1.1\r\nHost: ".utf8), on: fd)
            return isOpen(fd)
        case .slow:
            for each in crowd { say([UInt8(ascii: "x")], on: each) }
            say(isSOCKS ? [5] : Array("GET http://a/ HTTP/1.1\r\nX: ".utf8), on: fd)
            usleep(100_000)
            return isOpen(fd)
        case .unresolved:
            let name = "a\(UInt64.random(in: 0 ..< .max)).silent.test"
            let port: [UInt8] = [0, 80]
            say(
                isSOCKS
                    ? login + [5, 1, 0, 3, UInt8(name.utf8.count)] + Array(name.utf8) + port
                    : Array("CONNECT \(name):80 HTTP/1.1\r\nHost: \(name):80\r\n\(authorization)\r\n".utf8), on: fd)
            return isOpen(fd)
        case .greedy:
            switch (crowd.count % 3, isSOCKS) {
            case (0, true): associate(fd)
            case (0, false), (1, false):
                let size = crowd.count % 3 == 0 ? 15_000 : 60_000
                say(Array("GET http://a/ HTTP/1.1\r\nX: ".utf8) + [UInt8](repeating: 0x61, count: size), on: fd)
            default: download(fd)
            }
            return isOpen(fd)
        }
    }

    /// What comes after is sent ahead: nobody waits for an answer, and nobody reads one.
    private var login: [UInt8] {
        let (user, password) = (Array(credentials.user.utf8), Array(credentials.password.utf8))
        return [5, 1, 2, 1, UInt8(user.count)] + user + [UInt8(password.count)] + password
    }

    private var authorization: String {
        "Proxy-Authorization: Basic \(base64(Array("\(credentials.user):\(credentials.password)".utf8)))\r\n"
    }

    private func download(_ fd: Int32) {
        let service = [Service.source.rawValue]
        guard !isSOCKS else {
            return say(login + [5, 1, 0, 1] + bytes(origin.address) + bytes(origin.port) + service, on: fd)
        }
        let host = bytes(origin.address).map(String.init).joined(separator: ".")
        let request = "CONNECT \(host):\(origin.port) HTTP/1.1\r\nHost: \(host):\(origin.port)\r\n\(authorization)\r\n"
        say(Array(request.utf8) + service, on: fd)
    }

    /// A UDP association that has sent to more places than it may have.
    private func associate(_ fd: Int32) {
        say(login + [5, 3, 0, 1, 0, 0, 0, 0, 0, 0], on: fd)
        var reply = [UInt8](repeating: 0, count: 14)
        guard recv(fd, &reply, reply.count, Int32(MSG_WAITALL)) == reply.count, reply[5] == 0 else { return }
        let relay = Endpoint(
            address: reply[8..<12].reduce(0) { $0 << 8 | UInt32($1) }, port: UInt16(reply[12]) << 8 | UInt16(reply[13]))
        let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(datagrams) }
        guard source.withSockaddr({ bind(datagrams, $0, $1) }) == 0,
            relay.withSockaddr({ connect(datagrams, $0, $1) }) == 0
        else { return }
        for port in 1...UInt16(2048) {
            let datagram = [0, 0, 0, 1] + bytes(origin.address) + bytes(port)
            send(datagrams, datagram, datagram.count, Int32(MSG_NOSIGNAL))
        }
    }

    /// In network byte order.
    private func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian, Array.init)
    }

    private func request(login: Bool) -> [UInt8] {
        // alice:wrong
        Array(
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nProxy-Authorization: Basic YWxpY2U6d3Jvbmc=\r\n\r\n"
                .utf8)
    }

    private func say(_ bytes: [UInt8], on fd: Int32) { _ = send(fd, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// Whether the proxy has left it open, so far as can be told by now. One that is closed at once is worth a moment's wait.
    private func isOpen(_ fd: Int32) -> Bool {
        var byte: UInt8 = 0
        let count = recv(fd, &byte, 1, Int32(MSG_DONTWAIT) | Int32(MSG_PEEK))
        if count > 0 || count < 0 && errno == EAGAIN { return true }
        usleep(1000)
        return false
    }
}

extension Socket {
    /// A connection that waits ten seconds for anything.
    static func connected(to target: Endpoint, from source: Endpoint) -> Int32? {
        let fd = stream(blocking: true)
        guard fd >= 0 else { return nil }
        setTimeout(fd, seconds: 10)
        // As in `Sessions`. A close is a reset: tens of thousands of ports in TIME_WAIT would be what is measured.
        set(fd, level: Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
        var reset = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
        guard source.withSockaddr({ bind(fd, $0, $1) }) == 0, target.withSockaddr({ connect(fd, $0, $1) }) == 0 else {
            close(fd)
            return nil
        }
        return fd
    }
}
