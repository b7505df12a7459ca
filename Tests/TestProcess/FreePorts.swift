package import Glibc

/// Consecutive ports on which nobody of this host listens, outside of what the kernel hands out by itself
/// (ip_local_port_range, ip(7)).
package func freePorts(_ count: Int, _ type: __socket_type) -> ClosedRange<UInt16> {
    for first in stride(from: UInt16(23_000), to: 32_000, by: count) {
        let sockets = (0..<count).map { _ in socket(AF_INET, Int32(type.rawValue), 0) }
        defer { for socket in sockets { close(socket) } }
        let areFree = zip(sockets, first...).allSatisfy { socket, port in
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            } == 0
        }
        if areFree { return first...first + UInt16(count) - 1 }
    }
    fatalError("no \(count) free ports in a row")
}
