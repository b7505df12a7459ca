package import Address

/// One thing that a device of the home begins elsewhere: by the name of the place, where the gateway knows by which name the device
/// found it, and otherwise by its address.
package struct Visit: Codable, Hashable, Sendable {
    package var host: Host
    package var transport: IPProtocol
    /// nil: the transport has none.
    package var port: UInt16?

    package init(host: Host, transport: IPProtocol, port: UInt16?) {
        self.host = host
        self.transport = transport
        self.port = port
    }
}

extension Visit: CustomStringConvertible {
    /// `cloud.example:443 (tcp)`, `[2620:fe::9]:53 (udp)`, `9.9.9.9 (icmp)`.
    package var description: String {
        guard let port else { return "\(host) (\(transport))" }
        let isIPv6 = if case .address(.v6) = host { true } else { false }
        return isIPv6 ? "[\(host)]:\(port) (\(transport))" : "\(host):\(port) (\(transport))"
    }
}

extension Visit: Comparable {
    /// By host, and in each by protocol and port.
    package static func < (first: Self, second: Self) -> Bool {
        ("\(first.host)", first.transport.number, first.port ?? 0)
            < ("\(second.host)", second.transport.number, second.port ?? 0)
    }
}

/// A visit of a device, as a role tells of it.
package struct DeviceVisit: Codable, Hashable, Sendable {
    /// The number of the device.
    package var device: UInt16
    package var visit: Visit
    /// Whether the gateway refused it.
    package var isRefused: Bool
    /// How often it was begun; 0: it is under way, and may have been told when it began.
    package var count: Int

    package init(device: UInt16, visit: Visit, isRefused: Bool, count: Int = 1) {
        self.device = device
        self.visit = visit
        self.isRefused = isRefused
        self.count = count
    }
}

/// A visit, as often as it was seen.
package struct VisitSighting: Codable, Hashable, Sendable {
    package var visit: Visit
    /// Where the device found the host last; nil: it asked a proxy for the name, or the host is an address.
    package var address: IPAddress?
    /// Seconds since 1970, UTC.
    package var first: Int
    package var last: Int
    /// Beginnings that the gateway saw: of many at once not every one.
    package var count: Int

    package init(visit: Visit, address: IPAddress? = nil, first: Int, last: Int, count: Int) {
        self.visit = visit
        self.address = address
        self.first = first
        self.last = last
        self.count = count
    }
}
