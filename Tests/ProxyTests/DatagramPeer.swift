import Glibc

/// One end of UDP, blocking, on threads that are not the tests' own. A datagram that does not come within ten seconds throws.
final class DatagramPeer: Sendable {
    let descriptor: Int32
    let port: UInt16

    /// - Parameter address: on `lo`.
    init(_ address: UInt32 = loopback) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        try withIPv4(address, 0) { address, length in
            guard bind(descriptor, address, length) == 0 else { throw Peer.Failure("bind") }
        }
        port = portOf(descriptor)
    }

    deinit {
        close(descriptor)
    }

    func send(_ bytes: [UInt8], to port: UInt16, at address: UInt32 = loopback) throws {
        let sent = withIPv4(address, port) { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
        guard sent == bytes.count else { throw Peer.Failure("sendto") }
    }

    /// The next datagram, and the port that it comes from.
    func receive() async throws -> (bytes: [UInt8], from: UInt16) {
        try await blocking { [self] in try receiveHere() }
    }

    /// As `receive()`, on the calling thread.
    func receiveHere() throws -> (bytes: [UInt8], from: UInt16) {
        try withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 8) { bytes in
            var source = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &source) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, bytes.baseAddress, bytes.count, 0, $0, &length)
                }
            }
            guard count >= 0 else { throw Peer.Failure("recvfrom") }
            return (Array(bytes[..<count]), UInt16(bigEndian: source.sin_port))
        }
    }
}

/// A client with a UDP association.
struct Associate {
    /// The TCP connection that the association lives by.
    let control: Peer
    let socket: DatagramPeer
    /// BND.ADDR and BND.PORT.
    let address: [UInt8]
    let port: UInt16

    /// - Parameter hint: what the request says the client will send from (DST.ADDR, DST.PORT).
    init(_ gateway: Gateway, hint: [UInt8] = [0, 0, 0, 0, 0, 0]) async throws {
        control = try await gateway.greeted()
        try await control.send([5, 3, 0, 1] + hint)
        let reply = try await control.receive(10)
        guard reply[0...3] == [5, 0, 0, 1] else { throw Peer.Failure("reply \(reply)", EPROTO) }
        address = Array(reply[4..<8])
        port = UInt16(reply[8]) << 8 | UInt16(reply[9])
        socket = try DatagramPeer()
    }

    func send(_ payload: [UInt8], to port: UInt16, at address: UInt32 = loopback, fragment: UInt8 = 0) throws {
        try socket.send(datagram(payload, to: port, at: address, fragment: fragment), to: self.port)
    }

    func send(_ text: String, to port: UInt16, at address: UInt32 = loopback, fragment: UInt8 = 0) throws {
        try send(Array(text.utf8), to: port, at: address, fragment: fragment)
    }

    func send(_ text: String, toName name: String, _ port: UInt16) throws {
        try socket.send([0, 0, 0] + Array(connect(name, port).dropFirst(3)) + Array(text.utf8), to: self.port)
    }

    /// Whether the kernel says that nobody has the port any more. The socket is of no use afterwards.
    func isPortShut() -> Bool {
        _ = withIPv4(loopback, port) { Glibc.connect(socket.descriptor, $0, $1) }
        _ = Glibc.send(socket.descriptor, "x", 1, 0)
        var byte: UInt8 = 0
        return recv(socket.descriptor, &byte, 1, 0) == -1 && errno == ECONNREFUSED
    }

    /// The payload of the next answer, which has to come from BND and bear an IPv4 source.
    func receive() async throws -> (text: String, source: [UInt8], port: UInt16) {
        let (bytes, from) = try await socket.receive()
        guard from == port, bytes.count >= 10, bytes[..<4] == [0, 0, 0, 1] else {
            throw Peer.Failure("from \(from): \(bytes.prefix(22))", EPROTO)
        }
        return (
            String(decoding: bytes[10...], as: UTF8.self), Array(bytes[4..<8]), UInt16(bytes[8]) << 8 | UInt16(bytes[9])
        )
    }
}

/// A datagram with the header that names an IPv4 destination (RFC 1928 §7).
func datagram(_ payload: [UInt8], to port: UInt16, at address: UInt32 = loopback, fragment: UInt8 = 0) -> [UInt8] {
    [0, 0, fragment] + connect(address, port).dropFirst(3) + payload
}
