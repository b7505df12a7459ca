import Address
import CLinux
import Glibc
import Synchronization

// Calls on sockets that take or give an endpoint.
extension Endpoint {
    /// Held by each search for a free port of this process. A search asks for one port after the other. Without the lock another
    /// socket could meanwhile leave a port that has been asked for and take one that has not: all would look taken
    /// though one was free at every moment.
    static let search = Mutex(())

    func withPort(_ port: UInt16) -> Endpoint {
        var endpoint = self
        endpoint.port = port
        return endpoint
    }

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
        let (storage, length) = socketAddress
        let result = withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, length) }
        }
        return result == 0 ? 0 : -errno
    }

    /// connect(2).
    ///
    /// - Throws: `EINPROGRESS` while it is under way.
    func connect(_ descriptor: Int32) throws(Errno) {
        let (storage, length) = socketAddress
        try checked(withUnsafePointer(to: storage) { linux_connect(descriptor, $0, length) })
    }

    /// The address of this end (getsockname(2)).
    static func local(of descriptor: Int32) throws(Errno) -> Endpoint {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { throw Errno(errno) }
        guard let address = Endpoint(storage) else { throw Errno(EAFNOSUPPORT) }
        return address
    }
}
