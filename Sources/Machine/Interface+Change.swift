package import Address
import Glibc

extension Interface {
    /// Gives the interface an address (RTM_NEWADDR, rtnetlink(7)), and switches it on. An address that it has stays.
    package static func add(_ address: InterfaceAddress, to interface: String) throws(MachineFailure) {
        let index = if_nametoindex(interface)
        guard index != 0 else { throw MachineFailure("there is no interface \(interface)", errno) }
        do throws(MachineFailure) {
            try change(newAddress, address, index)
        } catch {
            guard error.code == EEXIST else { throw error }
        }
        try switchOn(index)
    }

    /// Takes an address from the interface. One that it does not have is none to take; neither is that of an interface that is
    /// gone.
    package static func remove(_ address: InterfaceAddress, from interface: String) throws(MachineFailure) {
        let index = if_nametoindex(interface)
        guard index != 0 else { return }
        do throws(MachineFailure) {
            try change(deleteAddress, address, index)
        } catch {
            guard error.code == EADDRNOTAVAIL else { throw error }
        }
    }

    private static let newAddress: UInt16 = 20
    private static let deleteAddress: UInt16 = 21
    private static let newLink: UInt16 = 16

    private static func change(
        _ type: UInt16, _ address: InterfaceAddress, _ index: UInt32
    ) throws(MachineFailure) {
        // A `struct ifaddrmsg` (linux/if_addr.h): family, prefix, flags, scope, interface.
        var payload: [UInt8] = [UInt8(address.family), UInt8(address.prefix), 0, 0]
        payload.append(index)
        let bytes = address.bytes
        // IFA_ADDRESS and IFA_LOCAL.
        for kind in [1, 2] as [UInt16] { payload.append(attribute: kind, bytes) }
        // IFA_BROADCAST, which the kernel does not work out by itself.
        if type == newAddress, case .v4(let bits) = address.address {
            let broadcast = bits | (address.prefix == 0 ? .max : ~(UInt32.max << UInt32(32 - address.prefix)))
            payload.append(attribute: 4, withUnsafeBytes(of: broadcast.bigEndian, Array.init))
        }
        _ = try NetlinkRequest(family: .route, type: type, isDump: false, payload: payload).messages()
    }

    private static func switchOn(_ index: UInt32) throws(MachineFailure) {
        // A `struct ifinfomsg`: family, type, index, flags, and which of the flags are meant.
        var payload = [UInt8](repeating: 0, count: 4)
        payload.append(index)
        payload.append(UInt32(IFF_UP))
        payload.append(UInt32(IFF_UP))
        _ = try NetlinkRequest(family: .route, type: newLink, isDump: false, payload: payload).messages()
    }
}

extension InterfaceAddress {
    fileprivate var family: Int32 { if case .v4 = address { AF_INET } else { AF_INET6 } }

    /// In network order.
    fileprivate var bytes: [UInt8] {
        switch address {
        case .v4(let bits): withUnsafeBytes(of: bits.bigEndian, Array.init)
        case .v6(let bits): withUnsafeBytes(of: bits.bigEndian, Array.init)
        }
    }
}
