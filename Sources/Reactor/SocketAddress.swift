import CLinux
import Glibc
import Synchronization

/// Where a TCP or UDP socket is: address and port in host byte order.
package enum SocketAddress: Hashable, Sendable {
    case v4(UInt32, port: UInt16)
    // Boxed, as Policy's IPAddress is and for the same reason: UInt128 is not safe in a parameter of an async function.
    indirect case v6(UInt128, port: UInt16)

    package var port: UInt16 {
        switch self {
        case .v4(_, let port), .v6(_, let port): port
        }
    }

    /// The protocol family for socket(2).
    var family: Int32 {
        switch self {
        case .v4: AF_INET
        case .v6: AF_INET6
        }
    }

    /// From the words of a `linux_address`.
    init?(_ words: (UInt64, UInt64, UInt64, UInt64)) {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { target in withUnsafeBytes(of: words) { target.copyMemory(from: $0) } }
        self.init(storage)
    }

    init?(_ storage: sockaddr_storage) {
        var storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET:
            self = withUnsafeBytes(of: &storage) { bytes in
                let address = bytes.load(as: sockaddr_in.self)
                return .v4(UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
            }
        case AF_INET6:
            self = withUnsafeBytes(of: &storage) { bytes in
                let port = UInt16(bigEndian: bytes.load(as: sockaddr_in6.self).sin6_port)
                let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
                return .v6(
                    UInt128(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt128.self)), port: port)
            }
        default:
            return nil
        }
    }

    /// The form that the kernel takes, and its length.
    var storage: (sockaddr_storage, socklen_t) {
        var storage = sockaddr_storage()
        let length = withUnsafeMutableBytes(of: &storage) { bytes in
            switch self {
            case .v4(let address, let port):
                var v4 = sockaddr_in()
                v4.sin_family = sa_family_t(AF_INET)
                v4.sin_port = port.bigEndian
                v4.sin_addr.s_addr = address.bigEndian
                bytes.storeBytes(of: v4, as: sockaddr_in.self)
                return MemoryLayout<sockaddr_in>.size
            case .v6(let address, let port):
                var v6 = sockaddr_in6()
                v6.sin6_family = sa_family_t(AF_INET6)
                v6.sin6_port = port.bigEndian
                bytes.storeBytes(of: v6, as: sockaddr_in6.self)
                let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
                bytes.storeBytes(of: address.bigEndian, toByteOffset: offset, as: UInt128.self)
                return MemoryLayout<sockaddr_in6>.size
            }
        }
        return (storage, socklen_t(length))
    }

    func withPort(_ port: UInt16) -> SocketAddress {
        switch self {
        case .v4(let bits, _): .v4(bits, port: port)
        case .v6(let bits, _): .v6(bits, port: port)
        }
    }

    /// Held by each search for a free port of this process. A search asks for one port after the other. Without the lock another
    /// socket could meanwhile leave a port that has been asked for and take one that has not: all would look taken
    /// though one was free at every moment.
    static let search = Mutex(())

    /// bind(2), if `ports` says so to one of them, beginning anywhere among them. The caller that gives `ports` holds `search`.
    ///
    /// - Throws: `EADDRINUSE` if all are taken.
    func bind(_ descriptor: Int32, ports: ClosedRange<UInt16>? = nil) throws(Errno) {
        guard let ports else {
            try checked(bind(descriptor))
            return
        }
        let start = Int.random(in: 0..<ports.count)
        for step in 0..<ports.count {
            let port = ports.lowerBound + UInt16((start + step) % ports.count)
            let result = withPort(port).bind(descriptor)
            if result == 0 { return }
            guard result == -EADDRINUSE else { throw Errno(-result) }
        }
        throw Errno(EADDRINUSE)
    }

    private func bind(_ descriptor: Int32) -> Int32 {
        let (storage, length) = storage
        let result = withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, length) }
        }
        return result == 0 ? 0 : -errno
    }

    func connect(_ descriptor: Int32) throws(Errno) {
        let (storage, length) = storage
        try checked(withUnsafePointer(to: storage) { linux_connect(descriptor, $0, length) })
    }

    /// The address of this end (getsockname(2)).
    static func local(of descriptor: Int32) throws(Errno) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { throw Errno(errno) }
        guard let address = SocketAddress(storage) else { throw Errno(EAFNOSUPPORT) }
        return address
    }
}
