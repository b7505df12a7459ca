import Foundation
import Glibc
import Synchronization

/// One end of a real TCP connection, blocking, on threads that are not the tests' own. A call that takes more than ten
/// seconds throws.
final class Peer: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ what: String, _ code: Int32 = errno) {
            description = "\(what): \(String(cString: strerror(code)))"
        }
    }

    enum End: Equatable {
        case fin, reset
    }

    let descriptor: Int32

    init(adopting descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit {
        close(descriptor)
    }

    /// Connects to 127.0.0.1.
    ///
    /// - Parameter source: another address of `lo` to come from.
    static func connect(to port: UInt16, from source: UInt32? = nil) async throws -> Peer {
        try await blocking {
            let peer = Peer(adopting: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
            if let source {
                try withIPv4(source, 0) { address, length in
                    guard bind(peer.descriptor, address, length) == 0 else { throw Failure("bind") }
                }
            }
            try withIPv4(0x7f00_0001, port) { address, length in
                guard Glibc.connect(peer.descriptor, address, length) == 0 else { throw Failure("connect") }
            }
            return peer
        }
    }

    func send(_ bytes: [UInt8]) async throws {
        try await blocking { [self] in
            guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
                throw Failure("send")
            }
        }
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Exactly so many bytes.
    func receive(_ count: Int) async throws -> [UInt8] {
        try await blocking { [self] in
            var bytes = [UInt8](repeating: 0, count: count)
            var received = 0
            while received < count {
                let more = bytes.withUnsafeMutableBytes {
                    recv(descriptor, $0.baseAddress! + received, count - received, 0)
                }
                guard more > 0 else {
                    throw Failure("received \(received) of \(count): \(bytes[..<received])", more == 0 ? 0 : errno)
                }
                received += more
            }
            return bytes
        }
    }

    /// All there is until the end, and how it ended.
    func receiveAll() async throws -> (bytes: [UInt8], end: End) {
        try await blocking { [self] in
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                if count == 0 { return (bytes, .fin) }
                if count < 0 {
                    guard errno == ECONNRESET else { throw Failure("after \(bytes.count) bytes") }
                    return (bytes, .reset)
                }
                bytes += buffer[..<count]
            }
        }
    }

    /// Up to and with the empty line that ends an HTTP head.
    func receiveHead() async throws -> String {
        var head: [UInt8] = []
        while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) { head += try await receive(1) }
        return String(decoding: head, as: UTF8.self)
    }

    /// An HTTP response whose content is chunked, in one chunk, or as long as Content-Length says.
    func receiveMessage() async throws -> (head: String, content: String) {
        let head = try await receiveHead()
        guard head.contains("chunked") else {
            let length = head.contains("Content-Length: 2\r\n") ? 2 : 0
            return (head, String(decoding: try await receive(length), as: UTF8.self))
        }
        let chunks = try await receive("2\r\nok\r\n0\r\n\r\n".utf8.count)
        return (head, String(decoding: chunks[3..<5], as: UTF8.self))
    }

    /// RST, when the last reference goes.
    func resetAtClose() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    /// RST, now (connect(2) to AF_UNSPEC).
    func reset() {
        var nobody = sockaddr()
        nobody.sa_family = sa_family_t(AF_UNSPEC)
        Glibc.connect(descriptor, &nobody, socklen_t(MemoryLayout<sockaddr>.size))
    }

    /// An HTTP answer: its head, and the body of as many bytes as Content-Length says.
    func receiveAnswer() async throws -> (head: String, body: String) {
        let text = try await receiveHead()
        let length = text.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
            .flatMap { Int($0.dropFirst("Content-Length: ".count)) }
        return (text, String(decoding: try await receive(length ?? 0), as: UTF8.self))
    }

    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// This end's port.
    var port: UInt16 { portOf(descriptor) }
}

/// A TCP server on 127.0.0.1, or on ::1.
final class Origin: Sendable {
    let descriptor: Int32
    let port: UInt16

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.descriptor = descriptor
        try withIPv4(0x7f00_0001, 0) { address, length in
            guard bind(descriptor, address, length) == 0, listen(descriptor, 64) == 0 else {
                throw Peer.Failure("listen")
            }
        }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        port = portOf(descriptor)
    }

    deinit {
        close(descriptor)
    }

    /// The next connection, and the port that it comes from.
    func accept() async throws -> (peer: Peer, from: UInt16) {
        try await blocking { [self] in
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let accepted = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(descriptor, $0, &length) }
            }
            guard accepted >= 0 else { throw Peer.Failure("accept") }
            return (Peer(adopting: accepted), UInt16(bigEndian: address.sin_port))
        }
    }
}

/// A port on 127.0.0.1 on which nobody listens: bound, so that nobody will.
final class DeadPort: Sendable {
    let descriptor: Int32
    let port: UInt16

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.descriptor = descriptor
        try withIPv4(0x7f00_0001, 0) { address, length in
            guard bind(descriptor, address, length) == 0 else { throw Peer.Failure("bind") }
        }
        port = portOf(descriptor)
    }

    deinit {
        close(descriptor)
    }
}

/// Runs what blocks on a thread of its own: the pools of tasks and of Dispatch have one thread a core, and grow slowly.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    let parcel = Parcel<Value>()
    await withCheckedContinuation { continuation in
        Thread.detachNewThread {
            let result = Result { try body() }
            parcel.result.withLock { $0 = result }
            continuation.resume()
        }
    }
    return try parcel.result.withLock { $0! }.get()
}

/// Handed over under a lock: that a continuation was resumed before it was awaited the thread sanitizer does not see (Swift 6.3).
private final class Parcel<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
}

func withIPv4<Value>(
    _ bits: UInt32, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Value
) rethrows -> Value {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = bits.bigEndian
    return try withUnsafePointer(to: &address) { pointer in
        try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            try body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

func portOf(_ descriptor: Int32) -> UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return UInt16(bigEndian: address.sin_port)
}
