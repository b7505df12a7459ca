package import Address
import Glibc

/// A network interface and its addresses.
package struct Interface: Hashable, Sendable {
    package var name: String
    package var addresses: [InterfaceAddress]
    /// nil: it has none, like a loopback, PPP or WireGuard interface.
    package var hardware: HardwareAddress?
    /// IFF_LOOPBACK (netdevice(7)).
    package var isLoopback: Bool
    /// Whether it is switched on: IFF_UP (netdevice(7)).
    package var isUp: Bool
    /// Whether there is somebody at its other end: IFF_RUNNING (netdevice(7)).
    package var hasCarrier: Bool
    /// Whether packets for everywhere leave by it, in either IP version.
    package var hasDefaultRoute: Bool
    /// Whether packets of IPv6 do.
    package var leadsOutByIPv6: Bool
    /// The longest packet that it carries, in bytes; nil: the kernel does not say.
    package var mtu: Int?
    /// `bridge`, `wireguard`, `veth`; nil: a card of its own.
    package var kind: String?
}

extension Interface {
    /// This machine's interfaces, as they are now (getifaddrs(3)).
    package static func all() throws(MachineFailure) -> [Interface] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { throw MachineFailure("the interfaces cannot be read", errno) }
        defer { freeifaddrs(list) }
        var names: [String] = []
        var found: [String: Interface] = [:]
        // Where the kernel does not tell, every interface counts as a card of its own without a route.
        let links = (try? Link.all()) ?? []
        let kinds = Dictionary(links.compactMap { link in link.kind.map { (link.name, $0) } }) { first, _ in first }
        let sizes = Dictionary(links.compactMap { link in link.mtu.map { (link.name, $0) } }) { first, _ in first }
        let routes = (try? Route.defaults()) ?? []
        let defaults = Set(routes.flatMap(\.interfaces))
        let defaults6 = Set(routes.filter(\.isIPv6).flatMap(\.interfaces))
        var entry = list
        while let current = entry {
            // An IPv4 address may have a label of its own, `eth0:1`; the interface is eth0 (ip-address(8)).
            let name = String(String(cString: current.pointee.ifa_name).prefix { $0 != ":" })
            // An interface has an entry of its own even if it has no address.
            if found[name] == nil {
                names.append(name)
                let flags = current.pointee.ifa_flags
                found[name] = Interface(
                    name: name, addresses: [], isLoopback: flags & UInt32(IFF_LOOPBACK) != 0,
                    isUp: flags & UInt32(IFF_UP) != 0, hasCarrier: flags & UInt32(IFF_RUNNING) != 0,
                    hasDefaultRoute: defaults.contains(name), leadsOutByIPv6: defaults6.contains(name),
                    mtu: sizes[name], kind: kinds[name])
            }
            if let hardware = hardware(current.pointee.ifa_addr) { found[name]?.hardware = hardware }
            if let address = Self.address(at: current.pointee.ifa_addr) {
                let width = if case .v4 = address { 32 } else { 128 }
                let prefix = Self.address(at: current.pointee.ifa_netmask).map(leadingOnes) ?? width
                found[name]?.addresses.append(InterfaceAddress(address: address, prefix: prefix))
            }
            entry = current.pointee.ifa_next
        }
        return names.compactMap { found[$0] }
    }

    private static func address(at pointer: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
        pointer.flatMap { Endpoint(socketAddress: $0) }?.address
    }

    /// From a `sockaddr_ll` (packet(7)): the address's length is at byte 11, the address itself at byte 12.
    private static func hardware(_ address: UnsafeMutablePointer<sockaddr>?) -> HardwareAddress? {
        guard let address, Int32(address.pointee.sa_family) == AF_PACKET else { return nil }
        let raw = UnsafeRawPointer(address)
        guard raw.load(fromByteOffset: 11, as: UInt8.self) == 6 else { return nil }
        return HardwareAddress(bytes: (0..<6).map { raw.load(fromByteOffset: 12 + $0, as: UInt8.self) })
    }

    private static func leadingOnes(_ mask: IPAddress) -> Int {
        switch mask {
        case .v4(let bits): (~bits).leadingZeroBitCount
        case .v6(let bits): (~bits).leadingZeroBitCount
        }
    }
}
