import Glibc

/// The way from a client to an origin: straight, or through a proxy and its handshake.
///
/// The handshake is a number of steps, each one message out and one reply in. Nothing is sent ahead of a reply that it
/// depends on, because that is how real clients (curl, browsers) behave.
package struct Route: Sendable {
    package enum Way: String, Sendable {
        case direct, tcp, socks5, http
    }

    package enum Verdict: Equatable, Sendable {
        case incomplete, passed, refused
    }

    let way: Way
    private let proxy: Endpoint
    private let user: [UInt8]
    private let password: [UInt8]
    private let authorization: [UInt8]
    private let hasCredentials: Bool

    /// What a step's message or reply may take at most.
    static let scratchSize = 2048

    package init(way: Way, proxy: Endpoint, credentials: (user: String, password: String)? = nil) {
        self.way = way
        self.proxy = proxy
        hasCredentials = credentials != nil
        user = Array((credentials?.user ?? "").utf8)
        password = Array((credentials?.password ?? "").utf8)
        authorization =
            credentials == nil
            ? []
            : Array("Proxy-Authorization: Basic \(base64(user + [0x3A] + password))\r\n".utf8)
    }

    /// Where a connection to `target` has to go first.
    func firstHop(to target: Endpoint) -> Endpoint {
        way == .direct ? target : proxy
    }

    package var steps: Int {
        switch way {
        case .direct, .tcp: 0
        case .socks5: hasCredentials ? 3 : 2
        case .http: 1
        }
    }

    /// Writes the message of `step` and returns its length.
    ///
    /// - Parameter command: of SOCKS5: 1 is CONNECT, 3 is UDP ASSOCIATE.
    package func write(
        step: Int, target: Endpoint, command: UInt8 = 1, into buffer: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var pen = Pen(buffer)
        switch (way, step) {
        case (.direct, _), (.tcp, _):
            break
        case (.socks5, 0):
            pen.put([5, 1, hasCredentials ? 2 : 0])
        case (.socks5, 1) where hasCredentials:
            pen.put([1, UInt8(user.count)])
            pen.put(user)
            pen.put([UInt8(password.count)])
            pen.put(password)
        case (.socks5, _):
            pen.put([5, command, 0, 1])
            pen.put(bigEndian: target.address)
            pen.put([UInt8(target.port >> 8), UInt8(truncatingIfNeeded: target.port)])
        case (.http, _):
            pen.put("CONNECT ")
            pen.put(target)
            pen.put(" HTTP/1.1\r\nHost: ")
            pen.put(target)
            pen.put("\r\n")
            pen.put(authorization)
            pen.put("\r\n")
        }
        return pen.length
    }

    /// Writes a plain HTTP request for the origin's page and returns its length: absolute-form for a proxy (RFC 9112 §3.2.2).
    package func writeRequest(target: Endpoint, into buffer: UnsafeMutablePointer<UInt8>) -> Int {
        var pen = Pen(buffer)
        pen.put("GET ")
        if way == .http {
            pen.put("http://")
            pen.put(target)
        }
        pen.put("/page HTTP/1.1\r\nHost: ")
        pen.put(target)
        pen.put("\r\n")
        if way == .http { pen.put(authorization) }
        pen.put("Accept: */*\r\nUser-Agent: gatehouse-load\r\n\r\n")
        return pen.length
    }

    /// Judges what has arrived so far in answer to `step`. A reply with bytes behind it is refused: no origin here speaks first.
    package func judge(step: Int, reply: UnsafePointer<UInt8>, count: Int) -> Verdict {
        switch (way, step) {
        case (.direct, _), (.tcp, _):
            return .passed
        case (.socks5, 0):
            guard count >= 2 else { return .incomplete }
            return count == 2 && reply[0] == 5 && reply[1] == (hasCredentials ? 2 : 0) ? .passed : .refused
        case (.socks5, 1) where hasCredentials:
            guard count >= 2 else { return .incomplete }
            return count == 2 && reply[1] == 0 ? .passed : .refused
        case (.socks5, _):
            guard count >= 5 else { return .incomplete }
            guard reply[0] == 5, reply[1] == 0 else { return .refused }
            let length: Int
            switch reply[3] {
            case 1: length = 10
            case 3: length = 7 + Int(reply[4])
            case 4: length = 22
            default: return .refused
            }
            return count < length ? .incomplete : count == length ? .passed : .refused
        case (.http, _):
            guard count >= 16 else { return .incomplete }
            // "HTTP/1.x 200": the first digit of the status tells success from failure.
            guard reply[0] == 0x48, reply[9] == 0x32 else { return .refused }
            let ended =
                reply[count - 4] == 13 && reply[count - 3] == 10 && reply[count - 2] == 13 && reply[count - 1] == 10
            return ended ? .passed : .incomplete
        }
    }

    /// Connects and shakes hands, blocking; at most ten seconds for each step.
    ///
    /// - Parameter isTunnel: false for a connection to the proxy itself, for requests.
    func open(to target: Endpoint, isTunnel: Bool = true) throws(Failure) -> Int32 {
        let fd = Socket.stream(blocking: true)
        guard fd >= 0 else { throw Failure(errno: "socket") }
        do throws(Failure) {
            Socket.setTimeout(fd, seconds: 10)
            guard firstHop(to: target).withSockaddr({ connect(fd, $0, $1) }) == 0 else {
                throw Failure(errno: "connect")
            }
            if isTunnel { _ = try shakeHands(fd, target) }
            return fd
        } catch {
            close(fd)
            throw error
        }
    }

    /// Where datagrams for `target` go and what stands before each; they go as long as `control` (-1: none) is open.
    struct Association {
        var control: Int32
        var target: Endpoint
        var header: [UInt8]
    }

    func associate(with target: Endpoint) throws(Failure) -> Association {
        guard way != .direct else { return Association(control: -1, target: target, header: []) }
        guard way == .socks5 else { throw Failure("no datagrams through \(way)") }
        let fd = Socket.stream(blocking: true)
        guard fd >= 0 else { throw Failure(errno: "socket") }
        Socket.setTimeout(fd, seconds: 10)
        guard proxy.withSockaddr({ connect(fd, $0, $1) }) == 0 else { throw Failure(errno: "connect") }
        let reply = try shakeHands(fd, Endpoint(address: 0, port: 0), command: 3)
        guard reply.count == 10, reply[3] == 1 else { throw Failure("the association has no IPv4 address: \(reply)") }
        let address = reply[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
        var header = [UInt8](repeating: 0, count: 10)
        header[3] = 1
        for octet in 0..<4 { header[4 + octet] = UInt8(truncatingIfNeeded: target.address >> UInt32(24 - 8 * octet)) }
        (header[8], header[9]) = (UInt8(target.port >> 8), UInt8(truncatingIfNeeded: target.port))
        let relay = Endpoint(address: address, port: UInt16(reply[8]) << 8 | UInt16(reply[9]))
        return Association(control: fd, target: relay, header: header)
    }

    /// Goes through the handshake on a connection to the first hop. Answers the last reply.
    @discardableResult
    func shakeHands(_ fd: Int32, _ target: Endpoint, command: UInt8 = 1) throws(Failure) -> [UInt8] {
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: Self.scratchSize)
        defer { buffer.deallocate() }
        var last: [UInt8] = []
        for step in 0..<steps {
            let length = write(step: step, target: target, command: command, into: buffer)
            guard send(fd, buffer, length, 0) == length else {
                throw Failure(errno: "handshake step \(step)")
            }
            var count = 0
            while true {
                let got = recv(fd, buffer + count, Self.scratchSize - count, 0)
                guard got > 0 else {
                    throw got == 0 ? Failure("closed in handshake step \(step)") : Failure(errno: "handshake")
                }
                count += got
                let verdict = judge(step: step, reply: buffer, count: count)
                if verdict == .passed { break }
                guard verdict == .incomplete, count < Self.scratchSize else {
                    throw Failure("refused in handshake step \(step)")
                }
            }
            last = Array(UnsafeBufferPointer(start: buffer, count: count))
        }
        return last
    }
}

/// Writes bytes one after the other without allocating.
private struct Pen {
    private let start: UnsafeMutablePointer<UInt8>
    private(set) var length = 0

    init(_ start: UnsafeMutablePointer<UInt8>) {
        self.start = start
    }

    @inline(__always)
    mutating func put(_ byte: UInt8) {
        start[length] = byte
        length += 1
    }

    mutating func put(_ bytes: [UInt8]) {
        for byte in bytes { put(byte) }
    }

    mutating func put(_ text: StaticString) {
        for index in 0..<text.utf8CodeUnitCount { put(text.utf8Start[index]) }
    }

    mutating func put(bigEndian word: UInt32) {
        for octet in 0..<4 { put(UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * octet))) }
    }

    mutating func put(decimal number: UInt32) {
        if number >= 10 { put(decimal: number / 10) }
        put(UInt8(0x30 + number % 10))
    }

    mutating func put(_ endpoint: Endpoint) {
        for octet in 0..<4 {
            if octet > 0 { put(0x2E) }
            put(decimal: endpoint.address >> UInt32(24 - 8 * octet) & 0xFF)
        }
        put(0x3A)
        put(decimal: UInt32(endpoint.port))
    }
}

func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let word = group.enumerated().reduce(0) { $0 | Int($1.element) << (16 - 8 * $1.offset) }
        for position in 0..<4 {
            text.append(position <= group.count ? alphabet[word >> (18 - 6 * position) & 63] : "=")
        }
    }
    return text
}
