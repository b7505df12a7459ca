import Foundation
import Glibc

/// One end of a TCP connection, whose calls block, for 15 seconds at most.
package final class Peer: Sendable {
    private let descriptor: CInt

    init(adopting descriptor: CInt) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 15, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var on: CInt = 1
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    /// Connects from inside `namespace`.
    ///
    /// - Parameter source: the address to connect from, if not the one that the kernel chooses.
    package convenience init(
        to host: String, _ port: UInt16, from namespace: Namespace, source: String? = nil
    ) throws {
        self.init(adopting: try namespace.enter { try stream(host) })
        if let source {
            try withAddress(source, 0) { address, length in
                guard bind(descriptor, address, length) == 0 else { throw SocketFailure("bind to \(source)") }
            }
        }
        try withAddress(host, port) { address, length in
            guard connect(descriptor, address, length) == 0 else { throw SocketFailure("connect to \(host):\(port)") }
        }
    }

    deinit {
        close(descriptor)
    }

    package func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw SocketFailure("send") }
            sent += count
        }
    }

    package func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// One byte with the urgent mark (MSG_OOB, tcp(7)).
    package func sendUrgent(_ byte: UInt8) throws {
        guard withUnsafePointer(to: byte, { Glibc.send(descriptor, $0, 1, CInt(MSG_OOB)) }) == 1 else {
            throw SocketFailure("send")
        }
    }

    /// What is there, at least one byte; nothing at the end of the stream.
    package func receive(atMost limit: Int = 65536) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, 0)
        guard count >= 0 else { throw SocketFailure("receive") }
        return Array(buffer[..<count])
    }

    /// Exactly `count` bytes, or fewer if the stream ends before.
    package func receive(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive(atMost: count - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }

    package func receiveToEnd() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while case let more = try receive(), !more.isEmpty { bytes += more }
        return bytes
    }

    /// All there is until the end, be that a FIN or a RST.
    package func receiveAll() throws -> (bytes: [UInt8], isReset: Bool) {
        var bytes: [UInt8] = []
        do {
            while case let more = try receive(), !more.isEmpty { bytes += more }
            return (bytes, false)
        } catch let failure as SocketFailure where failure.code == ECONNRESET {
            return (bytes, true)
        }
    }

    /// Up to and with the empty line that ends an HTTP head.
    package func receiveHead() throws -> String {
        var bytes: [UInt8] = []
        while !bytes.suffix(4).elementsEqual([13, 10, 13, 10]) {
            let more = try receive(atMost: 1)
            if more.isEmpty { break }
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// How long sending and receiving wait from now on.
    package func setPatience(seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// FIN: nothing more will be sent, but received.
    package func finish() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// RST, when the last reference goes: what is unsent is thrown away.
    package func resetAtClose() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    /// The far end as `203.0.112.10:80`, the near one likewise.
    package var farEnd: String { name(getpeername) }
    package var nearEnd: String { name(getsockname) }

    private func name(_ call: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt) -> String
    {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var (host, port) = ([CChar](repeating: 0, count: 64), [CChar](repeating: 0, count: 8))
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard call(descriptor, address, &length) == 0,
                    getnameinfo(
                        address, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
                        NI_NUMERICHOST | NI_NUMERICSERV) == 0
                else { return "?" }
                return "\(text(host)):\(text(port))"
            }
        }
    }
}

private func text(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// A call on a socket failed, with errno.
package struct SocketFailure: Error, CustomStringConvertible {
    package let call: String
    package let code: CInt

    init(_ call: String) {
        code = errno
        self.call = call
    }

    package var description: String { "\(call): \(String(cString: strerror(code)))" }
}

/// A server inside a namespace: each connection gets `handler` on a thread of its own.
package final class Origin: Sendable {
    package let port: UInt16
    private let listener: CInt

    package init(
        in namespace: Namespace, _ host: String, port: UInt16 = 0, _ handler: @escaping @Sendable (Peer) throws -> Void
    ) throws {
        let listener = try namespace.enter { try stream(host) }
        var on: CInt = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        let isListening = try withAddress(host, port) { bind(listener, $0, $1) } == 0 && listen(listener, 1024) == 0
        guard isListening else {
            defer { close(listener) }
            throw SocketFailure("listen on \(host):\(port)")
        }
        let own = Peer(adopting: dup(listener)).nearEnd
        self.port = own.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        self.listener = listener
        Thread.detachNewThread {
            while true {
                let connection = accept(listener, nil, nil)
                if connection < 0 {
                    if errno == EINTR || errno == ECONNABORTED || errno == EAGAIN { continue }
                    break
                }
                Thread.detachNewThread {
                    // What goes wrong here shows at the other end.
                    try? handler(Peer(adopting: connection))
                }
            }
            close(listener)
        }
    }

    deinit {
        // Wakes the thread in accept, which closes the socket.
        shutdown(listener, CInt(SHUT_RDWR))
    }
}

func stream(_ host: String) throws -> CInt {
    let family = host.contains(":") ? AF_INET6 : AF_INET
    let descriptor = socket(family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw SocketFailure("socket") }
    return descriptor
}

func withAddress<Result>(
    _ host: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result
) throws -> Result {
    if host.contains(":") {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        // A link-local address has its interface behind it: fe80::1%eth0.
        let parts = host.split(separator: "%")
        if parts.count == 2 { address.sin6_scope_id = if_nametoindex(String(parts[1])) }
        guard inet_pton(AF_INET6, String(parts[0]), &address.sin6_addr) == 1 else {
            throw Failure("\(host) is no address")
        }
        return try withUnsafePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { throw Failure("\(host) is no address") }
    return try withUnsafePointer(to: &address) {
        try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            try body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
