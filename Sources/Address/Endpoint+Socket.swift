package import Glibc

// An endpoint as the kernel takes and gives it: sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)).
extension Endpoint {
    /// The protocol family for socket(2).
    package var family: Int32 {
        switch address {
        case .v4: AF_INET
        case .v6: AF_INET6
        }
    }

    /// What accept(2), getsockname(2) and the like filled in; nil: an address of another family.
    package init?(_ storage: sockaddr_storage) {
        let endpoint = withUnsafeBytes(of: storage) { Endpoint(socketAddress: $0.baseAddress!) }
        guard let endpoint else { return nil }
        self = endpoint
    }

    /// - Parameter pointer: to a sockaddr that is as long as its family says, at any alignment.
    package init?(socketAddress pointer: UnsafeRawPointer) {
        switch Int32(pointer.loadUnaligned(as: sa_family_t.self)) {
        case AF_INET:
            let v4 = pointer.loadUnaligned(as: sockaddr_in.self)
            self.init(
                address: .v4(UInt32(bigEndian: v4.sin_addr.s_addr)), port: UInt16(bigEndian: v4.sin_port))
        case AF_INET6:
            let v6 = pointer.loadUnaligned(as: sockaddr_in6.self)
            let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
            let bits = UInt128(bigEndian: pointer.loadUnaligned(fromByteOffset: offset, as: UInt128.self))
            self.init(address: .v6(bits), port: UInt16(bigEndian: v6.sin6_port), scope: v6.sin6_scope_id)
        default:
            return nil
        }
    }

    /// The form that bind(2), connect(2) and the like take, and its length.
    package var socketAddress: (sockaddr_storage, socklen_t) {
        var storage = sockaddr_storage()
        let length = withUnsafeMutableBytes(of: &storage) { bytes in
            switch address {
            case .v4(let bits):
                var v4 = sockaddr_in()
                v4.sin_family = sa_family_t(AF_INET)
                v4.sin_port = port.bigEndian
                v4.sin_addr.s_addr = bits.bigEndian
                bytes.storeBytes(of: v4, as: sockaddr_in.self)
                return MemoryLayout<sockaddr_in>.size
            case .v6(let bits):
                var v6 = sockaddr_in6()
                v6.sin6_family = sa_family_t(AF_INET6)
                v6.sin6_port = port.bigEndian
                v6.sin6_scope_id = scope
                bytes.storeBytes(of: v6, as: sockaddr_in6.self)
                let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
                bytes.storeBytes(of: bits.bigEndian, toByteOffset: offset, as: UInt128.self)
                return MemoryLayout<sockaddr_in6>.size
            }
        }
        return (storage, socklen_t(length))
    }
}
