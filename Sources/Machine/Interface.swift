package import Address
import Glibc

/// A network interface and its addresses.
package struct Interface: Hashable, Sendable {
    package var name: String
    package var addresses: [Address]

    /// An address with the prefix of its network. The address's host bits are kept.
    package struct Address: Hashable, Sendable {
        package var address: IPAddress
        package var prefix: Int
    }
}

extension Interface {
    /// This machine's interfaces, as they are now (getifaddrs(3)).
    package static func all() throws(MachineFailure) -> [Interface] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { throw MachineFailure("the interfaces cannot be read", errno) }
        defer { freeifaddrs(list) }
        var names: [String] = []
        var addresses: [String: [Address]] = [:]
        var entry = list
        while let current = entry {
            // An IPv4 address may have a label of its own, `eth0:1`; the interface is eth0 (ip-address(8)).
            let name = String(String(cString: current.pointee.ifa_name).prefix { $0 != ":" })
            // An interface has an entry of its own even if it has no address.
            if addresses[name] == nil {
                names.append(name)
                addresses[name] = []
            }
            if let address = Self.address(at: current.pointee.ifa_addr) {
                let width = if case .v4 = address { 32 } else { 128 }
                let prefix = Self.address(at: current.pointee.ifa_netmask).map(leadingOnes) ?? width
                addresses[name]?.append(Address(address: address, prefix: prefix))
            }
            entry = current.pointee.ifa_next
        }
        return names.map { Interface(name: $0, addresses: addresses[$0] ?? []) }
    }

    private static func address(at pointer: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
        pointer.flatMap { Endpoint(socketAddress: $0) }?.address
    }

    private static func leadingOnes(_ mask: IPAddress) -> Int {
        switch mask {
        case .v4(let bits): (~bits).leadingZeroBitCount
        case .v6(let bits): (~bits).leadingZeroBitCount
        }
    }
}
