import Foundation
import Glibc

/// A UDP socket inside a namespace, with calls that block.
package final class DatagramPeer: Sendable {
    private let descriptor: CInt

    package init(in namespace: Namespace, _ host: String, port: UInt16 = 0) throws {
        descriptor = try namespace.enter {
            socket(host.contains(":") ? AF_INET6 : AF_INET, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        guard descriptor >= 0 else { throw SocketFailure("socket") }
        guard try withAddress(host, port, { bind(descriptor, $0, $1) }) == 0 else {
            throw SocketFailure("bind to \(host):\(port)")
        }
    }

    deinit { close(descriptor) }

    package var port: UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return numeric(storage).port
    }

    package func send(_ bytes: [UInt8], to host: String, _ port: UInt16) throws {
        let sent = try withAddress(host, port) { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
        // EPERM is this host's own firewall's; the others are what an earlier datagram met.
        guard sent == bytes.count else { throw SocketFailure("sendto") }
    }

    /// Sends every datagram back to where it came from, for as long as the object lives.
    package static func echo(in namespace: Namespace, _ host: String, port: UInt16) throws -> DatagramPeer {
        let peer = try DatagramPeer(in: namespace, host, port: port)
        Thread.detachNewThread { [weak peer] in
            while let own = peer {
                guard let (bytes, from) = try? own.receive(within: .milliseconds(100)) else { continue }
                guard let colon = from.lastIndex(of: ":"), let port = UInt16(from[from.index(after: colon)...]) else {
                    continue
                }
                try? own.send(bytes, to: String(from[..<colon]), port)
            }
        }
        return peer
    }

    /// The next datagram and where it is from, as `203.0.112.10:80`; nil if none has come within `limit`.
    package func receive(within limit: Duration = .seconds(10)) throws -> (bytes: [UInt8], from: String)? {
        let microseconds = limit.components.seconds * 1_000_000 + limit.components.attoseconds / 1_000_000_000_000
        var time = timeval(tv_sec: Int(microseconds / 1_000_000), tv_usec: Int(microseconds % 1_000_000))
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var bytes = [UInt8](repeating: 0, count: 65536)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, 0, $0, &length)
            }
        }
        if count < 0, errno == EAGAIN { return nil }
        guard count >= 0 else { throw SocketFailure("recvfrom") }
        let source = numeric(storage)
        return (Array(bytes[..<count]), "\(source.host):\(source.port)")
    }
}

private func numeric(_ storage: sockaddr_storage) -> (host: String, port: UInt16) {
    var storage = storage
    var (host, port) = ([CChar](repeating: 0, count: 64), [CChar](repeating: 0, count: 8))
    _ = withUnsafeMutablePointer(to: &storage) { storage in
        storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            getnameinfo(
                $0, socklen_t(MemoryLayout<sockaddr_storage>.size), &host, socklen_t(host.count), &port,
                socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV)
        }
    }
    func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    return (text(host), UInt16(text(port)) ?? 0)
}
